//! Lanes: of an ordered listener's events each waits for the one before it.
//!
//! The row of a lane says `done`, the last that has ended, and `started`, the last that was taken up. Taking up `n`
//! demands that `done` is `n - 1`, in the transaction that decides it. What comes too early is parked. Whoever
//! parks reads the row afterwards, and whoever finishes reads what is parked afterwards: one of them sees the other.
//!
//! A number that never comes (a listener that is new to a lane; an event that was given up on its way to the queue)
//! would stop its lane for ever. So whoever parks sends a reminder too. If, when it comes, the next number has been
//! seen by nobody, the lane is moved past the gap, and the log says so as an error. The gap is noted, so that a number
//! of it that comes after all is a dead letter and not mistaken for a repeat.
//!
//! An event that was taken up may be left as well: its message came so often and failed each time, for an hour, that
//! the queue itself made a dead letter of it. The same reminder finds it overdue again and again, and then moves the
//! lane past it; whoever puts the letter back has it done then.

use std::time::Duration;

use switchboard_core::event::Lane;
use switchboard_core::{ArrivalId, EventId, Failure};
use tracing::error;

use super::deciding::{Beside, Refused};
use super::record::{Origin, Record};
use super::{Settler, needed, raw};
use crate::queue::Reminder;
use crate::store::{NotCommitted, Row, Step, key, number, read_number, read_text, text, ttl};

/// How long a lane waits for a number that nobody has seen: longer than the bus mostly needs to try again.
const GAP: Duration = Duration::from_secs(900);
/// The same for a lane in which nothing has been done yet, and that is not at its beginning: it is new to the listener,
/// and what came before is not for it.
const NEW_TO_US: Duration = Duration::from_secs(60);
/// Up to this number a lane is at its beginning: what is missing may be in a batch whose function died, which comes
/// again after `VisibilityTimeout`, and that is longer than a minute.
const BEGINNING: u64 = 100;

/// How long a parked event is kept: longer than its lane can stand still. One that has had its turn goes then too.
const PARKED: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// How often in a row, a quarter of an hour apart, an event has to be found overdue before its lane goes on without it:
/// its queue gives it out ten times, six minutes apart.
pub(super) const DESERTED: u32 = 6;

/// An event's place.
#[derive(Debug, Clone)]
pub(super) struct Place {
    partition: String,
    event: EventId,
    pub(super) lane: Lane,
}

/// How far a lane is.
#[derive(Debug, Default, Clone)]
pub(super) struct Progress {
    pub(super) done: u64,
    started: u64,
    /// The event that was taken up last.
    event: Option<EventId>,
    exists: bool,
}

impl Place {
    pub(super) fn new(listener: &str, event: EventId, lane: Lane) -> Self {
        Self { partition: lane_partition(listener, &lane.name), event, lane }
    }

    fn parked(&self, seq: u64) -> Row {
        key(&self.partition, &parked_sort(seq))
    }
}

pub(super) fn lane_partition(listener: &str, name: &str) -> String {
    format!("l#{listener}#{name}")
}

/// A gap stands under its last number, so that the first at or behind a number is the only one that can hold it.
fn gap_sort(last: u64) -> String {
    format!("s#{last:020}")
}

fn told_sort(seq: u64) -> String {
    format!("t#{seq:020}")
}

fn parked_sort(seq: u64) -> String {
    format!("p#{seq:020}")
}

impl Settler {
    /// Takes up an event, or with `finishes` has it done already; refused when it is not its turn.
    pub(super) fn turn(&self, place: &Place, finishes: bool) -> Beside {
        let seq = place.lane.seq;
        let mut values = Row::from([(":n".to_owned(), number(seq))]);
        values.insert(":before".to_owned(), number(seq.saturating_sub(1)));
        let change = if finishes {
            "SET done = :n, started = :n"
        } else {
            values.insert(":event".to_owned(), text(place.event.as_str()));
            "SET started = :n, taken = :event"
        };
        // Nothing is done in a lane whose row is not there.
        let condition =
            if seq <= 1 { "attribute_not_exists(done) OR done = :before" } else { "done = :before" };
        let step = Step::update(&self.table, key(&place.partition, "at"), change, condition, values);
        Beside { step, refused: Refused::NotItsTurn }
    }

    pub(super) async fn progress(&self, place: &Place) -> Result<Progress, Failure> {
        let row = self.table.row(&place.partition, "at").await?;
        Ok(row.map_or_else(Progress::default, |row| Progress {
            done: read_number(&row, "done").unwrap_or_default(),
            started: read_number(&row, "started").unwrap_or_default(),
            event: row.contains_key("taken").then(|| EventId::from_text(read_text(&row, "taken"))),
            exists: row.contains_key("done"),
        }))
    }

    /// Moves a lane past an event that has ended; whoever did so before did the same.
    pub(super) async fn finish(&self, place: &Place) -> Result<(), Failure> {
        match self.table.commit(&[self.turn(place, true).step], &[], crate::now()).await {
            Ok(()) | Err(NotCommitted::Own(_)) => Ok(()),
            Err(other) => Err(other.failure()),
        }
    }

    /// Keeps an event until its turn, and has it looked after should its turn not come.
    pub(super) async fn park(&self, place: &Place, event: &str) -> Result<(), Failure> {
        let now = crate::now();
        let mut row = place.parked(place.lane.seq);
        row.insert("event".to_owned(), text(event));
        row.insert("ttl_s".to_owned(), ttl(now.plus(PARKED)));
        let kept = self.table.commit(&[Step::replace(&self.table, row)], &[], now).await;
        kept.map_err(NotCommitted::failure)
    }

    /// Reminds of a parked event.
    pub(super) async fn look_after(
        &self,
        place: &Place,
        event: &str,
        progress: &Progress,
        still: u32,
    ) -> Result<(), Failure> {
        let now = crate::now();
        let wait = if progress.exists || place.lane.seq <= BEGINNING { GAP } else { NEW_TO_US };
        let reminder = Reminder::Gap { event: raw(event)?, still };
        needed(self.queue.as_ref(), "queue")?.remind(reminder, now.plus(wait), now).await
    }

    /// The parked event after this one, if it is there.
    pub(super) async fn parked_after(&self, place: &Place, seq: u64) -> Result<Option<String>, Failure> {
        let row = self.table.row(&place.partition, &parked_sort(seq + 1)).await?;
        Ok(row.map(|row| read_text(&row, "event")))
    }

    /// A parked event's reminder has come. Says whether the lane was moved past a gap, so that its turn is there.
    pub(super) async fn skip_gap(&self, place: &Place, progress: &Progress) -> Result<bool, Failure> {
        let head = progress.done + 1;
        let known =
            progress.started >= head || self.table.row(&place.partition, &parked_sort(head)).await?.is_some();
        if known || place.lane.seq <= head {
            return Ok(false);
        }
        error!(from = head, to = place.lane.seq - 1, "numbers of a lane never came; it goes on without them");
        let mut values = Row::from([(":to".to_owned(), number(place.lane.seq - 1))]);
        values.insert(":done".to_owned(), number(progress.done));
        let condition = if progress.exists { "done = :done" } else { "attribute_not_exists(done)" };
        if !progress.exists {
            values.remove(":done");
        }
        let step = Step::update(
            &self.table,
            key(&place.partition, "at"),
            "SET done = :to, started = :to",
            condition,
            values,
        );
        let now = crate::now();
        let mut gap = key(&place.partition, &gap_sort(place.lane.seq - 1));
        gap.extend([("from".to_owned(), number(head)), ("ttl_s".to_owned(), ttl(now.plus(PARKED)))]);
        match self.table.commit(&[step, Step::replace(&self.table, gap)], &[], now).await {
            Ok(()) => Ok(true),
            Err(NotCommitted::Own(_)) => Ok(false),
            Err(other) => Err(other.failure()),
        }
    }

    /// Whether what was taken up last has been due for so long that whoever goes on with it should have.
    pub(super) async fn is_deserted(&self, listener: &str, progress: &Progress) -> Result<bool, Failure> {
        let Some(event) = progress.event.as_ref().filter(|_| progress.started > progress.done) else {
            return Ok(false);
        };
        let arrival = ArrivalId::from_text(event.as_str());
        let record = Record::load(&self.table, &Origin { listener: listener.to_owned(), arrival }).await?;
        let open = record.effects.iter().filter(|row| row.is_open()).map(|row| row.due);
        let due = open.chain(record.waiting.map(|waiting| waiting.due)).max();
        Ok(due.is_none_or(|due| crate::now() >= due.plus(GAP)))
    }

    /// Moves a lane past an event that was taken up and left; says whether it was this that did.
    pub(super) async fn skip_deserted(&self, place: &Place, progress: &Progress) -> Result<bool, Failure> {
        let head = progress.started;
        // Only what comes after what is done is taken up.
        let values = Row::from([(":n".to_owned(), number(head))]);
        let condition = "started = :n AND (attribute_not_exists(done) OR done < :n)";
        let at = key(&place.partition, "at");
        let step = Step::update(&self.table, at, "SET done = :n", condition, values);
        match self.table.commit(&[step], &[], crate::now()).await {
            Ok(()) => {
                let event = progress.event.as_ref().map(EventId::as_str);
                error!(number = head, event, "nobody goes on with what a lane waits for; it goes on without");
                Ok(true)
            }
            Err(NotCommitted::Own(_)) => Ok(false),
            Err(other) => Err(other.failure()),
        }
    }

    /// Whether a lane has been moved past this event before it came.
    pub(super) async fn was_skipped(&self, place: &Place) -> Result<bool, Failure> {
        let seq = place.lane.seq;
        let gap = self.table.first(&place.partition, &gap_sort(seq), &gap_sort(u64::MAX)).await?;
        let holds = gap.and_then(|gap| read_number::<u64>(&gap, "from")).is_some_and(|from| from <= seq);
        Ok(holds && self.table.row(&place.partition, &told_sort(seq)).await?.is_none())
    }

    /// It has become a dead letter: the same once more is a repeat.
    pub(super) async fn tell_skipped(&self, place: &Place) -> Result<(), Failure> {
        let now = crate::now();
        let mut row = key(&place.partition, &told_sort(place.lane.seq));
        row.insert("ttl_s".to_owned(), ttl(now.plus(PARKED)));
        let told = self.table.commit(&[Step::replace(&self.table, row)], &[], now).await;
        told.map_err(NotCommitted::failure)
    }
}
