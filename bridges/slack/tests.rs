//! Tables: what Slack sends in, outcomes out; effects in, exact requests out.

use std::path::Path;

use bytes::Bytes;
use futures::executor::block_on;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use switchboard_core::memory::{MemoryBlobs, MemoryDevices, MemoryNotices, MemoryStore, ScriptedHttp};
use switchboard_core::{
    Admission, Arrival, ArrivalId, Bridge, Detail, Effect, Event, Failure, Outcome, Permit, Ports, Report,
    Settlement, Timestamp, What,
};

use super::Slack;
use crate::settings::Settings;

mod files;
mod inbound;
mod outbound;
mod withdrawn;

const NOW: Timestamp = Timestamp::from_secs(1_736_207_200);
const SECRET: &str = "a signing secret";
const ROOMS: &str =
    "[rooms.lobby]\nslack_channel = \"C0LOBBY01\"\nsms = \"open\"\n[rooms.attic]\nsms = \"open\"\n";

fn settings(more: &str) -> Settings {
    let environment = [
        ("SLACK_SIGNING_SECRET", "an older secret, a signing secret"),
        ("SLACK_BOT_TOKEN", "xoxb-token"),
        ("SLACK_API_BASE", "https://slack.test/api/"),
    ];
    Settings::for_tests(&format!("{more}\n{ROOMS}"), &environment)
}

fn slack() -> Slack {
    Slack::new(&settings("")).unwrap()
}

fn fixture(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/slack").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

/// A request as Slack signs it.
fn signed(path: &str, body: impl Into<Bytes>) -> http::Request<Bytes> {
    let (body, time) = (body.into(), NOW.secs().to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{time}:").as_bytes());
    mac.update(&body);
    let signature = hex::encode(mac.finalize().into_bytes());
    http::Request::post(path)
        .header("x-slack-request-timestamp", time)
        .header("x-slack-signature", format!("v0={signature}"))
        .body(body)
        .unwrap()
}

fn event_of(name: &str) -> http::Request<Bytes> {
    signed("/slack/events", fixture(&format!("{name}.json")))
}

/// The bridge with a host around it that commits and runs one thing at a time.
struct House {
    slack: Slack,
    store: MemoryStore,
    blobs: MemoryBlobs,
}

impl House {
    fn new() -> Self {
        Self { slack: slack(), store: MemoryStore::default(), blobs: MemoryBlobs::default() }
    }

    /// With names that are known already: `name/<id>`.
    fn knowing(names: &[(&str, &str)]) -> Self {
        let house = Self::new();
        for (id, name) in names {
            let write =
                super::store::put_name(id, name, NOW.plus(std::time::Duration::from_secs(60))).unwrap();
            house.store.commit(&[write]).unwrap();
        }
        house
    }

    fn admit(&self, request: &http::Request<Bytes>) -> Result<Admission, Failure> {
        self.slack.admit("slack.door", request, NOW)
    }

    /// A request comes in: what is decided, committed. `None` where it was answered at once.
    fn knock(&self, request: &http::Request<Bytes>) -> Result<Option<(ArrivalId, Outcome)>, Failure> {
        let Admission::Arrival(id) = self.admit(request)? else { return Ok(None) };
        let outcome = self.decide("slack.door", &id, What::Request(request))?;
        Ok(Some((id, outcome)))
    }

    /// As [`House::knock`] with a fixture that is an arrival.
    fn hear(&self, name: &str) -> Outcome {
        self.knock(&event_of(name)).unwrap().unwrap_or_else(|| panic!("{name} is no arrival")).1
    }

    /// An event of the bus comes to a listener.
    fn event(&self, listener: &str, event: &Event) -> Outcome {
        let event = Event::decode(&event.encode().unwrap()).unwrap();
        let id = ArrivalId::from_cause(&[event.id.as_str()]);
        self.decide(listener, &id, What::Event { event: &event, part: None }).unwrap()
    }

    fn decide(&self, listener: &str, id: &ArrivalId, what: What<'_>) -> Result<Outcome, Failure> {
        let arrival = Arrival { listener, id, now: NOW, what };
        let outcome = block_on(self.slack.decide(&arrival, &self.store))?;
        self.store.commit(&outcome.writes).unwrap();
        Ok(outcome)
    }

    /// One attempt: permit, then act with a provider that answers so.
    fn attempt(&self, effect: &Effect, http: &ScriptedHttp) -> Result<Report, Failure> {
        let permitted = block_on(self.slack.permit(effect, NOW, &self.store))?;
        match permitted.permit {
            Permit::Settled(report) | Permit::Needless(report) => return Ok(report),
            Permit::Go => {}
            Permit::NotBefore(_) => panic!("not put off"),
        }
        block_on(self.slack.act(
            effect,
            &Ports {
                http,
                blobs: &self.blobs,
                notices: &MemoryNotices::default(),
                devices: &MemoryDevices::default(),
                now: NOW,
            },
        ))
    }

    fn find(&self, effect: &Effect, http: &ScriptedHttp) -> Result<Option<Report>, Failure> {
        block_on(self.slack.find(
            effect,
            NOW,
            &Ports {
                http,
                blobs: &self.blobs,
                notices: &MemoryNotices::default(),
                devices: &MemoryDevices::default(),
                now: NOW,
            },
        ))
    }

    fn settle(&self, effect: &Effect, settlement: &Settlement) -> Outcome {
        let outcome = block_on(self.slack.settle(effect, settlement, NOW, &self.store)).unwrap();
        self.store.commit(&outcome.writes).unwrap();
        outcome
    }

    /// An attempt that succeeds, settled.
    fn carry_out(&self, effect: &Effect, http: &ScriptedHttp) -> Outcome {
        let report = self.attempt(effect, http).unwrap();
        self.settle(effect, &Settlement::Done(report))
    }
}

fn ok(body: &str) -> switchboard_core::memory::Answer {
    ScriptedHttp::json(200, body)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn only_event(outcome: &Outcome) -> &Detail {
    assert_eq!(outcome.events.len(), 1, "{outcome:?}");
    &outcome.events[0].detail
}

fn only_effect(outcome: &Outcome) -> &Effect {
    assert_eq!(outcome.effects.len(), 1, "{outcome:?}");
    &outcome.effects[0]
}

#[test]
fn a_wrong_configuration_is_refused_with_its_mend() {
    let both = "[rooms.a]\nslack_channel = \"C1\"\n[rooms.b]\nslack_channel = \"C1\"\n";
    let secrets = [("SLACK_SIGNING_SECRET", "s"), ("SLACK_BOT_TOKEN", "t")];
    for (toml, environment, expected) in [
        (
            both,
            &secrets[..],
            "switchboard.toml:4: [rooms.b] slack_channel: the room a has this channel already",
        ),
        (
            "[rooms.a]\nslack_channel = \"#general\"\n",
            &secrets[..],
            "switchboard.toml:2: [rooms.a] slack_channel: not a",
        ),
        (
            "[slack]\nfile_max_byte = 1\n",
            &secrets[..],
            "switchboard.toml:2: [slack] file_max_byte: unknown key",
        ),
        (
            "[slack]\nfile_max_bytes = 0\n",
            &secrets[..],
            "switchboard.toml:2: [slack] file_max_bytes: 0 is out",
        ),
        ("[slack]\nremember_days = 0\n", &secrets[..], "switchboard.toml:2: [slack] remember_days: 0 is"),
        ("SLACK_API_BASE = \"x\"", &[("SLACK_API_BASE", "x")], "switchboard.toml:1: SLACK_API_BASE is no"),
        ("[rooms.a]\nslack_channel = \"C1\"\n", &secrets[..1], "SLACK_BOT_TOKEN is not set"),
        ("[rooms.a]\nslack_channel = \"C1\"\n", &secrets[1..], "SLACK_SIGNING_SECRET is not set"),
        ("", &[("SLACK_API_BASE", "slack")][..], "SLACK_API_BASE is no URL"),
        (
            "",
            &[("SLACK_API_BASE", "http://192.0.2.1/api")],
            "SLACK_API_BASE would send the credentials unenc",
        ),
        ("", &[("SLACK_API_BASE", "https://slack.com/api?x=1")], "SLACK_API_BASE has more than scheme"),
        ("[slack]\napp_id = 'my app'\n", &[], "switchboard.toml:2: [slack] app_id: no such id"),
        ("[slack]\napp_id = ''\n", &[], "switchboard.toml:2: [slack] app_id: no such id"),
        ("[slack]\nbot_user_id = '@hub'\n", &[], "switchboard.toml:2: [slack] bot_user_id: no such id"),
        ("[slack]\nbot_id = 'U1'\n", &[], "switchboard.toml:2: [slack] bot_id: no such id"),
        ("[slack]\nteam_id = 'hub'\n", &[], "switchboard.toml:2: [slack] team_id: no such id"),
        (
            "[slack]\nfile_hosts = ['*.slack.com',\n'https://x/']\n",
            &[],
            "switchboard.toml:3: [slack] file_hosts: \"https://x/\" is no host",
        ),
    ] {
        let error = Slack::new(&Settings::for_tests(toml, environment)).unwrap_err().to_string();
        assert!(error.starts_with(expected) && error.contains(" — to mend it: "), "{toml}: {error}");
    }
    Slack::new(&Settings::for_tests("[rooms.a]\nsms = \"open\"\n", &[])).expect("no channel, no secrets");
    for base in ["http://127.0.0.1:8080/sandbox/slack/api", "http://localhost:1", "https://slack.test/api/"] {
        Slack::new(&Settings::for_tests("", &[("SLACK_API_BASE", base)])).expect("loopback or encrypted");
    }
    let ids = "[slack]\napp_id = 'A0'\nbot_user_id = 'W0'\nbot_id = 'B0'\nteam_id = 'E0'\n";
    Slack::new(&Settings::for_tests(ids, &[])).expect("ids of every kind");
}
