//! The writer thread: takes what waits, decides it, commits it, and only then lets its consequences out.
//!
//! One turn: take jobs from the inbox; in one transaction settle reports, decide requests, fire timers, decide
//! deliveries and permit effects, as much as a turn may hold, and as long as the disk is busy with the last turn;
//! write the rows that changed; commit. What the turn
//! has to say (answers, effects to start, events for `tail`) is let out by another thread once the log is on disk,
//! while the next turn is decided: see `log`. If the commit fails, everything in memory is read back from the
//! file and the doors are answered 503.

mod arrivals;
mod deliveries;
mod effects;
mod ending;
mod orders;
mod outcomes;
mod recover;
mod refill;
mod retention;
mod rewire;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::Connection;
use switchboard_core::{Bridge, Timestamp};
use switchboard_hosts::again::DOOR_POLICY;
use switchboard_hosts::credentials::Credentials;
use switchboard_rules::wiring::{Delivery as Policy, Wiring};
use tracing::{error, warn};

use self::retention::Sweeping;
use self::rewire::Hearing;
use super::checkpoint::{self, Beside, Checkpoints};
use super::database;
use super::inbox::{Attempted, Inbox, Work};
use super::log::{Log, Outlet, Progress, Sealed};
use super::queue::Queue;
use super::rows::EffectRow;
use super::view::{ItemsSql, Shared, lock};
use crate::metrics::Metrics;

/// How long a turn may go on deciding before it commits, so that no door waits long for its answer.
const TURN: Duration = Duration::from_millis(20);
/// While requests wait to be let in, deliveries have as much time as the requests before had, and at least this: what
/// is accepted waits on disk, and a provider waits for an answer.
const SHORT_TURN: Duration = Duration::from_millis(1);
/// How often a turn looks whether the disk is done with the last one, should it not be told.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How often `decide` is called again at once when somebody else wrote first.
const MAX_CONFLICTS: usize = 5;
/// Most deliveries read into one listener's window at a time.
const REFILL: usize = 512;
/// Most timers fired in a turn.
const TIMERS_A_TURN: usize = 64;
/// How many batches may be committed and wait for the disk beside the one that is written to it.
const MOST_AHEAD: usize = 1;
/// How long a clean stop waits for attempts that are under way.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// What the writer is made of.
pub(crate) struct Parts {
    pub(crate) connection: Connection,
    pub(crate) bridges: Vec<Arc<dyn Bridge>>,
    pub(crate) wiring: Wiring,
    /// How long what is settled is kept; `None`: for ever.
    pub(crate) keep: Option<Duration>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A number in 0..1.
    pub(crate) random: Box<dyn FnMut() -> f64 + Send>,
    pub(crate) outlet: Outlet,
    pub(crate) progress: Arc<Progress>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A listener of the wiring, or a door or a bridge's timers, which hear nothing but ask for effects.
struct Listener {
    /// In the database.
    id: i64,
    name: String,
    bridge: usize,
    policy: Policy,
    queue: Queue,
    /// Effects that may be tried when there is a place.
    startable: VecDeque<i64>,
    /// Attempts under way.
    acting: usize,
    credentials: Credentials,
}

type Fatal<T> = Result<T, rusqlite::Error>;

/// See the module.
pub(crate) struct Writer {
    db: Shared,
    bridges: Vec<(Arc<dyn Bridge>, ItemsSql)>,
    listeners: Vec<Listener>,
    by_name: HashMap<String, usize>,
    hearing: Hearing,
    effects: HashMap<i64, EffectRow>,
    sleeping: BinaryHeap<Reverse<(i64, i64)>>,
    /// Attempts under way.
    in_flight: HashMap<i64, UnderWay>,
    next_effect: i64,
    next_position: i64,
    next_timer: Option<i64>,
    sweeping: Sweeping,
    /// How long what is settled is kept; `None`: for ever.
    keep: Option<Duration>,
    parts: Outside,
    batch: Batch,
}

/// The parts that a turn does not change.
struct Outside {
    inbox: Arc<Inbox>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Box<dyn FnMut() -> f64 + Send>,
    outlet: Arc<Outlet>,
    progress: Arc<Progress>,
    metrics: Arc<Metrics>,
}

/// What a turn has changed, and what it has to say when that is on disk.
#[derive(Default)]
struct Batch {
    now: Timestamp,
    deliveries: BTreeSet<(usize, i64)>,
    effects: BTreeSet<i64>,
    /// What was reported, should it have to be put back.
    attempted: Vec<Attempted>,
    sealed: Sealed,
}

/// An attempt that has not ended.
#[derive(Clone, Copy)]
struct UnderWay {
    listener: usize,
    /// Not needless: where it is looked for and not found, it is tried again.
    wanted: bool,
}

/// For whom an outcome is applied.
#[derive(Clone, Copy)]
struct For {
    listener: usize,
    origin: Option<i64>,
}

impl Writer {
    /// Reads back what is open.
    ///
    /// # Errors
    /// When the database cannot be read, or the wiring and the bridges do not agree.
    pub(crate) fn new(parts: Parts) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for (bridge, declared) in parts.bridges.iter().map(|bridge| bridge.declaration()).enumerate() {
            for name in declared.listeners {
                let rule = parts.wiring.rule(name).with_context(|| {
                    format!(
                        "the bridge {} declares the listener {name}, and the wiring has no {name}.json",
                        declared.name
                    )
                })?;
                listeners.push((bridge, (*name).to_owned(), rule.delivery, rule.ordered));
            }
            let mut others: Vec<&str> = declared.doors.iter().map(|door| door.name).collect();
            others.push(declared.name);
            others.dedup();
            listeners.extend(others.into_iter().map(|name| (bridge, name.to_owned(), DOOR_POLICY, false)));
        }
        let mut made: Vec<Listener> = Vec::new();
        for (bridge, name, policy, ordered) in listeners {
            parts.connection.execute("INSERT OR IGNORE INTO listeners (name) VALUES (?1)", [&name])?;
            let id =
                parts
                    .connection
                    .query_row("SELECT id FROM listeners WHERE name = ?1", [&name], |row| row.get(0))?;
            let queue = Queue::new(ordered);
            made.push(Listener {
                id,
                name,
                bridge,
                policy,
                queue,
                startable: VecDeque::new(),
                acting: 0,
                credentials: Credentials::default(),
            });
        }
        let by_name: HashMap<String, usize> =
            made.iter().enumerate().map(|(index, listener)| (listener.name.clone(), index)).collect();
        let hearing = Hearing::new(&parts.wiring, &by_name)?;
        let bridges = parts
            .bridges
            .into_iter()
            .map(|bridge| {
                let sql = ItemsSql::new(bridge.declaration().name);
                (bridge, sql)
            })
            .collect();
        let mut writer = Self {
            db: Mutex::new(parts.connection),
            bridges,
            listeners: made,
            by_name,
            hearing,
            effects: HashMap::new(),
            sleeping: BinaryHeap::new(),
            in_flight: HashMap::new(),
            next_effect: 1,
            next_position: 1,
            next_timer: None,
            sweeping: Sweeping::default(),
            keep: parts.keep,
            parts: Outside {
                inbox: parts.inbox,
                clock: parts.clock,
                random: parts.random,
                outlet: Arc::new(parts.outlet),
                progress: parts.progress,
                metrics: parts.metrics,
            },
            batch: Batch::default(),
        };
        writer.recover()?;
        Ok(writer)
    }

    /// Works until it is told to stop and nothing is under way.
    pub(crate) fn run(mut self, log: &Log, beside: Beside) {
        let (sealed, to_keep) = sync_channel(MOST_AHEAD);
        let (outlet, progress) = (Arc::clone(&self.parts.outlet), Arc::clone(&self.parts.progress));
        let inbox = Arc::clone(&self.parts.inbox);
        std::thread::scope(|threads| {
            threads.spawn(move || log.keep(&to_keep, &outlet, &progress, &inbox));
            let mut checkpoints = match checkpoint::take_over(&self.db, checkpoint::PAGES) {
                Ok((checkpoints, copier)) => {
                    threads.spawn(move || copier.work(&beside));
                    Some(checkpoints)
                }
                Err(failed) => {
                    warn!(error = %failed, "the log is copied into the database by the writer itself");
                    None
                }
            };
            self.work(&sealed, checkpoints.as_mut());
            drop(sealed);
        });
        let db = lock(&self.db);
        if let Err(failed) = db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;") {
            warn!(error = %failed, "the log could not be folded into the database; the next start does it");
        }
    }

    fn work(&mut self, sealed: &SyncSender<Sealed>, mut checkpoints: Option<&mut Checkpoints>) {
        let mut stopping: Option<Instant> = None;
        loop {
            let jobs = self.parts.inbox.take(self.idle_time(stopping.is_some()), stopping.is_some());
            if jobs.stop && stopping.is_none() {
                stopping = Some(Instant::now());
            }
            if let Some(since) = stopping
                && jobs.work.is_nothing()
                && (self.in_flight.is_empty() || since.elapsed() > STOP_WITHIN)
            {
                return;
            }
            for (wiring, answer) in jobs.wirings {
                let _ = answer.send(self.rewire(&wiring).map_err(|error| format!("{error:#}")));
            }
            match self.turn(jobs.work, stopping.is_some()) {
                Ok(batch) => {
                    if sealed.send(batch).is_err() {
                        error!("nobody keeps what is committed any more");
                        return;
                    }
                    if let Some(checkpoints) = checkpoints.as_deref_mut() {
                        checkpoints.look(&self.db);
                    }
                }
                Err(failed) => {
                    let doors = self.batch.sealed.doors;
                    error!(error = %failed, doors, "a batch could not be committed; nothing of it happened");
                    self.parts.metrics.failed_commits.inc();
                    self.give_up_turn();
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        }
    }

    /// Until when there is nothing to do but what comes in.
    fn idle_time(&self, stopping: bool) -> Duration {
        if stopping {
            return Duration::from_millis(50);
        }
        let free = |listener: &Listener| {
            listener.acting < listener.policy.concurrency as usize
                && (listener.queue.is_ready() || !listener.startable.is_empty())
                || listener.queue.wants_more()
        };
        if self.listeners.iter().any(free) {
            return Duration::ZERO;
        }
        let now = (self.parts.clock)().ms();
        let queues = self.listeners.iter().filter_map(|listener| listener.queue.next_due());
        let effects = self.sleeping.peek().map(|Reverse((due, _))| *due);
        let next = queues
            .chain(effects)
            .chain(self.next_timer)
            .chain([self.sweeping.next.ms()])
            .min()
            .unwrap_or(i64::MAX);
        Duration::from_millis(u64::try_from(next.saturating_sub(now)).unwrap_or(0))
            .min(Duration::from_secs(30))
    }

    /// Decides and commits; gives what is to be let out when it is on disk.
    fn turn(&mut self, mut work: Work, stopping: bool) -> Fatal<Sealed> {
        let began = Instant::now();
        self.batch.now = (self.parts.clock)();
        self.batch.sealed.began = Some(began);
        lock(&self.db).execute_batch("BEGIN IMMEDIATE")?;
        if self.parts.metrics.writable.get() == 0 {
            // An empty turn would prove nothing: this one touches the disk.
            database::touch(&lock(&self.db))?;
        }
        self.refill()?;
        loop {
            let began_to_take_in = Instant::now();
            self.take_in(work)?;
            let taking_in = began_to_take_in.elapsed();
            if !stopping {
                self.fire_timers()?;
                self.wake();
                self.pump(taking_in)?;
            }
            // Committing now would only wait for the disk: what comes meanwhile shares the commit.
            if began.elapsed() > TURN || !self.parts.progress.is_behind() {
                break;
            }
            let progress = &self.parts.progress;
            work = self.parts.inbox.take_work(LOOK_AGAIN, || progress.is_behind());
        }
        self.sweep()?;
        self.save_rows()?;
        self.batch.sealed.number = self.parts.progress.seal();
        lock(&self.db).execute_batch("COMMIT").inspect_err(|_| self.parts.progress.unseal())?;
        Ok(self.committed())
    }

    fn take_in(&mut self, work: Work) -> Fatal<()> {
        self.batch.sealed.doors += work.doors.len();
        self.batch.attempted.extend(work.attempted.iter().cloned());
        for attempted in work.attempted {
            self.take_attempted(attempted)?;
        }
        for door in work.doors {
            self.knock(door)?;
        }
        for order in work.orders {
            self.obey(order)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
