//! What a hub publishes to topics is shown, and stays.

use serde_json::json;

use crate::support::{Town, store_in};

const ALARMS: &str = "arn:aws:sns:us-east-1:123456789012:alarms";

#[tokio::test]
async fn what_is_published_is_shown_by_topic_also_after_a_restart_until_all_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let town = Town::with(|settings| settings.store = Some(store_in(folder.path()))).await;
    assert_eq!(town.look("/notices").await, json!({ "topics": [] }));
    let board = town.sandbox.notices();
    let first = board.publish(ALARMS, "Alarm", "in the hall <b>& here");
    let second = board.publish(ALARMS, "Over", "in the hall");
    board.publish("another", "x", "y");
    assert_ne!(first, second);

    let town = town.restart().await;
    let topics = town.look("/notices").await;
    assert_eq!(
        topics["topics"],
        json!([{ "topic": "another", "notices": 1 }, { "topic": ALARMS, "notices": 2 }])
    );
    let shown = town.look(&format!("/notices/{ALARMS}")).await;
    let seen = |at: usize| (shown["received"][at]["id"].clone(), shown["received"][at]["message"].clone());
    assert_eq!(seen(0), (json!(first), json!("in the hall <b>& here")));
    assert_eq!(seen(1), (json!(second), json!("in the hall")));
    assert_eq!(shown["received"][1]["subject"], "Over");
    assert!(shown["received"][1]["at_ms"].as_u64() >= shown["received"][0]["at_ms"].as_u64());

    town.tell("/reset", json!({})).await;
    assert_eq!(town.look("/notices").await, json!({ "topics": [] }));
}
