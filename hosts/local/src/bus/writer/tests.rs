//! The bus against a model: a throw-away bridge, a provider that remembers what was done, a clock and a disk
//! under the test's control, and a crash wherever one likes.
//!
//! The bridge's door takes `lane text` and publishes a change of that lane; its listener hears it, in order, and
//! asks for one effect. Words in the text make it misbehave.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use switchboard_core::event::{Change, Detail, RoomChanged};
use switchboard_core::{
    Address, Arrival, ArrivalId, Declaration, Door, DoorAccess, Effect, Event, EventId, Expect, Failure, Key,
    MAX_BODY_BYTES, Message, MessageId, Outcome, Reply, Report, Revision, Sender, Surface, TimerChange, View,
    What, Write,
};
use tempfile::TempDir;
use tokio::sync::{broadcast, oneshot};

use super::*;
use crate::bus::archive::Archive;
use crate::bus::database;
use crate::bus::inbox::{Answering, Asked, DoorJob, Order};
use switchboard_hosts::attempt::Attempted as AttemptResult;

struct Echo;

static DECLARATION: Declaration = Declaration {
    name: "echo",
    doors: &[Door {
        name: "echo.door",
        path: "/echo",
        methods: &["POST"],
        access: DoorAccess::Private,
        content_types: &[],
        max_bytes: MAX_BODY_BYTES,
    }],
    listeners: &["echo.out"],
};

const WIRING: &str = r#"{ "listener": "echo.out", "pattern": { "detail-type": ["RoomChanged"] }, "ordered": true,
    "delivery": { "attempts": 3, "max_age_s": 86400, "concurrency": 4 } }"#;

#[async_trait]
impl Bridge for Echo {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    async fn decide(&self, arrival: &Arrival<'_>, view: &dyn View) -> Result<Outcome, Failure> {
        let text = match arrival.what {
            What::Request(request) => String::from_utf8_lossy(request.body()).into_owned(),
            What::Frame(frame) => frame.text.clone(),
            What::Event { event, .. } => return hear(event),
            What::Timer(timer) => timer.body.clone(),
        };
        if let Some(later) = text.strip_prefix("later ") {
            let due = arrival.now.plus(Duration::from_secs(60));
            let timer = TimerChange::Set { key: later.to_owned(), due, body: later.to_owned() };
            return Ok(Outcome { timers: vec![timer], ..Outcome::default() });
        }
        let (lane, words) = text.split_once(' ').ok_or_else(|| Failure::refuse(400, "lane and text"))?;
        let key = Key::new("lane", lane);
        let last = view.get(&key).await?;
        let (seq, expect) = match &last {
            None => (1, Expect::Absent),
            Some(item) => (item.read::<u64>()? + 1, Expect::Version(item.version)),
        };
        let write = Write::put(key, &seq, expect)?;
        // Words after `=` name the cause, so that two arrivals can have one.
        let cause = words.split_once('=').map_or(words, |(_, cause)| cause);
        let event = changed(lane, seq, words, cause, arrival.now);
        Ok(Outcome { writes: vec![write], events: vec![event], ..Outcome::default() })
    }

    async fn settle(
        &self,
        effect: &Effect,
        _: &switchboard_core::Settlement,
        _: Timestamp,
        _: &dyn View,
    ) -> Result<Outcome, Failure> {
        if effect.body.contains("unsettled") {
            Err(Failure::bug("cannot settle"))
        } else {
            Ok(Outcome::nothing())
        }
    }
}

fn hear(event: &Event) -> Result<Outcome, Failure> {
    let Detail::RoomChanged(changed) = &event.detail else { return Ok(Outcome::nothing()) };
    let text = &changed.message.text;
    match text.as_str() {
        "panics" => panic!("as it was told"),
        "waits" => return Err(Failure::retry("as it was told")),
        "is a bug" => return Err(Failure::bug("as it was told")),
        _ => {}
    }
    let effect = Effect::new(changed.lane.clone(), text)?;
    Ok(Outcome { effects: vec![effect], ..Outcome::default() })
}

fn changed(lane: &str, seq: u64, text: &str, cause: &str, now: Timestamp) -> Event {
    let message = Message {
        id: MessageId::from_cause(&[lane, cause]),
        revision: Revision::FIRST,
        room: lane.parse().unwrap(),
        sender: Sender { surface: Surface::Web, address: Address::new("a"), name: "a".into() },
        text: text.into(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: now,
        hops: 0,
    };
    let detail =
        RoomChanged { lane: lane.into(), seq, change: Change::Posted, message, by: None, reaction: None };
    Event::new(EventId::from_cause(&[lane, cause]), "echo", now, Detail::RoomChanged(detail))
}

/// How long the archive keeps what is settled.
const KEEP: Duration = Duration::from_secs(90 * 86_400);

/// A writer with everything around it in the test's hands.
struct Desk {
    directory: TempDir,
    now: Arc<AtomicI64>,
    writer: Writer,
    inbox: Arc<Inbox>,
    /// Attempts that were started and have not ended: (effect, lane, text, asks only).
    under_way: UnderWay,
    /// What the provider has done, by lane, in order.
    done: BTreeMap<String, Vec<String>>,
    accepted: Vec<String>,
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("hub.sqlite3")
}

type UnderWay = Arc<Mutex<VecDeque<(i64, String, String, bool)>>>;

fn writer(directory: &TempDir, now: &Arc<AtomicI64>, inbox: &Arc<Inbox>, under_way: &UnderWay) -> Writer {
    let (clock, starts) = (Arc::clone(now), Arc::clone(under_way));
    let metrics = Arc::new(Metrics::new().unwrap());
    Writer::new(Parts {
        connection: database::open_for_writing(&path(directory), &["echo"]).unwrap(),
        bridges: vec![Arc::new(Echo)],
        wiring: Wiring::load(&directory.path().join("wiring")).unwrap(),
        keep: Some(KEEP),
        inbox: Arc::clone(inbox),
        clock: Arc::new(move || Timestamp::from_ms(clock.load(Ordering::Relaxed))),
        random: Box::new(|| 0.5),
        outlet: Outlet {
            start: Box::new(move |start| {
                let text = start.effect.read().unwrap();
                let asks = start.look_since.is_some();
                starts.lock().unwrap().push_back((start.id, start.effect.destination, text, asks));
            }),
            push: Box::new(|_| {}),
            shown: broadcast::channel(16).0,
            metrics: Arc::clone(&metrics),
        },
        progress: Arc::new(Progress::new()),
        metrics,
    })
    .unwrap()
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("wiring")).unwrap();
        std::fs::write(directory.path().join("wiring/echo.out.json"), WIRING).unwrap();
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let (inbox, under_way) = (Arc::new(Inbox::default()), UnderWay::default());
        let writer = writer(&directory, &now, &inbox, &under_way);
        Self { directory, now, writer, inbox, under_way, done: BTreeMap::new(), accepted: Vec::new() }
    }

    /// The process dies: what was under way is lost, what the provider did is done.
    fn crash(&mut self) {
        self.under_way = UnderWay::default();
        self.inbox = Arc::new(Inbox::default());
        self.writer = writer(&self.directory, &self.now, &self.inbox, &self.under_way);
    }

    fn pass(&self, duration: Duration) {
        self.now.fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }

    fn turn(&mut self) -> bool {
        let jobs = self.inbox.take(Duration::ZERO, false);
        match self.writer.turn(jobs.work, false) {
            Ok(sealed) => {
                self.writer.parts.progress.keep(sealed.number);
                self.writer.parts.outlet.let_out(sealed);
                true
            }
            Err(_) => {
                self.writer.give_up_turn();
                false
            }
        }
    }

    /// Knocks; gives the answer.
    fn knock(&mut self, text: &str) -> Result<Reply, Failure> {
        let (answer, mut answered) = oneshot::channel();
        let arrival = ArrivalId::from_cause(&[text]);
        let asked = Asked::Request(http::Request::new(Bytes::from(text.to_owned())));
        let answer = Answering::Request(answer);
        assert!(self.inbox.knock(DoorJob { door: "echo.door", arrival, once: false, asked, answer }));
        self.turn();
        let result = answered.try_recv().unwrap_or_else(|_| Err(Failure::retry("no answer")));
        if result.is_ok() {
            self.accepted.push(text.to_owned());
        }
        result
    }

    /// The provider carries out the first attempt that is under way, or says what it knows; `heard`: the hub
    /// hears of it.
    fn carry_out(&mut self, heard: bool) {
        let Some((id, lane, text, asks)) = self.under_way.lock().unwrap().pop_front() else { return };
        let done = self.done.entry(lane).or_default();
        let report = Report::new(&"done").unwrap();
        let result = if asks {
            AttemptResult::Looked(Ok(done.contains(&text).then_some(report)))
        } else {
            done.push(text);
            AttemptResult::Acted(Ok(report))
        };
        if heard {
            self.inbox.attempted(Attempted { effect: id, result, exchanges: Vec::new() });
        } else {
            let failed = AttemptResult::Acted(Err(Failure::unsure("no answer")));
            self.inbox.attempted(Attempted {
                effect: id,
                result: if asks { result } else { failed },
                exchanges: Vec::new(),
            });
        }
    }

    /// Everything ends: time passes and the provider answers until nothing moves any more.
    fn drain(&mut self) {
        for _ in 0..60 {
            self.turn();
            while !self.under_way.lock().unwrap().is_empty() {
                self.carry_out(true);
            }
            self.pass(Duration::from_secs(600));
        }
    }

    /// Turns until everything old has been looked at.
    fn sweep(&mut self) {
        for _ in 0..20 {
            self.pass(Duration::from_secs(5));
            self.turn();
        }
    }

    fn done(&self, lane: &str) -> Vec<&str> {
        self.done.get(lane).map(|texts| texts.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    fn letters(&self) -> Vec<crate::bus::archive::DeadLetter> {
        Archive::new(&path(&self.directory)).dead_letters(0, 100).unwrap()
    }

    fn order(&mut self, make: impl FnOnce(oneshot::Sender<bool>) -> Order) -> bool {
        let (answer, mut answered) = oneshot::channel();
        self.inbox.order(make(answer));
        self.turn();
        answered.try_recv().unwrap()
    }

    /// The disk has room for so many pages more; `None` for all one likes.
    fn room_on_disk(&self, pages: Option<i64>) {
        let db = lock(&self.writer.db);
        let used: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = pages.map_or(1_000_000, |pages| used + pages);
        db.query_row(&format!("PRAGMA max_page_count = {most}"), [], |row| row.get::<_, i64>(0)).unwrap();
    }
}

#[test]
fn a_full_disk_turns_doors_away_loses_nothing_and_jams_nobody() {
    let mut desk = Desk::new();
    desk.knock("a one").unwrap();
    desk.room_on_disk(Some(0));
    let large = format!("a {}", "x".repeat(20_000));
    for _ in 0..20 {
        assert!(matches!(desk.knock(&large), Err(Failure::Retry { .. })), "no room, no promise");
    }
    assert_eq!(desk.writer.parts.metrics.writable.get(), 0, "not ready");
    desk.room_on_disk(None);
    desk.turn();
    assert_eq!(desk.writer.parts.metrics.writable.get(), 1, "ready again, though nobody has knocked");
    for number in 0..10 {
        desk.knock(&format!("b{number} two")).unwrap();
    }
    desk.drain();
    assert_eq!(desk.done("a"), ["one"]);
    for number in 0..10 {
        assert_eq!(desk.done(&format!("b{number}")), ["two"], "every place is free again");
    }
}

#[test]
fn what_is_settled_and_old_is_removed_and_what_is_open_or_dead_is_kept() {
    let mut desk = Desk::new();
    for number in 0..450 {
        desk.knock(&format!("a{} {number}", number % 7)).unwrap();
    }
    desk.knock("b is a bug").unwrap();
    for _ in 0..4 {
        desk.drain();
    }
    desk.knock("c never answered").unwrap();
    let count = |desk: &Desk, what: &str| -> i64 {
        lock(&desk.writer.db)
            .query_row(&format!("SELECT COUNT(*) FROM {what}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!((count(&desk, "events"), count(&desk, "effects")), (452, 451));
    desk.pass(KEEP - Duration::from_secs(5 * 86_400));
    desk.sweep();
    assert_eq!((count(&desk, "events"), count(&desk, "arrivals")), (452, 452), "not old yet");

    // The attempt that was under way has become unsure; the provider does not answer.
    desk.pass(Duration::from_secs(6 * 86_400));
    desk.knock("d young").unwrap();
    desk.sweep();
    assert_eq!(count(&desk, "events"), 3, "the dead letter's, the open one, the young one");
    assert_eq!(count(&desk, "deliveries"), 3);
    assert_eq!(count(&desk, "arrivals"), 1);
    assert!(desk.letters()[0].event.is_some());
    assert_eq!(count(&desk, "effects"), 452, "kept for longer: a replay must find them");
    desk.pass(KEEP);
    desk.sweep();
    assert_eq!(count(&desk, "effects WHERE state = 3"), 0);

    let before = count(&desk, "sqlite_schema");
    desk.crash();
    desk.knock("e goes on").unwrap();
    desk.drain();
    assert_eq!(desk.done("e"), ["goes on"]);
    assert_eq!(count(&desk, "sqlite_schema"), before);
}

#[test]
fn an_arrival_that_comes_again_is_answered_and_not_decided_again() {
    let mut desk = Desk::new();
    desk.knock("a one").unwrap();
    desk.crash();
    desk.knock("a one").unwrap();
    desk.drain();
    assert_eq!(desk.done("a"), ["one"]);
}

#[test]
fn an_event_from_outside_with_a_known_cause_is_not_published_again() {
    let mut desk = Desk::new();
    desk.knock("a one=cause").unwrap();
    desk.knock("a other=cause").unwrap();
    desk.drain();
    assert_eq!(desk.done("a"), ["one=cause"]);
}

#[test]
fn what_cannot_be_delivered_becomes_a_dead_letter_and_its_lane_goes_on() {
    let mut desk = Desk::new();
    for text in ["a waits", "a is a bug", "a panics", "a four"] {
        desk.knock(text).unwrap();
    }
    desk.drain();
    assert_eq!(desk.done("a"), ["four"]);
    let letters = desk.letters();
    let told: Vec<(&str, u32)> =
        letters.iter().map(|letter| (letter.kind.as_str(), letter.attempts)).collect();
    assert_eq!(told, [("retry", 3), ("bug", 1), ("bug", 1)]);
    assert!(letters[2].reason.contains("panicked"), "{}", letters[2].reason);
    assert!(letters.iter().all(|letter| letter.event.is_some()), "with their payload");
}

#[test]
fn a_redriven_dead_letter_outlives_a_crash() {
    let mut desk = Desk::new();
    desk.knock("a one").unwrap();
    for _ in 0..3 {
        desk.turn();
        let (id, ..) = desk.under_way.lock().unwrap().pop_front().expect("an attempt");
        let result = AttemptResult::Acted(Err(Failure::retry("down")));
        desk.inbox.attempted(Attempted { effect: id, result, exchanges: Vec::new() });
        desk.turn();
        desk.pass(Duration::from_secs(100));
    }
    assert_eq!(desk.letters().len(), 1);
    assert!(desk.order(|answer| Order::Redrive(1, answer)));
    desk.crash();
    desk.drain();
    assert_eq!((desk.done("a"), desk.letters().len()), (vec!["one"], 0));
    assert!(!desk.order(|answer| Order::Redrive(1, answer)), "it is gone");
}

#[test]
fn an_answer_that_cannot_be_settled_is_settled_again_and_not_done_again() {
    let mut desk = Desk::new();
    desk.knock("a unsettled").unwrap();
    desk.drain();
    assert_eq!(desk.letters().len(), 1);
    assert!(desk.order(|answer| Order::Redrive(1, answer)));
    desk.drain();
    assert_eq!(desk.done("a"), ["unsettled"], "once");
}

#[test]
fn a_timer_fires_once_also_after_a_crash() {
    let mut desk = Desk::new();
    desk.knock("later a one").unwrap();
    desk.crash();
    desk.turn();
    assert!(desk.done("a").is_empty(), "not yet");
    desk.drain();
    desk.crash();
    desk.drain();
    assert_eq!(desk.done("a"), ["one"]);
}

#[test]
fn more_than_memory_holds_waits_on_disk_in_order() {
    let mut desk = Desk::new();
    let count = crate::bus::queue::WINDOW + 700;
    for number in 0..count {
        desk.knock(&format!("a {number}")).unwrap();
    }
    desk.crash();
    // The first was under way when the process died.
    desk.pass(Duration::from_secs(60));
    let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    for _ in 0..2 * count {
        desk.turn();
        desk.carry_out(true);
    }
    assert!(desk.done("a") == expected, "{} of {count}, in order or not", desk.done("a").len());
}

#[test]
fn a_writer_that_stops_does_not_spin() {
    let inbox = Inbox::default();
    inbox.stop();
    assert!(inbox.take(Duration::from_secs(60), false).stop);
    let began = Instant::now();
    inbox.take(Duration::from_millis(50), true);
    assert!(began.elapsed() >= Duration::from_millis(50), "it knows, so it waits for what is under way");
}

#[derive(Debug, Clone)]
enum Step {
    Knock(u8),
    Turn,
    CarryOut { heard: bool },
    Crash,
    DiskFull(bool),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8).prop_map(Step::Knock),
        4 => Just(Step::Turn),
        4 => any::<bool>().prop_map(|heard| Step::CarryOut { heard }),
        1 => Just(Step::Crash),
        1 => any::<bool>().prop_map(Step::DiskFull),
        2 => any::<u8>().prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: what was accepted is done once, each lane in order; or it is a dead
    /// letter.
    #[test]
    fn what_is_accepted_is_done_once_and_in_order_wherever_the_process_dies(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut desk = Desk::new();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Knock(lane) => {
                    let _ = desk.knock(&format!("lane{lane} {number}"));
                }
                Step::Turn => {
                    desk.turn();
                }
                Step::CarryOut { heard } => desk.carry_out(*heard),
                Step::Crash => desk.crash(),
                Step::DiskFull(full) => desk.room_on_disk(full.then_some(0)),
                Step::Pass(seconds) => desk.pass(Duration::from_secs(u64::from(*seconds))),
            }
        }
        desk.room_on_disk(None);
        desk.drain();
        let letters = desk.letters().len();
        for lane in 0..4 {
            let lane = format!("lane{lane}");
            let done = desk.done(&lane);
            let accepted: Vec<&str> =
                desk.accepted.iter().filter_map(|text| text.strip_prefix(&format!("{lane} "))).collect();
            let mut in_order: Vec<u64> = done.iter().map(|text| text.parse().unwrap()).collect();
            let before = in_order.clone();
            in_order.sort_unstable();
            in_order.dedup();
            prop_assert_eq!(&before, &in_order, "once and in order");
            let missing = accepted.iter().filter(|text| !done.contains(text)).count();
            prop_assert!(missing <= letters, "{} lost, {} dead letters", missing, letters);
        }
    }
}
