//! A story: a provider's secrets are replaced, and the functions that are running take up the new ones.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::{ANN, CHANNEL, House, LOBBY, PATIENCE, until};

use crate::stack;

/// The functions that the secrets are for.
const CONCERNED: [&str; 2] = ["SlackOut", "SlackDoor"];

/// The processes of the concerned functions: those read the secrets when they began.
async fn processes(house: &House) -> Vec<Value> {
    let mut found = Vec::new();
    for function in CONCERNED {
        found.push(stack(house).ask_with(json!({ "do": "processes-of", "function": function })).await);
    }
    found
}

async fn say(house: &House, text: &str) {
    let said = json!({ "user": "U0BOB", "text": text });
    let said = house.control("POST", &format!("/slack/channels/{CHANNEL}/say"), said).await;
    assert_eq!(said["webhook"]["status"], 200, "{said:#}");
}

async fn posts(house: &House) -> u64 {
    house.count("chat.postMessage", None).await.1
}

#[tokio::test]
async fn secrets_that_are_replaced_are_taken_up_by_functions_that_run_and_nothing_is_lost() {
    let house = House::open_deployed(LOBBY).await;
    // One request at a time, so that no function needs a second process.
    house.control("POST", "/behaviour", json!({ "slack_echo": false })).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    say(&house, "before").await;
    house.expect_heard(ANN, &["Bob: before"]).await;
    assert_eq!(house.text(ANN, "one").await, 200);
    house.expect_shown(CHANNEL, &["Bob: before", "Ann (SMS): one"]).await;
    house.hub.quiet().await;
    let running = processes(&house).await;
    assert!(running.iter().all(|of_one| of_one.as_array().is_some_and(|list| !list.is_empty())));

    for (name, value) in [("slack-bot-token", "xoxb-new"), ("slack-signing-secret", "a-new-secret")] {
        let name = format!("/switchboard/{name}");
        stack(&house).ask_with(json!({ "do": "replace-secret", "name": name, "value": value })).await;
    }
    let new = json!({ "bot_token": "xoxb-new", "signing_secret": "a-new-secret" });
    house.control("POST", "/slack/secrets", new).await;

    // What is texted meanwhile is refused with the old token, and waits a minute; here it need not.
    let before = posts(&house).await;
    assert_eq!(house.text(ANN, "two").await, 200);
    until("the old token is refused", || async { posts(&house).await > before }).await;
    let journal = stack(&house).ask("journal").await;
    let mut events = journal.as_array().expect("events").iter();
    let two = events
        .find(|event| event["detail-type"] == "RoomChanged" && event["detail"]["message"]["text"] == "two");
    let reminder = json!({ "switchboard": { "again": { "event": two.expect("it is posted") } } });
    let began = tokio::time::Instant::now();
    while house.shown(CHANNEL).await.len() < 3 {
        assert!(began.elapsed() < PATIENCE, "the new token is not read");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = posts(&house).await;
        stack(&house).ask_with(json!({ "do": "end-waits", "table": "SlackTable" })).await;
        let sent = json!({ "do": "send", "queue": "SlackOutQueue", "body": reminder.to_string() });
        stack(&house).ask_with(sent).await;
        until("it is tried again", || async { posts(&house).await > before }).await;
    }

    // The door reads the other secret when the new signature comes, and takes it at once.
    say(&house, "after").await;
    house.expect_heard(ANN, &["Bob: before", "Bob: after"]).await;
    house.hub.quiet().await;
    let shown = ["Bob: before", "Ann (SMS): one", "Ann (SMS): two", "Bob: after"];
    house.expect_shown(CHANNEL, &shown).await;
    assert_eq!(processes(&house).await, running, "no function began anew");
    house.close().await;
}
