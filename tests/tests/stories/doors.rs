//! What the doors let in and what they refuse: real signers, forged signatures, garbage, too much.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use switchboard_stories::clients::{lines, node, python, scripts};
use switchboard_stories::sign::{self, Signed};
use switchboard_stories::{
    ANN, House, LOBBY, PUBLIC, SLACK_SECRET, TWILIO_TOKEN, aws, deployed, needs_one_machine,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn sid(number: u32) -> String {
    format!("SM{number:032x}")
}

fn text(number: u32, body: &str) -> Signed {
    sign::twilio("/twilio/messages", &sign::text_form(&sid(number), ANN, body))
}

fn slack_message(ts: &str, text: &str) -> String {
    json!({
        "token": "x", "team_id": "T0SANDBOX", "api_app_id": "A0SANDBOX", "type": "event_callback",
        "event_id": "Ev01", "event_time": 1, "authorizations": [],
        "event": { "type": "message", "channel": "C0LOBBY", "channel_type": "channel", "user": "U0ANN",
                   "text": text, "ts": ts, "team": "T0SANDBOX" },
    })
    .to_string()
}

async fn status(house: &House, signed: &Signed) -> u16 {
    signed.send(&reqwest::Client::new(), &house.hub.base()).await.0
}

#[tokio::test]
async fn what_the_official_libraries_sign_is_let_in_and_each_forgery_is_refused() {
    let house = House::open(LOBBY).await;
    let arguments = [PUBLIC, TWILIO_TOKEN, "the-secondary-token", SLACK_SECRET];
    let mut requests = lines(&python(&scripts().join("sign.py"), &arguments).await);
    requests.extend(lines(&node(&scripts().join("sign.mjs"), &arguments).await));
    assert!(requests.len() > 30, "only {} requests", requests.len());
    let client = reqwest::Client::new();
    for request in &requests {
        let field = |name: &str| request[name].as_str().unwrap_or_default();
        let method = field("method").parse().unwrap();
        let mut sent = client.request(method, format!("{}{}", house.hub.base(), field("path")));
        for (name, value) in request["headers"].as_object().unwrap() {
            sent = sent.header(name, value.as_str().unwrap());
        }
        let answer = sent.body(field("body").to_owned()).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(u64::from(status), request["expect"].as_u64().unwrap(), "{}: {body}", field("case"));
    }
    let refused = requests.iter().filter(|request| request["expect"] == 403).count();
    let log = match house.hub.stack() {
        Some(stack) => stack.ask("logs").await.to_string(),
        None => {
            assert!(house.hub.metric("switchboard_refused_total").await >= refused as f64);
            house.hub.log()
        }
    };
    assert!(log.matches("a request was refused").count() >= refused, "each is in the log");
    assert!(!log.contains("5550123") && !log.contains("a secret text"), "no number and no text in the log");
    house.end().await;
}

#[tokio::test]
async fn bad_requests_get_the_right_answer_and_make_no_event() {
    let house = House::open(LOBBY).await;
    let form = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let unsigned = Signed { headers: Vec::new(), ..text(1, "x") };
    let forged = sign::twilio_with("another-token", "/twilio/messages", &sign::text_form(&sid(1), ANN, "x"));
    let other_type = Signed { content_type: "text/plain".into(), ..text(1, "x") };
    let no_sid = sign::twilio("/twilio/messages", &form(&[("Body", "x"), ("From", ANN)]));
    let changed = Signed { body: text(1, "x").body.replace("Body=x", "Body=y"), ..text(1, "x") };
    let moved = Signed { path: "/twilio/messages?a=1".into(), ..text(1, "x") };
    let now = sign::now_s();
    let json = "application/json";
    let message = slack_message("1700000000.000100", "x");
    let stale = sign::slack("/slack/events", json, &message, now - 301);
    let future = sign::slack("/slack/events", json, &message, now + 310);
    let not_json = sign::slack("/slack/events", json, "{", now);
    let not_form = sign::slack("/slack/events", "application/x-www-form-urlencoded", &message, now);
    let unsigned_slack = Signed { headers: Vec::new(), ..sign::slack("/slack/events", json, &message, now) };
    let large = Signed { body: "x".repeat(1024 * 1024 + 1), ..text(1, "x") };
    let nowhere = Signed { path: "/twilio/nothing".into(), ..text(1, "x") };
    for (case, signed, expected) in [
        ("unsigned", unsigned, 403),
        ("forged", forged, 403),
        ("changed body", changed, 403),
        ("changed path", moved, 403),
        ("wrong type", other_type, 415),
        ("no MessageSid", no_sid, 400),
        ("stale", stale, 403),
        ("from the future", future, 403),
        ("not JSON", not_json, 400),
        ("wrong type for Slack", not_form, 415),
        ("unsigned Slack", unsigned_slack, 403),
        ("too large", large, 413),
        ("no such path", nowhere, 404),
    ] {
        assert_eq!(status(&house, &signed).await, expected, "{case}");
    }
    match house.hub.stack() {
        Some(stack) => assert_eq!(stack.ask("journal").await, json!([]), "no event"),
        None => assert_eq!(house.hub.metric("switchboard_events_total").await, 0.0, "no event"),
    }
    house.close().await;
}

#[tokio::test]
async fn slow_and_endless_senders_are_cut_off_while_others_are_served() {
    if needs_one_machine("what a function is given came in before") {
        return;
    }
    let house = House::open(LOBBY).await;
    let address = format!("127.0.0.1:{}", house.hub.port);
    let knock = |request: String| {
        let address = address.clone();
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            let read = stream.read_to_string(&mut answer);
            // Longer than any of the hub's own limits.
            let _ = tokio::time::timeout(Duration::from_secs(40), read).await;
            answer.lines().next().unwrap_or_default().to_owned()
        }
    };
    let head =
        "POST /twilio/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let slow_body = knock(format!("{head}Content-Length: 100\r\n\r\nBody="));
    let flood = knock(format!("{head}{}\r\n", "X-A: b\r\n".repeat(5000)));
    let long = knock(format!("{head}X-A: {}\r\n\r\n", "b".repeat(100_000)));
    let others = async {
        for number in 0..50 {
            assert_eq!(status(&house, &text(number, "hello")).await, 200);
        }
        String::new()
    };
    let (slow_body, flood, long, _) = tokio::join!(slow_body, flood, long, others);
    assert!(slow_body.contains(" 408 "), "{slow_body}");
    assert!(flood.contains(" 431 "), "{flood}");
    assert!(long.contains(" 431 "), "{long}");
    house.end().await;
}

#[tokio::test]
async fn the_same_webhook_ten_times_at_once_and_after_a_restart_is_one_event() {
    let mut house = House::open(LOBBY).await;
    let join = text(1, "JOIN lobby Ann");
    assert_eq!(status(&house, &join).await, 200);
    let hello = text(2, "hello");
    let said = sign::slack(
        "/slack/events",
        "application/json",
        &slack_message("1700000000.000100", "hi"),
        sign::now_s(),
    );
    for _ in 0..2 {
        for signed in [&hello, &said] {
            let answers = join_all((0..10).map(|_| status(&house, signed))).await;
            assert_eq!(answers, [200; 10]);
        }
        house.hub.quiet().await;
        match house.hub.stack() {
            // What runs there is started anew at any time.
            Some(stack) => drop(stack.ask_with(json!({ "do": "kill", "function": "" })).await),
            None => {
                house.hub.stop().await;
                house.start_again().await;
            }
        }
    }
    house.expect_shown("C0LOBBY", &["Ann (SMS): hello"]).await;
    house.hub.quiet().await;
    assert_eq!(house.received(ANN).await[1..], ["Ann: hi"]);
    if !deployed() {
        let repeated = house.hub.metric("switchboard_repeated_arrivals_total").await;
        assert!(repeated == 0.0, "a new life counts anew");
    }
    house.close().await;
}

#[tokio::test]
async fn everything_that_is_no_providers_door_is_for_this_machine_or_the_token() {
    if deployed() {
        return whatever_is_deployed_and_no_providers_is_for_the_token().await;
    }
    let house = House::open(&format!("SWITCHBOARD_TOKEN = \"t0ken\"\n{LOBBY}")).await;
    let client = reqwest::Client::new();
    for path in [
        "/api/dead-letters",
        "/api/trace/x",
        "/api/tail",
        "/metrics",
        "/api/openapi.json",
        "/api/asyncapi.json",
    ] {
        let ask = || client.get(format!("{}{path}", house.hub.base()));
        let from_afar = ask().header("Host", "hub.example").send().await.unwrap().status();
        assert_eq!(from_afar, 401, "{path}");
        let wrong = ask().bearer_auth("wrong").send().await.unwrap().status();
        assert_eq!(wrong, 403, "{path}");
        let right = ask().header("Host", "hub.example").bearer_auth("t0ken").send().await.unwrap().status();
        assert!(right == 200 || right == 404, "{path}: {right}");
    }
    let post = client.post(format!("{}/api/rooms/lobby/messages", house.hub.base()));
    let body = json!({ "id": "1", "name": "Eve", "text": "x" });
    let from_a_page = post.header("Origin", "https://evil.example").json(&body).send().await.unwrap();
    assert_eq!(from_a_page.status(), 403);
    let (status, _) = house.hub.get("/sandbox/phone").await;
    assert_eq!(status, 404, "with real credentials there is no sandbox");
    house.close().await;
}

/// No request comes from a function's own machine.
async fn whatever_is_deployed_and_no_providers_is_for_the_token() {
    let house = House::open_deployed(LOBBY).await;
    let client = reqwest::Client::new();
    let body = json!({ "id": "1", "name": "Eve", "text": "x" });
    for path in ["rooms/lobby/messages", "messages/m/retract", "messages/m/release", "messages/m/block"] {
        let path = &format!("/api/{path}");
        let ask = || client.post(format!("{}{path}", house.hub.base())).json(&body);
        let none = ask().header("X-Forwarded-For", "127.0.0.1").send().await.unwrap().status();
        assert_eq!(none, 401, "{path}");
        let wrong = ask().bearer_auth(format!("{}x", aws::TOKEN)).send().await.unwrap().status();
        assert_eq!(wrong, 403, "{path}");
    }
    for path in ["/metrics", "/api/dead-letters", "/api/tail", "/sandbox/phone"] {
        let answer = client.get(format!("{}{path}", house.hub.base())).bearer_auth(aws::TOKEN).send().await;
        assert_eq!(answer.unwrap().status(), 404, "{path} is not there");
    }
    assert_eq!(house.hub.stack().expect("a stack").ask("journal").await, json!([]), "no event");
    house.close().await;
}
