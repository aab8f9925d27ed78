//! The sockets of a room, each in a place of its own that it keeps: whoever goes through them meets each one
//! that was there all the time exactly once, whoever comes and goes meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::socket::Socket;

#[derive(Debug, Default)]
struct Inner {
    places: Vec<Option<Arc<Socket>>>,
    free: Vec<usize>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Inner>);

impl Places {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; gives its number.
    pub(crate) fn enter(&self, socket: Arc<Socket>) -> usize {
        let mut inner = self.lock();
        match inner.free.pop() {
            Some(place) => {
                inner.places[place] = Some(socket);
                place
            }
            None => {
                inner.places.push(Some(socket));
                inner.places.len() - 1
            }
        }
    }

    /// Gives a place back.
    pub(crate) fn leave(&self, place: usize) {
        let mut inner = self.lock();
        if inner.places.get_mut(place).and_then(Option::take).is_some() {
            inner.free.push(place);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let inner = self.lock();
        inner.places.len() - inner.free.len()
    }

    /// Those in the next places from `from`, and where to go on.
    pub(crate) fn some(&self, from: usize, places: usize) -> (Vec<Arc<Socket>>, Option<usize>) {
        let inner = self.lock();
        let end = (from + places).min(inner.places.len());
        let some = inner.places.get(from..end).unwrap_or_default().iter().flatten().cloned().collect();
        (some, (end < inner.places.len()).then_some(end))
    }
}
