//! Each way of failing that the sandbox can be told of.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{HUB_NUMBER, PHONE, Town, nothing};

const POST: &str = "chat.postMessage";

async fn post(town: &Town) -> Result<reqwest::Response, reqwest::Error> {
    town.try_slack(POST, json!({ "channel": "C0LOBBY", "text": "x" })).await
}

async fn status(town: &Town) -> u16 {
    post(town).await.unwrap().status().as_u16()
}

async fn shown(town: &Town) -> usize {
    town.look("/slack/channels/C0LOBBY").await["messages"].as_array().unwrap().len()
}

async fn fail(town: &Town, fault: Value) {
    town.tell("/faults", fault).await;
}

#[tokio::test]
async fn the_next_calls_are_refused_and_then_no_more() {
    let town = Town::new().await;
    fail(&town, json!({ "provider": "slack", "method": POST, "kind": "status", "status": 429, "retry_after_s": 7, "times": 1 })).await;
    fail(&town, json!({ "provider": "slack", "kind": "status", "status": 503, "times": 1 })).await;
    fail(&town, json!({ "provider": "slack", "kind": "error", "error": "fatal_error", "times": 1 })).await;
    let first = post(&town).await.unwrap();
    assert_eq!((first.status().as_u16(), first.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(status(&town).await, 503);
    let third: Value = serde_json::from_str(&post(&town).await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(third, json!({ "ok": false, "error": "fatal_error" }));
    assert_eq!((status(&town).await, shown(&town).await), (200, 1));
    assert_eq!(
        town.look("/calls/count?method=chat.postMessage").await,
        json!({ "calls": 4, "effects": 1, "exact": true })
    );
}

#[tokio::test]
async fn a_fault_holds_until_it_is_cleared_and_only_where_it_is_meant() {
    let town = Town::new().await;
    fail(
        &town,
        json!({ "provider": "slack", "method": POST, "kind": "status", "status": 500, "only": "C0LOBBY" }),
    )
    .await;
    assert_eq!((status(&town).await, status(&town).await), (500, 500));
    assert_eq!(town.slack(POST, json!({ "channel": "C0OPS", "text": "x" })).await["ok"], true);
    assert_eq!(town.look("/faults").await["faults"][0]["happened"], 2);
    let cleared =
        town.http.delete(format!("{}/faults", town.base)).send().await.unwrap().text().await.unwrap();
    assert_eq!(cleared, "{\"cleared\":1}");
    assert_eq!(status(&town).await, 200);
}

#[tokio::test]
async fn a_fault_can_be_a_matter_of_chance() {
    let town = Town::new().await;
    fail(&town, json!({ "provider": "slack", "kind": "status", "status": 500, "probability": 0.5 })).await;
    let mut failed = 0;
    for _ in 0..60 {
        failed += usize::from(status(&town).await == 500);
    }
    assert!((5..56).contains(&failed), "{failed}");
}

#[tokio::test]
async fn a_connection_can_be_reset_before_or_after_the_call_took_effect() {
    let town = Town::new().await;
    fail(&town, json!({ "provider": "slack", "method": POST, "kind": "reset", "times": 1 })).await;
    assert!(post(&town).await.is_err());
    assert_eq!(shown(&town).await, 0);
    fail(&town, json!({ "provider": "slack", "method": POST, "kind": "lose_answer", "times": 1 })).await;
    assert!(post(&town).await.is_err());
    assert_eq!(shown(&town).await, 1);
    let calls = town.look("/calls?method=chat.postMessage").await;
    assert_eq!(
        (&calls["calls"][0]["took_effect"], &calls["calls"][1]["took_effect"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        (&calls["calls"][1]["status"], &calls["calls"][1]["fault"]),
        (&Value::Null, &json!("lose_answer"))
    );
}

#[tokio::test]
async fn a_reset_sends_no_byte_of_an_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let town = Town::new().await;
    fail(&town, json!({ "provider": "slack", "kind": "reset", "times": 1 })).await;
    let address = town.base.trim_start_matches("http://").split('/').next().unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket
        .write_all(b"POST /sandbox/slack/api/api.test HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert_eq!(String::from_utf8_lossy(&answer), "");
}

#[tokio::test]
async fn an_answer_can_be_slow_or_never_come() {
    let town = Town::new().await;
    fail(&town, json!({ "provider": "slack", "kind": "slow", "delay_ms": 120, "times": 1 })).await;
    let started = Instant::now();
    assert_eq!(status(&town).await, 200);
    assert!(started.elapsed() >= Duration::from_millis(120));
    fail(&town, json!({ "provider": "slack", "kind": "slow", "delay_ms": 5_000, "times": 1 })).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), post(&town)).await.is_err());
    fail(&town, json!({ "provider": "slack", "kind": "timeout", "times": 1 })).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), post(&town)).await.is_err());
    fail(&town, json!({ "provider": "slack", "kind": "lose_answer_slowly", "times": 1 })).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), post(&town)).await.is_err());
    assert_eq!(shown(&town).await, 3, "whoever does not wait has posted all the same");
    assert_eq!(
        town.look("/calls/count?method=chat.postMessage").await,
        json!({ "calls": 4, "effects": 3, "exact": true })
    );
    fail(&town, json!({ "provider": "slack", "kind": "timeout", "times": 1 })).await;
    let (answer, ()) = tokio::join!(post(&town), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        town.sandbox.stop().await;
    });
    assert!(answer.is_err(), "stopping ends what never answers");
}

#[tokio::test]
async fn twilio_fails_in_the_same_ways() {
    let town = Town::new().await;
    let text = async || town.try_send_text(&[("To", PHONE), ("From", HUB_NUMBER), ("Body", "x")]).await;
    for (status, code) in [(429, 20429), (500, 20500), (503, 20500)] {
        fail(&town, json!({ "provider": "twilio", "method": "messages.create", "kind": "status", "status": status, "times": 1 })).await;
        let response = text().await.unwrap();
        assert_eq!(response.status(), status);
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(answer["code"], code);
    }
    fail(&town, json!({ "provider": "twilio", "kind": "error", "error": "21408", "times": 1 })).await;
    assert_eq!(text().await.unwrap().status(), 400);
    fail(&town, json!({ "provider": "twilio", "kind": "lose_answer", "only": PHONE, "times": 1 })).await;
    assert!(text().await.is_err());
    let phone = town.look(&format!("/phone/{PHONE}")).await;
    assert_eq!(phone["received"].as_array().unwrap().len(), 1, "the lost one is found by asking");
}

#[tokio::test]
async fn webhooks_come_twice_late_or_not_at_all() {
    let town = Town::new().await;
    let say = async |text: &str| {
        town.tell("/slack/channels/C0LOBBY/say", json!({ "user": "U0ANN", "text": text })).await
    };
    fail(&town, json!({ "provider": "slack", "method": "webhook.events", "kind": "duplicate", "copies": 3, "times": 1 })).await;
    say("thrice").await;
    town.hub_receives("/slack/events", 3).await;
    fail(&town, json!({ "provider": "slack", "method": "webhook", "kind": "out_of_order", "delay_ms": 100, "times": 1 })).await;
    tokio::join!(say("first"), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        say("second").await
    });
    let received = town.hub_receives("/slack/events", 5).await;
    assert_eq!(
        (&received[3].event()["text"], &received[4].event()["text"]),
        (&json!("second"), &json!("first"))
    );
    fail(&town, json!({ "provider": "twilio", "method": "webhook.messages", "kind": "drop", "times": 1 }))
        .await;
    let told = town.tell(&format!("/phone/{PHONE}/text"), json!({ "body": "lost" })).await;
    assert_eq!(told["webhook"]["no_answer"], "dropped");
    town.hub_receives("/twilio/messages", 0).await;
}

#[tokio::test]
async fn a_wrong_fault_is_refused_with_a_sentence() {
    let town = Town::new().await;
    for wrong in [
        json!({ "provider": "smoke", "kind": "reset" }),
        json!({ "provider": "slack", "kind": "status" }),
        json!({ "provider": "slack", "kind": "error" }),
        json!({ "provider": "slack", "kind": "explode" }),
        json!({ "provider": "slack", "kind": "duplicate" }),
        json!({ "provider": "slack", "method": "webhook.events", "kind": "reset" }),
        json!({ "provider": "slack", "kind": "reset", "probability": 2 }),
    ] {
        let (status, answer) = town.try_tell("/faults", wrong).await;
        assert_eq!(status, 400);
        assert!(answer["error"].is_string());
    }
}

#[tokio::test]
async fn slack_limits_each_channel_and_each_method() {
    let town = Town::new().await;
    town.tell("/limits", json!({ "slack": { "burst": 2.0 } })).await;
    let statuses = [status(&town).await, status(&town).await, status(&town).await];
    assert_eq!(statuses, [200, 200, 429]);
    let refused = post(&town).await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.text().await.unwrap().contains("ratelimited"));
    assert_eq!(town.slack(POST, json!({ "channel": "C0OPS", "text": "x" })).await["ok"], true);
    let list = async || town.try_slack("conversations.list", nothing()).await.unwrap().status().as_u16();
    for _ in 0..20 {
        assert_eq!(list().await, 200);
    }
    assert_eq!(list().await, 429);
    town.tell("/limits", json!({ "slack": "off" })).await;
    assert_eq!((list().await, status(&town).await), (200, 200));
    assert_eq!(town.look("/limits").await, json!({ "slack": "off", "twilio": "off" }));
    assert_eq!(town.try_tell("/limits", json!({ "slack": "fast" })).await.0, 400);
}

#[tokio::test]
async fn twilio_takes_only_so_many_calls_at_once() {
    let town = Town::new().await;
    town.tell("/limits", json!({ "twilio": { "concurrency": 2, "segments_per_s": 1000.0 } })).await;
    fail(&town, json!({ "provider": "twilio", "kind": "slow", "delay_ms": 200 })).await;
    let texts = (0..5).map(|_| town.send_text(&[("To", PHONE), ("From", HUB_NUMBER), ("Body", "x")]));
    let answers = futures::future::join_all(texts).await;
    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status == 429).collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|(_, answer)| answer["code"] == 20429));
    let phone = town.look(&format!("/phone/{PHONE}")).await;
    assert_eq!(phone["received"].as_array().unwrap().len(), 2);
}
