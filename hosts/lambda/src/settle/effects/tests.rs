//! Effects whose earlier attempt has an unknown end, against DynamoDB as an emulator plays it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use switchboard_core::{Arrival, ArrivalId, Bridge, Declaration, Effect, Outcome, Ports, Report, View};
use switchboard_hosts::again::DOOR_POLICY;
use switchboard_stories::aws::Emulator;
use tokio::sync::Semaphore;
use tracing_subscriber::fmt::MakeWriter;

use super::super::record::Letterhead;
use super::*;
use crate::Clients;
use crate::blobs::Bucket;
use crate::bus::Bus;
use crate::devices::Broker;
use crate::notices::Topics;

/// A bridge whose provider remembers what happened there. An effect's destination says what is so of it.
#[derive(Default)]
struct Echo {
    /// What was done, looked for and settled.
    deeds: Mutex<Vec<String>>,
    /// Since when it was last looked for.
    since: Mutex<Option<Timestamp>>,
}

const DECLARATION: Declaration = Declaration { name: "echo", doors: &[], listeners: &[] };

impl Echo {
    fn note(&self, deed: &str, effect: &Effect) {
        self.deeds.lock().unwrap().push(format!("{deed}: {}", effect.destination));
    }

    fn deeds_of(&self, destination: &str) -> Vec<String> {
        let deeds = self.deeds.lock().unwrap();
        deeds.iter().filter(|deed| deed.ends_with(destination)).cloned().collect()
    }
}

#[async_trait]
impl Bridge for Echo {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    async fn decide(&self, _: &Arrival<'_>, _: &dyn View) -> Result<Outcome, Failure> {
        Ok(Outcome::nothing())
    }

    async fn permit(&self, effect: &Effect, _: Timestamp, _: &dyn View) -> Result<Permitted, Failure> {
        let needless = effect.destination.contains("unwanted");
        let permit = if needless { Permit::Needless(Report::new(&"unwanted")?) } else { Permit::Go };
        Ok(Permitted { permit, writes: Vec::new() })
    }

    async fn act(&self, effect: &Effect, _: &Ports<'_>) -> Result<Report, Failure> {
        self.note("done", effect);
        Report::new(&"done")
    }

    async fn find(
        &self,
        effect: &Effect,
        since: Timestamp,
        _: &Ports<'_>,
    ) -> Result<Option<Report>, Failure> {
        self.note("looked for", effect);
        *self.since.lock().unwrap() = Some(since);
        let happened = effect.destination.contains("happened");
        happened.then(|| Report::new(&"found")).transpose()
    }

    async fn settle(
        &self,
        effect: &Effect,
        settlement: &Settlement,
        _: Timestamp,
        _: &dyn View,
    ) -> Result<Outcome, Failure> {
        let Settlement::Done(report) = settlement else { panic!("{settlement:?}") };
        self.note(&format!("ended as {}", report.read::<String>()?), effect);
        Ok(Outcome::nothing())
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

async fn function(emulator: &Emulator, echo: &Arc<Echo>) -> Settler {
    let clients = Clients::for_tests(&emulator.endpoint());
    let table = crate::store::tests::table(&clients, "echo").await;
    Settler {
        bridge: Arc::clone(echo) as Arc<dyn Bridge>,
        policy: DOOR_POLICY,
        ordered: false,
        table,
        bus: Bus::new(clients.events.clone(), "none"),
        queue: None,
        errands: None,
        dead_letters: None,
        http: clients.http.clone(),
        blobs: Bucket::new(&clients, "none"),
        notices: Topics::new(&clients),
        devices: Broker::new(clients.signer.clone(), None).unwrap(),
        line: None,
        shown: Arc::default(),
        turns: Arc::new(Semaphore::new(1)),
        credentials: Arc::default(),
        until: Instant::now() + Duration::from_secs(300),
    }
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_looked_for_where_it_may_have_happened_and_not_done_elsewhere() {
    let emulator = Emulator::start(false).await;
    let echo = Arc::new(Echo::default());
    let settler = function(&emulator, &echo).await;
    let table = settler.table.clone();
    let origin = Origin { listener: "echo".to_owned(), arrival: ArrivalId::from_text("one") };
    let now = crate::now();
    for (index, (destination, state)) in [
        ("unwanted, happened", State::Trying),
        ("unwanted, lost", State::Trying),
        ("unwanted, untried", State::Waiting),
        ("desired, lost", State::Trying),
    ]
    .into_iter()
    .enumerate()
    {
        let effect = Effect::new(destination, &"a body").unwrap();
        let mut row = EffectRow::new(format!("e#{index}"), effect, now);
        // Of an attempt whose time is over nobody knows the end.
        (row.state, row.due) = (state, now);
        table
            .commit(&[row.save(&table, &origin, now).unwrap()], &[], now)
            .await
            .map_err(NotCommitted::failure)
            .unwrap();
    }

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    settler.errand(&origin, false).await.unwrap();
    drop(logging);

    for expected in [
        &["looked for: unwanted, happened", "ended as found: unwanted, happened"][..],
        &["looked for: unwanted, lost", "ended as unwanted: unwanted, lost"],
        &["ended as unwanted: unwanted, untried"],
        &["looked for: desired, lost", "done: desired, lost", "ended as done: desired, lost"],
    ] {
        let (_, destination) = expected[0].split_once(": ").unwrap();
        assert_eq!(echo.deeds_of(destination), expected);
    }
    let record = Record::load(&table, &origin).await.unwrap();
    assert!(record.effects.iter().all(|row| row.state == State::Done));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let counted = log.matches("effects_tried_again_unsure").count();
    assert_eq!(counted, 1, "what was only looked for was not tried again\n{log}");
    emulator.stop().await;
}

#[tokio::test]
async fn what_may_have_happened_before_it_was_given_up_is_looked_for_since_then_when_it_is_put_back() {
    let emulator = Emulator::start(false).await;
    let echo = Arc::new(Echo::default());
    let settler = function(&emulator, &echo).await;
    let origin = Origin { listener: "echo".to_owned(), arrival: ArrivalId::from_text("one") };
    let now = crate::now();
    let first = now.minus(Duration::from_secs(2 * 86_400));
    let mut row = EffectRow::new("e#0".to_owned(), Effect::new("happened", &"a body").unwrap(), first);
    let head = Letterhead::of(&Failure::unsure("no answer"));
    (row.state, row.unsure, row.attempts) = (State::Dead, true, 250);
    row.dead = Some(Letterhead { told: true, ..head });
    let step = row.save(&settler.table, &origin, now).unwrap();
    settler.table.commit(&[step], &[], now).await.map_err(NotCommitted::failure).unwrap();

    settler.redrive(&origin).await.unwrap();
    assert_eq!(echo.deeds_of("happened"), ["looked for: happened", "ended as found: happened"]);
    assert_eq!(*echo.since.lock().unwrap(), Some(first));
    let record = Record::load(&settler.table, &origin).await.unwrap();
    let [row] = &record.effects[..] else { panic!("{record:?}") };
    assert!(row.attempts == 0 && row.anew >= now, "its age is counted anew: {row:?}");
    emulator.stop().await;
}
