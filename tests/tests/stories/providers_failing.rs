//! Stories: a provider fails in every way that it can, and each message is there once, in order, and nothing
//! else waits.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::{
    ANN, BOB, CARL, CHANNEL, House, LOBBY, deployed, details, needs_one_machine, until,
};

fn two_rooms() -> String {
    format!("[rooms.attic]\nslack_channel = \"C0ATTIC\"\nsms = \"open\"\n{LOBBY}")
}

/// Each message that the channel shows was posted with effect once.
async fn posted_once(house: &House, channel: &str) {
    for message in house.channel(channel).await {
        let id = message["metadata"]["event_payload"]["message_id"].as_str().expect("our mark");
        let (effects, _) = house.count("chat.postMessage", Some(id)).await;
        assert_eq!(effects, 1, "{}", message["text"]);
    }
}

async fn slack_fails_in_every_way(house: House) {
    house.join("lobby", &[(ANN, "Ann")]).await;
    let ways = [
        json!({ "kind": "status", "status": 500, "times": 2 }),
        json!({ "kind": "status", "status": 429, "retry_after_s": 1, "times": 1 }),
        json!({ "kind": "error", "error": "internal_error", "times": 1 }),
        json!({ "kind": "reset", "times": 1 }),
        json!({ "kind": "lose_answer", "times": 1 }),
    ];
    let mut expected = Vec::new();
    for (number, mut way) in ways.into_iter().enumerate() {
        way["provider"] = json!("slack");
        way["method"] = json!("chat.postMessage");
        house.fault(way).await;
        for part in ["a", "b"] {
            house.text_in_turn(ANN, &format!("{number}{part}")).await;
            expected.push(format!("Ann (SMS): {number}{part}"));
        }
        // One after the other: waits double with each failure of one message.
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        house.expect_shown(CHANNEL, &expected).await;
    }
    house.hub.quiet().await;
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    house.expect_shown(CHANNEL, &expected).await;
    posted_once(&house, CHANNEL).await;
    house.close().await;
}

#[tokio::test]
async fn however_slack_fails_each_message_is_posted_once_and_in_order() {
    slack_fails_in_every_way(House::open(LOBBY).await).await;
}

#[tokio::test]
async fn and_so_it_is_when_slack_does_not_echo_what_it_took() {
    let house = House::open_with(LOBBY, |settings| settings.behaviour.slack_echo = false).await;
    slack_fails_in_every_way(house).await;
}

#[tokio::test]
async fn a_channel_that_fails_delays_no_other_channel_and_no_phone() {
    let house = House::open(&two_rooms()).await;
    house.join("lobby", &[(ANN, "Ann"), (CARL, "Carl")]).await;
    house.join("attic", &[(BOB, "Bob")]).await;
    house.fault(json!({ "provider": "slack", "kind": "status", "status": 503, "only": CHANNEL })).await;
    house.text(ANN, "from the lobby").await;
    house.text(BOB, "from the attic").await;
    house.expect_shown("C0ATTIC", &["Bob (SMS): from the attic"]).await;
    house.expect_heard(CARL, &["Ann: from the lobby"]).await;
    until("the lobby's channel was tried", || async { house.count("chat.postMessage", None).await.1 > 1 })
        .await;
    house.expect_shown(CHANNEL, &[]).await;
    house.mend().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): from the lobby"]).await;
    house.close().await;
}

#[tokio::test]
async fn a_phone_that_cannot_be_served_delays_no_other_phone_and_no_channel() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob"), (CARL, "Carl")]).await;
    house
        .fault(json!({ "provider": "twilio", "method": "messages.create", "kind": "reset", "only": BOB }))
        .await;
    for text in ["one", "two"] {
        house.text_in_turn(ANN, text).await;
    }
    house.expect_heard(CARL, &["Ann: one", "Ann: two"]).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one", "Ann (SMS): two"]).await;
    house.expect_heard(BOB, &[]).await;
    house.mend().await;
    house.expect_heard(BOB, &["Ann: one", "Ann: two"]).await;
    house.close().await;
}

#[tokio::test]
async fn a_provider_that_never_answers_is_asked_what_became_of_it() {
    let house = House::open(&two_rooms()).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    house.join("attic", &[(CARL, "Carl")]).await;
    house.control("POST", "/twilio/carrier", json!({ "callbacks": false })).await;
    house.control("POST", "/behaviour", json!({ "slack_echo": false })).await;
    for (provider, method, only) in
        [("slack", "chat.postMessage", CHANNEL), ("twilio", "messages.create", BOB)]
    {
        let fault = json!({ "provider": provider, "method": method, "only": only, "kind": "lose_answer_slowly",
                            "times": 1 });
        house.fault(fault).await;
    }
    house.text_in_turn(ANN, "took its time").await;
    house.text(ANN, "next").await;
    // Others go on before the time-out of the first.
    house.text(CARL, "meanwhile").await;
    house.expect_shown("C0ATTIC", &["Carl (SMS): meanwhile"]).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): took its time"]).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): took its time", "Ann (SMS): next"]).await;
    house.expect_heard(BOB, &["Ann: took its time", "Ann: next"]).await;
    house.hub.quiet().await;
    posted_once(&house, CHANNEL).await;
    house.expect_heard(BOB, &["Ann: took its time", "Ann: next"]).await;
    house.close().await;
}

#[tokio::test]
async fn however_twilio_fails_each_text_is_sent_once_and_in_order() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob"), (CARL, "Carl")]).await;
    // Carl's texts are reported by nobody: what became of them has to be asked.
    house.control("POST", "/twilio/carrier", json!({ "to": CARL, "callbacks": false })).await;
    for phone in [BOB, CARL] {
        for mut way in [
            json!({ "kind": "status", "status": 503, "times": 1 }),
            json!({ "kind": "lose_answer", "times": 1 }),
            json!({ "kind": "reset", "times": 1 }),
            json!({ "kind": "error", "error": "20429", "status": 429, "times": 1 }),
            json!({ "kind": "lose_answer", "times": 1 }),
        ] {
            way["provider"] = json!("twilio");
            way["method"] = json!("messages.create");
            way["only"] = json!(phone);
            house.fault(way).await;
        }
    }
    // The same words more than once: what is found may be another's.
    for text in ["ok", "ok", "fine", "ok"] {
        house.text_in_turn(ANN, text).await;
    }
    let expected = ["Ann: ok", "Ann: ok", "Ann: fine", "Ann: ok"];
    house.expect_heard(BOB, &expected).await;
    house.expect_heard(CARL, &expected).await;
    house.hub.quiet().await;
    house.expect_heard(BOB, &expected).await;
    house.expect_heard(CARL, &expected).await;
    assert!(house.count("messages.list", None).await.1 > 0, "what became of a text was asked");
    house.close().await;
}

#[tokio::test]
async fn what_twilio_refuses_for_good_is_reported_and_not_sent_again() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob"), (CARL, "Carl")]).await;
    for (phone, code) in [(BOB, "21211"), (CARL, "21610")] {
        let fault = json!({ "provider": "twilio", "method": "messages.create", "kind": "error", "error": code,
                            "only": phone, "times": 1 });
        house.fault(fault).await;
    }
    house.text(ANN, "one").await;
    house.hub.quiet().await;
    house.text(ANN, "two").await;
    house.expect_heard(BOB, &["Ann: two"]).await;
    house.hub.quiet().await;
    assert!(house.heard(CARL).await.is_empty(), "who has opted out hears nothing");

    let (bob, carl) = (house.hub.trace(BOB).await, house.hub.trace(CARL).await);
    let failed = |trace: &[Value], phone: &str| -> Vec<String> {
        let reports = details(trace, "DeliveryReported");
        let failed =
            reports.iter().filter(|report| report["address"] == phone && report["status"] == "failed");
        failed.map(|report| report["reason"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(failed(&bob, BOB), ["the number is no phone's (21211)"]);
    assert_eq!(failed(&carl, CARL), ["the phone has opted out (21610)"]);
    let changes = details(&carl, "SubscriberChanged");
    assert_eq!(changes.last().map(|change| change["change"].clone()), Some(json!("opted_out")));
    let requested = details(&carl, "SmsRequested");
    let about_two =
        requested.iter().filter(|request| request["text"] == "Ann: two" && request["lane"] == CARL);
    assert_eq!(about_two.count(), 0, "nothing more is asked for");
    house.close().await;
}

#[tokio::test]
async fn what_a_person_must_mend_is_a_dead_letter_that_says_how_and_redrive_delivers_it() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    for error in ["channel_not_found", "not_in_channel"] {
        let fault = json!({ "provider": "slack", "method": "chat.postMessage", "kind": "error", "error": error,
                            "times": 1 });
        house.fault(fault).await;
    }
    for text in ["one", "two", "three"] {
        house.text(ANN, text).await;
        house.in_turn().await;
    }
    // The room goes on.
    house.expect_shown(CHANNEL, &["Ann (SMS): three"]).await;
    let letters = house.settle().await;
    let reason = |at: usize| letters[at]["reason"].as_str().unwrap();
    assert_eq!(letters.len(), 2);
    assert!(reason(0).contains("channel_not_found") && reason(0).contains("invite the app"), "{}", reason(0));
    assert!(reason(1).contains("not_in_channel") && reason(1).contains("invite the app"), "{}", reason(1));
    assert!(letters[0]["event"].to_string().contains("one"), "it has its payload");

    house.hub.redrive(&letters[0]).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): three", "Ann (SMS): one"]).await;
    house.hub.quiet().await;
    posted_once(&house, CHANNEL).await;
    if deployed() {
        // Nothing but AWS's own tools takes a letter out of its queue.
        return house.close_with_dead_letters(&["not_in_channel"]).await;
    }
    let path = format!("/api/dead-letters/{}", letters[1]["id"]);
    assert_eq!(house.hub.order("DELETE", &path, Value::Null).await.0, 200);
    assert_eq!(house.hub.order("DELETE", &path, Value::Null).await.0, 404, "it is gone");
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): three", "Ann (SMS): one"]).await;
    posted_once(&house, CHANNEL).await;
    house.close().await;
}

#[tokio::test]
async fn a_dead_letter_whose_post_may_have_happened_is_looked_for_before_it_is_redriven() {
    let house = House::open_with(LOBBY, |settings| settings.behaviour.slack_echo = false).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    for fault in [
        json!({ "method": "chat.postMessage", "kind": "lose_answer", "times": 1 }),
        json!({ "method": "conversations.history", "kind": "error", "error": "channel_not_found", "times": 1 }),
    ] {
        let mut fault = fault;
        fault["provider"] = json!("slack");
        house.fault(fault).await;
    }
    house.text(ANN, "once").await;
    let letters = house.settle().await;
    assert_eq!(letters.len(), 1, "what became of it could not be asked: {letters:#?}");
    // Longer than clocks may differ: what was done before the redrive is too old for who asks from then on.
    tokio::time::sleep(Duration::from_secs(4)).await;
    house.hub.redrive(&letters[0]).await;
    house.hub.quiet().await;
    assert!(house.hub.dead_letters().await.is_empty());
    house.expect_shown(CHANNEL, &["Ann (SMS): once"]).await;
    posted_once(&house, CHANNEL).await;
    house.close().await;
}

#[tokio::test]
async fn what_waits_for_a_provider_waits_over_a_restart() {
    if needs_one_machine("it is started again") {
        return;
    }
    let mut house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    for provider in ["slack", "twilio"] {
        house.fault(json!({ "provider": provider, "kind": "status", "status": 503 })).await;
    }
    house.text(ANN, "one").await;
    house.say(CHANNEL, "U0BOB", "two").await;
    until("both were tried", || async {
        house.count("chat.postMessage", None).await.1 > 0 && house.count("messages.create", None).await.1 > 2
    })
    .await;
    house.hub.stop().await;
    house.start_again().await;
    house.mend().await;
    house.expect_shown(CHANNEL, &["Bob: two", "Ann (SMS): one"]).await;
    house.expect_heard(BOB, &["Ann: one", "Bob: two"]).await;
    house.expect_heard(ANN, &["Bob: two"]).await;
    house.close().await;
}
