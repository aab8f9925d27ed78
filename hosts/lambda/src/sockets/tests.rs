//! One room, many casters, many who come: against DynamoDB as an emulator plays it, and a management API that writes
//! down what each connection is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::routing::post;
use switchboard_bridges::Settings;
use switchboard_core::event::{Change, RoomChanged};
use switchboard_core::{
    Address, Arrival, ArrivalId, Audience, Connection, Detail, Event, EventId, Message, MessageId, Person,
    Push, Revision, Role, RoomName, Sender, Surface, What,
};
use switchboard_hosts::again::DOOR_POLICY;
use switchboard_stories::aws::Emulator;
use tokio::sync::Semaphore;

use super::rows::Connected;
use super::talk::Event as Said;
use super::{Line, rows};
use crate::Clients;
use crate::blobs::Bucket;
use crate::bus::Bus;
use crate::devices::Broker;
use crate::notices::Topics;
use crate::page::Page;
use crate::settle::Settler;
use crate::store::Table;

/// What each connection was told.
type Told = Arc<Mutex<HashMap<String, Vec<serde_json::Value>>>>;

struct Room {
    settler: Settler,
    page: Page,
    told: Told,
    _emulator: Emulator,
}

fn room() -> RoomName {
    "lobby".parse().unwrap()
}

impl Room {
    async fn open(lease: Duration) -> Arc<Self> {
        let emulator = Emulator::start(false).await;
        let clients = Clients::for_tests(&emulator.endpoint());
        let table = crate::store::tests::table(&clients, "chat").await;
        let told = Told::default();
        let take = |State(told): State<Told>, Path(id): Path<String>, frame: String| async move {
            // As uneven as a network.
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..15))).await;
            let frame = serde_json::from_str(&frame).unwrap();
            told.lock().unwrap().entry(id).or_default().push(frame);
        };
        let app =
            axum::Router::new().route("/live/@connections/{id}", post(take)).with_state(Arc::clone(&told));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stage = format!("http://{}/live", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let settings = Settings::for_tests("[rooms.lobby]\nsms = \"open\"\n", &[]);
        let mut line = Line::new(clients.signer.clone(), &stage);
        line.lease = lease;
        let settler = Settler {
            bridge: switchboard_bridges::one("web_chat", &settings).unwrap().unwrap(),
            policy: DOOR_POLICY,
            ordered: true,
            table: Table::clone(&table),
            bus: Bus::new(clients.events.clone(), "none"),
            queue: None,
            errands: None,
            dead_letters: None,
            http: clients.http.clone(),
            blobs: Bucket::new(&clients, "none"),
            notices: Topics::new(&clients),
            devices: Broker::new(clients.signer.clone(), None).unwrap(),
            line: Some(line),
            shown: Arc::default(),
            turns: Arc::new(Semaphore::new(1)),
            credentials: Arc::default(),
            until: Instant::now() + Duration::from_secs(300),
        };
        let page = Page::new(&settings, clients.http.clone()).unwrap();
        Arc::new(Self { settler, page, told, _emulator: emulator })
    }

    /// Keeps a change of the room, as the history does; gives what is to be shown.
    async fn keep(&self, seq: u64) -> Vec<Push> {
        let sender =
            Sender { surface: Surface::Sms, address: Address::new("+14155550123"), name: "Pat".into() };
        let message = Message {
            id: MessageId::from_cause(&[&seq.to_string()]),
            revision: Revision::FIRST,
            room: room(),
            sender,
            text: seq.to_string(),
            attachments: Vec::new(),
            thread_parent: None,
            provider_id: None,
            time: crate::now(),
            hops: 0,
        };
        let changed = RoomChanged {
            lane: "lobby".into(),
            seq,
            change: Change::Posted,
            message,
            by: None,
            reaction: None,
        };
        let id = EventId::from_cause(&["change", &seq.to_string()]);
        let event = Event::new(id, "moderation", crate::now(), Detail::RoomChanged(changed));
        let now = crate::now();
        let arrival = ArrivalId::from_text(event.id.as_str());
        let what = What::Event { event: &event, part: None };
        let arrival = Arrival { listener: "web_chat.history", id: &arrival, now, what };
        let outcome = self.settler.bridge.decide(&arrival, &self.settler.view(now)).await.unwrap();
        self.settler.table.commit(&[], &outcome.writes, now).await.unwrap();
        outcome.pushes
    }

    async fn show(self: Arc<Self>, pushes: Vec<Push>) {
        self.settler.exchange().unwrap().push(pushes).await;
    }

    /// Somebody comes with a connection of this name, having seen all up to a number.
    async fn come(&self, id: &str, after: u64) {
        let now = crate::now();
        let person = Person { id: format!("guest_{id}"), name: id.to_owned(), roles: vec![Role::Member] };
        let expires_at = now.plus(Duration::from_secs(600));
        let connection = Connection { id: id.to_owned(), person, session: "s".to_owned(), expires_at };
        let connected =
            Connected { connection, address: "a".to_owned(), since: now, greeted: false, rooms: Vec::new() };
        connected.enter(&self.settler.table, now).await.unwrap();
        let hello =
            format!("{{\"kind\":\"hello\",\"version\":1,\"rooms\":{{\"lobby\":{{\"after\":{after}}}}}}}");
        let event = serde_json::json!({
            "requestContext": { "eventType": "MESSAGE", "connectionId": id, "connectedAt": now.ms(),
                "identity": { "sourceIp": "192.0.2.1" } },
            "body": hello, "isBase64Encoded": false,
        });
        let said: Said = serde_json::from_value(event).unwrap();
        self.settler.exchange().unwrap().hear(&self.page, said).await;
    }

    /// The numbers that a connection was told.
    fn heard(&self, id: &str) -> Vec<u64> {
        let told = self.told.lock().unwrap();
        let changes = told[id].iter().filter(|frame| frame["kind"] == "change");
        changes.map(|frame| frame["seq"].as_u64().unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_hears_each_number_once_and_in_order_whoever_casts_and_whenever_it_comes() {
    const LAST: u64 = 30;
    let house = Room::open(Duration::from_secs(60)).await;
    for number in 0..3 {
        house.come(&format!("c{number}"), 0).await;
    }
    let (mut tasks, mut kept, mut come) = (Vec::new(), Vec::new(), 3);
    for seq in 1..=LAST {
        kept.push(house.keep(seq).await);
        // Functions that come at the same time, and with them somebody who has seen some of it.
        if seq % 3 == 0 {
            tasks.extend(kept.drain(..).map(|pushes| tokio::spawn(Arc::clone(&house).show(pushes))));
            let (house, name) = (Arc::clone(&house), format!("c{come}"));
            tasks.push(tokio::spawn(async move { house.come(&name, seq / 2).await }));
            come += 1;
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    for number in 0..come {
        let after = if number < 3 { 0 } else { (number - 2) * 3 / 2 };
        assert_eq!(house.heard(&format!("c{number}")), (after + 1..=LAST).collect::<Vec<_>>(), "c{number}");
    }
    let places = rows::listeners(&house.settler.table, &room(), crate::now()).await.unwrap();
    assert_eq!(places.len() as u64, come);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_dies_casting_leaves_no_gap() {
    const LAST: u64 = 16;
    let house = Room::open(Duration::from_millis(150)).await;
    for number in 0..3 {
        house.come(&format!("c{number}"), 0).await;
    }
    for seq in 1..=LAST {
        let pushes = house.keep(seq).await;
        let casting = tokio::spawn(Arc::clone(&house).show(pushes));
        if seq < LAST {
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..60))).await;
            casting.abort();
        } else {
            casting.await.unwrap();
        }
    }
    // Its message comes again, to somebody who knows no more of it than its number.
    let again = Push { seq: Some(LAST), ..Push::new(Audience::Room(room()), String::new()) };
    Arc::clone(&house).show(vec![again]).await;
    for number in 0..3 {
        let heard = house.heard(&format!("c{number}"));
        let mut last = 0;
        for seq in &heard {
            assert!(*seq <= last + 1, "a gap before {seq}: {heard:?}");
            last = last.max(*seq);
        }
        assert_eq!(last, LAST, "{heard:?}");
    }
}
