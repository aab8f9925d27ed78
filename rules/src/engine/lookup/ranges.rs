//! All intervals of a set that hold a number.
//!
//! A balanced tree that is an array: sorted by lower bound, the middle one of a range of the array is its root, and
//! knows the greatest upper bound in that range. A branch with nothing high enough is left out, and so is all to the
//! right of a lower bound that is too high. Bounds are whole millionths, so an excluded one is the next millionth.

use super::{Hit, Hits};
use crate::number::{Decimal, Interval};

#[derive(Debug, Default)]
pub(super) struct Ranges {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    low: i64,
    high: i64,
    /// The greatest `high` of the branch that this is the root of.
    highest: i64,
    hits: Hits,
}

impl Ranges {
    pub(super) fn add(&mut self, interval: &Interval, hit: Hit) {
        let (low, high) = interval.millionths();
        self.entries.push(Entry { low, high, highest: high, hits: vec![hit] });
    }

    /// Sorts what was added.
    pub(super) fn finish(&mut self) {
        self.entries.sort_by_key(|entry| (entry.low, entry.high));
        self.entries.dedup_by(|later, earlier| {
            let is_same = (later.low, later.high) == (earlier.low, earlier.high);
            if is_same {
                earlier.hits.append(&mut later.hits);
            }
            is_same
        });
        raise(&mut self.entries);
    }

    pub(super) fn find(&self, number: Decimal, found: &mut impl FnMut(&[Hit])) {
        descend(&self.entries, number.millionths(), found);
    }
}

/// Tells each root the greatest upper bound of its branch. Recursion is as deep as the logarithm of the number.
fn raise(branch: &mut [Entry]) -> i64 {
    let middle = branch.len() / 2;
    let (left, rest) = branch.split_at_mut(middle);
    let Some((root, right)) = rest.split_first_mut() else { return i64::MIN };
    root.highest = root.high.max(raise(left)).max(raise(right));
    root.highest
}

fn descend(branch: &[Entry], number: i64, found: &mut impl FnMut(&[Hit])) {
    let (left, rest) = branch.split_at(branch.len() / 2);
    let Some((root, right)) = rest.split_first() else { return };
    if root.highest < number {
        return;
    }
    descend(left, number, found);
    if root.low <= number {
        if number <= root.high {
            found(&root.hits);
        }
        descend(right, number, found);
    }
}
