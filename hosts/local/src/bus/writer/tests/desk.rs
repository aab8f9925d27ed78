//! A throw-away bridge, a provider that remembers what was done, a clock and a disk under the test's control, and a
//! crash wherever one likes.
//!
//! The bridge's door takes `lane text` and publishes a change of that lane; its listener hears it, in order, and
//! asks for one effect. Words in the text make it misbehave.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::event::{Change, Detail, RoomChanged};
use switchboard_core::{
    Address, Arrival, ArrivalId, Declaration, Door, DoorAccess, Effect, Event, EventId, Expect, Failure, Key,
    MAX_BODY_BYTES, Message, MessageId, Outcome, Permit, Permitted, Reply, Report, Revision, Sender,
    Settlement, Surface, TimerChange, View, What, Write,
};
use switchboard_hosts::attempt::Attempted as AttemptResult;
use tempfile::TempDir;
use tokio::sync::{broadcast, oneshot};

use super::super::*;
use crate::bus::archive::Archive;
use crate::bus::database;
use crate::bus::inbox::{Answering, Asked, DoorJob, Obeyed, Order};

/// Why an effect that is not wanted any more ended.
pub(super) const UNWANTED: &str = "it is not wanted any more";

fn unwanted_key(text: &str) -> Key {
    Key::new("unwanted", text)
}

/// Texts, and what they came to.
type Ends = Arc<Mutex<Vec<(String, String)>>>;

struct Echo {
    ends: Ends,
}

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
            What::Event { event, part } => return hear(event, part),
            What::Timer(timer) => match timer.body.split_once(" after ") {
                Some((_, lane)) if view.get(&Key::new("lane", lane)).await?.is_none() => {
                    return Err(Failure::bug("too early"));
                }
                _ => timer.body.clone(),
            },
        };
        if let Some(unwanted) = text.strip_prefix("unwanted ") {
            let write = Write::put(unwanted_key(unwanted), &true, Expect::Any)?;
            return Ok(Outcome { writes: vec![write], ..Outcome::default() });
        }
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

    async fn permit(&self, effect: &Effect, _: Timestamp, view: &dyn View) -> Result<Permitted, Failure> {
        let unwanted = view.get(&unwanted_key(&effect.read::<String>()?)).await?.is_some();
        let permit = if unwanted { Permit::Needless(Report::new(&UNWANTED)?) } else { Permit::Go };
        Ok(Permitted { permit, writes: Vec::new() })
    }

    async fn settle(
        &self,
        effect: &Effect,
        settlement: &Settlement,
        _: Timestamp,
        _: &dyn View,
    ) -> Result<Outcome, Failure> {
        if let Settlement::Done(report) = settlement {
            self.ends.lock().unwrap().push((effect.read()?, report.read()?));
        }
        if effect.body.contains("unsettled") {
            Err(Failure::bug("cannot settle"))
        } else {
            Ok(Outcome::nothing())
        }
    }
}

fn hear(event: &Event, part: Option<&str>) -> Result<Outcome, Failure> {
    let Detail::RoomChanged(changed) = &event.detail else { return Ok(Outcome::nothing()) };
    let text = &changed.message.text;
    if part.is_some() {
        return Err(Failure::bug("no more parts"));
    }
    match text.as_str() {
        "panics" => panic!("as it was told"),
        "waits" => return Err(Failure::retry("as it was told")),
        "is a bug" => return Err(Failure::bug("as it was told")),
        _ => {}
    }
    let effect = Effect::new(changed.lane.clone(), text)?;
    let next_part = (text == "in parts").then(|| "the second".to_owned());
    let mut effects = vec![effect];
    if text == "doubled" {
        effects.push(Effect::new(format!("{} too", changed.lane), &"the other")?);
    }
    Ok(Outcome { effects, next_part, ..Outcome::default() })
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
pub(super) const KEEP: Duration = Duration::from_secs(90 * 86_400);

/// A writer with everything around it in the test's hands.
pub(super) struct Desk {
    pub(super) directory: TempDir,
    pub(super) now: Arc<AtomicI64>,
    pub(super) writer: Writer,
    pub(super) inbox: Arc<Inbox>,
    /// Attempts that were started and have not ended: (effect, lane, text, asks only).
    pub(super) under_way: UnderWay,
    ends: Ends,
    /// What the provider has done, by lane, in order.
    done: BTreeMap<String, Vec<String>>,
    pub(super) accepted: Vec<String>,
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("hub.sqlite3")
}

type UnderWay = Arc<Mutex<VecDeque<(i64, String, String, bool)>>>;

fn writer(
    directory: &TempDir,
    now: &Arc<AtomicI64>,
    inbox: &Arc<Inbox>,
    under_way: &UnderWay,
    ends: &Ends,
) -> Writer {
    let (clock, starts) = (Arc::clone(now), Arc::clone(under_way));
    let metrics = Arc::new(Metrics::new().unwrap());
    Writer::new(Parts {
        connection: database::open_for_writing(&path(directory), &["echo"]).unwrap(),
        bridges: vec![Arc::new(Echo { ends: Arc::clone(ends) })],
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
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("wiring")).unwrap();
        std::fs::write(directory.path().join("wiring/echo.out.json"), WIRING).unwrap();
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let (inbox, under_way, ends) = (Arc::new(Inbox::default()), UnderWay::default(), Ends::default());
        let writer = writer(&directory, &now, &inbox, &under_way, &ends);
        Self { directory, now, writer, inbox, under_way, ends, done: BTreeMap::new(), accepted: Vec::new() }
    }

    /// The process dies: what was under way is lost, what the provider did is done.
    pub(super) fn crash(&mut self) {
        self.under_way = UnderWay::default();
        self.inbox = Arc::new(Inbox::default());
        self.writer = writer(&self.directory, &self.now, &self.inbox, &self.under_way, &self.ends);
    }

    pub(super) fn pass(&self, duration: Duration) {
        self.now.fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(super) fn turn(&mut self) -> bool {
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
    pub(super) fn knock(&mut self, text: &str) -> Result<Reply, Failure> {
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
    pub(super) fn carry_out(&mut self, heard: bool) {
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

    /// The first attempt that is under way gets lost before the provider hears of it, and nobody can know that.
    pub(super) fn lose(&mut self) {
        let (id, ..) = self.under_way.lock().unwrap().pop_front().expect("an attempt");
        let result = AttemptResult::Acted(Err(Failure::unsure("no answer")));
        self.inbox.attempted(Attempted { effect: id, result, exchanges: Vec::new() });
    }

    /// Everything ends: time passes and the provider answers until nothing moves any more.
    pub(super) fn drain(&mut self) {
        for _ in 0..60 {
            self.turn();
            while !self.under_way.lock().unwrap().is_empty() {
                self.carry_out(true);
            }
            self.pass(Duration::from_secs(600));
        }
    }

    /// Turns until everything old has been looked at.
    pub(super) fn sweep(&mut self) {
        for _ in 0..20 {
            self.pass(Duration::from_secs(5));
            self.turn();
        }
    }

    /// What a text came to, each time that it ended.
    pub(super) fn ends_of(&self, text: &str) -> Vec<String> {
        let ends = self.ends.lock().unwrap();
        ends.iter().filter(|(of, _)| of == text).map(|(_, end)| end.clone()).collect()
    }

    pub(super) fn done(&self, lane: &str) -> Vec<&str> {
        self.done.get(lane).map(|texts| texts.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    pub(super) fn letters(&self) -> Vec<crate::bus::archive::DeadLetter> {
        Archive::new(&path(&self.directory)).dead_letters(0, 100).unwrap()
    }

    pub(super) fn order(&mut self, make: impl FnOnce(oneshot::Sender<Obeyed>) -> Order) -> Obeyed {
        let (answer, mut answered) = oneshot::channel();
        self.inbox.order(make(answer));
        self.turn();
        answered.try_recv().unwrap()
    }

    /// The disk has room for so many pages more; `None` for all one likes.
    pub(super) fn room_on_disk(&self, pages: Option<i64>) {
        let db = lock(&self.writer.db);
        let used: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = pages.map_or(1_000_000, |pages| used + pages);
        db.query_row(&format!("PRAGMA max_page_count = {most}"), [], |row| row.get::<_, i64>(0)).unwrap();
    }
}
