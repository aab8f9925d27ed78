//! The Web API: posting, changing, deleting, reading back.

use serde_json::{Value, json};

use crate::support::Town;

const LOBBY: &str = "C0LOBBY";

async fn post(town: &Town, fields: Value) -> Value {
    let mut body = json!({ "channel": LOBBY });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    town.slack("chat.postMessage", body).await
}

#[tokio::test]
async fn a_post_is_shown_with_its_name_and_keeps_its_metadata() {
    let town = Town::new().await;
    let metadata = json!({ "event_type": "switchboard_message", "event_payload": { "message_id": "m1" } });
    let posted = post(&town, json!({ "text": "fish &amp; chips", "username": "Ann (web)", "icon_emoji": ":fish:", "metadata": metadata })).await;
    assert_eq!((&posted["ok"], &posted["channel"]), (&json!(true), &json!(LOBBY)));
    assert_eq!(
        (&posted["message"]["subtype"], &posted["message"]["user"]),
        (&json!("bot_message"), &Value::Null)
    );
    assert_eq!(posted["message"]["bot_id"], town.settings.slack.bot_id);
    let view = town.look("/slack/channels/C0LOBBY").await;
    let seen = &view["messages"][0];
    assert_eq!(
        (&seen["username"], &seen["shown"], &seen["text"]),
        (&json!("Ann (web)"), &json!("fish & chips"), &json!("fish &amp; chips"))
    );
    let history =
        town.slack("conversations.history", json!({ "channel": LOBBY, "include_all_metadata": true })).await;
    assert_eq!(history["messages"][0]["metadata"], metadata);
    let history = town.slack("conversations.history", json!({ "channel": LOBBY })).await;
    assert_eq!(history["messages"][0]["metadata"], Value::Null);
    assert_eq!(
        town.look("/calls/count?method=chat.postMessage&key=m1").await,
        json!({ "calls": 1, "effects": 1, "exact": true })
    );
}

#[tokio::test]
async fn timestamps_are_unique_and_rise() {
    let town = Town::new().await;
    let posts = (0..50).map(|_| post(&town, json!({ "text": "x" })));
    let mut all: Vec<String> = futures::future::join_all(posts)
        .await
        .iter()
        .map(|posted| posted["ts"].as_str().unwrap().to_owned())
        .collect();
    assert!(all.iter().all(|ts| ts.len() == 17 && ts.as_bytes()[10] == b'.'));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 50);
    let history = town.slack("conversations.history", json!({ "channel": LOBBY })).await;
    let listed: Vec<_> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["ts"].as_str().unwrap().to_owned())
        .collect();
    all.reverse();
    assert_eq!(listed, all);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_with_status_200() {
    let town = Town::new().await;
    let check = async |method: &str, body: Value, expected: &str| {
        let answer = town.slack(method, body.clone()).await;
        assert_eq!(
            (&answer["ok"], answer["error"].as_str()),
            (&json!(false), Some(expected)),
            "{method} {body}"
        );
    };
    let section = json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x" } });
    check("chat.postMessage", json!({ "channel": "C0NOWHERE", "text": "x" }), "channel_not_found").await;
    check("chat.postMessage", json!({ "channel": LOBBY }), "no_text").await;
    check(
        "chat.postMessage",
        json!({ "channel": LOBBY, "text": "x", "blocks": vec![section; 51] }),
        "invalid_blocks",
    )
    .await;
    check(
        "chat.postMessage",
        json!({ "channel": LOBBY, "text": "x", "attachments": vec![json!({}); 101] }),
        "too_many_attachments",
    )
    .await;
    check(
        "chat.postMessage",
        json!({ "channel": LOBBY, "text": "x", "thread_ts": "soon" }),
        "invalid_thread_ts",
    )
    .await;
    check(
        "chat.postMessage",
        json!({ "channel": LOBBY, "markdown_text": "x", "text": "x" }),
        "markdown_text_conflict",
    )
    .await;
    check(
        "chat.postMessage",
        json!({ "channel": LOBBY, "text": "x", "metadata": { "event_type": 1 } }),
        "invalid_metadata_format",
    )
    .await;
    check(
        "chat.update",
        json!({ "channel": LOBBY, "ts": "1700000000.000100", "text": "x" }),
        "message_not_found",
    )
    .await;
    check("chat.delete", json!({ "channel": LOBBY, "ts": "1700000000.000100" }), "message_not_found").await;
    check(
        "conversations.replies",
        json!({ "channel": LOBBY, "ts": "1700000000.000100" }),
        "thread_not_found",
    )
    .await;
    check("users.info", json!({ "user": "U0NOBODY" }), "user_not_found").await;
    check("files.info", json!({ "file": "F0NONE" }), "file_not_found").await;
    check("chat.shout", json!({}), "unknown_method").await;
    let ts = post(&town, json!({ "text": "x" })).await["ts"].clone();
    check("chat.update", json!({ "channel": LOBBY, "ts": ts, "text": "é".repeat(2_001) }), "msg_too_long")
        .await;
    check("reactions.remove", json!({ "channel": LOBBY, "timestamp": ts, "name": "eyes" }), "no_reaction")
        .await;
    assert_eq!(
        town.slack("reactions.add", json!({ "channel": LOBBY, "timestamp": ts, "name": "eyes" })).await["ok"],
        true
    );
    check("reactions.add", json!({ "channel": LOBBY, "timestamp": ts, "name": "eyes" }), "already_reacted")
        .await;
    let said = town.tell("/slack/channels/C0LOBBY/say", json!({ "user": "U0ANN", "text": "mine" })).await;
    check("chat.update", json!({ "channel": LOBBY, "ts": said["ts"], "text": "x" }), "cant_update_message")
        .await;
    check("chat.delete", json!({ "channel": LOBBY, "ts": said["ts"] }), "cant_delete_message").await;
    for (token, expected) in [(None, "not_authed"), (Some("xoxb-other"), "invalid_auth")] {
        let mut request = town.http.post(format!("{}/slack/api/auth.test", town.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer: Value =
            serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        assert_eq!(answer["error"], expected);
    }
}

#[tokio::test]
async fn text_is_cut_at_forty_thousand_characters() {
    let town = Town::new().await;
    let posted = post(&town, json!({ "text": "é".repeat(40_001) })).await;
    assert_eq!(posted["message"]["text"].as_str().unwrap().chars().count(), 40_000);
    assert_eq!(posted["warning"], "message_truncated");
}

#[tokio::test]
async fn an_update_replaces_what_it_names_and_keeps_the_rest() {
    let town = Town::new().await;
    let blocks = json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "old" } }]);
    let ts = post(&town, json!({ "text": "old", "blocks": blocks, "username": "Ann" })).await["ts"].clone();
    let updated = town.slack("chat.update", json!({ "channel": LOBBY, "ts": ts, "text": "new" })).await;
    assert_eq!((&updated["ok"], &updated["text"], &updated["ts"]), (&json!(true), &json!("new"), &ts));
    let seen = town.look("/slack/channels/C0LOBBY").await["messages"][0].clone();
    assert_eq!(
        (&seen["text"], &seen["blocks"], &seen["username"], &seen["edited"]),
        (&json!("new"), &blocks, &json!("Ann"), &json!(true))
    );
    town.slack("chat.update", json!({ "channel": LOBBY, "ts": ts, "text": "new", "blocks": [] })).await;
    assert_eq!(town.look("/slack/channels/C0LOBBY").await["messages"][0]["blocks"], Value::Null);
    assert_eq!(town.slack("chat.delete", json!({ "channel": LOBBY, "ts": ts })).await["ok"], true);
    assert_eq!(town.look("/slack/channels/C0LOBBY").await["messages"], json!([]));
}

#[tokio::test]
async fn a_thread_is_read_under_its_parent_and_a_deleted_parent_leaves_a_tombstone() {
    let town = Town::new().await;
    let parent = post(&town, json!({ "text": "parent" })).await["ts"].clone();
    let mut replies = Vec::new();
    for n in 0..3 {
        replies.push(
            post(&town, json!({ "text": format!("reply {n}"), "thread_ts": parent })).await["ts"].clone(),
        );
    }
    post(&town, json!({ "text": "lost", "thread_ts": "1700000000.000100" })).await;
    let history = town.slack("conversations.history", json!({ "channel": LOBBY })).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&history["messages"][0]["reply_count"], &history["messages"][0]["latest_reply"]),
        (&json!(3), &replies[2])
    );
    let first =
        town.slack("conversations.replies", json!({ "channel": LOBBY, "ts": parent, "limit": 2 })).await;
    assert_eq!((first["messages"].as_array().unwrap().len(), &first["has_more"]), (3, &json!(true)));
    let cursor = &first["response_metadata"]["next_cursor"];
    let second = town
        .slack(
            "conversations.replies",
            json!({ "channel": LOBBY, "ts": parent, "limit": 2, "cursor": cursor }),
        )
        .await;
    assert_eq!((&second["messages"][1]["ts"], &second["has_more"]), (&replies[2], &json!(false)));
    town.slack("chat.delete", json!({ "channel": LOBBY, "ts": parent })).await;
    let view = town.look("/slack/channels/C0LOBBY").await;
    assert_eq!(
        (&view["messages"][1]["lost_thread"], &view["messages"][0]["deleted"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(view["messages"][0]["replies"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn history_is_walked_by_cursor_and_by_time() {
    let town = Town::new().await;
    let mut all = Vec::new();
    for n in 0..5 {
        all.insert(0, post(&town, json!({ "text": format!("{n}") })).await["ts"].clone());
    }
    let (mut found, mut cursor) = (Vec::new(), json!(""));
    loop {
        let page = town
            .slack("conversations.history", json!({ "channel": LOBBY, "limit": 2, "cursor": cursor }))
            .await;
        found.extend(page["messages"].as_array().unwrap().iter().map(|message| message["ts"].clone()));
        cursor = page["response_metadata"]["next_cursor"].clone();
        assert_eq!(page["has_more"], cursor != "");
        if cursor == "" {
            break;
        }
    }
    assert_eq!(found, all);
    let between = async |inclusive: bool| {
        let body = json!({ "channel": LOBBY, "oldest": all[3], "latest": all[1], "inclusive": inclusive });
        town.slack("conversations.history", body).await["messages"].as_array().unwrap().len()
    };
    assert_eq!((between(true).await, between(false).await), (3, 1));
}

#[tokio::test]
async fn a_message_to_a_person_opens_a_direct_channel() {
    let town = Town::new().await;
    let posted = town.slack("chat.postMessage", json!({ "channel": "U0ANN", "text": "alarm" })).await;
    assert_eq!(posted["channel"], "D0ANN");
    assert_eq!(town.look("/slack/channels/U0ANN").await["messages"][0]["text"], "alarm");
}

#[tokio::test]
async fn people_channels_and_the_bot_are_described() {
    let town = Town::new().await;
    assert_eq!(town.slack("auth.test", json!({})).await["bot_id"], town.settings.slack.bot_id);
    assert_eq!(
        town.slack("users.info", json!({ "user": "U0ANN" })).await["user"]["profile"]["display_name"],
        "Ann"
    );
    assert_eq!(
        town.slack("conversations.info", json!({ "channel": LOBBY })).await["channel"]["name"],
        "lobby"
    );
    town.tell("/slack/channels", json!({ "id": "C0NEW", "name": "new" })).await;
    let listed = town.slack("conversations.list", json!({ "limit": 2 })).await;
    assert_eq!(listed["channels"].as_array().unwrap().len(), 2);
    let cursor = &listed["response_metadata"]["next_cursor"];
    assert_eq!(
        town.slack("conversations.list", json!({ "limit": 2, "cursor": cursor })).await["channels"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_secret_that_was_replaced_holds_no_more_until_the_world_begins_anew() {
    let mut town = Town::new().await;
    let before = town.settings.clone();
    let new = json!({ "bot_token": "xoxb-new", "signing_secret": "a-new-secret" });
    assert_eq!(town.tell("/slack/secrets", new).await, json!({ "replaced": true }));
    assert_eq!(town.slack("auth.test", json!({})).await["error"], "invalid_auth");
    town.settings.slack.bot_token = "xoxb-new".into();
    town.settings.slack.signing_secret = "a-new-secret".into();
    assert_eq!(town.slack("auth.test", json!({})).await["ok"], true);
    // What the hub receives is checked against the settings.
    town.tell("/slack/channels/C0LOBBY/say", json!({ "user": "U0ANN", "text": "x" })).await;
    town.hub_receives("/slack/events", 1).await;
    assert_eq!(town.try_tell("/slack/secrets", json!({ "bot_token": "" })).await.0, 400);
    assert_eq!(town.try_tell("/slack/secrets", json!({ "token": "x" })).await.0, 400);
    assert_eq!(town.slack("auth.test", json!({})).await["ok"], true, "what is refused changes nothing");
    town.tell("/reset", json!({})).await;
    town.settings = before;
    assert_eq!(town.slack("auth.test", json!({})).await["ok"], true);
}
