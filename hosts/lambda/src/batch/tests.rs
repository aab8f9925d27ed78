//! A batch that an invocation does not come to the end of: DynamoDB, SQS and EventBridge as an emulator plays them, and
//! a Twilio that never answers about one phone.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use switchboard_bridges::Settings;
use switchboard_core::event::SmsRequested;
use switchboard_core::{Detail, Event, EventId};
use switchboard_rules::wiring::Rule;
use switchboard_stories::aws::Emulator;
use tokio::sync::Semaphore;

use super::*;
use crate::Clients;
use crate::blobs::Bucket;
use crate::bus::Bus;
use crate::devices::Broker;
use crate::notices::Topics;
use crate::queue::Queue;
use crate::store::{Table, key, number, read_text};

const ANN: &str = "+14155550100";
/// Whose first text is never answered.
const BOB: &str = "+14155550101";
const CARL: &str = "+14155550102";
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// Longer than an attempt may take.
const LONG: Duration = Duration::from_secs(300);

/// What Twilio was asked: the phone of each text, and `?` for a look at what was sent.
type Asked = Arc<Mutex<Vec<String>>>;

async fn twilio() -> (String, Asked) {
    async fn send(State(asked): State<Asked>, form: String) -> (StatusCode, String) {
        let to = url::form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "To").unwrap().1;
        let first = {
            let mut asked = asked.lock().unwrap();
            asked.push(to.to_string());
            asked.iter().filter(|other| **other == *to).count() == 1
        };
        if first && to == BOB {
            std::future::pending::<()>().await;
        }
        let sid = format!("SM{:032x}", rand::random::<u128>());
        (StatusCode::CREATED, json!({ "sid": sid, "status": "queued" }).to_string())
    }
    async fn look(State(asked): State<Asked>) -> String {
        asked.lock().unwrap().push("?".to_owned());
        json!({ "messages": [] }).to_string()
    }
    let asked = Asked::default();
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    let app = axum::Router::new().route(&path, post(send).get(look)).with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, asked)
}

/// The function `sms.out`.
async fn function(clients: &Clients, twilio: &str) -> Settler {
    let table = crate::store::tests::table(clients, "sms").await;
    clients.events.create_event_bus().name("hub").send().await.unwrap();
    let queues = aws_sdk_sqs::Client::new(&clients.config);
    let queue = queues.create_queue().queue_name("sms-out").send().await.unwrap().queue_url.unwrap();
    let environment = [
        ("TWILIO_ACCOUNT_SID", ACCOUNT),
        ("TWILIO_AUTH_TOKEN", "t"),
        ("TWILIO_FROM", "+14155550199"),
        ("TWILIO_API_BASE", twilio),
    ];
    let settings = Settings::for_tests("[sms]\nsegments_per_second = 0\n", &environment);
    Settler {
        bridge: switchboard_bridges::one("sms", &settings).unwrap().unwrap(),
        policy: Rule::embedded("sms.out").unwrap().unwrap().delivery,
        ordered: true,
        table,
        bus: Bus::new(clients.events.clone(), "hub"),
        queue: Some(Queue::new(clients.signer.clone(), &queue)),
        errands: None,
        dead_letters: None,
        http: clients.http.clone(),
        blobs: Bucket::new(clients, "none"),
        notices: Topics::new(clients),
        devices: Broker::new(clients.signer.clone(), None).unwrap(),
        line: None,
        shown: Arc::default(),
        turns: Arc::new(Semaphore::new(1)),
        credentials: Arc::default(),
        until: Instant::now(),
    }
}

fn id(phone: &str) -> EventId {
    EventId::from_cause(&["a text to", phone])
}

/// A batch of one text to each of these phones, given out for the first time or once more.
fn batch(phones: &[&str], received: u32) -> Batch {
    let record = |phone: &&str| {
        let requested = SmsRequested {
            lane: phone.parse().unwrap(),
            seq: 1,
            text: "hello".to_owned(),
            attachments: Vec::new(),
            message_id: None,
            change: None,
            room: None,
        };
        let event = Event::new(id(phone), "sms", crate::now(), Detail::SmsRequested(requested));
        json!({ "messageId": phone, "body": String::from_utf8(event.encode().unwrap()).unwrap(),
                "attributes": { "ApproximateReceiveCount": received.to_string() } })
    };
    let records: Vec<Value> = phones.iter().map(record).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// The states of a text's effects.
async fn states(table: &Table, phone: &str) -> Vec<(String, String)> {
    let rows = table.rows(&format!("r#sms.out#{}", id(phone))).await.unwrap();
    let effects = rows.iter().map(|row| (read_text(row, "sk"), read_text(row, "st")));
    effects.filter(|(sort, _)| sort.starts_with("e#")).collect()
}

#[tokio::test]
async fn of_a_batch_that_was_cut_off_what_was_done_stays_done_and_the_rest_is_done_once() {
    let emulator = Emulator::start(false).await;
    let clients = Clients::for_tests(&emulator.endpoint());
    let (base, asked) = twilio().await;
    let short = function(&clients, &base).await;
    let settler = || Settler { until: Instant::now() + LONG, ..short.clone() };
    let asked = || asked.lock().unwrap().clone();
    let nothing_back = json!({ "batchItemFailures": [] });

    // Without the time for an attempt nobody is asked; the function reminds itself.
    assert_eq!(handle(&short, "sms.out", batch(&[CARL], 1)).await, nothing_back);
    assert_eq!((asked(), states(&short.table, CARL).await.len()), (vec![], 1));

    // One text is done, the other under way when Lambda ends the invocation.
    let cut = settler();
    let handling = tokio::spawn(async move { handle(&cut, "sms.out", batch(&[BOB, ANN], 1)).await });
    let began = Instant::now();
    while !states(&short.table, ANN).await.iter().any(|(_, state)| state == "done") || asked().len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(60) && !handling.is_finished(), "{:?}", asked());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    handling.abort();
    assert!(handling.await.unwrap_err().is_cancelled());

    // The queue gives it out once more. Somebody may still be at what is under way: it is looked at later.
    assert_eq!(handle(&settler(), "sms.out", batch(&[BOB, ANN], 2)).await, nothing_back);
    let mut before = asked();
    before.sort();
    assert_eq!(before, [ANN, BOB]);

    // Later: nobody is at it any more, and what became of it has to be asked.
    for phone in [BOB, CARL] {
        for (sort, _) in states(&short.table, phone).await {
            let over = clients.tables.update_item().table_name("sms").update_expression("SET due = :due");
            let row = key(&format!("r#sms.out#{}", id(phone)), &sort);
            let over = over.set_key(Some(row)).expression_attribute_values(":due", number(1));
            over.send().await.unwrap();
        }
    }
    assert_eq!(handle(&settler(), "sms.out", batch(&[BOB, ANN, CARL], 3)).await, nothing_back);
    let after = asked()[2..].to_vec();
    let of = |what: &str| after.iter().filter(|asked| *asked == what).count();
    assert_eq!((of(ANN), of(BOB), of(CARL)), (0, 1, 1), "{after:?}");
    let place = |what: &str| after.iter().position(|asked| asked == what);
    assert!(
        place("?").is_some() && place("?") < place(BOB),
        "it is looked for before it is sent again: {after:?}"
    );
    for phone in [ANN, BOB, CARL] {
        assert_eq!(states(&short.table, phone).await[0].1, "done", "{phone}");
    }
    emulator.stop().await;
}
