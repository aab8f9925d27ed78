//! What a restart keeps, and that it goes on with what was under way.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::support::{HUB_NUMBER, PHONE, PUBLIC, Town, store_in};

#[tokio::test]
async fn what_was_received_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let town = Town::with(|settings| settings.store = Some(store_in(folder.path()))).await;
    let posted = town.slack("chat.postMessage", json!({ "channel": "C0LOBBY", "text": "before" })).await;
    let gone = town.slack("chat.postMessage", json!({ "channel": "C0LOBBY", "text": "gone" })).await;
    town.slack("chat.update", json!({ "channel": "C0LOBBY", "ts": posted["ts"], "text": "before, edited" }))
        .await;
    town.slack("chat.delete", json!({ "channel": "C0LOBBY", "ts": gone["ts"] })).await;
    town.tell("/slack/channels", json!({ "id": "C0NEW", "name": "new" })).await;
    town.tell("/slack/channels/C0NEW/say", json!({ "user": "U0ANN", "files": [{ "name": "a.txt", "content_type": "text/plain", "text": "kept" }] })).await;
    let told = town.tell(&format!("/phone/{PHONE}/text"), json!({ "body": "stop" })).await;
    let picture = town.tell(&format!("/phone/{PHONE}/text"), json!({ "media": [{}] })).await;

    let town = town.restart().await;
    let view = town.look("/slack/channels/C0LOBBY").await;
    assert_eq!(view["messages"].as_array().unwrap().len(), 1);
    assert_eq!(view["messages"][0]["text"], "before, edited");
    let again =
        town.slack("chat.update", json!({ "channel": "C0LOBBY", "ts": posted["ts"], "text": "after" })).await;
    assert_eq!(again["ok"], true);
    let file = town.look("/slack/channels/C0NEW").await["messages"][0]["files"][0].clone();
    let path = file["url_private"].as_str().unwrap().split("/sandbox").nth(1).unwrap().to_owned();
    let kept = town
        .http
        .get(format!("{}{path}", town.base))
        .bearer_auth(&town.settings.slack.bot_token)
        .send()
        .await;
    assert_eq!(kept.unwrap().text().await.unwrap(), "kept");
    let phone = town.look(&format!("/phone/{PHONE}")).await;
    assert_eq!((&phone["sent"][0]["sid"], &phone["opted_out_of"]), (&told["sid"], &json!([HUB_NUMBER])));
    let (_, list) =
        town.get_twilio(&format!("/Messages/{}/Media.json", picture["sid"].as_str().unwrap())).await;
    assert_eq!(list["media_list"].as_array().unwrap().len(), 1);
    let next = town.slack("chat.postMessage", json!({ "channel": "C0LOBBY", "text": "later" })).await;
    assert!(next["ts"].as_str() > posted["ts"].as_str());
}

#[tokio::test]
async fn a_text_under_way_arrives_after_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let town = Town::with(|settings| {
        settings.store = Some(store_in(folder.path()));
        settings.behaviour.twilio_status_ms = 60_000;
    })
    .await;
    let callback = format!("{PUBLIC}/twilio/status");
    town.send_text(&[("To", PHONE), ("From", HUB_NUMBER), ("Body", "x"), ("StatusCallback", &callback)])
        .await;
    let mut town = town;
    town.settings.behaviour.twilio_status_ms = 10;
    let town = town.restart().await;
    let received = town.hub_receives("/twilio/status", 2).await;
    assert_eq!(received[1].form()["MessageStatus"], "delivered");
}

#[tokio::test]
async fn a_torn_line_is_skipped_and_the_file_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_in(folder.path());
    let town = Town::with(|settings| settings.store = Some(path.clone())).await;
    let ts = town.slack("chat.postMessage", json!({ "channel": "C0LOBBY", "text": "0" })).await["ts"].clone();
    for n in 1..20 {
        town.slack("chat.update", json!({ "channel": "C0LOBBY", "ts": ts, "text": n.to_string() })).await;
    }
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"message\":{\"chan").unwrap();
    let before = std::fs::metadata(&path).unwrap().len();
    let town = town.restart().await;
    assert_eq!(town.look("/slack/channels/C0LOBBY").await["messages"][0]["text"], "19");
    assert!(std::fs::metadata(&path).unwrap().len() < before / 4);
    let response = town.http.delete(town.base.clone()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let town = town.restart().await;
    assert_eq!(town.look("/slack/channels/C0LOBBY").await["messages"], json!([]));
}
