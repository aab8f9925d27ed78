//! Tables: request or frame in, outcome out; and the room's story as it is kept, read back and resumed.

use bytes::Bytes;
use futures::executor::block_on;
use proptest::prelude::*;
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
mod searching;

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

#[test]
fn a_post_at_the_command_lines_door_becomes_a_message_of_its_room() {
    let mut house = House::new();
    let text = r#"{"id":"1","name":" Ann\u0007 ","text":"hello"}"#;
    let outcome = house.request("POST", "/api/rooms/lobby/messages", "", text).unwrap();
    let Detail::MessagePosted(said) = &outcome.events[0].detail else { panic!("{outcome:?}") };
    assert_eq!((said.message.room.as_str(), said.message.text.as_str()), ("lobby", "hello"));
    assert_eq!(said.message.sender.name, "Ann");
    assert!(reply(&outcome).body.contains(said.message.id.as_str()));
    assert_eq!(
        outcome,
        house.request("POST", "/api/rooms/lobby/messages", "", text).unwrap(),
        "same cause, same ids"
    );
    let long = format!(r#"{{"id":"1","name":"Ann","text":"{}"}}"#, "x".repeat(40_001));
    for (path, text, status) in [
        ("/api/rooms/attic/messages", r#"{"id":"1","name":"Ann","text":"hello"}"#, 404),
        ("/api/rooms/NO%20ROOM/messages", r#"{"id":"1","name":"Ann","text":"hello"}"#, 404),
        ("/api/rooms/lobby/messages", "not json", 400),
        ("/api/rooms/lobby/messages", r#"{"id":"","name":"Ann","text":"hello"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":" ","text":"hello"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":"Ann","text":" \n"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":"Ann","text":"hello","role":"admin"}"#, 400),
        ("/api/rooms/lobby/messages", &long, 413),
    ] {
        assert_eq!(refused(house.request("POST", path, "", text)).0, status, "{path} {text:.60}");
    }
}

#[test]
fn a_guest_has_a_name_that_nobody_else_has_until_they_sign_out() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    let session = body(&house.request("GET", "/api/session", &ann, "").unwrap());
    assert_eq!((&session["person"]["name"], &session["sign_in"]["guests"]), (&json!("Ann"), &json!(true)));
    assert_eq!(refused(house.sign_in("ANN").map(|_| Outcome::nothing())), (409, "name_taken"));
    assert_eq!(refused(house.sign_in("\u{200b}").map(|_| Outcome::nothing())), (400, "bad_name"));
    for path in ["/api/rooms", "/api/rooms/lobby/history", "/api/rooms/lobby/search?q=x"] {
        assert_eq!(refused(house.request("GET", path, "", "")), (401, "signed_out"), "{path}");
        assert_eq!(
            refused(house.request("GET", path, "switchboard_session=forged", "")),
            (401, "signed_out")
        );
        house.request("GET", path, &ann, "").unwrap();
    }
    let out = house.request("DELETE", "/api/session", &ann, "").unwrap();
    assert_eq!(out.pushes[0].close, Some(4401));
    assert_eq!(refused(house.request("POST", "/api/tickets", &ann, "")), (401, "signed_out"));
    let again = house.sign_in("Ann").unwrap();
    house.now = NOW.plus(std::time::Duration::from_secs(7 * 86_400));
    assert_eq!(
        refused(house.request("GET", "/api/rooms", &again, "")),
        (401, "signed_out"),
        "a session ends"
    );
    house.sign_in("Ann").unwrap();
    let mut closed = House::with("[chat]\nguests = false\n");
    assert_eq!(refused(closed.sign_in("Ann").map(|_| Outcome::nothing())), (403, "guests_off"));
}

#[test]
fn a_ticket_opens_one_socket_and_soon() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    let mut ticket = || {
        let outcome = house.request("POST", "/api/tickets", &ann, "").unwrap();
        body(&outcome)["ticket"].as_str().unwrap().to_owned()
    };
    let (first, second) = (ticket(), ticket());
    let open = |house: &mut House, ticket: &str| {
        house.request("GET", &format!("/api/socket?ticket={ticket}"), "", "")
    };
    let grant: Grant = serde_json::from_value(body(&open(&mut house, &first).unwrap())).unwrap();
    assert_eq!(grant.person.name, "Ann");
    assert_eq!(refused(open(&mut house, &first)), (401, "bad_ticket"), "twice");
    assert_eq!(refused(open(&mut house, "no")), (401, "bad_ticket"));
    house.now = NOW.plus(std::time::Duration::from_secs(31));
    assert_eq!(refused(open(&mut house, &second)), (401, "bad_ticket"), "too late");
}

#[test]
fn what_is_edited_deleted_and_reacted_to_is_kept_in_its_newest_form_and_resumed_from_anywhere() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    house.change(1, Change::Posted, message("m1", 1, "one"));
    let shown = house.change(2, Change::Posted, message("m2", 1, "two"));
    assert_eq!(shown.pushes[0].seq, Some(2));
    house.change(3, Change::Edited, message("m1", 2, "uno"));
    house.change(4, Change::Reacted, message("m2", 1, "two"));
    house.change(5, Change::Deleted, message("m1", 2, "uno"));
    let again = house.change(5, Change::Deleted, message("m1", 2, "uno"));
    assert_eq!(again, Outcome::nothing(), "a redelivery changes nothing and is not pushed");
    assert_eq!(house.change(1, Change::Posted, message("m1", 1, "one")), Outcome::nothing());

    let page = house.page(&ann, "");
    let texts: Vec<&str> =
        page["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!((texts, &page["seq"], &page["before"]), (vec!["", "two"], &json!(5), &Value::Null));
    assert_eq!(page["messages"][0]["gone"], "deleted");
    assert_eq!(
        page["messages"][1]["reactions"],
        json!([{ "name": "wave", "people": [{ "id": "guest_b", "name": "Bob" }] }])
    );
    let (frames, _) = house.missed(1);
    let story: Vec<(u64, &str, &str)> = frames
        .iter()
        .map(|(seq, frame)| {
            (*seq, frame["change"].as_str().unwrap(), frame["message"]["text"].as_str().unwrap())
        })
        .collect();
    assert_eq!(story, [(2, "posted", "two"), (3, "edited", ""), (4, "reacted", "two"), (5, "deleted", "")]);
    assert!(house.missed(6).1, "a client that is ahead loads the room again");
}

#[test]
fn pages_meet_without_a_gap_in_both_directions() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    for seq in 1..=25 {
        house.change(seq, Change::Posted, message(&format!("m{seq}"), 1, &seq.to_string()));
    }
    let numbers = |page: &Value| -> Vec<u64> {
        page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect()
    };
    let (mut all, mut query) = (Vec::new(), "?limit=10".to_owned());
    loop {
        let page = house.page(&ann, &query);
        all.splice(0..0, numbers(&page));
        let Some(before) = page["before"].as_u64() else { break };
        query = format!("?limit=10&before={before}");
    }
    assert_eq!(all, (1..=25).collect::<Vec<_>>());
    let page = house.page(&ann, "?limit=10&after=3");
    assert_eq!(
        (numbers(&page), &page["after"], &page["before"]),
        ((4..=13).collect(), &json!(13), &json!(4))
    );
    let page = house.page(&ann, "?limit=10&message=m12");
    assert_eq!(
        (numbers(&page), &page["before"], &page["after"]),
        ((8..=17).collect(), &json!(8), &json!(17))
    );
    for (query, code) in
        [("?before=x", "bad_field"), ("?before=1&after=1", "bad_field"), ("?message=no", "unknown_message")]
    {
        assert_eq!(
            refused(house.request("GET", &format!("/api/rooms/lobby/history{query}"), &ann, "")).1,
            code
        );
    }
}

#[test]
fn reports_in_any_order_are_counted_once_and_no_number_is_shown() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    let report = |address: &str, surface, status, reason: Option<&str>| {
        let reported = DeliveryReported {
            message_id: Some(MessageId::from_text("m1")),
            room: Some("lobby".parse().unwrap()),
            surface,
            address: Address::new(address),
            status,
            provider_id: None,
            reason: reason.map(str::to_owned),
        };
        Detail::DeliveryReported(reported)
    };
    // The first report is faster than the message.
    house.hear("1", report("+14155550101", Surface::Sms, DeliveryStatus::Queued, None));
    house.change(1, Change::Posted, message("m1", 1, "one"));
    house.hear("2", report("+14155550101", Surface::Sms, DeliveryStatus::Delivered, None));
    assert_eq!(
        house.hear("3", report("+14155550101", Surface::Sms, DeliveryStatus::Sent, None)),
        Outcome::nothing()
    );
    house.hear(
        "4",
        report("+14155550102", Surface::Sms, DeliveryStatus::Failed, Some("the phone has opted out (21610)")),
    );
    house.hear("5", report("+14155550103", Surface::Sms, DeliveryStatus::Undelivered, Some("30005")));
    let last = house.hear("6", report("C024", Surface::Slack, DeliveryStatus::Delivered, None));
    let page = house.page(&ann, "");
    let words: Vec<&str> = page["messages"][0]["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["words"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["Slack: posted", "3 phones: 1 delivered, 1 opted out, 1 failed (30005)"]);
    let told = house.request("GET", "/api/rooms/lobby/messages/m1/deliveries", &ann, "").unwrap();
    let all = format!("{page}{}{}", reply(&told).body, last.pushes[0].frame);
    assert!(!all.contains("41555501") && all.contains("phone ending 03"), "{all}");
}

#[test]
fn a_frame_is_the_same_arrival_however_often_it_comes_and_nobodys_elses() {
    let mut house = House::new();
    house.change(1, Change::Posted, message("m1", 1, "one"));
    let connection =
        |person: Person| Connection { id: "1".into(), person, session: "s".into(), expires_at: NOW };
    let arrival = |house: &House, person: Person, text: &str| {
        let connection = connection(person);
        let Heard::Arrival(id) = house.chat.hear(&connection, text, NOW) else { panic!("{text}") };
        let frame = Frame { connection, text: text.to_owned() };
        let result = house.decide(What::Frame(&frame), &id);
        (id, result)
    };
    let other = || Person { id: "guest_b".into(), ..person() };
    let post = r#"{"kind":"post","id":"1","room":"lobby","text":"hi"}"#;
    let (id, first) = arrival(&house, person(), post);
    assert_eq!((id.clone(), first), arrival(&house, person(), post));
    assert_ne!(id, arrival(&house, other(), post).0);
    let edit = r#"{"kind":"edit","id":"2","room":"lobby","message_id":"m1","text":"uno"}"#;
    assert_eq!(refused(arrival(&house, other(), edit).1), (403, "not_yours"));
    house.now = NOW;
    let Detail::MessageEdited(said) = &arrival(&house, person(), edit).1.unwrap().events[0].detail else {
        panic!()
    };
    assert!(said.message.revision > Revision::FIRST);
    let react =
        r#"{"kind":"react","id":"3","room":"lobby","message_id":"m1","reaction":"<!channel>","added":true}"#;
    assert_eq!(refused(arrival(&house, person(), react).1), (400, "bad_field"));
}

#[test]
fn a_moderator_and_an_operator_take_back_what_others_wrote_and_a_member_does_not() {
    let house = House::new();
    house.change(1, Change::Posted, message("m1", 1, "one"));
    let delete = r#"{"kind":"delete","id":"1","room":"lobby","message_id":"m1"}"#;
    let say = |id: &str, roles: &[Role]| {
        let person = Person { id: id.into(), name: id.into(), roles: roles.to_vec() };
        let connection = Connection { id: "1".into(), person, session: "s".into(), expires_at: NOW };
        let frame = Frame { connection, text: delete.to_owned() };
        house.decide(What::Frame(&frame), &ArrivalId::from_cause(&[id]))
    };
    assert_eq!(refused(say("guest_b", &[Role::Member])), (403, "not_yours"));
    for (id, role, as_moderator) in [
        ("account_m", Role::Moderator, true),
        ("account_o", Role::Operator, true),
        // Their own message is theirs.
        ("guest_a", Role::Moderator, false),
    ] {
        let outcome = say(id, &[Role::Member, role]).unwrap();
        let Detail::MessageDeleted(deleted) = &outcome.events[0].detail else { panic!("{outcome:?}") };
        assert_eq!((deleted.moderator, deleted.sender.name.as_str()), (as_moderator, id));
    }
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_the_mend() {
    for (toml, says) in [
        ("[chat]\nguest = true\n", "unknown field `guest`"),
        ("[chat]\ntext_chars = 0\n", "from 1 to 40000"),
        ("[chat]\nfile_bytes = 99999999\n", "from 1 to 33554432"),
        ("[chat]\nsession_hours = 0\n", "from 1 to"),
        ("[chat]\nhosts = [\"https://x\"]\n", "no scheme"),
    ] {
        let error =
            WebChat::new(&Settings::for_tests(&format!("{ROOMS}{toml}"), &[])).unwrap_err().to_string();
        assert!(error.contains(says), "{toml}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever happens in a room, and wherever a client was cut off: it gets what it missed, once and in order,
    /// and has then what the room's pages show.
    #[test]
    fn whatever_was_missed_comes_once_and_in_order(
        steps in prop::collection::vec((0_u8..5, 0_usize..40), 1..450),
        after in 0_u64..450,
    ) {
        let house = House::new();
        let mut posted: Vec<String> = Vec::new();
        for (seq, (kind, which)) in (1..).zip(&steps) {
            let id = posted.get(*which % posted.len().max(1)).cloned();
            match (kind, id) {
                (0..=1, _) | (_, None) => {
                    let id = format!("m{seq}");
                    house.change(seq, Change::Posted, message(&id, 1, "x"));
                    posted.push(id);
                }
                (2, Some(id)) => drop(house.change(seq, Change::Edited, message(&id, seq + 1, "y"))),
                (3, Some(id)) => drop(house.change(seq, Change::Reacted, message(&id, 1, "x"))),
                (_, Some(id)) => drop(house.change(seq, Change::Retracted, message(&id, 1, "x"))),
            }
        }
        let last = steps.len() as u64;
        let (frames, reset) = house.missed(after);
        prop_assert_eq!(reset, after > last);
        let numbers: Vec<u64> = frames.iter().map(|(seq, _)| *seq).collect();
        prop_assert_eq!(numbers, if reset { Vec::new() } else { (after + 1..=last).collect::<Vec<_>>() });
    }
}
