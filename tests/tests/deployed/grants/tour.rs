//! Everything that the functions between phones and Slack may do, done once.

use serde_json::{Value, json};
use switchboard_rules::wiring::Wiring;
use switchboard_stories::{ANN, BOB, CHANNEL, House, PUBLIC, until};

use super::{later, logical};
use crate::stack;

/// Everything that a function may do is done once.
pub(super) async fn tour(house: &House) {
    // Files both ways, an answer in Slack, an edit; a status callback for each text.
    let picture = json!({ "body": "look", "media": [{ "content_type": "image/png" }] });
    house.control("POST", &format!("/phone/{ANN}/text"), picture).await;
    until("the picture is in Slack", || async {
        let shown = house.channel(CHANNEL).await;
        shown.iter().any(|message| message["replies"][0]["files"][0]["mode"] == "hosted")
    })
    .await;
    let files = json!([{ "content_type": "image/png", "name": "map.png" }]);
    let said = json!({ "user": "U0BOB", "text": "the way", "files": files });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/say"), said).await;
    let media = || async {
        let phone = house.control("GET", &format!("/phone/{ANN}"), Value::Null).await;
        let received = phone["received"].as_array().expect("a list").clone();
        received.iter().find_map(|text| text["media"][0]["url"].as_str().map(str::to_owned))
    };
    until("the picture is on the phone", || async { media().await.is_some() }).await;
    let link = media().await.expect("a link").replace(PUBLIC, &house.hub.base());
    let client = reqwest::Client::new();
    for method in [reqwest::Method::HEAD, reqwest::Method::GET] {
        let file = client.request(method, &link).send().await.expect("an answer");
        assert_eq!(
            (file.status().as_u16(), file.headers()["content-type"].as_bytes()),
            (200, &b"image/png"[..])
        );
    }
    assert_eq!(client.get(link.replace("signature=", "signature=0")).send().await.unwrap().status(), 403);
    assert_eq!(client.post(&link).send().await.unwrap().status(), 405);
    let ts = house.say(CHANNEL, "U0BOB", "seen").await;
    house.hub.quiet().await;
    let reaction = json!({ "user": "U0ANN", "ts": ts, "name": "eyes" });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/react"), reaction).await;
    later::not_taken(house, BOB, ANN, "can you hear me").await;
    // A page posts, and what it posted is retracted.
    let post = json!({ "id": "1", "name": "Zoe", "text": "from a page" });
    let mut posted = Value::Null;
    for _ in ["once", "and again"] {
        let (status, answer) = house.hub.order("POST", "/api/rooms/lobby/messages", post.clone()).await;
        assert_eq!(status, 200);
        posted = answer;
    }
    house.hub.quiet().await;
    let retract = format!("/api/messages/{}/retract", posted["message_id"].as_str().expect("an id"));
    for _ in ["once", "and again"] {
        assert_eq!(house.hub.order("POST", &retract, json!({ "id": "1" })).await.0, 200);
    }
    // An edit that comes before its message waits for it; when its time is over a timer ends that.
    let late = json!({ "provider": "slack", "method": "webhook.events", "kind": "out_of_order", "delay_ms": 12_000,
                       "times": 1 });
    house.fault(late).await;
    let edited = async {
        let newest = || async {
            let channel = house.channel(CHANNEL).await;
            channel.iter().find(|it| it["shown"] == "frist").map(|it| it["ts"].clone())
        };
        until("it stands in Slack", || async { newest().await.is_some() }).await;
        let edit = json!({ "ts": newest().await, "text": "first" });
        house.control("POST", &format!("/slack/channels/{CHANNEL}/edit"), edit).await;
        let waits = json!({ "timers": 1, "schedules": 1 });
        until("the edit waits, for the Scheduler too", || async {
            stack(house).ask("timers").await == waits
        })
        .await;
        stack(house).ask("let-the-scheduler-wake").await
    };
    house
        .fault(json!({ "provider": "slack", "method": "webhook.events", "kind": "duplicate", "copies": 2 }))
        .await;
    house.control("POST", &format!("/phone/{BOB}/text"), json!({ "body": "LEAVE lobby", "copies": 2 })).await;
    let (_, sent) = tokio::join!(house.say(CHANNEL, "U0BOB", "frist"), edited);
    let none = json!({ "timers": 0, "schedules": 0 });
    until("the timer has come by the Scheduler", || async { stack(house).ask("timers").await == none }).await;
    stack(house).ask_with(json!({ "do": "send", "queue": "ModerationQueue", "body": sent[0] })).await;
    house.hub.quiet().await;
    // Everything comes once more, as a queue gives it again after a function was killed.
    let wiring = Wiring::embedded().unwrap();
    let rules = wiring.compile();
    for event in stack(house).ask("journal").await.as_array().expect("events") {
        let text = event.to_string();
        for rule in rules.matching(text.as_bytes()).unwrap() {
            let function = logical(&wiring.rules()[rule].listener.replace(['.', '_'], "-"));
            let given = json!({ "do": "give-again", "function": function, "body": text });
            let answer = stack(house).ask_with(given).await;
            assert_eq!(answer, json!({ "batchItemFailures": [] }), "{function}: {text}");
        }
    }
    house.hub.quiet().await;
    // Who is given up has a letter, who is put off reminds itself.
    for times in [1, 1] {
        house.fault(json!({ "provider": "slack", "method": "chat.postMessage", "kind": "status", "status": 503, "times": times })).await;
    }
    house.fault(json!({ "provider": "twilio", "method": "messages.create", "kind": "status", "status": 503, "times": 2 })).await;
    house.text(ANN, "again").await;
    house.hub.quiet().await;
    for queue in [
        "SlackIntakeQueue",
        "SlackOutQueue",
        "SmsIntakeQueue",
        "SmsFanoutQueue",
        "SmsOutQueue",
        "ModerationGateQueue",
        "ModerationQueue",
        "WebChatHistoryQueue",
        "WebChatDeliveriesQueue",
        "JournalQueue",
    ] {
        stack(house).ask_with(json!({ "do": "send", "queue": queue, "body": "poison" })).await;
    }
    house.hub.quiet().await;
}
