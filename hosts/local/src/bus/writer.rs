//! The writer thread: takes what waits, decides it, commits it, and only then lets its consequences out.
//!
//! One turn: take jobs from the inbox; in one transaction settle reports, decide requests, fire timers, decide
//! deliveries and permit effects, as much as a turn may hold; write the rows that changed; commit. After the
//! commit: answer the doors, start the effects, show the events to `tail`. If the commit fails, everything in
//! memory is read back from the file and the doors are answered 503.

use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::FutureExt;
use switchboard_core::outcome::MAX_ATTEMPT;
use switchboard_core::store::{self, MAX_TRANSACTION_ITEMS};
use switchboard_core::{
    Arrival, ArrivalId, Bridge, Effect, Event, Failure, Outcome, Permit, Reply, Settlement, TimerChange,
    Timestamp, What,
};
use switchboard_rules::Rules;
use switchboard_rules::wiring::{Delivery as Policy, Wiring};
use tokio::sync::{broadcast, oneshot};
use tracing::{error, info, warn};

use super::backoff;
use super::inbox::{AttemptResult, Attempted, DoorJob, Inbox, Order};
use super::queue::{Delivery, DeliveryState, Queue, WINDOW};
use super::rows::{self, DeadLetter, EffectRow, EffectState, StoredEffect};
use super::view::{self, ItemsSql, Shared, SqlView, lock};
use crate::metrics::Metrics;

/// How long a turn may go on deciding before it commits, so that no door waits long for its answer.
const TURN: Duration = Duration::from_millis(20);
/// Longer than an attempt can take: whoever finds a *trying* that is over knows that nobody is at it.
const TRYING: Duration = MAX_ATTEMPT.saturating_add(Duration::from_secs(5));
/// How often `decide` is called again at once when somebody else wrote first.
const MAX_CONFLICTS: usize = 5;
/// The policy of effects that doors and timers ask for.
const DOOR_POLICY: Policy = Policy { attempts: 20, max_age_s: 86_400, concurrency: 16 };
/// Most timers fired in a turn, and expired items swept.
const TIMERS_A_TURN: usize = 64;
/// How often expired items are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How many items of each bridge are looked at then.
const SWEPT_AT_ONCE: usize = 2000;
/// How long a clean stop waits for attempts that are under way.
const STOP_WITHIN: Duration = Duration::from_secs(25);

/// An event as `tail` shows it.
pub(crate) type Shown = (i64, Arc<[u8]>);

/// An attempt to start, once it is recorded.
pub(crate) struct Start {
    pub(crate) id: i64,
    pub(crate) bridge: Arc<dyn Bridge>,
    pub(crate) effect: Effect,
    /// Ask whether it was done, since this time, instead of doing it.
    pub(crate) look_since: Option<Timestamp>,
}

/// What the writer is made of.
pub(crate) struct Parts {
    pub(crate) connection: rusqlite::Connection,
    pub(crate) bridges: Vec<Arc<dyn Bridge>>,
    pub(crate) wiring: Wiring,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A number in 0..1.
    pub(crate) random: Box<dyn FnMut() -> f64 + Send>,
    /// Starts an attempt without waiting for it.
    pub(crate) start: Box<dyn Fn(Start) + Send>,
    pub(crate) shown: broadcast::Sender<Shown>,
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
}

type Fatal<T> = Result<T, rusqlite::Error>;

/// See the module.
pub(crate) struct Writer {
    db: Shared,
    bridges: Vec<(Arc<dyn Bridge>, ItemsSql)>,
    listeners: Vec<Listener>,
    by_name: HashMap<String, usize>,
    rules: Rules,
    /// Which listener each rule is for.
    rule_listener: Vec<usize>,
    effects: HashMap<i64, EffectRow>,
    sleeping: BinaryHeap<std::cmp::Reverse<(i64, i64)>>,
    /// Attempts under way, with their listener.
    in_flight: HashMap<i64, usize>,
    next_effect: i64,
    next_position: i64,
    next_timer: Option<i64>,
    next_sweep: Timestamp,
    /// How far each bridge's items have been swept.
    swept: Vec<(String, String)>,
    parts: Outside,
    batch: Batch,
}

/// The parts that a turn does not change.
struct Outside {
    inbox: Arc<Inbox>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Box<dyn FnMut() -> f64 + Send>,
    start: Box<dyn Fn(Start) + Send>,
    shown: broadcast::Sender<Shown>,
    metrics: Arc<Metrics>,
}

/// What a turn has changed and has to let out after its commit.
#[derive(Default)]
struct Batch {
    now: Timestamp,
    deliveries: BTreeSet<(usize, i64)>,
    effects: BTreeSet<i64>,
    answers: Vec<(oneshot::Sender<Result<Reply, Failure>>, Result<Reply, Failure>)>,
    orders: Vec<(oneshot::Sender<bool>, bool)>,
    starts: Vec<Start>,
    shown: Vec<Shown>,
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
        let rules = parts.wiring.compile();
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
            made.push(Listener { id, name, bridge, policy, queue, startable: VecDeque::new(), acting: 0 });
        }
        let by_name: HashMap<String, usize> =
            made.iter().enumerate().map(|(index, listener)| (listener.name.clone(), index)).collect();
        let mut rule_listener = Vec::new();
        for rule in parts.wiring.rules() {
            let index = by_name.get(&rule.listener).with_context(|| {
                format!("the wiring has {}.json, and no bridge declares that listener", rule.listener)
            })?;
            rule_listener.push(*index);
        }
        let swept = vec![Default::default(); parts.bridges.len()];
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
            rules,
            rule_listener,
            effects: HashMap::new(),
            sleeping: BinaryHeap::new(),
            in_flight: HashMap::new(),
            next_effect: 1,
            next_position: 1,
            next_timer: None,
            next_sweep: Timestamp::default(),
            swept,
            parts: Outside {
                inbox: parts.inbox,
                clock: parts.clock,
                random: parts.random,
                start: parts.start,
                shown: parts.shown,
                metrics: parts.metrics,
            },
            batch: Batch::default(),
        };
        writer.recover()?;
        Ok(writer)
    }

    /// Works until it is told to stop and nothing is under way.
    pub(crate) fn run(mut self) {
        let mut stopping: Option<Instant> = None;
        loop {
            let jobs = self.parts.inbox.take(self.idle_time(stopping.is_some()));
            if jobs.stop && stopping.is_none() {
                stopping = Some(Instant::now());
            }
            if let Some(since) = stopping {
                let nothing = jobs.doors.is_empty() && jobs.attempted.is_empty() && jobs.orders.is_empty();
                if nothing && (self.in_flight.is_empty() || since.elapsed() > STOP_WITHIN) {
                    break;
                }
            }
            let kept = jobs.attempted.clone();
            let doors_at_stake = jobs.doors.len();
            match self.turn(jobs.attempted, jobs.doors, jobs.orders, stopping.is_some()) {
                Ok(()) => {}
                Err(failed) => {
                    error!(error = %failed, doors = doors_at_stake, "a batch could not be committed; nothing of it happened");
                    self.parts.metrics.failed_commits.inc();
                    self.parts.inbox.put_back(kept);
                    self.give_up_turn();
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        }
        let db = lock(&self.db);
        if let Err(failed) = db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;") {
            warn!(error = %failed, "the log could not be folded into the database; the next start does it");
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
        };
        if self.listeners.iter().any(free) {
            return Duration::ZERO;
        }
        let now = (self.parts.clock)().ms();
        let queues = self.listeners.iter().filter_map(|listener| listener.queue.next_due());
        let effects = self.sleeping.peek().map(|std::cmp::Reverse((due, _))| *due);
        let next = queues
            .chain(effects)
            .chain(self.next_timer)
            .chain([self.next_sweep.ms()])
            .min()
            .unwrap_or(i64::MAX);
        Duration::from_millis(u64::try_from(next.saturating_sub(now)).unwrap_or(0))
            .min(Duration::from_secs(30))
    }

    fn turn(
        &mut self,
        attempted: Vec<Attempted>,
        doors: Vec<DoorJob>,
        orders: Vec<Order>,
        stopping: bool,
    ) -> Fatal<()> {
        let began = Instant::now();
        self.batch.now = (self.parts.clock)();
        let door_count = doors.len();
        lock(&self.db).execute_batch("BEGIN IMMEDIATE")?;
        self.refill()?;
        for attempted in attempted {
            self.take_attempted(attempted)?;
        }
        for door in doors {
            self.knock(door)?;
        }
        for order in orders {
            self.obey(order)?;
        }
        if !stopping {
            self.fire_timers()?;
            self.wake();
            self.pump(began)?;
        }
        self.sweep()?;
        self.save_rows()?;
        lock(&self.db).execute_batch("COMMIT")?;
        self.let_out(door_count, began);
        Ok(())
    }

    /// After the commit.
    fn let_out(&mut self, door_count: usize, began: Instant) {
        let batch = std::mem::take(&mut self.batch);
        for (answer, reply) in batch.answers {
            // Who asked may have hung up; what followed is recorded all the same.
            let _ = answer.send(reply);
        }
        for (answer, found) in batch.orders {
            let _ = answer.send(found);
        }
        for start in batch.starts {
            (self.parts.start)(start);
        }
        for shown in batch.shown {
            // An error only says that nobody is looking.
            let _ = self.parts.shown.send(shown);
        }
        for (listener, position) in batch.deliveries {
            let queue = &mut self.listeners[listener].queue;
            if queue.deliveries.get(&position).is_some_and(|delivery| delivery.state > DeliveryState::Acting)
            {
                queue.forget(position);
            }
        }
        for id in batch.effects {
            if self.effects.get(&id).is_some_and(|row| row.state > EffectState::Answered) {
                self.effects.remove(&id);
            }
        }
        let metrics = &self.parts.metrics;
        metrics.commits.inc();
        metrics.arrivals_a_commit.observe(door_count as f64);
        metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
        for listener in &self.listeners {
            let open = listener.queue.deliveries.len();
            metrics
                .open_deliveries
                .with_label_values(&[&listener.name])
                .set(i64::try_from(open).unwrap_or(i64::MAX));
        }
    }

    /// After a failed commit: nothing of the turn happened, so what is in memory is read again.
    fn give_up_turn(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        for (answer, _) in batch.answers {
            let _ = answer.send(Err(Failure::retry("what followed could not be stored")));
        }
        drop(batch.orders);
        if let Err(failed) = lock(&self.db).execute_batch("ROLLBACK") {
            // Some errors have rolled back by themselves.
            warn!(error = %failed, "nothing to roll back");
        }
        if let Err(failed) = self.recover() {
            error!(error = %failed, "the open work could not be read back; it is tried again");
        }
    }

    /// Reads everything open from the file.
    fn recover(&mut self) -> Fatal<()> {
        self.effects.clear();
        self.sleeping.clear();
        {
            let db = lock(&self.db);
            self.next_position =
                db.query_row("SELECT COALESCE(MAX(position), 0) + 1 FROM events", [], |row| row.get(0))?;
            self.next_effect =
                db.query_row("SELECT COALESCE(MAX(id), 0) + 1 FROM effects", [], |row| row.get(0))?;
            self.next_timer = rows::next_timer(&db)?;
        }
        for listener in &mut self.listeners {
            // Effects that are under way now keep their places.
            let ordered = listener.queue.is_ordered();
            listener.queue = Queue::new(ordered);
            listener.queue.behind = true;
            listener.startable.clear();
        }
        let of_doors = rows::open_effects_of_doors(&lock(&self.db))?;
        for stored in of_doors {
            self.take_back(stored);
        }
        self.refill()
    }

    /// Takes an open effect into memory again.
    fn take_back(&mut self, stored: StoredEffect) {
        let StoredEffect { id, listener, mut row } = stored;
        let Some(index) = self.listeners.iter().position(|known| known.id == listener) else { return };
        row.listener = index;
        match row.state {
            EffectState::Trying if self.in_flight.contains_key(&id) => {}
            EffectState::Trying => {
                // The process died in the middle of it: when its time is over, ask.
                row.unsure = true;
                row.attempts += 1;
                self.sleeping.push(std::cmp::Reverse((row.due.ms(), id)));
            }
            EffectState::Waiting | EffectState::Answered => {
                self.sleeping.push(std::cmp::Reverse((row.due.ms(), id)));
            }
            EffectState::Done | EffectState::Dead => return,
        }
        self.effects.insert(id, row);
    }

    /// Reads deliveries into the windows that have room.
    fn refill(&mut self) -> Fatal<()> {
        for index in 0..self.listeners.len() {
            let listener = &self.listeners[index];
            if !listener.queue.behind || listener.queue.deliveries.len() > WINDOW / 2 {
                continue;
            }
            let most = WINDOW - listener.queue.deliveries.len();
            let (id, after) = (listener.id, listener.queue.loaded);
            let found = rows::open_deliveries(&lock(&self.db), id, after, most)?;
            self.listeners[index].queue.behind = found.len() == most;
            for (position, mut delivery) in found {
                if delivery.state == DeliveryState::Acting {
                    let open = rows::open_effects_of(&lock(&self.db), id, position)?;
                    delivery.open_effects = open.len();
                    for stored in open {
                        self.take_back(stored);
                    }
                    self.listeners[index].queue.push_acting(position, delivery);
                } else {
                    self.listeners[index].queue.push(position, delivery, false);
                }
            }
        }
        Ok(())
    }

    // --- What comes in ---------------------------------------------------------------------------------------

    fn knock(&mut self, job: DoorJob) -> Fatal<()> {
        let Some(index) = self.by_name.get(job.door).copied() else {
            self.batch.answers.push((job.answer, Err(Failure::bug(format!("no door {}", job.door)))));
            return Ok(());
        };
        let door = self.listeners[index].id;
        if let Some(reply) = rows::find_arrival(&lock(&self.db), door, &job.arrival)? {
            self.parts.metrics.repeated_arrivals.inc();
            self.batch.answers.push((job.answer, Ok(reply.unwrap_or_else(Reply::empty))));
            return Ok(());
        }
        let to = For { listener: index, origin: None };
        let decided = self.decide(to, &job.arrival, What::Request(&job.request))?;
        let result = match decided {
            Ok(mut outcome) => {
                let reply = outcome.reply.take();
                rows::insert_arrival(&lock(&self.db), door, &job.arrival, self.batch.now, reply.as_ref())?;
                Ok(reply.unwrap_or_else(Reply::empty))
            }
            Err(failure) => Err(failure),
        };
        self.batch.answers.push((job.answer, result));
        Ok(())
    }

    fn fire_timers(&mut self) -> Fatal<()> {
        let now = self.batch.now;
        if self.next_timer.is_none_or(|due| due > now.ms()) {
            return Ok(());
        }
        let due = rows::due_timers(&lock(&self.db), now, TIMERS_A_TURN)?;
        for (bridge, timer) in due {
            rows::clear_timer(&lock(&self.db), &bridge, &timer.key)?;
            let Some(index) = self.by_name.get(&bridge).copied() else { continue };
            let id = ArrivalId::from_cause(&["timer", &bridge, &timer.key, &timer.due.ms().to_string()]);
            let to = For { listener: index, origin: None };
            match self.decide(to, &id, What::Timer(&timer))? {
                Ok(_) => {}
                Err(Failure::Retry { after, .. }) => {
                    let due = now.plus(after.unwrap_or(Duration::from_secs(1)));
                    rows::set_timer(&lock(&self.db), &bridge, &timer.key, due, &timer.body)?;
                }
                Err(failure) => {
                    error!(bridge, key = timer.key, reason = %failure, "a timer could not be decided");
                    let letter = DeadLetter {
                        listener: self.listeners[index].id,
                        position: None,
                        effect: None,
                        first: timer.due,
                        attempts: 1,
                        failure: &failure,
                    };
                    rows::insert_dead_letter(&lock(&self.db), &letter, now)?;
                    self.parts.metrics.dead_letters.with_label_values(&[&bridge]).inc();
                }
            }
        }
        self.next_timer = rows::next_timer(&lock(&self.db))?;
        Ok(())
    }

    fn obey(&mut self, order: Order) -> Fatal<()> {
        match order {
            Order::Discard(id, answer) => {
                let taken = rows::take_dead_letter(&lock(&self.db), id)?;
                info!(dead_letter = id, found = taken.is_some(), "a dead letter is discarded");
                self.batch.orders.push((answer, taken.is_some()));
            }
            Order::Redrive(id, answer) => {
                let taken = rows::take_dead_letter(&lock(&self.db), id)?;
                let found = match taken {
                    None => false,
                    Some((_, _, Some(effect))) => self.redrive_effect(effect)?,
                    Some((listener, Some(position), None)) => self.redrive_delivery(listener, position)?,
                    Some((_, None, None)) => false,
                };
                info!(dead_letter = id, found, "a dead letter is tried again");
                self.batch.orders.push((answer, found));
            }
        }
        Ok(())
    }

    fn redrive_delivery(&mut self, listener: i64, position: i64) -> Fatal<bool> {
        let Some(index) = self.listeners.iter().position(|known| known.id == listener) else {
            return Ok(false);
        };
        let Some((event, size)) = rows::event_at(&lock(&self.db), position)? else { return Ok(false) };
        let delivery = self.new_delivery(event, size);
        self.listeners[index].queue.push(position, delivery, true);
        self.batch.deliveries.insert((index, position));
        Ok(true)
    }

    fn redrive_effect(&mut self, id: i64) -> Fatal<bool> {
        let Some(mut stored) = rows::effect(&lock(&self.db), id)? else { return Ok(false) };
        let Some(index) = self.listeners.iter().position(|known| known.id == stored.listener) else {
            return Ok(false);
        };
        // Its delivery has been closed, and its lane has gone on.
        stored.row.origin = None;
        stored.row.listener = index;
        stored.row.state = EffectState::Waiting;
        stored.row.attempts = 0;
        stored.row.first = self.batch.now;
        self.effects.insert(id, stored.row);
        self.listeners[index].startable.push_back(id);
        self.batch.effects.insert(id);
        Ok(true)
    }

    // --- Deliveries ------------------------------------------------------------------------------------------

    fn wake(&mut self) {
        let now = self.batch.now;
        for listener in &mut self.listeners {
            listener.queue.wake(now);
        }
        while let Some(std::cmp::Reverse((due, id))) = self.sleeping.peek().copied() {
            if due > now.ms() {
                break;
            }
            self.sleeping.pop();
            if let Some(row) = self.effects.get(&id) {
                self.listeners[row.listener].startable.push_back(id);
            }
        }
    }

    /// Hands out what is ready, listener by listener in turns, until nothing is or the turn has lasted enough.
    fn pump(&mut self, began: Instant) -> Fatal<()> {
        const A_GO: usize = 32;
        loop {
            let mut moved = false;
            for index in 0..self.listeners.len() {
                for _ in 0..A_GO {
                    let listener = &mut self.listeners[index];
                    if listener.acting >= listener.policy.concurrency as usize {
                        break;
                    }
                    if let Some(id) = listener.startable.pop_front() {
                        self.attempt(id)?;
                    } else if let Some(position) = listener.queue.next() {
                        self.deliver(index, position)?;
                    } else {
                        break;
                    }
                    moved = true;
                }
                if began.elapsed() > TURN {
                    return Ok(());
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }

    fn deliver(&mut self, index: usize, position: i64) -> Fatal<()> {
        let Some(delivery) = self.listeners[index].queue.deliveries.get_mut(&position) else { return Ok(()) };
        let (event, part) = (Arc::clone(&delivery.event), delivery.part.take());
        let id = ArrivalId::from_text(event.id.as_str());
        let to = For { listener: index, origin: Some(position) };
        let decided = self.decide(to, &id, What::Event { event: &event, part: part.as_deref() })?;
        self.batch.deliveries.insert((index, position));
        match decided {
            Ok(outcome) => {
                let queue = &mut self.listeners[index].queue;
                let Some(delivery) = queue.deliveries.get_mut(&position) else { return Ok(()) };
                if outcome.next_part.is_some() {
                    delivery.part = outcome.next_part;
                    queue.again(position);
                } else {
                    delivery.state = DeliveryState::Acting;
                    self.close_if_settled(index, position);
                }
            }
            Err(failure) => self.delivery_failed(index, position, part, failure)?,
        }
        Ok(())
    }

    /// A delivery whose effects have all ended is done, and its lane goes on.
    fn close_if_settled(&mut self, index: usize, position: i64) {
        let queue = &mut self.listeners[index].queue;
        let Some(delivery) = queue.deliveries.get_mut(&position) else { return };
        if delivery.state == DeliveryState::Acting && delivery.open_effects == 0 {
            delivery.state = DeliveryState::Done;
            self.batch.deliveries.insert((index, position));
            queue.finish(position);
        }
    }

    fn delivery_failed(
        &mut self,
        index: usize,
        position: i64,
        part: Option<String>,
        failure: Failure,
    ) -> Fatal<()> {
        let now = self.batch.now;
        let random = (self.parts.random)();
        let listener = &mut self.listeners[index];
        let Some(delivery) = listener.queue.deliveries.get_mut(&position) else { return Ok(()) };
        delivery.part = part;
        delivery.reason = Some(failure.to_string());
        match try_again(&failure, &mut delivery.attempts, delivery.first, &listener.policy, now, random) {
            Some(due) => listener.queue.put_off(position, due),
            None => {
                warn!(
                    listener = listener.name,
                    event = %delivery.event.id,
                    attempts = delivery.attempts,
                    reason = %failure,
                    "a delivery became a dead letter"
                );
                delivery.state = DeliveryState::Dead;
                let letter = DeadLetter {
                    listener: listener.id,
                    position: Some(position),
                    effect: None,
                    first: delivery.first,
                    attempts: delivery.attempts,
                    failure: &failure,
                };
                rows::insert_dead_letter(&lock(&self.db), &letter, now)?;
                self.parts.metrics.dead_letters.with_label_values(&[&listener.name]).inc();
                listener.queue.finish(position);
            }
        }
        Ok(())
    }

    fn new_delivery(&self, event: Arc<Event>, size: usize) -> Delivery {
        Delivery {
            event,
            size,
            attempts: 0,
            first: self.batch.now,
            due: Timestamp::default(),
            part: None,
            reason: None,
            open_effects: 0,
            state: DeliveryState::Open,
        }
    }

    // --- Effects ---------------------------------------------------------------------------------------------

    /// Asks for the permit, records *trying*, and has the attempt started after the commit.
    fn attempt(&mut self, id: i64) -> Fatal<()> {
        let now = self.batch.now;
        let Some(row) = self.effects.get(&id) else { return Ok(()) };
        if let Some(report) = row.report.clone().filter(|_| row.state == EffectState::Answered) {
            return self.settle(id, Settlement::Done(report));
        }
        let (listener, unsure, effect) = (row.listener, row.unsure, row.effect.clone());
        let permit = self.permit(For { listener, origin: row.origin }, &effect)?;
        self.batch.effects.insert(id);
        match permit {
            Ok(Permit::Go) => {}
            Ok(Permit::NotBefore(due)) => {
                self.sleep(id, due);
                return Ok(());
            }
            Ok(Permit::Settled(report)) => return self.settle(id, Settlement::Done(report)),
            Err(failure) => return self.effect_failed(id, failure),
        }
        let bridge = Arc::clone(&self.bridges[self.listeners[listener].bridge].0);
        self.listeners[listener].acting += 1;
        self.in_flight.insert(id, listener);
        let Some(row) = self.effects.get_mut(&id) else { return Ok(()) };
        row.state = EffectState::Trying;
        row.due = now.plus(TRYING);
        let look_since = unsure.then_some(row.first);
        self.batch.starts.push(Start { id, bridge, effect, look_since });
        Ok(())
    }

    fn sleep(&mut self, id: i64, due: Timestamp) {
        if let Some(row) = self.effects.get_mut(&id) {
            row.state = EffectState::Waiting;
            row.due = due;
            self.sleeping.push(std::cmp::Reverse((due.ms(), id)));
            self.batch.effects.insert(id);
        }
    }

    fn take_attempted(&mut self, attempted: Attempted) -> Fatal<()> {
        let Attempted { effect: id, result, exchanges } = attempted;
        if let Some(listener) = self.in_flight.remove(&id) {
            self.listeners[listener].acting -= 1;
        }
        let Some(row) = self.effects.get_mut(&id) else { return Ok(()) };
        row.exchanges.extend(exchanges);
        self.batch.effects.insert(id);
        match result {
            AttemptResult::Acted(Ok(report)) | AttemptResult::Looked(Ok(Some(report))) => {
                self.settle(id, Settlement::Done(report))
            }
            AttemptResult::Acted(Err(failure)) => self.effect_failed(id, failure),
            AttemptResult::Looked(Ok(None)) => {
                // The provider knows nothing of it: do it (again). This is the window that its API leaves open.
                row.unsure = false;
                row.state = EffectState::Waiting;
                let listener = row.listener;
                self.parts
                    .metrics
                    .tried_again_unsure
                    .with_label_values(&[&self.listeners[listener].name])
                    .inc();
                self.listeners[listener].startable.push_front(id);
                Ok(())
            }
            AttemptResult::Looked(Err(failure)) => {
                // Whatever became of the asking, what became of the effect is as unknown as before.
                let failure = match failure {
                    Failure::Unsure { reason } => Failure::retry(reason),
                    other => other,
                };
                self.effect_failed(id, failure)
            }
        }
    }

    fn effect_failed(&mut self, id: i64, failure: Failure) -> Fatal<()> {
        let now = self.batch.now;
        let random = (self.parts.random)();
        let Some(row) = self.effects.get_mut(&id) else { return Ok(()) };
        row.reason = Some(failure.to_string());
        row.unsure |= matches!(failure, Failure::Unsure { .. });
        let listener = &self.listeners[row.listener];
        self.parts.metrics.failed_attempts.with_label_values(&[&listener.name, failure.kind()]).inc();
        match try_again(&failure, &mut row.attempts, row.first, &listener.policy, now, random) {
            Some(due) => {
                self.sleep(id, due);
                Ok(())
            }
            None => {
                warn!(
                    listener = listener.name,
                    destination = row.effect.destination,
                    attempts = row.attempts,
                    reason = %failure,
                    "an effect became a dead letter"
                );
                let letter = DeadLetter {
                    listener: listener.id,
                    position: row.origin,
                    effect: Some(id),
                    first: row.first,
                    attempts: row.attempts,
                    failure: &failure,
                };
                rows::insert_dead_letter(&lock(&self.db), &letter, now)?;
                self.parts.metrics.dead_letters.with_label_values(&[&listener.name]).inc();
                self.settle(id, Settlement::GaveUp(failure))
            }
        }
    }

    /// Lets the bridge say what an effect's end means, and closes the effect.
    fn settle(&mut self, id: i64, settlement: Settlement) -> Fatal<()> {
        let now = self.batch.now;
        let Some(row) = self.effects.get(&id) else { return Ok(()) };
        let (to, effect) = (For { listener: row.listener, origin: row.origin }, row.effect.clone());
        let mut failed = None;
        for _ in 0..MAX_CONFLICTS {
            let (bridge, sql) = &self.bridges[self.listeners[to.listener].bridge];
            let view = SqlView { connection: &self.db, sql, now };
            let outcome = guarded(|| bridge.settle(&effect, &settlement, now, &view).now_or_never());
            let applied = match outcome {
                Ok(outcome) => self.apply(to, outcome)?.map(|_| ()),
                Err(failure) => Err(failure),
            };
            match applied {
                Ok(()) => {
                    failed = None;
                    break;
                }
                Err(failure) => failed = Some(failure),
            }
        }
        let gave_up = matches!(settlement, Settlement::GaveUp(_));
        match failed {
            Some(Failure::Retry { reason, after }) if !gave_up => {
                // Keep the answer, and settle it later.
                if let (Some(row), Settlement::Done(report)) = (self.effects.get_mut(&id), settlement) {
                    row.state = EffectState::Answered;
                    row.report = Some(report);
                    row.reason = Some(reason);
                    row.due = now.plus(after.unwrap_or(Duration::from_secs(1)));
                    self.sleeping.push(std::cmp::Reverse((row.due.ms(), id)));
                    self.batch.effects.insert(id);
                }
                return Ok(());
            }
            Some(Failure::Unsure { reason }) if !gave_up => {
                // The answer turned out to be somebody else's: the effect is still to be done.
                if let Some(row) = self.effects.get_mut(&id) {
                    row.unsure = false;
                    row.reason = Some(reason);
                }
                self.sleep(id, now);
                return Ok(());
            }
            Some(failure) => {
                error!(listener = self.listeners[to.listener].name, reason = %failure, "an effect's end could not be settled");
                let letter = DeadLetter {
                    listener: self.listeners[to.listener].id,
                    position: to.origin,
                    effect: Some(id),
                    first: now,
                    attempts: 1,
                    failure: &failure,
                };
                rows::insert_dead_letter(&lock(&self.db), &letter, now)?;
            }
            None => {}
        }
        if let Some(row) = self.effects.get_mut(&id) {
            row.state = if gave_up { EffectState::Dead } else { EffectState::Done };
            row.report = None;
            self.batch.effects.insert(id);
            if !gave_up {
                self.parts.metrics.effects.with_label_values(&[&self.listeners[to.listener].name]).inc();
            }
        }
        if let Some(position) = to.origin {
            if let Some(delivery) = self.listeners[to.listener].queue.deliveries.get_mut(&position) {
                delivery.open_effects = delivery.open_effects.saturating_sub(1);
            }
            self.close_if_settled(to.listener, position);
        }
        Ok(())
    }

    // --- Bridges and outcomes --------------------------------------------------------------------------------

    fn permit(&mut self, to: For, effect: &Effect) -> Fatal<Result<Permit, Failure>> {
        let now = self.batch.now;
        let mut last = Failure::bug("no permit was asked for");
        for _ in 0..MAX_CONFLICTS {
            let (bridge, sql) = &self.bridges[self.listeners[to.listener].bridge];
            let view = SqlView { connection: &self.db, sql, now };
            let permitted = guarded(|| bridge.permit(effect, now, &view).now_or_never());
            match permitted {
                Err(failure) => return Ok(Err(failure)),
                Ok(permitted) if permitted.writes.is_empty() => return Ok(Ok(permitted.permit)),
                Ok(permitted) => {
                    let outcome = Outcome { writes: permitted.writes, ..Outcome::default() };
                    match self.apply(to, outcome)? {
                        Ok(_) => return Ok(Ok(permitted.permit)),
                        Err(failure) => last = failure,
                    }
                }
            }
        }
        Ok(Err(last))
    }

    /// Decides and applies. An expectation that does not hold has it decided again.
    fn decide(&mut self, to: For, id: &ArrivalId, what: What<'_>) -> Fatal<Result<Outcome, Failure>> {
        let now = self.batch.now;
        let mut last = Failure::bug("nothing was decided");
        for _ in 0..MAX_CONFLICTS {
            let listener = &self.listeners[to.listener];
            let (bridge, sql) = &self.bridges[listener.bridge];
            let view = SqlView { connection: &self.db, sql, now };
            let arrival = Arrival { listener: &listener.name, id, now, what };
            let decided = guarded(|| bridge.decide(&arrival, &view).now_or_never());
            match decided {
                Err(failure) => return Ok(Err(failure)),
                Ok(outcome) => match self.apply(to, outcome)? {
                    Ok(rest) => return Ok(Ok(rest)),
                    Err(Failure::Retry { reason, after: None }) => last = Failure::retry(reason),
                    Err(failure) => return Ok(Err(failure)),
                },
            }
        }
        Ok(Err(last))
    }

    /// Writes an outcome into the batch: all of it, or nothing and why. Gives back the reply and the next part.
    fn apply(&mut self, to: For, outcome: Outcome) -> Fatal<Result<Outcome, Failure>> {
        let encoded = match prepare(&outcome) {
            Ok(encoded) => encoded,
            Err(failure) => return Ok(Err(failure)),
        };
        let now = self.batch.now;
        let bridge = self.listeners[to.listener].bridge;
        if !outcome.writes.is_empty() {
            let db = lock(&self.db);
            let sql = &self.bridges[bridge].1;
            // Only a later write of several can leave earlier ones to be undone.
            let several = outcome.writes.len() > 1;
            if several {
                db.prepare_cached("SAVEPOINT outcome")?.execute([])?;
            }
            let held = view::write(&db, sql, &outcome.writes, now)?;
            if several {
                if !held {
                    db.prepare_cached("ROLLBACK TO outcome")?.execute([])?;
                }
                db.prepare_cached("RELEASE outcome")?.execute([])?;
            }
            if !held {
                self.parts.metrics.conflicts.inc();
                return Ok(Err(Failure::retry("somebody else wrote first")));
            }
        }
        for (event, bytes) in outcome.events.into_iter().zip(encoded) {
            self.publish(event, bytes, to.origin.is_none())?;
        }
        for change in outcome.timers {
            let name = self.bridges[bridge].0.declaration().name;
            match change {
                TimerChange::Set { key, due, body } => {
                    rows::set_timer(&lock(&self.db), name, &key, due, &body)?;
                    self.next_timer = Some(self.next_timer.map_or(due.ms(), |next| next.min(due.ms())));
                }
                TimerChange::Clear { key } => rows::clear_timer(&lock(&self.db), name, &key)?,
            }
        }
        for effect in outcome.effects {
            self.add_effect(to, effect);
        }
        Ok(Ok(Outcome { reply: outcome.reply, next_part: outcome.next_part, ..Outcome::default() }))
    }

    fn add_effect(&mut self, to: For, effect: Effect) {
        let id = self.next_effect;
        self.next_effect += 1;
        let now = self.batch.now;
        let due = effect.not_before.unwrap_or_default();
        let row = EffectRow {
            listener: to.listener,
            origin: to.origin,
            effect,
            state: EffectState::Waiting,
            attempts: 0,
            unsure: false,
            due,
            first: now,
            report: None,
            reason: None,
            exchanges: Vec::new(),
            new: true,
        };
        self.effects.insert(id, row);
        self.batch.effects.insert(id);
        if due > now {
            self.sleeping.push(std::cmp::Reverse((due.ms(), id)));
        } else {
            self.listeners[to.listener].startable.push_back(id);
        }
        if let Some(position) = to.origin
            && let Some(delivery) = self.listeners[to.listener].queue.deliveries.get_mut(&position)
        {
            delivery.open_effects += 1;
        }
    }

    fn publish(&mut self, event: Event, bytes: Vec<u8>, outside: bool) -> Fatal<()> {
        let now = self.batch.now;
        let position = self.next_position;
        if !rows::insert_event(&lock(&self.db), position, &event, outside, &bytes, now)? {
            self.parts.metrics.repeated_events.inc();
            return Ok(());
        }
        self.next_position += 1;
        self.parts.metrics.events.with_label_values(&[event.detail.kind()]).inc();
        let matching = match self.rules.matching(&bytes) {
            Ok(matching) => matching,
            Err(failed) => {
                error!(event = %event.id, error = %failed, "an event of ours could not be matched");
                Vec::new()
            }
        };
        let (event, size) = (Arc::new(event), bytes.len());
        for rule in matching {
            let index = self.rule_listener[rule];
            let queue = &self.listeners[index].queue;
            if queue.behind || !queue.has_room() {
                rows::insert_bare_delivery(&lock(&self.db), self.listeners[index].id, position, now)?;
                self.listeners[index].queue.behind = true;
            } else {
                let delivery = self.new_delivery(Arc::clone(&event), size);
                self.listeners[index].queue.push(position, delivery, false);
                self.batch.deliveries.insert((index, position));
            }
        }
        if self.parts.shown.receiver_count() > 0 {
            self.batch.shown.push((position, bytes.into()));
        }
        Ok(())
    }

    fn save_rows(&mut self) -> Fatal<()> {
        let now = self.batch.now;
        let db = lock(&self.db);
        for (index, position) in &self.batch.deliveries {
            let listener = &self.listeners[*index];
            if let Some(delivery) = listener.queue.deliveries.get(position) {
                rows::save_delivery(&db, listener.id, *position, delivery, now)?;
            }
        }
        for id in &self.batch.effects {
            if let Some(row) = self.effects.get_mut(id) {
                rows::save_effect(&db, *id, self.listeners[row.listener].id, row, now)?;
                row.new = false;
            }
        }
        Ok(())
    }

    fn sweep(&mut self) -> Fatal<()> {
        let now = self.batch.now;
        if now < self.next_sweep {
            return Ok(());
        }
        self.next_sweep = now.plus(SWEEP_EVERY);
        for (index, (_, sql)) in self.bridges.iter().enumerate() {
            view::sweep(&lock(&self.db), sql, now, &mut self.swept[index], SWEPT_AT_ONCE)?;
        }
        Ok(())
    }
}

/// When to try again, or `None` when it is time to give up. Counts the attempt, unless the failure says when.
fn try_again(
    failure: &Failure,
    attempts: &mut u32,
    first: Timestamp,
    policy: &Policy,
    now: Timestamp,
    random: f64,
) -> Option<Timestamp> {
    let wait = match failure {
        Failure::Refuse { .. } | Failure::Bug { .. } => {
            *attempts += 1;
            return None;
        }
        Failure::Retry { after: Some(after), .. } => *after,
        Failure::Retry { after: None, .. } | Failure::Unsure { .. } => {
            *attempts += 1;
            if *attempts >= policy.attempts {
                return None;
            }
            backoff::wait(*attempts, random)
        }
    };
    (now.since(first) < Duration::from_secs(policy.max_age_s)).then(|| now.plus(wait))
}

/// Calls into a bridge: a panic, or a future that is not ready at once, is the bridge's bug and nobody else's.
fn guarded<T>(call: impl FnOnce() -> Option<Result<T, Failure>>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Some(result)) => result,
        Ok(None) => Err(Failure::bug("a decision waits for something other than its store")),
        Err(panic) => {
            let said = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            Err(Failure::bug(format!("a decision panicked: {said}")))
        }
    }
}

/// Checks an outcome's limits and encodes its events, before anything of it is written.
fn prepare(outcome: &Outcome) -> Result<Vec<Vec<u8>>, Failure> {
    store::check_limits(&outcome.writes)?;
    let all = outcome.writes.len() + outcome.events.len() + outcome.effects.len() + outcome.timers.len();
    if all > MAX_TRANSACTION_ITEMS {
        return Err(Failure::bug(format!("an outcome of {all} parts, more than {MAX_TRANSACTION_ITEMS}")));
    }
    let destinations: BTreeSet<&str> =
        outcome.effects.iter().map(|effect| effect.destination.as_str()).collect();
    if destinations.len() < outcome.effects.len() {
        return Err(Failure::bug("two effects with one destination"));
    }
    outcome.events.iter().map(Event::encode).collect()
}
