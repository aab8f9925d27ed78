//! Stories: what a phone can say besides messages, and who hears what.

use serde_json::{Value, json};
use switchboard_stories::{ANN, BOB, CARL, CHANNEL, HUB_NUMBER, House, LOBBY, details, sign, until};

/// How often Twilio was asked to text this phone.
async fn asked(house: &House, phone: &str) -> usize {
    let digits = phone.trim_start_matches('+');
    let calls = format!("/calls?method=messages.create&containing={digits}");
    house.control("GET", &calls, Value::Null).await["calls"].as_array().expect("a list").len()
}

#[tokio::test]
async fn who_is_in_no_room_gets_one_helpful_text_and_nothing_is_posted() {
    let house = House::open(LOBBY).await;
    for text in ["hello", "JOIN nowhere Ann", "JOIN", "LEAVE", "hello?"] {
        assert_eq!(house.text(ANN, text).await, 200);
    }
    house.hub.quiet().await;
    let help = house.heard(ANN).await;
    assert_eq!(help.len(), 1, "{help:?}");
    assert!(help[0].contains("text JOIN and its name, such as JOIN lobby"), "{}", help[0]);
    assert_eq!(house.shown(CHANNEL).await, [] as [String; 0]);
    assert!(details(&house.hub.trace(ANN).await, "MessagePosted").is_empty(), "nothing is posted");
    house.close().await;
}

#[tokio::test]
async fn texts_go_to_the_room_that_was_joined_last_and_end_with_leave() {
    let house =
        House::open(&format!("[rooms.attic]\nslack_channel = \"C0ATTIC\"\nsms = \"open\"\n{LOBBY}")).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    house.text(ANN, "one").await;
    house.join("attic", &[(ANN, "")]).await;
    house.text(ANN, "two").await;
    house.expect_shown("C0ATTIC", &["Ann (SMS): two"]).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    // She is in both still.
    house.text(BOB, "three").await;
    house.expect_heard(ANN, &["Bob: three"]).await;

    house.text(ANN, "leave attic").await;
    house.hub.quiet().await;
    house.text(ANN, "four").await;
    house.text(ANN, "LEAVE").await;
    house.hub.quiet().await;
    house.text(BOB, "five").await;
    house
        .expect_shown(CHANNEL, &["Ann (SMS): one", "Bob (SMS): three", "Ann (SMS): four", "Bob (SMS): five"])
        .await;
    house.hub.quiet().await;
    let left = "You have left attic. Your texts go to Lobby now. To come back, text JOIN attic.";
    let gone = "You have left Lobby. To come back, text JOIN lobby.";
    assert_eq!(house.heard(ANN).await, ["Bob: three", left, gone]);
    house.close().await;
}

#[tokio::test]
async fn stop_12345_and_join_us_are_messages_and_help_is_twilios() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    for text in ["STOP 12345", "Join us for lunch", "stop please", "HELP", "Leave it to me", "YES"] {
        house.text(ANN, text).await;
        house.in_turn().await;
    }
    let heard = ["STOP 12345", "Join us for lunch", "stop please", "Leave it to me", "YES"];
    let heard: Vec<String> = heard.iter().map(|text| format!("Ann: {text}")).collect();
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    house.expect_heard(BOB, &heard).await;
    house.hub.quiet().await;
    assert!(house.heard(ANN).await.is_empty(), "Twilio has answered HELP, and nobody answers the rest");
    house.close().await;
}

#[tokio::test]
async fn who_says_stop_hears_nothing_until_start_and_may_still_speak_after_it() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let before = asked(&house, BOB).await;
    assert_eq!(house.text(BOB, " stop ").await, 200);
    house.text(ANN, "one").await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    house.say(CHANNEL, "U0ANN", "two").await;
    house.hub.quiet().await;
    assert!(house.heard(BOB).await.is_empty());
    assert_eq!(asked(&house, BOB).await, before, "Twilio is not even asked");
    house.text(BOB, "START").await;
    house.text(ANN, "three").await;
    house.expect_heard(BOB, &["Ann: three"]).await;
    house.text(BOB, "four").await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one", "Ann: two", "Ann (SMS): three", "Bob (SMS): four"]).await;
    house.close().await;
}

#[tokio::test]
async fn a_stop_that_comes_while_a_text_waits_still_stops_it() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let before = asked(&house, BOB).await;
    house
        .fault(json!({ "provider": "twilio", "method": "messages.create", "kind": "status", "status": 429,
                        "retry_after_s": 2, "only": BOB, "times": 1 }))
        .await;
    house.text(ANN, "one").await;
    until("it was tried", || async { asked(&house, BOB).await > before }).await;
    house.text(BOB, "STOP").await;
    house.hub.quiet().await;
    assert_eq!(asked(&house, BOB).await, before + 1, "it is not tried again");
    let trace = house.hub.trace(BOB).await;
    let reports = details(&trace, "DeliveryReported");
    let last = reports.last().unwrap();
    assert_eq!((&last["status"], &last["reason"]), (&json!("failed"), &json!("the phone has opted out")));
    house.close().await;
}

#[tokio::test]
async fn who_leaves_while_texts_wait_is_not_sent_them() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let before = asked(&house, BOB).await;
    let fault = json!({ "provider": "twilio", "method": "messages.create", "kind": "status", "status": 429,
                        "retry_after_s": 2, "only": BOB, "times": 1 });
    house.fault(fault).await;
    house.text(ANN, "one").await;
    house.text(ANN, "two").await;
    until("the first was tried", || async { asked(&house, BOB).await > before }).await;
    house.text(BOB, "LEAVE").await;
    house.expect_heard(BOB, &["You have left Lobby. To come back, text JOIN lobby."]).await;
    house.hub.quiet().await;
    let reports = details(&house.hub.trace(BOB).await, "DeliveryReported");
    let left = reports.iter().filter(|report| report["reason"] == "the phone has left the room");
    assert_eq!(left.count(), 2, "{reports:#?}");
    assert_eq!(house.heard(BOB).await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_report_that_is_faster_than_the_answer_counts() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    for way in [json!({ "kind": "slow", "delay_ms": 1500 }), json!({ "kind": "lose_answer" })] {
        let mut fault = way;
        fault["provider"] = json!("twilio");
        fault["method"] = json!("messages.create");
        fault["only"] = json!(BOB);
        fault["times"] = json!(1);
        house.fault(fault).await;
        house.text(ANN, "one").await;
        house.hub.quiet().await;
    }
    house.expect_heard(BOB, &["Ann: one", "Ann: one"]).await;
    let reports = details(&house.hub.trace(BOB).await, "DeliveryReported");
    let of_room = reports.iter().filter(|report| report["address"] == BOB && report["room"] == "lobby");
    let statuses: Vec<_> = of_room.map(|report| report["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["sent", "delivered", "sent", "delivered"]);
    assert_eq!(house.count("messages.list", None).await.1, 0, "nothing had to be asked");
    house.close().await;
}

#[tokio::test]
async fn statuses_in_any_order_and_number_end_in_the_right_state() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob"), (CARL, "Carl")]).await;
    let ways = [
        ("as_it_happens", json!(["sending", "sent", "delivered"]), "delivered"),
        ("reversed", json!(["sending", "sent", "delivered"]), "delivered"),
        ("shuffled", json!(["sending", "sent", "delivered"]), "delivered"),
        ("reversed", json!(["sent", "undelivered"]), "undelivered"),
        ("reversed", json!(["sent", "delivered", "read"]), "delivered"),
    ];
    for (number, (order, statuses, ends)) in ways.into_iter().enumerate() {
        // 30005, since what may pass is sent once more.
        let (copies, error_code) = (3, 30005);
        let journey = json!({ "to": BOB, "order": order, "statuses": statuses, "copies": copies, "error_code": error_code });
        house.control("POST", "/twilio/carrier", journey).await;
        let text = format!("number {number}");
        house.text(ANN, &text).await;
        let body = format!("Ann: {text}");
        let reports = || async {
            let trace = house.hub.trace(BOB).await;
            let posted = details(&trace, "SmsRequested");
            let mine = posted.iter().find(|it| it["lane"] == BOB && it["text"] == body.as_str());
            let Some(id) = mine.map(|it| it["message_id"].clone()) else { return Vec::new() };
            let reports = details(&trace, "DeliveryReported");
            let mine = reports.iter().filter(|it| it["message_id"] == id && it["address"] == BOB);
            mine.map(|it| it["status"].as_str().unwrap().to_owned()).collect()
        };
        until("the last status", || async { reports().await.iter().any(|status| status == ends) }).await;
        let callbacks = 3 * (statuses.as_array().unwrap().len() as u64);
        let sid = house.control("GET", &format!("/phone/{BOB}"), Value::Null).await["received"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()["sid"]
            .clone();
        let sent = format!("/webhooks?kind=webhook.status&id={}", sid.as_str().unwrap());
        until("all callbacks are answered", || async {
            let sent = house.control("GET", &sent, Value::Null).await;
            sent["webhooks"].as_array().unwrap().iter().filter(|it| it["status"] == 200).count() as u64
                == callbacks
        })
        .await;
        house.hub.quiet().await;
        let reports = reports().await;
        assert_eq!(reports.last().map(String::as_str), Some(ends), "{order} {statuses}: {reports:?}");
        let mut once = reports.clone();
        once.dedup();
        assert_eq!(once, reports, "each status is said once");
    }
    house.close().await;
}

#[tokio::test]
async fn a_listed_room_is_for_its_phones_only_and_needs_no_join() {
    let listed = format!(
        "[rooms.crew]\ntitle = \"Crew\"\nslack_channel = \"C0CREW\"\nsms = \"listed\"\nphones = [\"{ANN}\", \"{BOB}\"]\n\
         [sms]\nsegments_per_second = 0\n"
    );
    let house = House::open(&listed).await;
    house.say("C0CREW", "U0BOB", "hello crew").await;
    house.expect_heard(ANN, &["Bob: hello crew"]).await;
    house.expect_heard(BOB, &["Bob: hello crew"]).await;
    house.text(ANN, "here").await;
    house.expect_heard(BOB, &["Bob: hello crew", "phone ...0123: here"]).await;
    house.text(CARL, "JOIN crew Carl").await;
    house.text(CARL, "me too").await;
    house.hub.quiet().await;
    assert_eq!(
        house.heard(CARL).await,
        ["This text went nowhere: there is no room here that your phone may join."]
    );
    house.text(BOB, "LEAVE").await;
    house.hub.quiet().await;
    house.text(ANN, "still here").await;
    house
        .expect_shown(
            "C0CREW",
            &["Bob: hello crew", "phone …0123 (SMS): here", "phone …0123 (SMS): still here"],
        )
        .await;
    house.hub.quiet().await;
    let left = "You have left Crew. To come back, text JOIN crew.";
    assert_eq!(house.heard(BOB).await, ["Bob: hello crew", "phone ...0123: here", left]);
    assert_eq!(house.heard(ANN).await, ["Bob: hello crew"], "her own texts do not come back");
    house.close().await;
}

#[tokio::test]
async fn what_hubs_post_in_slack_does_not_go_round_in_circles() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    house.text(ANN, "one").await;
    house.expect_heard(BOB, &["Ann: one"]).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    // Our own post, told once more under a new event id and without its mark.
    let own = house.channel(CHANNEL).await[0].clone();
    let ts = own["ts"].as_str().unwrap();
    let bot = |ts: &str, app: &str, bot: &str, hops: Option<u64>| {
        let mut event = json!({ "type": "message", "channel": CHANNEL, "channel_type": "channel", "ts": ts,
            "text": format!("from {app}, {hops:?} hops"), "bot_id": bot, "app_id": app, "username": "Hub" });
        if let Some(hops) = hops {
            let mark = json!({ "message_id": "m_other", "hops": hops });
            event["metadata"] = json!({ "event_type": "switchboard_message", "event_payload": mark });
        }
        let body = json!({ "type": "event_callback", "api_app_id": "A0SANDBOX", "team_id": "T0SANDBOX",
            "event_id": format!("Ev{ts}"), "event_time": 1, "authorizations": [], "event": event });
        sign::slack("/slack/events", "application/json", &body.to_string(), sign::now_s())
    };
    let client = reqwest::Client::new();
    for event in [
        bot(ts, "A0SANDBOX", "B0SANDBOX", Some(1)),
        bot(ts, "A0SANDBOX", "B0SANDBOX", None),
        bot("1700000000.000001", "A0SANDBOX", "B0SANDBOX", None),
        bot("1700000000.000002", "A0OTHER", "B0OTHER", Some(4)),
        bot("1700000000.000003", "A0OTHER", "B0OTHER", Some(1)),
    ] {
        assert_eq!(event.send(&client, &house.hub.base()).await.0, 200);
    }
    // Another's post is heard, unless it has been through enough hubs.
    house.expect_heard(BOB, &["Ann: one", "Hub: from A0OTHER, Some(1) hops"]).await;
    house.expect_heard(ANN, &["Hub: from A0OTHER, Some(1) hops"]).await;
    // Our own number is no phone of a room's.
    let ours = sign::twilio(
        "/twilio/messages",
        &sign::text_form("SM00000000000000000000000000000001", HUB_NUMBER, "loop"),
    );
    assert_eq!(ours.send(&client, &house.hub.base()).await.0, 200);
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    assert_eq!(house.heard(BOB).await.len(), 2);
    house.close().await;
}
