//! What every arrival goes through: decide, commit, publish, carry out, settle.
//!
//! ```text
//!   arrival ── decide ──▶ one transaction ──▶ PutEvents ──▶ effects: permit, trying ── act ──▶ settle ──▶ PutEvents
//!                │             (record, writes, timers, effects, lane)                (one transaction)
//!                └ a record is there: publish what it says again, go on where it ends
//! ```
//! # Constraints
//! A function may be killed between any two requests; SQS may hand the same message out twice at once, and in any
//! order. So nothing is remembered but what stands in the table, and each step there is conditional: of two who
//! would take it one wins, and the other finds what the first has done.
//!
//! # Operation
//! - What is open always has a message that stands for it: the one that brought it, which is given back to the
//!   queue unless all went well, or a reminder that is sent before that one is let go.
//! - A repeat publishes again what the record says. Events have ids, and whoever hears one twice finds its own
//!   record: published at least once, acted on once.
//! - An outcome without consequences is not recorded: deciding it again changes nothing.
//! - An effect is *trying until T* in the table before the provider is asked. Who finds a *trying* that is not over
//!   comes back then; who finds one that is over asks `find` first.
//! - A lane's row says how far the lane is. The transaction that decides `n` demands that `n - 1` is done; an event
//!   that comes too early is parked beside it, and whoever finishes `n - 1` takes it up.
//!
//! # Rejected
//! FIFO queues for lanes (EventBridge hands out in no order, so they would only keep the wrong one); Step
//! Functions (a dozen paid transitions a message); a shared table of records (no transaction of the bridge's
//! writes with a role that may touch one table only).

mod conflicts;
mod deciding;
mod delivery;
mod effects;
mod ending;
mod errands;
mod lanes;
mod moved;
mod once;
mod record;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use switchboard_core::outcome::MAX_ATTEMPT;
use switchboard_core::{Bridge, Failure, Push, Reading, Timestamp, View};
use switchboard_hosts::credentials::Credentials;
use switchboard_hosts::http::Client;
use switchboard_rules::wiring::Delivery as Policy;
use tokio::sync::Semaphore;

use crate::blobs::Bucket;
use crate::bus::Bus;
use crate::devices::Broker;
use crate::notices::Topics;
use crate::queue::{Letter, Queue, Reminder};
use crate::sockets::Line;
use crate::store::{Table, TableView};

pub(crate) use deciding::timer_row;
pub(crate) use delivery::Came;
pub(crate) use moved::{
    decided_line, decided_row, effect_line, effect_row, lane_row, parts_end, waiting_line, waiting_row,
};
pub(crate) use record::{KEPT, Origin};

/// What is due this soon is waited for; later than that, a reminder costs less than the waiting.
const WAITED_FOR: Duration = Duration::from_secs(2);
/// What an invocation keeps for writing down how an attempt ended.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// One function's means of settling what arrives. Cloned for each invocation: its parts are handles.
#[derive(Clone)]
pub(crate) struct Settler {
    pub(crate) bridge: Arc<dyn Bridge>,
    pub(crate) policy: Policy,
    pub(crate) ordered: bool,
    pub(crate) table: Table,
    pub(crate) bus: Bus,
    /// Reminders of this function.
    pub(crate) queue: Option<Queue>,
    /// Reminders of the bridge's errands: timers, and effects that a door asked for.
    pub(crate) errands: Option<Queue>,
    pub(crate) dead_letters: Option<Queue>,
    pub(crate) http: Client,
    pub(crate) blobs: Bucket,
    pub(crate) notices: Topics,
    pub(crate) devices: Broker,
    /// The way to connected sockets, where the bridge has some.
    pub(crate) line: Option<Line>,
    /// What is to be shown on them when what it is about has been stored.
    pub(crate) shown: Arc<Mutex<Vec<Push>>>,
    /// Whose turn it is of those who met a conflict.
    pub(crate) turns: Arc<Semaphore>,
    /// Where a provider refuses ours, they are read again before the next invocation.
    pub(crate) credentials: Arc<Credentials>,
    /// When the invocation has to be over.
    pub(crate) until: Instant,
}

/// Where something that is not done yet goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    /// Nothing of it is open.
    Ended,
    /// Not before this.
    Later(Timestamp),
}

impl Went {
    /// The earlier of two that are to come back.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ended, went) | (went, Self::Ended) => went,
            (Self::Later(one), Self::Later(other)) => Self::Later(one.min(other)),
        }
    }
}

impl Settler {
    pub(crate) fn view(&self, now: Timestamp) -> TableView<'_> {
        TableView { table: &self.table, now }
    }

    /// What a bridge may reach that only reads. There is no index: it looks through what it keeps.
    pub(crate) fn reading<'a>(&'a self, view: &'a dyn View, now: Timestamp) -> Reading<'a> {
        Reading { view, search: None, blobs: &self.blobs, now }
    }

    /// What is left of the invocation.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Whether an attempt that begins now could end within the invocation.
    fn has_time_for_an_attempt(&self) -> bool {
        self.left() > MAX_ATTEMPT + AFTERWARDS
    }

    /// Waits until then, if it is soon and there is time; says whether it has.
    async fn wait_until(&self, due: Timestamp, now: Timestamp) -> bool {
        let wait = due.since(now);
        let soon = wait <= WAITED_FOR && self.left() > wait + MAX_ATTEMPT + AFTERWARDS;
        if soon {
            tokio::time::sleep(wait).await;
        }
        soon
    }

    /// Has the function that goes on with this woken at that time.
    async fn remind(&self, origin: &Origin, event: Option<&str>, due: Timestamp) -> Result<(), Failure> {
        let (queue, reminder) = match event {
            Some(event) => (&self.queue, Reminder::Again { event: raw(event)? }),
            None => (
                &self.errands,
                Reminder::Effects {
                    listener: origin.listener.clone(),
                    arrival: origin.arrival.as_str().to_owned(),
                },
            ),
        };
        needed(queue.as_ref(), "queue")?.remind(reminder, due, crate::now()).await
    }

    /// Puts a dead letter into its queue.
    async fn bury(&self, letter: Letter) -> Result<(), Failure> {
        needed(self.dead_letters.as_ref(), "queue of dead letters")?.bury(letter).await
    }

    /// A message that is nothing we know.
    pub(crate) async fn bury_message(
        &self,
        listener: &str,
        message: &str,
        reason: String,
    ) -> Result<(), Failure> {
        self.bury(Letter::about(listener, message, reason)).await
    }
}

#[cfg(test)]
impl Settler {
    /// A function of this bridge in the tests: it has time, and neither a queue nor sockets.
    pub(crate) fn for_tests(bridge: Arc<dyn Bridge>, table: Table, clients: &crate::Clients) -> Self {
        Self {
            bridge,
            policy: switchboard_hosts::again::DOOR_POLICY,
            ordered: true,
            table,
            bus: Bus::new(clients.events.clone(), "hub"),
            queue: None,
            errands: None,
            dead_letters: None,
            http: clients.http.clone(),
            blobs: Bucket::new(clients, "none"),
            notices: Topics::new(clients),
            devices: Broker::new(clients.signer.clone(), None).expect("no broker"),
            line: None,
            shown: Arc::default(),
            turns: Arc::new(Semaphore::new(1)),
            credentials: Arc::default(),
            until: Instant::now() + Duration::from_secs(300),
        }
    }
}

fn raw(json: &str) -> Result<Box<RawValue>, Failure> {
    RawValue::from_string(json.to_owned()).map_err(|error| Failure::bug(format!("not JSON: {error}")))
}

/// A queue that this kind of function has to have.
fn needed<'a>(queue: Option<&'a Queue>, what: &str) -> Result<&'a Queue, Failure> {
    queue.ok_or_else(|| Failure::bug(format!("this function has no {what}")))
}
