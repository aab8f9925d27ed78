//! One function of an ordered listener, and all around it: a bridge that repeats each event, the bus and the queues.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use switchboard_core::event::{Change, Detail, RoomChanged};
use switchboard_core::{
    Address, Arrival, Declaration, Event, EventId, Message, MessageId, Outcome, Revision, Sender, Surface,
    TimerChange, What,
};
use switchboard_stories::aws::Emulator;

use super::super::*;
use crate::Clients;
use crate::devices::Broker;
use crate::notices::Topics;

const DECLARATION: Declaration = Declaration { name: "echo", doors: &[], listeners: &["echo.out"] };

/// A bridge that repeats each event, and fails as it is told to.
#[derive(Default)]
struct Echo {
    /// The next decisions fail so.
    failures: Mutex<Vec<Failure>>,
}

#[async_trait]
impl Bridge for Echo {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    async fn decide(&self, arrival: &Arrival<'_>, _: &dyn View) -> Result<Outcome, Failure> {
        if let Some(failure) = self.failures.lock().unwrap().pop() {
            return Err(failure);
        }
        let said = match arrival.what {
            What::Event { event, .. } => Event { id: said(event), ..event.clone() },
            What::Timer(fired) => change(&format!("the timer {}", fired.key), 1),
            _ => return Ok(Outcome::nothing()),
        };
        Ok(Outcome { events: vec![said], ..Outcome::default() })
    }
}

fn said(event: &Event) -> EventId {
    EventId::from_cause(&["said", event.id.as_str()])
}

pub(super) fn change(lane: &str, seq: u64) -> Event {
    let at = crate::now();
    let message = Message {
        id: MessageId::from_cause(&["test", lane, &seq.to_string()]),
        revision: Revision(1),
        room: "lobby".parse().unwrap(),
        sender: Sender { surface: Surface::Web, address: Address::new("ann"), name: "Ann".into() },
        text: "a text".into(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: at,
        hops: 0,
    };
    let changed =
        RoomChanged { lane: lane.into(), seq, change: Change::Posted, message, by: None, reaction: None };
    let id = EventId::from_cause(&["change", lane, &seq.to_string()]);
    Event::new(id, "moderation", at, Detail::RoomChanged(changed))
}

pub(super) fn json_of(event: &Event) -> String {
    String::from_utf8(event.encode().unwrap()).unwrap()
}

/// A bus and a queue that keep what they were given.
#[derive(Default)]
pub(super) struct Played {
    refuses: AtomicBool,
    published: Mutex<Vec<Value>>,
    sent: Mutex<Vec<Value>>,
    /// After how many seconds each of these comes.
    pub(super) waits: Mutex<Vec<u64>>,
}

async fn play(State(played): State<Arc<Played>>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let body: Value = serde_json::from_str(&body).unwrap();
    if headers["x-amz-target"] == "AmazonSQS.SendMessage" {
        let message: Value = serde_json::from_str(body["MessageBody"].as_str().unwrap()).unwrap();
        played.waits.lock().unwrap().push(body["DelaySeconds"].as_u64().unwrap());
        played.sent.lock().unwrap().push(message["switchboard"].clone());
        return (StatusCode::OK, json!({ "MessageId": "1" }).to_string());
    }
    if played.refuses.load(Ordering::Relaxed) {
        return (StatusCode::BAD_REQUEST, json!({ "__type": "AccessDeniedException" }).to_string());
    }
    let entries = body["Entries"].as_array().unwrap();
    let details =
        entries.iter().map(|entry| serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap());
    played.published.lock().unwrap().extend(details);
    let answers: Vec<Value> = entries.iter().map(|_| json!({ "EventId": "1" })).collect();
    (StatusCode::OK, json!({ "FailedEntryCount": 0, "Entries": answers }).to_string())
}

/// One function of an ordered listener, and all around it.
pub(super) struct Bench {
    pub(super) emulator: Emulator,
    pub(super) played: Arc<Played>,
    echo: Arc<Echo>,
    pub(super) settler: Settler,
}

impl Bench {
    pub(super) async fn set_up() -> Self {
        let emulator = Emulator::start(false).await;
        let clients = Clients::for_tests(&emulator.endpoint());
        let played = Arc::new(Played::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = Clients::for_tests(&format!("http://{}", listener.local_addr().unwrap()));
        let app = Router::new().fallback(play).with_state(Arc::clone(&played));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let echo = Arc::new(Echo::default());
        let queue = || Some(Queue::new(here.signer.clone(), "a queue"));
        let settler = Settler {
            bridge: Arc::clone(&echo) as Arc<dyn Bridge>,
            policy: Policy { attempts: 3, max_age_s: 3600, concurrency: 1 },
            ordered: true,
            table: crate::store::tests::table(&clients, "echo").await,
            bus: Bus::new(here.events.clone(), "bus"),
            queue: queue(),
            errands: queue(),
            dead_letters: queue(),
            http: clients.http.clone(),
            blobs: Bucket::new(&clients, "none"),
            notices: Topics::new(&clients),
            devices: Broker::new(clients.signer.clone(), None).unwrap(),
            line: None,
            shown: Arc::default(),
            turns: Arc::new(Semaphore::new(1)),
            credentials: Arc::default(),
            until: Instant::now() + Duration::from_secs(300),
        };
        Self { emulator, played, echo, settler }
    }

    pub(super) async fn deliver(&self, event: &Event, came: Came) -> Result<(), Failure> {
        self.settler.deliver("echo.out", &json_of(event), came).await.map(drop)
    }

    /// The same, where the bus takes nothing.
    pub(super) async fn cut_off(&self, event: &Event, came: Came) {
        self.played.refuses.store(true, Ordering::Relaxed);
        let cut = self.deliver(event, came).await;
        assert!(matches!(cut, Err(Failure::Retry { .. })), "{cut:?}");
        self.played.refuses.store(false, Ordering::Relaxed);
    }

    /// Messages of the queue, which gives them out for the `times`th time; none goes back.
    pub(super) async fn batch(&self, bodies: &[String], times: u32) {
        let attributes = json!({ "ApproximateReceiveCount": times.to_string() });
        let message =
            |(id, body)| json!({ "messageId": format!("{id}"), "body": body, "attributes": attributes });
        let records: Vec<Value> = bodies.iter().enumerate().map(message).collect();
        let batch = serde_json::from_value(json!({ "Records": records })).unwrap();
        let given_back = crate::batch::handle(&self.settler, "echo.out", batch).await;
        assert_eq!(given_back, json!({ "batchItemFailures": [] }));
    }

    /// The numbers that were said, in order.
    pub(super) fn said(&self) -> Vec<u64> {
        let published = self.played.published.lock().unwrap();
        published.iter().map(|detail| detail["seq"].as_u64().unwrap()).collect()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        let published = self.played.published.lock().unwrap();
        published.iter().map(|detail| detail["event_id"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn sent(&self) -> Vec<Value> {
        std::mem::take(&mut *self.played.sent.lock().unwrap())
    }

    /// Sets the timer `tick`, which is due now.
    pub(super) async fn set_a_timer(&self) -> Timestamp {
        let due = crate::now();
        let set = TimerChange::Set { key: "tick".into(), due, body: "{}".into() };
        let (steps, _) = deciding::timer_steps(&self.settler, &[set]);
        self.commit(steps).await;
        due
    }

    /// What was put off has been due for an hour.
    pub(super) async fn overdue(&self, event: &Event) {
        let arrival = switchboard_core::ArrivalId::from_text(event.id.as_str());
        let origin = Origin { listener: "echo.out".to_owned(), arrival };
        let waiting = record::Record::load(&self.settler.table, &origin).await.unwrap().waiting.unwrap();
        let now = crate::now();
        let waiting = record::Waiting { due: now.minus(Duration::from_secs(3600)), ..waiting };
        self.commit(vec![waiting.save(&self.settler.table, &origin, now)]).await;
    }

    async fn commit(&self, steps: Vec<crate::store::Step>) {
        let written = self.settler.table.commit(&steps, &[], crate::now()).await;
        written.map_err(crate::store::NotCommitted::failure).unwrap();
    }

    pub(super) fn fails(&self, failure: Failure) {
        self.echo.failures.lock().unwrap().push(failure);
    }
}
