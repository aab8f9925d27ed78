//! Connections break, clients send again and readers sleep: nothing is lost or said twice.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::chat::Guest;
use switchboard_stories::{House, LOBBY};

use super::texts;

#[tokio::test]
async fn whoever_is_cut_off_gets_what_was_missed_once_and_in_order() {
    let house = House::open_here(&format!(
        "{LOBBY}\n[chat]\nposts_per_minute = 100000\nposts_per_minute_per_address = 100000\n"
    ))
    .await;
    let base = house.hub.base();
    let writer = Guest::sign_in(&base, "Writer").await;
    let reader = Guest::sign_in(&base, "Reader").await;
    let talk = tokio::spawn(async move {
        let mut socket = writer.connect(json!({ "lobby": {} })).await;
        for number in 0..400 {
            socket.post(&number.to_string(), "lobby", &format!("number {number}")).await;
        }
    });
    let (mut last, mut heard) = (0, Vec::new());
    let mut cuts = 0;
    while heard.len() < 400 {
        let mut socket = reader.connect(json!({ "lobby": { "after": last } })).await;
        // A different number of frames in each life, with the socket dropped in the middle of the talk.
        let mut lives = 5 + cuts * 7 % 23;
        while lives > 0 && heard.len() < 400 {
            let change = socket.hear("change").await;
            let seq = change["seq"].as_u64().unwrap();
            assert_eq!(seq, last + 1, "in order, without a gap");
            last = seq;
            heard.push(change["message"]["text"].as_str().unwrap().to_owned());
            lives -= 1;
        }
        cuts += 1;
    }
    talk.await.unwrap();
    let expected: Vec<String> = (0..400).map(|number| format!("number {number}")).collect();
    assert_eq!(heard, expected);
    assert!(cuts > 10, "it was cut {cuts} times");

    // What was missed may be an edit of something old, and comes in its newest form.
    let mut socket = reader.connect(json!({ "lobby": { "after": 399 } })).await;
    assert_eq!(socket.hear("change").await["seq"], 400);
    assert_eq!(socket.hear("resumed").await["seq"], 400);
    let mut ahead = reader.connect(json!({ "lobby": { "after": 4000 } })).await;
    assert_eq!(ahead.hear("resumed").await["reset"], true);
    house.close().await;
}

#[tokio::test]
async fn a_message_sent_ten_times_is_one_also_after_a_restart() {
    let mut house = House::open_here(LOBBY).await;
    let ann = Guest::sign_in(&house.hub.base(), "Ann").await;
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    let post = json!({ "kind": "post", "id": "once", "room": "lobby", "text": "only once" });
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(socket.change(post.clone()).await["message_id"].clone());
    }
    house.hub.stop().await;
    house.start_again().await;
    let ann = Guest { base: house.hub.base(), ..ann };
    let mut socket = ann.connect(json!({ "lobby": { "after": 0 } })).await;
    assert_eq!(socket.hear_post().await, "only once", "the session and the room outlive the process");
    for _ in 0..5 {
        ids.push(socket.change(post.clone()).await["message_id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    house.hub.quiet().await;
    assert_eq!(texts(&ann.history("lobby").await), ["only once"]);
    house.close().await;
}

/// How many are posted ahead of their answers.
const AT_ONCE: u64 = 20;

#[tokio::test]
async fn whoever_reads_nothing_is_cut_delays_nobody_and_resumes() {
    let house = House::open_here("[rooms.lobby]\nsms = \"open\"\n[chat]\nposts_per_minute = 100000\nposts_per_minute_per_address = 100000\n").await;
    let base = house.hub.base();
    let (ann, slow) = (Guest::sign_in(&base, "Ann").await, Guest::sign_in(&base, "Slow").await);
    let mut writer = ann.connect(json!({ "lobby": {} })).await;
    let mut sleeper = slow.connect(json!({ "lobby": {} })).await;
    sleeper.hear("hello").await;
    let text = "x".repeat(8000);
    let mut posted: u64 = 0;
    // Until the kernel keeps no more for one who does not read, and the hub neither; and no further, since word of the cut
    // waits only so long for a reader.
    while house.hub.metric("switchboard_slow_readers_total").await < 1.0 {
        assert!(posted < 1000, "the sleeper is not cut");
        let ahead: Vec<Value> = (0..AT_ONCE)
            .map(|number| json!({ "kind": "post", "id": format!("{}", posted + number), "room": "lobby", "text": text }))
            .collect();
        for post in ahead {
            writer.say(post).await;
        }
        for _ in 0..AT_ONCE {
            writer.hear("accepted").await;
            writer.hear("change").await;
            posted += 1;
        }
    }
    let heard = sleeper.rest(Duration::from_secs(20)).await;
    let last = heard.iter().rfind(|frame| frame["kind"] == "change").unwrap()["seq"].as_u64().unwrap();
    assert!(last < posted, "the sleeper got everything: nothing was shown");
    let told = (heard.last().unwrap()["reason"].as_str(), sleeper.closed);
    assert_eq!(told, (Some("slow_reader"), Some(1013)), "it is told why");
    let mut awake = slow.connect(json!({ "lobby": { "after": last } })).await;
    for seq in last + 1..=posted {
        assert_eq!(awake.hear("change").await["seq"], seq);
    }
    house.hub.quiet().await;
    house.end().await;
}
