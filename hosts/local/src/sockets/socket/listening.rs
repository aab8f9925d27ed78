//! Where a socket stands in each room: each number goes to it once and in order, also while what it missed is being
//! sent.

use bytes::{Bytes, BytesMut};
use switchboard_core::RoomName;

use super::Socket;

/// Most bytes that are held for a room while what was missed is sent.
const MAX_HELD: usize = 1024 * 1024;

/// A frame for a room, encoded once for all its readers.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    /// Its number; `None` for what has none.
    pub(crate) seq: Option<u64>,
    pub(crate) bytes: Bytes,
}

/// Frames for a room that go out together.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) parts: Vec<Numbered>,
    /// All of them, one after the other.
    pub(crate) whole: Bytes,
    /// The smallest and the greatest number among them.
    pub(crate) numbers: Option<(u64, u64)>,
}

/// Where a socket stands in a room.
#[derive(Debug)]
pub(super) struct Listening {
    room: RoomName,
    /// The last number that was sent.
    sent: u64,
    /// While what was missed is being sent: what comes meanwhile.
    held: Option<Vec<Numbered>>,
    held_bytes: usize,
}

impl Socket {
    /// Begins to listen to a room: what is said there is held until [`Socket::caught_up`].
    pub(crate) fn listen(&self, room: &RoomName) {
        let mut state = self.lock();
        state.rooms.retain(|listening| listening.room != *room);
        state.rooms.push(Listening {
            room: room.clone(),
            sent: u64::MAX,
            held: Some(Vec::new()),
            held_bytes: 0,
        });
    }

    /// Listens to a room no more.
    pub(crate) fn unlisten(&self, room: &RoomName) {
        self.lock().rooms.retain(|listening| listening.room != *room);
    }

    /// All up to this number has been sent: says `last`, then what was held and is newer, and from now on what
    /// comes.
    pub(crate) fn caught_up(&self, room: &RoomName, seq: u64, last: Bytes) {
        let mut state = self.lock();
        let Some(listening) = state.rooms.iter_mut().find(|listening| listening.room == *room) else {
            return;
        };
        listening.sent = seq;
        let held = listening.held.take().unwrap_or_default();
        let mut after = BytesMut::from(&*last);
        for part in held {
            match part.seq {
                Some(number) if number <= listening.sent => continue,
                Some(number) => listening.sent = number,
                None => {}
            }
            after.extend_from_slice(&part.bytes);
        }
        self.put(&mut state, after.freeze(), true);
    }

    /// What a room says: each number once and in order.
    pub(crate) fn hear(&self, room: &RoomName, batch: &Batch) {
        let mut state = self.lock();
        if state.closing || state.broken {
            return;
        }
        let Some(listening) = state.rooms.iter_mut().find(|listening| listening.room == *room) else {
            return;
        };
        if let Some(held) = &mut listening.held {
            listening.held_bytes += batch.whole.len();
            if listening.held_bytes > MAX_HELD {
                self.give_up(&mut state);
                self.wake.notify_one();
                return;
            }
            held.extend(batch.parts.iter().cloned());
            return;
        }
        match batch.numbers {
            Some((first, last)) if first > listening.sent => {
                listening.sent = last;
                self.put(&mut state, batch.whole.clone(), true);
            }
            None => self.put(&mut state, batch.whole.clone(), true),
            Some(_) => {
                let mut newer = BytesMut::new();
                for part in &batch.parts {
                    match part.seq {
                        Some(number) if number <= listening.sent => continue,
                        Some(number) => listening.sent = number,
                        None => {}
                    }
                    newer.extend_from_slice(&part.bytes);
                }
                self.put(&mut state, newer.freeze(), true);
            }
        }
    }
}
