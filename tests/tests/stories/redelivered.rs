//! Stories: providers deliver twice, late, out of order and in disguise, and each message is there once.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use switchboard_stories::{ANN, BOB, CHANNEL, House, LOBBY, deployed, needs_one_machine, until};

/// Waits until the hub has answered so many webhooks of a kind, and is at rest.
async fn answered(house: &House, kind: &str, count: u64) {
    until("the webhooks are answered", || async {
        let sent = house.control("GET", "/webhooks?limit=0", Value::Null).await;
        sent["kinds"][kind]["answered_2xx"].as_u64().unwrap_or(0) >= count
    })
    .await;
    house.hub.quiet().await;
}

#[tokio::test]
async fn many_copies_at_once_are_one_message() {
    let house = House::open(LOBBY).await;
    // On AWS each of so many at once is a process of its own; the emulator has two cores for them.
    let copies = if deployed() { 3 } else { 20 };
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let texts = (0..5).map(|number| {
        let sent = json!({ "body": format!("text {number}"), "copies": copies });
        let path = format!("/phone/{ANN}/text");
        let house = &house;
        async move { house.control("POST", &path, sent).await }
    });
    house
        .fault(
            json!({ "provider": "slack", "method": "webhook.events", "kind": "duplicate", "copies": copies }),
        )
        .await;
    let said = (0..5).map(|number| {
        let text = format!("said {number}");
        let house = &house;
        async move { house.say(CHANNEL, "U0BOB", &text).await }
    });
    let (sent, _) = tokio::join!(join_all(texts), join_all(said));
    for sent in sent {
        let webhooks = sent["webhooks"].as_array().unwrap();
        assert!(
            webhooks.iter().all(|webhook| webhook["status"] == 200),
            "each copy is accepted: {webhooks:?}"
        );
    }
    answered(&house, "webhook.messages", 2 + 5 * copies).await;
    answered(&house, "webhook.events", 5 * copies).await;
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let numbered = |front: &str| (0..5).map(|number| format!("{front} {number}")).collect::<Vec<_>>();
    let shown = [numbered("Ann (SMS): text"), numbered("Bob: said")].concat();
    until("all are shown", || async { house.channel(CHANNEL).await.len() >= shown.len() }).await;
    house.hub.quiet().await;
    assert_eq!(sorted(house.shown(CHANNEL).await), shown);
    assert_eq!(sorted(house.heard(ANN).await), numbered("Bob: said"));
    assert_eq!(sorted(house.heard(BOB).await), [numbered("Ann: text"), numbered("Bob: said")].concat());
    house.close().await;
}

#[tokio::test]
async fn retries_under_a_new_name_are_one_message() {
    // Slack gives up waiting at once, and tells again under another event id and without saying that it does.
    let house = House::open_with(LOBBY, |settings| {
        settings.behaviour.slack_retry_in_disguise = true;
        settings.behaviour.slack_ack_ms = 1;
        settings.behaviour.slack_retry_after_ms = vec![0, 20, 200];
    })
    .await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    for number in 0..10 {
        house.say(CHANNEL, "U0BOB", &format!("said {number}")).await;
    }
    house.control("POST", "/behaviour", json!({ "slack_ack_ms": 3000 })).await;
    until("Slack has told again", || async {
        let sent = house.control("GET", "/webhooks?kind=webhook.events&limit=1000", Value::Null).await;
        let sent = sent["webhooks"].as_array().unwrap().clone();
        sent.iter().filter(|webhook| webhook["retry"].as_u64() > Some(0)).count() > 5
    })
    .await;
    until("all are heard", || async { house.heard(ANN).await.len() >= 10 }).await;
    house.hub.quiet().await;
    let mut heard = house.heard(ANN).await;
    heard.sort();
    assert_eq!(heard, (0..10).map(|number| format!("Bob: said {number}")).collect::<Vec<_>>());
    house.close().await;
}

#[tokio::test]
async fn what_comes_late_is_shown_late_and_once() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    for (provider, method) in [("twilio", "webhook.messages"), ("slack", "webhook.events")] {
        house
            .fault(json!({ "provider": provider, "method": method, "kind": "out_of_order", "delay_ms": 1000,
                           "times": 1 }))
            .await;
    }
    let late = async { tokio::join!(house.text(ANN, "late"), house.say(CHANNEL, "U0BOB", "late too")) };
    let soon = async {
        until("the late ones are under way", || async { !house.channel(CHANNEL).await.is_empty() }).await;
        house.text(ANN, "soon").await;
        house.expect_heard(BOB, &["Ann: soon"]).await;
    };
    tokio::join!(late, soon);
    until("all are heard", || async { house.heard(BOB).await.len() >= 3 }).await;
    house.hub.quiet().await;
    let heard = house.heard(BOB).await;
    assert_eq!(heard.len(), 3, "{heard:?}");
    for text in ["Ann: soon", "Ann: late", "Bob: late too"] {
        assert!(heard.iter().any(|it| it == text), "{heard:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn what_slack_told_while_the_hub_was_away_it_tells_again() {
    if needs_one_machine("it is stopped") {
        return;
    }
    let mut house = House::open_with(LOBBY, |settings| {
        settings.behaviour.slack_retry_after_ms = vec![0, 4000, 4000];
    })
    .await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    house.hub.stop().await;
    let ts = house.say(CHANNEL, "U0BOB", "anybody there?").await;
    house.start_again().await;
    house.expect_heard(ANN, &["Bob: anybody there?"]).await;
    // The events that told it again may still be on their way.
    until("Slack is content", || async {
        let sent = house.control("GET", "/webhooks?kind=webhook.events", Value::Null).await;
        sent["webhooks"].as_array().unwrap().iter().any(|webhook| webhook["status"] == 200)
    })
    .await;
    house.hub.quiet().await;
    house.expect_heard(ANN, &["Bob: anybody there?"]).await;
    assert!(!house.hub.trace(&ts).await.is_empty(), "it is known by Slack's name for it");
    house.close().await;
}

#[tokio::test]
async fn a_room_shows_what_many_say_at_once_in_one_order_everywhere() {
    let house = House::open(LOBBY).await;
    // On AWS each answer and each text is some twenty requests, and the emulator has two cores for all of them.
    let (many, texts) = if deployed() { (3, 4) } else { (6, 5) };
    let phones: Vec<String> = (0..many).map(|number| format!("+1415555013{number}")).collect();
    for (number, phone) in phones.iter().enumerate() {
        house.join("lobby", &[(phone, &format!("P{number}"))]).await;
    }
    house.join("lobby", &[(ANN, "Ann")]).await;
    let all = phones.iter().flat_map(|phone| (0..texts).map(move |number| (phone, number)));
    let sent = all.map(|(phone, number)| {
        let house = &house;
        async move {
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..200))).await;
            house.text(phone, &format!("{number}")).await
        }
    });
    assert!(join_all(sent).await.iter().all(|status| *status == 200));
    until("all are heard", || async { house.heard(ANN).await.len() >= many * texts }).await;
    house.hub.quiet().await;
    let heard = house.heard(ANN).await;
    let shown: Vec<String> =
        house.shown(CHANNEL).await.iter().map(|text| text.replace(" (SMS)", "")).collect();
    assert_eq!(heard, shown, "a phone and the channel read the same story");
    house.close().await;
}
