//! Stories: what a person in Slack may ask the hub, and what is no message.

use serde_json::{Value, json};
use switchboard_stories::{ANN, CHANNEL, House, LOBBY, details, until};

async fn ask(house: &House, channel: &str, words: &str) -> String {
    let order = json!({ "command": "/switchboard", "text": words, "user": "U0BOB", "channel": channel });
    let asked = house.control("POST", "/slack/command", order).await;
    assert_eq!(asked["webhook"]["status"], 200);
    assert_eq!(asked["reply"]["response_type"], "ephemeral", "nobody else sees it");
    asked["reply"]["text"].as_str().expect("an answer").to_owned()
}

#[tokio::test]
async fn switchboard_says_what_a_channel_shows_and_how_it_fares() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    assert!(ask(&house, CHANNEL, "").await.contains("`/switchboard status`"));
    assert_eq!(ask(&house, CHANNEL, "room").await, "This channel shows the room `lobby`: Lobby.");
    assert_eq!(ask(&house, "C0OPS", "room").await, "This channel (C0OPS) shows no room.");
    assert_eq!(ask(&house, CHANNEL, "status").await, "Nothing has been delivered to this channel yet.");
    house.text(ANN, "one").await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    house.hub.quiet().await;
    let status = ask(&house, CHANNEL, "status").await;
    assert!(status.starts_with("The last delivery to this channel arrived: "), "{status}");
    let fault = json!({ "provider": "slack", "method": "chat.postMessage", "kind": "error", "error": "is_archived",
                        "times": 1 });
    house.fault(fault).await;
    house.text(ANN, "two").await;
    house.hub.quiet().await;
    let status = ask(&house, CHANNEL, "status").await;
    assert!(status.contains("failed") && status.contains("unarchive the channel"), "{status}");
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    house.close_with_dead_letters(&["unarchive the channel"]).await;
}

#[tokio::test]
async fn a_reaction_is_an_event_of_its_message_and_no_text() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    house.text(ANN, "one").await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    house.hub.quiet().await;
    let ts = house.channel(CHANNEL).await[0]["ts"].clone();
    for remove in [false, true] {
        let reaction = json!({ "user": "U0BOB", "ts": ts, "name": "wave", "remove": remove });
        house.control("POST", &format!("/slack/channels/{CHANNEL}/react"), reaction).await;
        house.hub.quiet().await;
    }
    let reactions = || async {
        let changes = details(&house.hub.trace(ANN).await, "RoomChanged");
        let reacted = changes.iter().filter(|change| change["change"] == "reacted");
        reacted.map(|change| change["reaction"].clone()).collect::<Vec<Value>>()
    };
    until("both are known", || async { reactions().await.len() == 2 }).await;
    let wave = |added: bool| json!({ "name": "wave", "added": added });
    assert_eq!(reactions().await, [wave(true), wave(false)]);
    assert!(house.heard(ANN).await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn people_who_come_and_go_and_topics_are_no_messages() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let client = reqwest::Client::new();
    for (number, subtype) in [
        "channel_join",
        "channel_leave",
        "channel_topic",
        "channel_name",
        "message_replied",
        "ekm_access_denied",
    ]
    .into_iter()
    .enumerate()
    {
        let event = json!({ "type": "message", "subtype": subtype, "channel": CHANNEL, "channel_type": "channel",
            "user": "U0BOB", "text": "<@U0BOB> has joined", "ts": format!("170000000{number}.000100") });
        let body = json!({ "type": "event_callback", "api_app_id": "A0SANDBOX", "team_id": "T0SANDBOX",
            "event_id": format!("Ev{number}"), "event_time": 1, "authorizations": [], "event": event });
        let now = switchboard_stories::sign::now_s();
        let signed =
            switchboard_stories::sign::slack("/slack/events", "application/json", &body.to_string(), now);
        assert_eq!(signed.send(&client, &house.hub.base()).await.0, 200, "{subtype}");
    }
    // What is said in a channel that shows no room stays there.
    house.say("C0OPS", "U0BOB", "not for the lobby").await;
    house.say(CHANNEL, "U0BOB", "for the lobby").await;
    house.expect_heard(ANN, &["Bob: for the lobby"]).await;
    house.hub.quiet().await;
    house.expect_heard(ANN, &["Bob: for the lobby"]).await;
    house.close().await;
}
