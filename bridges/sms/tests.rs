//! Tables: request in, outcome out; effect in, exact request out. Here is the house that they share.

use std::sync::{Arc, Mutex};

use base64::Engine;
use bytes::Bytes;
use futures::executor::block_on;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use switchboard_core::event::{Change, RoomChanged, SmsRequested};
use switchboard_core::memory::{
    Answer, MemoryBlobs, MemoryDevices, MemoryNotices, MemoryStore, ScriptedHttp, SentRequest,
};
use switchboard_core::{
    Address, Admission, Arrival, ArrivalId, Bridge, Detail, Effect, Event, EventId, Failure, Message,
    MessageId, Outcome, Permit, Ports, Report, Revision, Sender, Settlement, Surface, Timestamp, What,
};

use super::Sms;
use crate::settings::Settings;

mod configuration;
mod doors;
mod fan;
mod files;
mod late;
mod lengths;
mod links;
mod out;
mod statuses;
mod words;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "a token of the account";
const OURS: &str = "+14155550199";
const ANN: &str = "+14155550100";
const BOB: &str = "+447700900513";
const ROOMS: &str = "
[rooms.lobby]
title = \"The lobby\"
sms = \"open\"
[rooms.attic]
sms = \"open\"
[rooms.guard]
sms = \"listed\"
phones = [\"+447700900513\", \"+14155550133\"]
[rooms.cellar]
";

fn environment() -> Vec<(&'static str, &'static str)> {
    vec![
        ("TWILIO_ACCOUNT_SID", ACCOUNT),
        ("TWILIO_AUTH_TOKEN", "a token of the account, the next token"),
        ("TWILIO_FROM", OURS),
    ]
}

/// A bridge with its store, as a host holds them.
struct House {
    sms: Sms,
    store: MemoryStore,
    blobs: MemoryBlobs,
    now: Timestamp,
    sids: u32,
}

impl House {
    fn new() -> Self {
        Self::with("", &environment())
    }

    fn with(section: &str, environment: &[(&str, &str)]) -> Self {
        let settings = Settings::for_tests(&format!("{ROOMS}\n[sms]\n{section}\n"), environment);
        let sms = Sms::new(&settings).unwrap_or_else(|error| panic!("{error}"));
        let store = MemoryStore::default();
        store.set_now(NOW);
        Self { sms, store, blobs: MemoryBlobs::default(), now: NOW, sids: 0 }
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(std::time::Duration::from_secs(seconds));
        self.store.set_now(self.now);
    }

    /// A request at a door: admitted, decided and committed.
    fn knock(&self, request: &http::Request<Bytes>) -> Result<Outcome, Failure> {
        let id = self.admit(request)?;
        let outcome = self.decide(&id, "sms.door", What::Request(request), &self.store)?;
        self.store.commit(&outcome.writes).unwrap();
        Ok(outcome)
    }

    fn admit(&self, request: &http::Request<Bytes>) -> Result<ArrivalId, Failure> {
        match self.sms.admit("sms.door", request, self.now)? {
            Admission::Arrival(id) => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    fn decide(
        &self,
        id: &ArrivalId,
        listener: &str,
        what: What<'_>,
        store: &MemoryStore,
    ) -> Result<Outcome, Failure> {
        block_on(self.sms.decide(&Arrival { listener, id, now: self.now, what }, store))
    }

    /// A phone texts; the outcome is committed.
    fn text(&mut self, from: &str, body: &str) -> Outcome {
        self.sids += 1;
        let sid = format!("SM{:032x}", self.sids);
        self.knock(&signed_form(&form(&[("MessageSid", &sid), ("From", from), ("Body", body)]))).unwrap()
    }

    /// An event at a listener; all parts are committed.
    fn hear(&self, listener: &str, event: &Event) -> Vec<Outcome> {
        let id = ArrivalId::from_cause(&[listener, event.id.as_str()]);
        let mut outcomes: Vec<Outcome> = Vec::new();
        loop {
            let part = outcomes.last().and_then(|outcome| outcome.next_part.as_deref());
            if !outcomes.is_empty() && part.is_none() {
                return outcomes;
            }
            let outcome = self.decide(&id, listener, What::Event { event, part }, &self.store).unwrap();
            self.store.commit(&outcome.writes).unwrap();
            outcomes.push(outcome);
        }
    }

    /// The one effect that a request for a text becomes.
    fn effect(&self, event: &Event) -> Effect {
        self.hear("sms.out", event).remove(0).effects.remove(0)
    }

    fn permit(&self, effect: &Effect) -> Result<Permit, Failure> {
        let permitted = block_on(self.sms.permit(effect, self.now, &self.store))?;
        self.store.commit(&permitted.writes).unwrap();
        Ok(permitted.permit)
    }

    fn act(&self, effect: &Effect, answers: Vec<Answer>) -> (Result<Report, Failure>, Vec<SentRequest>) {
        let http = ScriptedHttp::new(answers);
        let report = block_on(self.sms.act(
            effect,
            &Ports {
                http: &http,
                blobs: &self.blobs,
                notices: &MemoryNotices::default(),
                devices: &MemoryDevices::default(),
                now: self.now,
            },
        ));
        (report, http.sent())
    }

    fn settle(&self, effect: &Effect, settlement: &Settlement) -> Outcome {
        let outcome = block_on(self.sms.settle(effect, settlement, self.now, &self.store)).unwrap();
        self.store.commit(&outcome.writes).unwrap();
        outcome
    }

    /// A text goes out whole, as `sid`.
    fn send(&self, event: &Event, sid: &str) -> Outcome {
        let effect = self.effect(event);
        assert_eq!(self.permit(&effect).unwrap(), Permit::Go);
        let (report, _) = self.act(&effect, vec![created(sid)]);
        self.settle(&effect, &Settlement::Done(report.unwrap()))
    }
}

/// Does something; and what was logged meanwhile.
fn logged<T>(doing: impl FnOnce() -> T) -> (T, String) {
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
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let done = tracing::subscriber::with_default(subscriber, doing);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

fn created(sid: &str) -> Answer {
    let body = include_str!("../../fixtures/twilio/message-created-invented.json");
    ScriptedHttp::json(201, &body.replace("SM00000000000000000000000000000000", sid))
}

/// A form of Twilio's, our account's unless it says otherwise.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("AccountSid", ACCOUNT), ("To", OURS), ("NumMedia", "0"), ("ToCity", "")] {
        if !pairs.iter().any(|(other, _)| *other == name) {
            form.append_pair(name, value);
        }
    }
    form.extend_pairs(pairs).finish()
}

fn signature(token: &str, url: &str, body: &str) -> String {
    let mut pairs: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
    pairs.sort();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

fn signed_form(body: &str) -> http::Request<Bytes> {
    post_form("/twilio/messages", body, TOKEN)
}

fn post_form(path: &str, body: &str, token: &str) -> http::Request<Bytes> {
    http::Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
        .header("x-twilio-signature", signature(token, &format!("https://hub.example{path}"), body))
        .body(Bytes::from(body.to_owned()))
        .unwrap()
}

fn said(outcome: &Outcome) -> Vec<String> {
    outcome.events.iter().map(sentence).collect()
}

/// An event in a few words.
fn sentence(event: &Event) -> String {
    match &event.detail {
        Detail::MessagePosted(said) => {
            let message = &said.message;
            format!("posted {} {}: {}", message.room, message.sender.name, message.text)
        }
        Detail::MessageReceived(_) => "received".to_owned(),
        Detail::SmsRequested(text) => format!("text {} #{}: {}", text.lane.as_str(), text.seq, text.text),
        Detail::SubscriberChanged(change) => {
            let room = change.room.as_ref().map_or("all", |room| room.as_str());
            format!("{:?} {room}", change.change)
        }
        Detail::DeliveryReported(report) => {
            let sid = report.provider_id.as_deref().unwrap_or("-");
            format!("{:?} {sid} {}", report.status, report.reason.as_deref().unwrap_or("-"))
        }
        other => other.kind().to_owned(),
    }
}

fn changed(change: Change, room: &str, sender: (Surface, &str, &str), text: &str, seq: u64) -> Event {
    let message = Message {
        id: MessageId::from_cause(&["test", &seq.to_string()]),
        revision: Revision::FIRST,
        room: room.parse().unwrap(),
        sender: Sender { surface: sender.0, address: Address::new(sender.1), name: sender.2.into() },
        text: text.into(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: NOW,
        hops: 0,
    };
    let id = EventId::from_cause(&["test", room, &seq.to_string()]);
    let changed = RoomChanged { lane: room.into(), seq, change, message, by: None, reaction: None };
    Event::new(id, "moderation", NOW, Detail::RoomChanged(changed))
}

fn web(text: &str, seq: u64) -> Event {
    changed(Change::Posted, "lobby", (Surface::Web, "ada", "Ada"), text, seq)
}

/// The hub's own words to a phone.
fn request(to: &str, text: &str, seq: u64) -> Event {
    let requested = SmsRequested {
        lane: to.parse().unwrap(),
        seq,
        text: text.into(),
        attachments: Vec::new(),
        message_id: None,
        change: None,
        room: None,
    };
    Event::new(
        EventId::from_cause(&["test", to, &seq.to_string()]),
        "sms",
        NOW,
        Detail::SmsRequested(requested),
    )
}
