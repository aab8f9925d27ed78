//! The harness that the stories share: a real hub, a process of its own with a data directory of its own,
//! between pretend providers that live in the test and outlive the hub's crashes.
//!
//! ```text
//!   test ── texts, says, faults ──▶ sandbox ── signed webhooks ──▶ switchboard run
//!                                      ▲───────── API calls ───────────┘
//! ```
//! Everything listens on free ports of 127.0.0.1. Nothing waits a fixed time: what is expected is waited for,
//! and [`House::close`] fails the test when something is left over.

pub mod alone;
pub mod aws;
pub mod browser;
pub mod chat;
pub mod clients;
pub mod hub;
pub mod issuer;
mod opening;
pub mod sign;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_sandbox::Sandbox;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub use hub::Hub;

/// How long anything may take on a loaded machine of two cores.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The identities of the pretend accounts: the sandbox's own.
pub const TWILIO_ACCOUNT: &str = "AC5a4db0c5a4db0c5a4db0c5a4db0c5a4d";
/// Signs Twilio's webhooks.
pub const TWILIO_TOKEN: &str = "sandbox-auth-token";
/// Signs Slack's.
pub const SLACK_SECRET: &str = "sandbox-signing-secret";
/// What the hub believes to be its public address.
pub const PUBLIC: &str = "https://hub.example";
/// The hub's number.
pub const HUB_NUMBER: &str = "+15550100100";

/// What no log may have: the secrets of the pretend accounts, and what every phone's number begins with.
const SECRETS: [&str; 5] = [TWILIO_TOKEN, SLACK_SECRET, "xoxb-", "+1415", "1415555"];

/// The providers' variables, as bridges want them that talk to nobody.
pub const PROVIDERS: [(&str, &str); 5] = [
    ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT),
    ("TWILIO_AUTH_TOKEN", "t"),
    ("TWILIO_FROM", HUB_NUMBER),
    ("SLACK_SIGNING_SECRET", "s"),
    ("SLACK_BOT_TOKEN", "xoxb-1"),
];

/// Whose phones the stories know.
pub const ANN: &str = "+14155550123";
/// Another.
pub const BOB: &str = "+14155550124";
/// A third.
pub const CARL: &str = "+14155550125";
/// Where Slack shows the lobby.
pub const CHANNEL: &str = "C0LOBBY";

/// One room that phones may join, shown in a channel.
pub const LOBBY: &str = "[rooms.lobby]\ntitle = \"Lobby\"\nslack_channel = \"C0LOBBY\"\nsms = \"open\"\n\
     [sms]\nsegments_per_second = 0\n";

/// How the hub's answer to a JOIN begins.
pub const JOINED: &str = "You are in ";

/// A hub between pretend providers.
pub struct House {
    /// The hub's process.
    pub hub: Hub,
    sandbox: Sandbox,
    server: JoinHandle<()>,
    /// What stands before `/phone/…` and `/slack/channels/…`.
    pub base: String,
    http: reqwest::Client,
    directory: TempDir,
}

impl House {
    /// The data directory's parent: where the hub's files are.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Starts the hub again at its old address, after [`Hub::kill`] or [`Hub::stop`].
    pub async fn start_again(&mut self) {
        self.hub = Hub::start(self.directory.path(), &self.base, self.hub.port).await;
    }

    /// A control call of the sandbox; fails the test when it is refused.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the sandbox answers");
        let status = response.status();
        let text = response.text().await.expect("the sandbox answers");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// A phone texts the hub; gives the answer of the hub's door, 0 for none.
    pub async fn text(&self, phone: &str, body: &str) -> u64 {
        let sent = self.control("POST", &format!("/phone/{phone}/text"), json!({ "body": body })).await;
        sent["webhook"]["status"].as_u64().unwrap_or(0)
    }

    /// What is said at once on AWS has no order of its own: the gate numbers it as it comes. So a story that counts
    /// on the order of what it says waits there until the one is through before it says the next.
    pub async fn in_turn(&self) {
        if deployed() {
            self.hub.quiet().await;
        }
    }

    /// A phone texts, and the gate has numbered what it said: the same for stories in which what is said does not get
    /// through yet.
    pub async fn text_in_turn(&self, phone: &str, body: &str) {
        let numbered = || async {
            let Some(stack) = self.hub.stack() else { return 0 };
            let journal = stack.ask("journal").await;
            let changes = journal.as_array().into_iter().flatten();
            changes.filter(|event| event["detail-type"] == "RoomChanged").count()
        };
        let before = numbered().await;
        assert_eq!(self.text(phone, body).await, 200);
        if deployed() {
            until("the gate has numbered it", || async { numbered().await > before }).await;
        }
    }

    /// Phones join a room, each under a name, and have read what they are told.
    pub async fn join(&self, room: &str, phones: &[(&str, &str)]) {
        for (phone, name) in phones {
            assert_eq!(self.text(phone, &format!("JOIN {room} {name}")).await, 200);
        }
        self.hub.quiet().await;
    }

    /// What a phone has received from the people of its rooms, oldest first: without [`JOINED`] and the words
    /// that Twilio says by itself.
    pub async fn heard(&self, phone: &str) -> Vec<String> {
        let phone = self.control("GET", &format!("/phone/{phone}"), Value::Null).await;
        let received = phone["received"].as_array().expect("a list");
        let others = received.iter().filter(|text| text["automatic"] != json!(true));
        let mut heard = texts(&others.cloned().collect());
        heard.retain(|text| !text.starts_with(JOINED));
        heard
    }

    /// Waits until a phone has heard exactly these, in this order.
    pub async fn expect_heard(&self, phone: &str, expected: &[&str]) {
        wait_for(&format!("{phone} hears"), expected, || self.heard(phone)).await;
    }

    /// How often a method of a provider took effect, and how often it was called; `key` is what the hub put into
    /// the call to know it by.
    pub async fn count(&self, method: &str, key: Option<&str>) -> (u64, u64) {
        let key = key.map(|key| format!("&key={key}")).unwrap_or_default();
        let path = format!("/calls/count?method={method}{key}");
        let count = self.control("GET", &path, Value::Null).await;
        let number = |name: &str| count[name].as_u64().expect("a number");
        (number("effects"), number("calls"))
    }

    /// What a phone has received, oldest first.
    pub async fn received(&self, phone: &str) -> Vec<String> {
        let phone = self.control("GET", &format!("/phone/{phone}"), Value::Null).await;
        texts(&phone["received"])
    }

    /// Somebody speaks in Slack; the text is as Slack sends it, with tokens and escapes. Gives the message's ts.
    pub async fn say(&self, channel: &str, user: &str, text: &str) -> String {
        let body = json!({ "user": user, "text": text, "raw": true });
        let said = self.control("POST", &format!("/slack/channels/{channel}/say"), body).await;
        said["ts"].as_str().expect("a ts").to_owned()
    }

    /// The messages that a channel shows, whole.
    pub async fn channel(&self, channel: &str) -> Vec<Value> {
        let channel = self.control("GET", &format!("/slack/channels/{channel}"), Value::Null).await;
        channel["messages"].as_array().expect("messages").clone()
    }

    /// What a channel shows, as people read it: `name: text`.
    pub async fn shown(&self, channel: &str) -> Vec<String> {
        let name = |message: &Value| {
            let named = message["username"].as_str().or(message["user"].as_str());
            named.unwrap_or("?").to_owned()
        };
        let messages = self.channel(channel).await;
        messages
            .iter()
            .filter(|message| message["deleted"] != json!(true))
            .map(|message| format!("{}: {}", name(message), message["shown"].as_str().unwrap_or_default()))
            .collect()
    }

    /// Waits until a phone has received exactly these, in this order.
    pub async fn expect_received(&self, phone: &str, expected: &[&str]) {
        wait_for(&format!("{phone} receives"), expected, || self.received(phone)).await;
    }

    /// Waits until a channel shows exactly these, in this order.
    pub async fn expect_shown(&self, channel: &str, expected: &[&str]) {
        wait_for(&format!("{channel} shows"), expected, || self.shown(channel)).await;
    }

    /// Tells a provider to fail; see the sandbox's `POST /faults`.
    pub async fn fault(&self, fault: Value) {
        self.control("POST", "/faults", fault).await;
    }

    /// All is well again.
    pub async fn mend(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    /// Waits until nothing is under way, and gives the dead letters that there are.
    pub async fn settle(&self) -> Vec<Value> {
        self.hub.quiet().await;
        self.hub.dead_letters().await
    }

    /// The story is over: fails when a delivery is open, a dead letter is there, or the hub does not end well.
    pub async fn close(self) {
        let letters = self.settle().await;
        assert!(letters.is_empty(), "dead letters nobody asked for: {letters:#?}");
        self.refused_nothing().await;
        self.end().await;
    }

    /// The same, where the story made dead letters: as many as these, each with these words in its reason.
    pub async fn close_with_dead_letters(self, expected: &[&str]) {
        let letters = self.settle().await;
        let reason = |letter: &Value| letter["reason"].as_str().unwrap_or_default().to_owned();
        let reasons: Vec<String> = letters.iter().map(reason).collect();
        let fits = reasons.len() == expected.len()
            && reasons.iter().zip(expected).all(|(reason, words)| reason.contains(words));
        assert!(fits, "expected dead letters {expected:#?}\nfound {letters:#?}");
        self.refused_nothing().await;
        self.end().await;
    }

    /// Of the deployed house: each function may do what it had to do.
    async fn refused_nothing(&self) {
        let Some(stack) = self.hub.stack() else { return };
        let log = stack.ask("logs").await.to_string();
        // What a story denies is denied explicitly.
        let refusal = log.split("\"level\\").find(|line| line.contains("no identity-based policy allows"));
        assert!(refusal.is_none(), "a function was refused: {refusal:?}");
    }

    /// Ends the hub cleanly, whatever is left over. Its log knows no secret and nobody's number.
    pub async fn end(mut self) {
        self.hub.stop().await;
        let log = match self.hub.stack() {
            Some(stack) => stack.ask("logs").await.to_string(),
            None => self.hub.log(),
        };
        for secret in SECRETS {
            let found = log.split('{').find(|part| part.contains(secret));
            assert!(found.is_none(), "{secret} is in the log: {found:?}");
        }
        self.sandbox.stop().await;
        self.server.abort();
    }
}

/// Whether the stories are about the deployed house: `SWITCHBOARD_STORIES_ON=aws`.
pub fn deployed() -> bool {
    std::env::var_os("SWITCHBOARD_STORIES_ON").is_some_and(|host| host == "aws")
}

/// For stories that only one machine can tell (its process is killed, its files are read): true when this run is
/// about the deployed house, and so the story is over.
pub fn needs_one_machine(why: &str) -> bool {
    if deployed() {
        eprintln!("not told of the deployed house: {why}");
    }
    deployed()
}

/// The events of a trace that are of this kind, each its detail.
pub fn details(trace: &[Value], kind: &str) -> Vec<Value> {
    let of_kind = trace.iter().filter(|traced| traced["event"]["detail-type"] == kind);
    of_kind.map(|traced| traced["event"]["detail"].clone()).collect()
}

fn texts(messages: &Value) -> Vec<String> {
    let text = |message: &Value| message["text"].as_str().unwrap_or_default().to_owned();
    messages.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
}

/// Asks again and again until the answer is the expected one; fails when patience ends, or at once when there
/// is more than was expected.
async fn wait_for<F: Future<Output = Vec<String>>>(what: &str, expected: &[&str], ask: impl Fn() -> F) {
    let began = Instant::now();
    loop {
        let found = ask().await;
        if found == expected {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE && found.len() <= expected.len(),
            "{what}\n  expected {expected:#?}\n  found    {found:#?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks until it is so; fails when patience ends.
pub async fn until<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
