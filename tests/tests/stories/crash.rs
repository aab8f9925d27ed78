//! `kill -9` at any moment under load: nothing that a door answered with 200 is lost, nothing is shown or texted
//! twice but in the counted window, and every room keeps its order, in Slack and on the phones.
//!
//! `SWITCHBOARD_KILLS` says how often (20 unless given), `SWITCHBOARD_SEED` repeats a run's moments.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use switchboard_stories::{House, sign};

const ROOMS: u32 = 8;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn configuration() -> String {
    let room = |index: u32| {
        let (writer, reader) = (writer(index), reader(index));
        format!(
            "[rooms.room{index}]\nslack_channel = \"C0ROOM{index}\"\nsms = \"listed\"\n\
             phones = [\"{writer}\", \"{reader}\"]\n"
        )
    };
    let rooms: String = (0..ROOMS).map(room).collect();
    // Without reports of how texts fare: like echoes, they would tell a new life what the old one did.
    format!(
        "{rooms}[sms]\nsegments_per_second = 0\nstatus_callbacks = false\ndaily_segments = 0\n\
         per_phone_daily = 0\nper_room_daily = 0\nper_calling_code_daily = 0\n"
    )
}

/// Whose texts a room shows.
fn writer(room: u32) -> String {
    format!("+141555501{room:02}")
}

/// Who receives them.
fn reader(room: u32) -> String {
    format!("+141555502{room:02}")
}

/// Texts without end, from each room's phone in turn; remembers which were accepted.
async fn write_texts(port: u16, room: u32, next: Arc<AtomicU32>, stop: Arc<AtomicBool>) -> Vec<String> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let mut accepted = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("text {}", next.fetch_add(1, Ordering::Relaxed));
        let sid = format!("SM{:032x}", next.load(Ordering::Relaxed) + (room << 24));
        let signed = sign::twilio("/twilio/messages", &sign::text_form(&sid, &writer(room), &text));
        // Twilio does not send a webhook again, so what got no 200 is in doubt and nothing is promised of it.
        match signed.send(&client, &base).await.0 {
            200 => accepted.push(text),
            0 => tokio::time::sleep(Duration::from_millis(20)).await,
            503 => {}
            other => panic!("the door answered {other}"),
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_and_nothing_is_done_twice_whenever_the_process_dies() {
    let kills = number("SWITCHBOARD_KILLS", 20);
    let seed = number("SWITCHBOARD_SEED", rand::random());
    println!("{kills} kills, SWITCHBOARD_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    // Without echoes of the hub's own posts, which would tell a new life what the old one did.
    let mut house =
        House::open_with(&configuration(), |settings| settings.behaviour.slack_echo = false).await;
    // What is posted and texted is taken at once and answered late: so the process often dies between the two.
    for (provider, method) in [("slack", "chat.postMessage"), ("twilio", "messages.create")] {
        let slow = json!({ "provider": provider, "method": method, "kind": "slow", "delay_ms": 30 });
        house.fault(slow).await;
    }
    let (next, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..ROOMS)
        .map(|room| tokio::spawn(write_texts(house.hub.port, room, Arc::clone(&next), Arc::clone(&stop))))
        .collect();
    let mut tried_again = 0.0;
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..1200))).await;
        tried_again += house.hub.metric("switchboard_effects_tried_again_unsure_total").await;
        house.hub.kill().await;
        house.start_again().await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut accepted = HashMap::new();
    for (room, writer) in writers.into_iter().enumerate() {
        accepted.insert(u32::try_from(room).unwrap(), writer.await.unwrap());
    }
    let letters = house.settle().await;
    assert!(letters.is_empty(), "{letters:#?}");
    tried_again += house.hub.metric("switchboard_effects_tried_again_unsure_total").await;

    let (mut total, mut twice) = (0, (0, 0));
    for (room, accepted) in &accepted {
        let shown = all_shown(&house, &format!("C0ROOM{room}")).await;
        twice.0 += repeats(&format!("room{room} in Slack; seed {seed}"), accepted, &shown);
        let received = all_received(&house, &reader(*room)).await;
        twice.1 += repeats(&format!("the phone of room{room}; seed {seed}"), accepted, &received);
        total += accepted.len();
    }
    let (asked_slack, asked_twilio) =
        (house.count("conversations.history", None).await.1, house.count("messages.list", None).await.1);
    println!(
        "{total} accepted, 0 lost, {twice:?} shown and texted twice, {tried_again} tried again unsure; \
         Slack was asked {asked_slack} times, Twilio {asked_twilio} times"
    );
    assert!(total > 100, "only {total} were accepted: that proves nothing");
    // Each repeat must be one that the provider, asked, knew nothing of.
    let repeated = f64::from(twice.0 + twice.1);
    assert!(repeated <= tried_again, "{twice:?} twice, {tried_again} counted; seed {seed}");
    assert_eq!(twice, (0, 0), "the pretend providers can always say whether they have it; seed {seed}");
    house.close().await;
}

/// How often something came again; fails where something accepted did not come, or not in its order.
fn repeats(place: &str, accepted: &[String], came: &[String]) -> u32 {
    let first: HashMap<&str, usize> =
        came.iter().enumerate().rev().map(|(index, text)| (text.as_str(), index)).collect();
    let places: Vec<usize> = accepted
        .iter()
        .map(|text| *first.get(text.as_str()).unwrap_or_else(|| panic!("{place} lost {text:?}")))
        .collect();
    assert!(places.is_sorted(), "{place} is out of order: {came:?}");
    u32::try_from(came.len() - first.len()).unwrap()
}

/// Everything a phone has ever received: the texts without the name before them.
async fn all_received(house: &House, phone: &str) -> Vec<String> {
    let received = house.received(phone).await;
    received.iter().map(|text| text.split_once(": ").map_or(&**text, |(_, said)| said).to_owned()).collect()
}

/// Everything a channel has ever shown.
async fn all_shown(house: &House, channel: &str) -> Vec<String> {
    let channel = house.control("GET", &format!("/slack/channels/{channel}?limit=100000"), Value::Null).await;
    let messages = channel["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["shown"].as_str().unwrap_or_default().to_owned()).collect()
}
