//! What the sandbox's page relies on: it hears of each change, and sees pictures.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;

use crate::support::Town;

#[tokio::test]
async fn whoever_looks_on_hears_of_a_change_and_not_of_nothing() {
    let town = Town::new().await;
    let response = town.http.get(format!("{}/feed", town.base)).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut feed = response.bytes_stream();
    let first = feed.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: changed\n"), "it begins with how things are: {first:?}");
    let silence = tokio::time::timeout(Duration::from_millis(200), feed.next()).await;
    assert!(silence.is_err(), "nothing happened: {silence:?}");
    town.tell("/phone/+14155550123/text", json!({ "body": "hello" })).await;
    let told = tokio::time::timeout(Duration::from_secs(10), feed.next()).await.unwrap().unwrap().unwrap();
    assert!(told.starts_with(b"event: changed\n"), "{told:?}");
    // A feed does not keep the sandbox from stopping.
    town.sandbox.stop().await;
    let ended = async { while feed.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
}

#[tokio::test]
async fn a_picture_is_shown_to_its_phone_and_in_its_channel() {
    let town = Town::new().await;
    town.tell("/phone/+14155550123/text", json!({ "body": "look", "media": [{}] })).await;
    let phone = town.look("/phone/+14155550123").await;
    let sid = phone["sent"][0]["media_sids"][0].as_str().unwrap();
    let said = json!({ "user": "U0ANN", "text": "look", "files": [{ "name": "a.png" }] });
    town.tell("/slack/channels/C0LOBBY/say", said).await;
    let channel = town.look("/slack/channels/C0LOBBY").await;
    let id = channel["messages"][0]["files"][0]["id"].as_str().unwrap_or_else(|| panic!("{channel}"));
    for path in [format!("/phone/+14155550123/media/{sid}"), format!("/slack/shared/{id}")] {
        let response = town.http.get(format!("{}{path}", town.base)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "image/png", "{path}");
        assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("sandbox"));
    }
    let missing = town.http.get(format!("{}/slack/shared/F0", town.base)).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}
