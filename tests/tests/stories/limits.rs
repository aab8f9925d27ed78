//! Stories: limits, ours and the providers': what bites says so, nothing is lost, nothing else waits.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use switchboard_stories::{
    ANN, BOB, CARL, CHANNEL, House, Hub, LOBBY, deployed, details, needs_one_machine, until,
};

#[tokio::test]
async fn a_spend_cap_says_which_it_is_and_redrive_sends_when_it_was_raised() {
    if needs_one_machine("its configuration is changed and it is started again") {
        return;
    }
    // The answer to JOIN is one segment.
    let capped = format!("{LOBBY}per_phone_daily = 2\n");
    let mut house = House::open(&capped).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    for text in ["one", "two", "three"] {
        house.text(ANN, text).await;
    }
    // The channel has no cap.
    house.expect_shown(CHANNEL, &["Ann (SMS): one", "Ann (SMS): two", "Ann (SMS): three"]).await;
    let letters = house.settle().await;
    house.expect_heard(BOB, &["Ann: one"]).await;
    assert_eq!(letters.len(), 2, "{letters:#?}");
    for letter in &letters {
        let reason = letter["reason"].as_str().unwrap();
        assert!(reason.contains("[sms] per_phone_daily = 2 segments a day is reached: raise it"), "{reason}");
    }
    let reports = details(&house.hub.trace(BOB).await, "DeliveryReported");
    assert_eq!(reports.iter().filter(|report| report["status"] == "failed").count(), 2, "{reports:#?}");

    house.hub.stop().await;
    let raised = capped.replace("daily = 2", "daily = 300");
    std::fs::write(house.directory().join("switchboard.toml"), raised).unwrap();
    house.start_again().await;
    for letter in &letters {
        house.hub.redrive(letter).await;
        // One after the other: what was given up has left its lane.
        house.hub.quiet().await;
    }
    house.expect_heard(BOB, &["Ann: one", "Ann: two", "Ann: three"]).await;
    house.close().await;
}

#[tokio::test]
async fn without_accounts_the_hub_meets_the_limits_that_it_will_meet_with_them() {
    if needs_one_machine("the pretend providers are inside the hub") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("switchboard.toml"), LOBBY).unwrap();
    let mut hub = Hub::start_alone(directory.path()).await;
    let real = json!({
        "twilio": { "segments_per_s": 1.0, "concurrency": 100, "queue_s": 36000.0 },
        "slack": { "per_channel_per_s": 1.0, "burst": 4.0, "tiers": true },
    });
    let (_, limits) = hub.get("/sandbox/limits").await;
    assert_eq!(serde_json::from_str::<Value>(&limits).unwrap(), real);
    let off = json!({ "twilio": "off", "slack": "off" });
    let (status, _) = hub.order("POST", "/sandbox/limits", off.clone()).await;
    let (_, limits) = hub.get("/sandbox/limits").await;
    assert_eq!((status, serde_json::from_str::<Value>(&limits).unwrap()), (200, off));
    hub.stop().await;
}

#[tokio::test]
async fn slacks_own_limit_is_kept_and_each_message_is_posted_once() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let limits = json!({ "slack": { "per_channel_per_s": 1.0, "burst": 2.0, "tiers": true } });
    house.control("POST", "/limits", limits).await;
    let texts: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    for text in &texts {
        house.text(ANN, text).await;
    }
    // Phones do not wait for Slack.
    until("all are heard", || async { house.heard(BOB).await.len() >= texts.len() }).await;
    if !deployed() {
        let (posted, _) = house.count("chat.postMessage", None).await;
        assert!(posted < 5, "Slack still has some to take");
    }
    until("all are shown", || async { house.channel(CHANNEL).await.len() >= texts.len() }).await;
    // On AWS what is said at once is numbered as it comes; the order is the same everywhere.
    let (heard, shown) = (house.heard(BOB).await, house.shown(CHANNEL).await);
    let words = |list: &[String]| -> Vec<String> {
        list.iter().filter_map(|line| line.split_once(": ")).map(|(_, text)| text.to_owned()).collect()
    };
    assert_eq!(words(&heard), words(&shown));
    let mut sorted = words(&heard);
    sorted.sort();
    assert_eq!(sorted, texts);
    assert!(deployed() || words(&heard) == texts, "{heard:?}");
    house.hub.quiet().await;
    let (posted, asked) = house.count("chat.postMessage", None).await;
    assert_eq!(posted, 5);
    assert!(asked <= 10, "it waits as long as it is told: {asked} calls");
    house.close().await;
}

#[tokio::test]
async fn texts_leave_as_fast_as_the_number_carries_them() {
    let house = House::open(&LOBBY.replace("segments_per_second = 0", "segments_per_second = 4")).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob"), (CARL, "Carl")]).await;
    let began = Instant::now();
    let began_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    // Two segments each, to two phones: eight segments, of which the last begins after six.
    let long = "o".repeat(200);
    for _ in 0..2 {
        house.text(ANN, &long).await;
    }
    until("the channel has both", || async { house.shown(CHANNEL).await.len() == 2 }).await;
    let channel_took = began.elapsed();
    until("all are heard", || async {
        house.heard(BOB).await.len() == 2 && house.heard(CARL).await.len() == 2
    })
    .await;
    let mut sent = Vec::new();
    for phone in [BOB, CARL] {
        let phone = house.control("GET", &format!("/phone/{phone}"), Value::Null).await;
        let texts = phone["received"].as_array().unwrap().clone();
        let long = texts.iter().filter(|text| text["text"].as_str().unwrap().starts_with("Ann: "));
        sent.extend(long.map(|text| text["at_ms"].as_u64().unwrap()));
    }
    let last = sent.into_iter().max().unwrap() - began_ms;
    assert!(last >= 1500, "six segments take a second and a half: {last} ms");
    assert!(channel_took.as_millis() < u128::from(last), "the channel does not wait for the phones");
    house.close().await;
}

#[tokio::test]
async fn a_flood_is_held_and_other_senders_are_heard() {
    let rules = "[moderation]\nflood = { messages = 3, per_s = 600, action = \"hold\" }\n";
    let house = House::open(&format!("{LOBBY}{rules}")).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    for number in 0..6 {
        house.text(ANN, &format!("number {number}")).await;
    }
    house.say(CHANNEL, "U0BOB", "hello").await;
    house.expect_heard(BOB, &["Ann: number 0", "Ann: number 1", "Ann: number 2", "Bob: hello"]).await;
    house.hub.quiet().await;
    assert_eq!(details(&house.hub.trace(ANN).await, "MessageHeld").len(), 3);
    assert_eq!(house.heard(BOB).await.len(), 4);
    house.close().await;
}
