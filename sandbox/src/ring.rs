//! The last so many of something, so that what is remembered is bounded.

use std::collections::VecDeque;

/// Keeps the newest `keep` items, and counts all.
pub(crate) struct Ring<T> {
    keep: usize,
    items: VecDeque<T>,
    total: u64,
}

impl<T> Ring<T> {
    pub(crate) fn new(keep: usize) -> Ring<T> {
        Ring { keep, items: VecDeque::new(), total: 0 }
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.items.len() == self.keep {
            self.items.pop_front();
        }
        self.items.push_back(item);
        self.total += 1;
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.total = 0;
    }
}
