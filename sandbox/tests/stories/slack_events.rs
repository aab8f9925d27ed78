//! What the hub is told of the workspace, and how insistently.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Reply, Town, nothing};

const DOOR: &str = "/slack/events";

async fn say(town: &Town, order: Value) -> Value {
    town.tell("/slack/channels/C0LOBBY/say", order).await
}

#[tokio::test]
async fn what_a_person_says_comes_in_the_full_envelope() {
    let town = Town::new().await;
    let said = say(&town, json!({ "user": "U0ANN", "text": "a <b> & c" })).await;
    assert_eq!(said["webhook"]["status"], 200);
    let received = &town.hub_receives(DOOR, 1).await[0];
    let (envelope, event) = (received.json(), received.event());
    let app = &town.settings.slack;
    assert_eq!((&envelope["type"], &envelope["event_id"]), (&json!("event_callback"), &said["event_id"]));
    assert_eq!((&envelope["api_app_id"], &envelope["team_id"]), (&json!(app.app_id), &json!(app.team_id)));
    assert_eq!(envelope["authorizations"][0]["user_id"], app.bot_user_id);
    assert!(envelope["event_time"].is_u64());
    assert_eq!((&event["type"], &event["subtype"]), (&json!("message"), &Value::Null));
    assert_eq!((&event["text"], &event["user"]), (&json!("a &lt;b&gt; &amp; c"), &json!("U0ANN")));
    assert_eq!(
        (&event["ts"], &event["event_ts"], &event["channel_type"]),
        (&said["ts"], &said["ts"], &json!("channel"))
    );
    assert!(event["client_msg_id"].is_string() && event["blocks"].is_array());
    assert!(received.header("user-agent").unwrap().starts_with("Slackbot"));
    assert_eq!(received.header("x-slack-retry-num"), None);
    say(&town, json!({ "user": "U0ANN", "text": "<@U0BOB>", "raw": true })).await;
    assert_eq!(town.hub_receives(DOOR, 2).await[1].event()["text"], "<@U0BOB>");
}

#[tokio::test]
async fn replies_edits_deletions_and_reactions_are_told_of() {
    let town = Town::new().await;
    let parent = say(&town, json!({ "user": "U0ANN", "text": "one" })).await["ts"].clone();
    say(&town, json!({ "user": "U0BOB", "text": "two", "thread_ts": parent, "broadcast": true })).await;
    town.tell("/slack/channels/C0LOBBY/edit", json!({ "ts": parent, "text": "uno" })).await;
    town.tell("/slack/channels/C0LOBBY/react", json!({ "user": "U0BOB", "ts": parent, "name": "eyes" }))
        .await;
    town.tell("/slack/channels/C0LOBBY/delete", json!({ "ts": parent })).await;
    let lone = say(&town, json!({ "user": "U0ANN", "text": "lone" })).await["ts"].clone();
    town.tell("/slack/channels/C0LOBBY/delete", json!({ "ts": lone })).await;
    let events: Vec<Value> =
        town.hub_receives(DOOR, 7).await.iter().map(|received| received.event()).collect();
    assert_eq!((&events[1]["thread_ts"], &events[1]["subtype"]), (&parent, &json!("thread_broadcast")));
    assert_eq!((&events[1]["root"]["text"], &events[1]["parent_user_id"]), (&json!("one"), &json!("U0ANN")));
    assert_eq!((&events[2]["subtype"], &events[2]["hidden"]), (&json!("message_changed"), &json!(true)));
    assert_eq!(
        (&events[2]["message"]["text"], &events[2]["previous_message"]["text"]),
        (&json!("uno"), &json!("one"))
    );
    assert_eq!(
        (&events[2]["message"]["ts"], &events[2]["message"]["edited"]["user"]),
        (&parent, &json!("U0ANN"))
    );
    assert_ne!(events[2]["ts"], parent);
    assert_eq!((&events[3]["type"], &events[3]["reaction"]), (&json!("reaction_added"), &json!("eyes")));
    assert_eq!(events[3]["item"], json!({ "type": "message", "channel": "C0LOBBY", "ts": parent }));
    assert_eq!(
        (&events[4]["subtype"], &events[4]["message"]["subtype"]),
        (&json!("message_changed"), &json!("tombstone"))
    );
    assert_eq!((&events[6]["subtype"], &events[6]["deleted_ts"]), (&json!("message_deleted"), &lone));
    assert_eq!(events[6]["previous_message"]["text"], "lone");
}

#[tokio::test]
async fn the_hub_hears_its_own_messages_unless_echoes_are_off() {
    let town = Town::new().await;
    let metadata = json!({ "event_type": "t", "event_payload": { "message_id": "m1" } });
    let posted = town
        .slack("chat.postMessage", json!({ "channel": "C0LOBBY", "text": "x", "metadata": metadata }))
        .await;
    let echo = town.hub_receives(DOOR, 1).await[0].event();
    let app = &town.settings.slack;
    assert_eq!(
        (&echo["ts"], &echo["bot_id"], &echo["metadata"]),
        (&posted["ts"], &json!(app.bot_id), &metadata)
    );
    assert_eq!(
        (&echo["bot_profile"]["app_id"], &echo["user"]),
        (&json!(app.app_id), &json!(app.bot_user_id))
    );
    town.slack("chat.update", json!({ "channel": "C0LOBBY", "ts": posted["ts"], "text": "y" })).await;
    let changed = town.hub_receives(DOOR, 2).await[1].event();
    assert_eq!(
        (&changed["subtype"], &changed["message"]["metadata"]),
        (&json!("message_changed"), &metadata)
    );
    town.slack("chat.delete", json!({ "channel": "C0LOBBY", "ts": posted["ts"] })).await;
    let deleted = town.hub_receives(DOOR, 3).await[2].event();
    assert_eq!(
        (&deleted["subtype"], &deleted["previous_message"]["bot_id"]),
        (&json!("message_deleted"), &json!(app.bot_id))
    );
    town.tell("/behaviour", json!({ "slack_echo": false })).await;
    town.slack("chat.postMessage", json!({ "channel": "C0LOBBY", "text": "quiet" })).await;
    town.hub_receives(DOOR, 3).await;
}

#[tokio::test]
async fn an_event_that_is_refused_is_told_three_more_times() {
    let town = Town::new().await;
    (0..4).for_each(|_| town.hub_answers(Reply::status(500)));
    let said = say(&town, json!({ "user": "U0ANN", "text": "x" })).await;
    assert_eq!(said["webhook"]["status"], 500);
    let received = town.hub_receives(DOOR, 4).await;
    for (n, retry) in received.iter().enumerate().skip(1) {
        assert_eq!(retry.header("x-slack-retry-num"), Some(n.to_string().as_str()));
        assert_eq!(retry.header("x-slack-retry-reason"), Some("http_error"));
        assert_eq!(retry.body, received[0].body);
    }
    assert!(received[3].at - received[2].at >= Duration::from_millis(35));
    assert_eq!(
        town.look("/webhooks?kind=webhook.events").await["kinds"]["webhook.events"],
        json!({ "sent": 4, "answered_2xx": 0 })
    );
}

#[tokio::test]
async fn a_slow_answer_is_no_answer() {
    let town = Town::new().await;
    town.tell("/behaviour", json!({ "slack_ack_ms": 60 })).await;
    town.hub_answers(Reply { after: Duration::from_millis(200), ..Reply::status(200) });
    assert_eq!(say(&town, json!({ "user": "U0ANN", "text": "x" })).await["webhook"]["no_answer"], "timeout");
    assert_eq!(town.hub_receives(DOOR, 2).await[1].header("x-slack-retry-reason"), Some("http_timeout"));
}

#[tokio::test]
async fn a_hub_that_wants_no_retry_gets_none() {
    let town = Town::new().await;
    town.hub_answers(Reply { no_retry: true, ..Reply::status(500) });
    say(&town, json!({ "user": "U0ANN", "text": "x" })).await;
    town.hub_receives(DOOR, 1).await;
}

#[tokio::test]
async fn a_retry_can_come_in_disguise() {
    let town = Town::new().await;
    town.tell("/behaviour", json!({ "slack_retry_in_disguise": true })).await;
    town.hub_answers(Reply::status(503));
    say(&town, json!({ "user": "U0ANN", "text": "x" })).await;
    let received = town.hub_receives(DOOR, 2).await;
    assert_ne!(received[0].json()["event_id"], received[1].json()["event_id"]);
    assert_eq!(received[0].event(), received[1].event());
    assert_eq!(received[1].header("x-slack-retry-num"), None);
}

#[tokio::test]
async fn the_address_is_verified_by_a_challenge() {
    let town = Town::new().await;
    assert_eq!(town.tell("/slack/verify", nothing()).await["verified"], true);
    town.hub_answers(Reply { body: "something else", ..Reply::status(200) });
    assert_eq!(town.tell("/slack/verify", nothing()).await["verified"], false);
    assert_eq!(town.hub_receives(DOOR, 2).await[0].json()["type"], "url_verification");
}

#[tokio::test]
async fn a_command_comes_as_a_form_and_can_be_answered_five_times() {
    let town = Town::new().await;
    town.hub_answers(Reply { body: "{\"text\":\"only you\"}", ..Reply::status(200) });
    let order = json!({ "command": "/alarm", "text": "fire", "user": "U0ANN", "channel": "C0OPS" });
    let told = town.tell("/slack/command", order).await;
    assert_eq!(told["reply"]["text"], "only you");
    let form = town.hub_receives("/slack/commands", 1).await[0].form();
    assert_eq!(
        (form["command"].as_str(), form["text"].as_str(), form["user_name"].as_str()),
        ("/alarm", "fire", "ann")
    );
    assert_eq!((form["channel_id"].as_str(), form["channel_name"].as_str()), ("C0OPS", "ops"));
    assert!(
        form.contains_key("trigger_id") && form.contains_key("api_app_id") && form.contains_key("team_id")
    );
    let answer = json!({ "response_type": "in_channel", "text": "for all" }).to_string();
    for expected in [200, 200, 200, 200, 200, 404] {
        let response = town.http.post(&form["response_url"]).body(answer.clone()).send().await.unwrap();
        assert_eq!(response.status(), expected);
    }
    let view = town.look("/slack/channels/C0OPS").await;
    assert_eq!(
        (view["messages"].as_array().unwrap().len(), &view["ephemeral"][0]["text"]),
        (5, &json!("only you"))
    );
}

#[tokio::test]
async fn a_pressed_button_comes_as_an_interaction_and_can_replace_its_message() {
    let town = Town::new().await;
    let button = |id: &str| json!({ "type": "button", "action_id": id, "value": "a1", "text": { "type": "plain_text", "text": id } });
    let blocks = json!([{ "type": "actions", "block_id": "b1", "elements": [button("acknowledge"), button("escalate")] }]);
    let posted = town
        .slack("chat.postMessage", json!({ "channel": "C0OPS", "text": "alarm", "blocks": blocks }))
        .await;
    let press = |id: Option<&str>| json!({ "channel": "C0OPS", "ts": posted["ts"], "user": "U0BOB", "action_id": id });
    assert_eq!(town.try_tell("/slack/press", press(None)).await.0, 400);
    let told = town.tell("/slack/press", press(Some("acknowledge"))).await;
    let form = town.hub_receives("/slack/interactions", 1).await[0].form();
    let payload: Value = serde_json::from_str(&form["payload"]).unwrap();
    assert_eq!((&payload["type"], &payload["user"]["id"]), (&json!("block_actions"), &json!("U0BOB")));
    assert_eq!(
        (&payload["actions"][0]["action_id"], &payload["actions"][0]["block_id"]),
        (&json!("acknowledge"), &json!("b1"))
    );
    assert_eq!(
        (&payload["container"]["message_ts"], &payload["message"]["ts"]),
        (&posted["ts"], &posted["ts"])
    );
    let answer = json!({ "replace_original": true, "text": "taken by Bob" }).to_string();
    let response = town.http.post(told["response_url"].as_str().unwrap()).body(answer).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(town.look("/slack/channels/C0OPS").await["messages"][0]["text"], "taken by Bob");
}

#[tokio::test]
async fn a_wrong_order_is_refused_with_a_sentence() {
    let town = Town::new().await;
    for (path, order, status) in [
        ("/slack/channels/C0NOWHERE/say", json!({ "user": "U0ANN", "text": "x" }), 404),
        ("/slack/channels/C0LOBBY/say", json!({ "user": "U0NOBODY", "text": "x" }), 404),
        ("/slack/channels/C0LOBBY/say", json!({ "text": "x" }), 400),
        ("/slack/channels/C0LOBBY/edit", json!({ "ts": "1700000000.000100", "text": "x" }), 404),
        ("/slack/channels/C0LOBBY/react", json!({ "user": "U0ANN", "ts": "soon", "name": "eyes" }), 400),
    ] {
        let (given, answer) = town.try_tell(path, order).await;
        assert_eq!(given, status, "{path}");
        assert!(answer["error"].as_str().unwrap().len() > 10);
    }
}
