//! Tables: request or frame in, outcome out; and the room's story as it is kept, read back and resumed.

use bytes::Bytes;
use futures::executor::block_on;
use serde_json::{Value, json};
use switchboard_core::event::{
    Change, DeliveryReported, DeliveryStatus, MessageJudged, Reaction, Reason, RoomChanged, SubscriberChange,
    SubscriberChanged,
};
use switchboard_core::memory::{MemoryBlobs, MemoryStore};
use switchboard_core::{
    Address, Admission, Arrival, ArrivalId, Bridge, Connection, Detail, Event, EventId, Failure, Frame,
    Grant, Heard, Message, MessageId, Nonce, Outcome, Person, Reading, Reply, Revision, Role, Sender,
    Sockets, Surface, Timestamp, What,
};

mod heard_late;
mod people;
mod saying;
mod searching;
mod story;

use super::WebChat;
use crate::settings::Settings;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const ROOMS: &str = "[rooms.lobby]\nsms = \"open\"\n";

/// The bridge with its store.
pub(super) struct House {
    chat: WebChat,
    store: MemoryStore,
    blobs: MemoryBlobs,
    now: Timestamp,
    nonce: u8,
}

impl House {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let chat = WebChat::new(&Settings::for_tests(&format!("{ROOMS}{more}"), &[])).unwrap();
        Self { chat, store: MemoryStore::default(), blobs: MemoryBlobs::default(), now: NOW, nonce: 0 }
    }

    fn decide(&self, what: What<'_>, id: &ArrivalId) -> Result<Outcome, Failure> {
        let arrival = Arrival { listener: "web_chat.page", id, now: self.now, what };
        self.store.set_now(self.now);
        let outcome = block_on(self.chat.decide(&arrival, &self.store))?;
        self.store.commit(&outcome.writes).unwrap();
        Ok(outcome)
    }

    /// A request; gives the outcome, or the reading's reply as one.
    fn request(&mut self, method: &str, path: &str, cookie: &str, body: &str) -> Result<Outcome, Failure> {
        self.nonce += 1;
        self.store.set_now(self.now);
        let request = http::Request::builder().method(method).uri(path).header("cookie", cookie);
        let request = request.header("origin", "https://hub.example").extension(Nonce([self.nonce; 32]));
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        match self.chat.admit("web_chat.page", &request, self.now)? {
            Admission::Arrival(id) | Admission::Once(id) => self.decide(What::Request(&request), &id),
            Admission::Read => {
                let reading = Reading { view: &self.store, search: None, blobs: &self.blobs, now: self.now };
                block_on(self.chat.read(&request, &reading)).map(Outcome::reply)
            }
            Admission::Answer(reply) => Ok(Outcome::reply(reply)),
        }
    }

    fn hear(&self, id: &str, detail: Detail) -> Outcome {
        let event = Event::new(EventId::from_cause(&[id]), "moderation", self.now, detail);
        self.decide(What::Event { event: &event, part: None }, &ArrivalId::from_cause(&[id])).unwrap()
    }

    pub(super) fn change(&self, seq: u64, change: Change, message: Message) -> Outcome {
        let by = (change == Change::Reacted).then(|| sender("guest_b", "Bob"));
        let reaction = by.is_some().then(|| Reaction { name: "wave".into(), added: true });
        let changed = RoomChanged { lane: "lobby".into(), seq, change, message, by, reaction };
        self.hear(&format!("change {seq}"), Detail::RoomChanged(changed))
    }

    /// What somebody who has seen all up to a number is sent, reading after reading.
    fn missed(&self, after: u64) -> (Vec<(u64, Value)>, bool) {
        let reading = Reading { view: &self.store, search: None, blobs: &self.blobs, now: self.now };
        let (person, room) = (person(), "lobby".parse().unwrap());
        let (mut frames, mut from) = (Vec::new(), after);
        loop {
            let missed = block_on(self.chat.missed(Some(&person), &room, Some(from), &reading)).unwrap();
            let read = |(seq, text): &(u64, String)| (*seq, serde_json::from_str(text).unwrap());
            frames.extend(missed.frames.iter().map(read));
            if missed.reset || missed.until >= missed.seq {
                return (frames, missed.reset);
            }
            assert!(missed.until > from, "it goes on");
            from = missed.until;
        }
    }

    /// A phone that joins, a report of a delivery to it, and a word for the message's writer: for what is said of both.
    pub(super) fn reported_and_judged(&self, message: &Message) -> [Outcome; 3] {
        let reported = DeliveryReported {
            message_id: Some(message.id.clone()),
            room: Some(message.room.clone()),
            surface: Surface::Sms,
            address: Address::new("+14155550101"),
            status: DeliveryStatus::Failed,
            provider_id: None,
            reason: Some("30005".to_owned()),
        };
        let reason = Reason { rule: "link".to_owned(), found: "a link".to_owned() };
        let judged = MessageJudged { message: message.clone(), reasons: vec![reason] };
        let phone = "+14155550101".parse().unwrap();
        let joined =
            SubscriberChanged { phone, room: Some(message.room.clone()), change: SubscriberChange::Joined };
        [
            self.hear("joined", Detail::SubscriberChanged(joined)),
            self.hear("reported", Detail::DeliveryReported(reported)),
            self.hear("judged", Detail::MessageHeld(judged)),
        ]
    }

    /// The answer to a frame that asks for the newest page.
    pub(super) fn history_frame(&self) -> String {
        let reading = Reading { view: &self.store, search: None, blobs: &self.blobs, now: self.now };
        let connection =
            Connection { id: "1".into(), person: person(), session: "s".into(), expires_at: NOW };
        let text = r#"{"kind":"history","id":"h","room":"lobby"}"#;
        block_on(self.chat.answer(&connection, text, &reading)).unwrap()
    }

    fn page(&mut self, cookie: &str, query: &str) -> Value {
        body(&self.request("GET", &format!("/api/rooms/lobby/history{query}"), cookie, "").unwrap())
    }

    /// Signs somebody in; gives the cookie.
    fn sign_in(&mut self, name: &str) -> Result<String, Failure> {
        let name = json!({ "name": name }).to_string();
        let outcome = self.request("POST", "/api/session/guest", "", &name)?;
        let cookie = &outcome.reply.as_ref().unwrap().headers[0];
        assert_eq!(cookie.0, "set-cookie");
        assert!(
            cookie.1.contains("; HttpOnly; SameSite=Strict; ") && cookie.1.ends_with("; Secure"),
            "{cookie:?}"
        );
        Ok(cookie.1.split(';').next().unwrap().to_owned())
    }
}

fn reply(outcome: &Outcome) -> &Reply {
    outcome.reply.as_ref().unwrap()
}

fn body(outcome: &Outcome) -> Value {
    serde_json::from_str(&reply(outcome).body).unwrap()
}

fn person() -> Person {
    Person { id: "guest_a".into(), name: "Ann".into(), roles: vec![Role::Member] }
}

fn sender(id: &str, name: &str) -> Sender {
    Sender { surface: Surface::Web, address: Address::new(id), name: name.into() }
}

pub(super) fn message(id: &str, revision: u64, text: &str) -> Message {
    Message {
        id: MessageId::from_text(id),
        revision: Revision(revision),
        room: "lobby".parse().unwrap(),
        sender: sender("guest_a", "Ann"),
        text: text.into(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: NOW,
        hops: 0,
    }
}

fn refused(result: Result<Outcome, Failure>) -> (u16, &'static str) {
    match result {
        Err(Failure::Refuse { status, code, .. }) => (status, code),
        other => panic!("{other:?}"),
    }
}
