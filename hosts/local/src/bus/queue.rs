//! What one listener still has to hear, in memory and in order; the database holds the rest.
//!
//! ```text
//!   publish ──▶ lanes: lobby  [12]─14─19      the head of each lane is ready, asleep, or being acted on;
//!                      ops    [13]             the others wait behind it
//!               ready: 12 13 …                 what may be decided now, oldest first
//!               asleep: (due, position) …      what is to be tried again later
//!   database:   lobby 300 301 …                parked: what finds no room in its lane, or beside other lanes
//!               20 21 22 …                     not looked at yet: read in when there is room (`behind`)
//! ```
//! An unordered listener has no lanes: everything is ready at once. Of an ordered one each lane has room for its head,
//! even where the window is full of others: what waits in one lane never stops another.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use switchboard_core::{Event, Timestamp};

use super::lanes::{AHEAD, Lanes};

/// Most deliveries of one listener in memory. The bodies are shared between listeners.
pub(crate) const WINDOW: usize = 2048;
/// Most bytes of events that one listener's window keeps alive.
pub(crate) const WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// Most deliveries of one listener in memory when the heads of its lanes need them: only when so many lanes are stopped
/// at once does another wait for them.
const HEADS: usize = 16_384;
/// Most bytes of events with those heads.
const HEADS_BYTES: usize = 64 * 1024 * 1024;

/// Where a delivery belongs.
pub(crate) enum Place {
    Memory,
    /// In the file, in this lane.
    Parked(String),
    /// In the file, to be looked at when there is room.
    Later,
}

/// One delivery that is not settled.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) event: Arc<Event>,
    /// Bytes of the encoded event.
    pub(crate) size: usize,
    pub(crate) attempts: u32,
    /// When it was published.
    pub(crate) first: Timestamp,
    pub(crate) due: Timestamp,
    /// Where to go on, when part of it has been decided.
    pub(crate) part: Option<String>,
    /// Why the last attempt failed.
    pub(crate) reason: Option<String>,
    /// Its effects that have not ended.
    pub(crate) open_effects: usize,
    pub(crate) state: DeliveryState,
    /// It has a row in the database.
    pub(crate) stored: bool,
}

/// As stored in `deliveries.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeliveryState {
    /// To be decided, in full or from `part` on.
    Open = 0,
    /// Decided; its effects have not all ended.
    Acting = 1,
    Done = 2,
    Dead = 3,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ordered: bool,
    pub(crate) deliveries: HashMap<i64, Delivery>,
    bytes: usize,
    ready: VecDeque<i64>,
    lanes: Lanes,
    asleep: BinaryHeap<Reverse<(i64, i64)>>,
    /// The last position that was taken into memory.
    pub(crate) loaded: i64,
    /// There may be more in the database after `loaded`, beside what is parked.
    pub(crate) behind: bool,
    /// All that are not settled, in memory or not.
    pub(crate) open: usize,
}

impl Queue {
    pub(crate) fn new(ordered: bool) -> Self {
        Self { ordered, ..Self::default() }
    }

    /// Whether its lanes are to be kept in order from now on; `true` when that is a change.
    pub(crate) fn reorder(&mut self, ordered: bool) -> bool {
        std::mem::replace(&mut self.ordered, ordered) != ordered
    }

    /// Are its lanes kept in order?
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// Takes in a delivery whose effects are still to end: it holds its lane and is not decided again.
    pub(crate) fn push_acting(&mut self, position: i64, delivery: Delivery) {
        if self.ordered
            && let Some(lane) = delivery.event.lane()
        {
            self.lanes.push(lane.name, position);
        }
        self.bytes += delivery.size;
        self.deliveries.insert(position, delivery);
        self.loaded = self.loaded.max(position);
    }

    /// Is there room for another?
    pub(crate) fn has_room(&self) -> bool {
        self.deliveries.len() < WINDOW && self.bytes < WINDOW_BYTES
    }

    /// Is there room for another that stands in front of its lane, or in none?
    fn has_room_for_a_head(&self) -> bool {
        self.deliveries.len() < HEADS && self.bytes < HEADS_BYTES
    }

    /// Is there room for another behind so many of its lane?
    fn has_room_behind(&self, waiting: usize) -> bool {
        match waiting {
            0 => self.has_room_for_a_head(),
            _ => waiting < AHEAD && self.has_room(),
        }
    }

    /// Is there room for the next of this lane?
    pub(crate) fn has_room_in(&self, lane: &str) -> bool {
        self.has_room_behind(self.lanes.waiting(lane))
    }

    /// Where this delivery belongs.
    pub(crate) fn place(&self, event: &Event, position: i64) -> Place {
        match event.lane().filter(|_| self.ordered) {
            Some(lane) => match self.lanes.before(&lane.name, position) {
                Some(waiting) if self.has_room_behind(waiting) => Place::Memory,
                _ => Place::Parked(lane.name),
            },
            None if self.ordered && self.has_room_for_a_head() || self.has_room() => Place::Memory,
            None => Place::Later,
        }
    }

    /// A delivery of this lane is in the file.
    pub(crate) fn park(&mut self, lane: &str, position: i64) {
        self.lanes.park(lane, position);
    }

    /// May it go on through the file?
    pub(crate) fn reads_on(&self) -> bool {
        let room = if self.ordered {
            self.has_room_for_a_head()
        } else {
            self.has_room() && self.deliveries.len() <= WINDOW / 2
        };
        self.behind && room
    }

    /// Is there something in the file to be taken in now?
    pub(crate) fn wants_more(&self) -> bool {
        self.reads_on() || !self.behind && self.lanes.is_any_hungry() && self.has_room_for_a_head()
    }

    /// The lane to read more of, from where, and how many at most. Not before everything was looked at: what was not
    /// may stand before what is parked.
    pub(crate) fn next_hungry(&mut self) -> Option<(String, i64, usize)> {
        if self.behind || !self.has_room_for_a_head() {
            return None;
        }
        let room = if self.has_room() { WINDOW - self.deliveries.len() } else { 0 };
        self.lanes.next_hungry(room)
    }

    /// More of a lane has been read in; the rest is parked from here on.
    pub(crate) fn fed(&mut self, lane: &str, parked_from: Option<i64>) {
        self.lanes.fed(lane, parked_from);
    }

    /// Takes in a delivery. Positions come in order, except those of redriven dead letters, which stand in no
    /// lane: their lane has gone on without them.
    pub(crate) fn push(&mut self, position: i64, delivery: Delivery, redriven: bool) {
        let due = delivery.due;
        let lane = if self.ordered && !redriven { delivery.event.lane().map(|lane| lane.name) } else { None };
        self.bytes += delivery.size;
        self.deliveries.insert(position, delivery);
        if !redriven {
            self.loaded = self.loaded.max(position);
        }
        if let Some(name) = lane
            && !self.lanes.push(name, position)
        {
            return;
        }
        if due > Timestamp::default() {
            self.asleep.push(Reverse((due.ms(), position)));
        } else {
            self.ready.push_back(position);
        }
    }

    /// The next that may be decided.
    pub(crate) fn next(&mut self) -> Option<i64> {
        self.ready.pop_front()
    }

    /// Decide this one again before the others (its next part).
    pub(crate) fn again(&mut self, position: i64) {
        self.ready.push_front(position);
    }

    /// Not before `due`. Its lane waits.
    pub(crate) fn put_off(&mut self, position: i64, due: Timestamp) {
        if let Some(delivery) = self.deliveries.get_mut(&position) {
            delivery.due = due;
        }
        self.asleep.push(Reverse((due.ms(), position)));
    }

    /// Wakes what is due.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        while let Some(Reverse((due, position))) = self.asleep.peek().copied() {
            if due > now.ms() {
                break;
            }
            self.asleep.pop();
            self.ready.push_back(position);
        }
    }

    /// When something wakes next.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.asleep.peek().map(|Reverse((due, _))| *due)
    }

    /// It is settled or dead: its lane goes on. The delivery stays readable until [`Queue::forget`].
    pub(crate) fn finish(&mut self, position: i64) {
        let Some(delivery) = self.deliveries.get(&position) else { return };
        if !self.ordered {
            return;
        }
        let Some(lane) = delivery.event.lane() else { return };
        let Some(next) = self.lanes.finish(&lane.name, position) else { return };
        match self.deliveries.get(&next).map(|delivery| delivery.due) {
            Some(due) if due > Timestamp::default() => self.asleep.push(Reverse((due.ms(), next))),
            _ => self.ready.push_back(next),
        }
    }

    /// Forgets a settled one, once its row is written.
    pub(crate) fn forget(&mut self, position: i64) {
        if let Some(delivery) = self.deliveries.remove(&position) {
            self.bytes -= delivery.size;
            self.open = self.open.saturating_sub(1);
        }
    }

    /// May something be decided at once?
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::event::{Change, Detail, RoomChanged};
    use switchboard_core::{Address, EventId, Message, MessageId, Revision, Sender, Surface};

    use super::*;

    fn delivery(room: &str, seq: u64) -> Delivery {
        let message = Message {
            id: MessageId::from_cause(&[room, &seq.to_string()]),
            revision: Revision::FIRST,
            room: room.parse().unwrap(),
            sender: Sender { surface: Surface::Web, address: Address::new("a"), name: "a".into() },
            text: String::new(),
            attachments: Vec::new(),
            thread_parent: None,
            provider_id: None,
            time: Timestamp::default(),
            hops: 0,
        };
        let changed =
            RoomChanged { lane: room.into(), seq, change: Change::Posted, message, by: None, reaction: None };
        let id = EventId::from_cause(&[room, &seq.to_string()]);
        Delivery {
            event: Arc::new(Event::new(id, "moderation", Timestamp::default(), Detail::RoomChanged(changed))),
            size: 100,
            attempts: 0,
            first: Timestamp::default(),
            due: Timestamp::default(),
            part: None,
            reason: None,
            open_effects: 0,
            state: DeliveryState::Open,
            stored: false,
        }
    }

    fn ready(queue: &mut Queue) -> Vec<i64> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn a_lane_goes_on_only_when_its_head_is_settled_and_lanes_do_not_wait_for_each_other() {
        let mut queue = Queue::new(true);
        for (position, room, seq) in [(1, "a", 1), (2, "a", 2), (3, "b", 1), (4, "a", 3)] {
            queue.push(position, delivery(room, seq), false);
        }
        assert_eq!(ready(&mut queue), [1, 3]);
        queue.finish(3);
        assert_eq!(ready(&mut queue), Vec::<i64>::new());
        queue.put_off(1, Timestamp::from_ms(50));
        queue.wake(Timestamp::from_ms(49));
        assert_eq!(ready(&mut queue), Vec::<i64>::new(), "asleep, and its lane waits");
        queue.wake(Timestamp::from_ms(50));
        assert_eq!(ready(&mut queue), [1]);
        queue.finish(1);
        assert_eq!(ready(&mut queue), [2]);
        queue.finish(2);
        assert_eq!(ready(&mut queue), [4]);
    }

    #[test]
    fn an_unordered_listener_hears_all_at_once() {
        let mut queue = Queue::new(false);
        queue.push(1, delivery("a", 1), false);
        queue.push(2, delivery("a", 2), false);
        assert_eq!(ready(&mut queue), [1, 2]);
    }

    #[test]
    fn a_redriven_dead_letter_does_not_stop_its_lane() {
        let mut queue = Queue::new(true);
        queue.push(9, delivery("a", 9), false);
        queue.push(2, delivery("a", 2), true);
        assert_eq!(ready(&mut queue), [9, 2]);
        queue.finish(2);
        queue.push(10, delivery("a", 10), false);
        assert_eq!(ready(&mut queue), Vec::<i64>::new(), "10 waits for 9 only");
        queue.finish(9);
        assert_eq!(ready(&mut queue), [10]);
        assert_eq!(queue.loaded, 10);
    }

    #[test]
    fn the_window_is_bounded() {
        let mut queue = Queue::new(false);
        for position in 0..i64::try_from(WINDOW).unwrap() {
            assert!(queue.has_room());
            queue.push(position, delivery("a", 1), false);
        }
        assert!(!queue.has_room());
        queue.forget(0);
        assert!(queue.has_room());
    }
}
