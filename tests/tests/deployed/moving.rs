//! Stories: a hub moves from one machine to AWS and back, and nobody notices.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value, json};
use switchboard_stories::{ANN, BOB, CARL, CHANNEL, House, Hub, LOBBY, hub, sign, until};

/// A text that Twilio will send once more.
const SID: &str = "SM000000000000000000000000000000aa";

/// What the providers know as the hub's address, wherever the hub is.
#[derive(Clone, Default)]
struct Address(Arc<Mutex<String>>);

impl Address {
    async fn open() -> (Self, String) {
        let address = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let forward = {
            let address = address.clone();
            move |request: Request| forward(address.clone(), request)
        };
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(forward)).await });
        (address, base)
    }

    fn leads_to(&self, hub: &Hub) {
        *self.0.lock().unwrap() = hub.base();
    }
}

async fn forward(address: Address, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let base = address.0.lock().unwrap().clone();
    let url = format!("{base}{}", parts.uri.path_and_query().unwrap());
    let mut asked = reqwest::Client::new().request(parts.method, url);
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "host") {
        asked = asked.header(name, value);
    }
    let sent = asked.body(to_bytes(body, usize::MAX).await.unwrap()).send().await;
    let (status, body) = match sent {
        Ok(answer) => (answer.status(), answer.bytes().await.unwrap_or_default()),
        // The hub is on its way.
        Err(_) => (reqwest::StatusCode::BAD_GATEWAY, bytes::Bytes::new()),
    };
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

/// Runs a command of `switchboard` over the hub's data directory.
async fn move_here(directory: &Path, command: &str, file: &Path) -> (i32, String) {
    let output = hub::command()
        .arg(command)
        .arg(file)
        .arg("--data")
        .arg(directory.join("data"))
        .output()
        .await
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// The same of `switchboard-aws`.
async fn move_there(house: &House, arguments: &[&str]) -> (i32, String) {
    house.hub.stack().expect("it is deployed").operate(arguments).await
}

/// Twilio sends its text once more.
async fn repeat(house: &House) {
    let webhook = sign::twilio("/twilio/messages", &sign::text_form(SID, ANN, "said once"));
    let sent = webhook.send(&reqwest::Client::new(), &house.hub.base()).await;
    assert_eq!(sent.0, 200, "{}", sent.1);
}

async fn edit(house: &House, ts: &str, text: &str) {
    let edited = json!({ "ts": ts, "text": text });
    let told = house.control("POST", &format!("/slack/channels/{CHANNEL}/edit"), edited).await;
    assert_eq!(told["webhook"]["status"], 200, "{told:#}");
}

/// The lines of a file by kind, sorted; an effect without what tells it from others of its cause, and without when
/// something was decided, since one machine knows of a delivery that has ended only when its event came.
fn lines(file: &Path) -> BTreeMap<String, Vec<String>> {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in std::fs::read_to_string(file).unwrap().lines().skip(1) {
        let line: Value = serde_json::from_str(line).unwrap();
        let (kind, value) = line.as_object().unwrap().iter().next().unwrap();
        let mut value = value.clone();
        if kind == "effect" {
            value["sort"].take();
        }
        if kind == "decided" {
            value["at"].take();
        }
        kinds.entry(kind.clone()).or_default().push(value.to_string());
    }
    kinds.values_mut().for_each(|lines| lines.sort());
    kinds
}

#[tokio::test]
async fn a_hub_moves_to_aws_and_back_with_its_history_and_its_opt_outs_and_repeats_nothing() {
    let (address, outside) = Address::open().await;
    let mut house = House::open_here_behind(LOBBY, &outside).await;
    let directory = house.directory().to_owned();
    let file = |name: &str| directory.join(name);
    address.leads_to(&house.hub);

    // A history, an opt-out, a picture, and a text that Bob's carrier does not take yet.
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob"), (CARL, "Carl")]).await;
    house.text(CARL, "STOP").await;
    let picture = json!({ "body": "look", "media": [{ "content_type": "image/png" }] });
    house.control("POST", &format!("/phone/{ANN}/text"), picture).await;
    house.expect_heard(BOB, &["Ann: look"]).await;
    let ts = house.say(CHANNEL, "U0BOB", "at five").await;
    house.expect_heard(ANN, &["Bob: at five"]).await;
    house.hub.quiet().await;
    let refuses = json!({ "provider": "twilio", "method": "messages.create", "kind": "status", "status": 503, "only": BOB });
    house.fault(refuses).await;
    repeat(&house).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): look", "Bob: at five", "Ann (SMS): said once"]).await;
    until("Bob's text was tried", || async {
        house.hub.metric("switchboard_failed_attempts_total").await > 0.0
    })
    .await;
    let (status, said) = move_here(&directory, "export", &file("in-use")).await;
    assert_eq!((status, said.contains("is in use")), (2, true), "{said}");

    // To AWS. A file that is cut short is refused where it ends; the whole one then goes on.
    house.hub.stop().await;
    let (status, said) = move_here(&directory, "export", &file("first")).await;
    assert_eq!(status, 0, "{said}");
    let posts = house.count("chat.postMessage", None).await;
    let whole = std::fs::read(file("first")).unwrap();
    std::fs::write(file("half"), &whole[..whole.len() / 2]).unwrap();
    house.hub = Hub::deployed(&directory, LOBBY, &house.base).await;
    let (status, said) = move_there(&house, &["import", file("half").to_str().unwrap()]).await;
    assert!(status == 2 && said.contains("before its end"), "{status} {said}");
    let first = file("first");
    for _ in ["once", "and again"] {
        let (status, said) = move_there(&house, &["import", first.to_str().unwrap()]).await;
        assert_eq!(status, 0, "{said}");
    }
    address.leads_to(&house.hub);

    // What was open goes on; what was done is not done again.
    house.mend().await;
    house.expect_heard(BOB, &["Ann: look", "Bob: at five", "Ann: said once"]).await;
    repeat(&house).await;
    edit(&house, &ts, "at six").await;
    let known = ["Bob: at five", "Correction, Bob: at six"];
    house.expect_heard(ANN, &known).await;
    house
        .expect_heard(BOB, &["Ann: look", "Bob: at five", "Ann: said once", "Correction, Bob: at six"])
        .await;
    house.hub.quiet().await;
    house.expect_heard(CARL, &[]).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): look", "Bob: at six", "Ann (SMS): said once"]).await;
    assert_eq!(house.count("chat.postMessage", None).await, posts, "Slack was asked for nothing twice");
    assert!(!house.hub.trace(SID).await.is_empty(), "the journal has moved");

    // And back: not while its listeners listen.
    let back = file("back");
    let (status, said) = move_there(&house, &["export", back.to_str().unwrap()]).await;
    assert!(status == 2 && said.contains("switchboard-aws pause"), "{status} {said}");
    assert_eq!(move_there(&house, &["pause"]).await.0, 0);
    let (_, findings) = move_there(&house, &["doctor"]).await;
    assert!(
        findings.contains("it does not listen to its queue — to mend it: switchboard-aws resume"),
        "{findings}"
    );
    // What nobody can take is in a queue alone, and the operator is told.
    let stack = house.hub.stack().expect("it is deployed");
    stack.ask_with(json!({ "do": "send", "queue": "SlackOutDeadLetters", "body": "no event" })).await;
    let told = Mutex::new(String::new());
    until("the listeners are paused", || async {
        let (status, said) = move_there(&house, &["export", back.to_str().unwrap()]).await;
        *told.lock().unwrap() = said;
        status == 0
    })
    .await;
    let told = told.into_inner().unwrap();
    assert!(
        told.contains("queues of dead letters were not looked into: 1 in hub-SlackOutDeadLetters"),
        "{told}"
    );
    std::fs::rename(directory.join("data"), directory.join("before")).unwrap();
    std::fs::write(file("half"), &std::fs::read(&back).unwrap()[..whole.len() / 2]).unwrap();
    assert_eq!(move_here(&directory, "import", &file("half")).await.0, 1);
    for (file, status) in [(&back, 0), (&back, 0), (&first, 2)] {
        let imported = move_here(&directory, "import", file).await;
        assert_eq!(imported.0, status, "{}", imported.1);
    }
    assert_eq!(move_here(&directory, "export", &file("again")).await.0, 0);
    let (there, here) = (lines(&back), lines(&file("again")));
    for kind in ["event", "item", "decided", "effect", "blob"] {
        assert_eq!(there[kind], here[kind]);
    }
    assert_eq!(there["blob"], lines(&first)["blob"]);

    house.hub = Hub::start(&directory, &house.base, 0).await;
    address.leads_to(&house.hub);
    repeat(&house).await;
    edit(&house, &ts, "at seven").await;
    house.expect_heard(ANN, &[known[0], known[1], "Correction, Bob: at seven"]).await;
    house.hub.quiet().await;
    house.expect_heard(CARL, &[]).await;
    assert_eq!(house.count("chat.postMessage", None).await, posts);
    assert!(!house.hub.trace(SID).await.is_empty());
    house.close().await;
}
