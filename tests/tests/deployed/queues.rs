//! Stories: queues give things again, in any order and with poison among them, grants fail, functions are killed.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::{ANN, BOB, CHANNEL, House, LOBBY, sign, until};

use crate::stack;

/// An event of the room as the gate would publish it, made from one that it has published.
fn another(like: &Value, seq: u64, text: &str) -> Value {
    let mut event = like.clone();
    let id = format!("ev_{seq:032x}");
    event["id"] = json!(id);
    event["detail"]["event_id"] = json!(id);
    event["detail"]["seq"] = json!(seq);
    event["detail"]["message"]["id"] = json!(format!("msg_{seq:032x}"));
    event["detail"]["message"]["text"] = json!(text);
    event
}

/// A room in which Ann has said "1", and the event of that.
async fn room_with_one_text() -> (House, Value) {
    let house = House::open_deployed(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    assert_eq!(house.text(ANN, "1").await, 200);
    house.expect_shown(CHANNEL, &["Ann (SMS): 1"]).await;
    house.hub.quiet().await;
    let journal = stack(&house).ask("journal").await;
    let mut events = journal.as_array().expect("events").iter();
    let first = events.find(|event| event["detail-type"] == "RoomChanged").expect("an event").clone();
    (house, first)
}

async fn to_slack(house: &House, body: &str) {
    stack(house).ask_with(json!({ "do": "send", "queue": "SlackOutQueue", "body": body })).await;
}

#[tokio::test]
async fn what_is_stored_and_not_published_is_published_when_it_comes_again() {
    let house = House::open_deployed(LOBBY).await;
    // What a function gives back comes again sooner: this story waits for it twice.
    stack(&house).ask_with(json!({ "do": "come-again-after", "seconds": 10 })).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let deny = |function: &str| json!({ "do": "deny", "function": function, "action": "events:PutEvents" });
    let allow = |function: &str| json!({ "do": "allow", "function": function });

    // A door is not answered 2xx before every event is acknowledged; the provider sends again.
    stack(&house).ask_with(deny("SmsDoor")).await;
    let webhook =
        sign::twilio("/twilio/messages", &sign::text_form("SM00000000000000000000000000000001", ANN, "one"));
    let client = reqwest::Client::new();
    assert_eq!(webhook.send(&client, &house.hub.base()).await.0, 503);
    stack(&house).ask_with(allow("SmsDoor")).await;
    for _ in 0..2 {
        assert_eq!(webhook.send(&client, &house.hub.base()).await.0, 200);
    }
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;

    // A listener's message comes again; what was numbered keeps its number.
    stack(&house).ask_with(deny("ModerationGate")).await;
    assert_eq!(house.text(ANN, "two").await, 200);
    until("the gate has tried", || async {
        let logs = stack(&house).ask("logs").await;
        logs["/aws/lambda/hub-moderation-gate"].to_string().contains("the bus does not answer")
    })
    .await;
    stack(&house).ask_with(allow("ModerationGate")).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one", "Ann (SMS): two"]).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one", "Ann (SMS): two"]).await;
    given_up_and_not_told(&house).await;
    house.close_with_dead_letters(&["invite the app into the channel"]).await;
}

/// A function that dies when it has given up a delivery, and before its letter is in the queue: its lane goes on, and
/// the letter comes when the message does.
async fn given_up_and_not_told(house: &House) {
    let refuses = json!({ "provider": "slack", "method": "chat.postMessage", "kind": "error",
                          "error": "channel_not_found", "times": 1 });
    house.fault(refuses).await;
    let deny = json!({ "do": "deny", "function": "SlackOut", "action": "sqs:SendMessage" });
    stack(house).ask_with(deny).await;
    assert_eq!(house.text(ANN, "three").await, 200);
    until("it is given up, and nobody is told", || async {
        let logs = stack(house).ask("logs").await;
        logs["/aws/lambda/hub-slack-out"].to_string().contains("a queue refuses")
    })
    .await;
    stack(house).ask_with(json!({ "do": "kill", "function": "SlackOut" })).await;
    assert_eq!(house.text(ANN, "four").await, 200);
    let shown = ["Ann (SMS): one", "Ann (SMS): two", "Ann (SMS): four"];
    house.expect_shown(CHANNEL, &shown).await;
    assert_eq!(stack(house).ask("dead-letters").await, json!([]));
    stack(house).ask_with(json!({ "do": "allow", "function": "SlackOut" })).await;
    until("somebody is told", || async { stack(house).ask("dead-letters").await != json!([]) }).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &shown).await;
}

#[tokio::test]
async fn poison_is_a_dead_letter_and_its_batch_goes_on_in_order_and_once() {
    let (house, first) = room_with_one_text().await;

    // Backwards, each twice, with what is no event between them.
    for seq in [4, 3, 2] {
        let event = another(&first, seq, &seq.to_string()).to_string();
        to_slack(&house, &event).await;
        to_slack(&house, "{\"not\": \"an event\"}").await;
        to_slack(&house, &event).await;
    }
    to_slack(&house, &first.to_string()).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3", "Ann (SMS): 4"]).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3", "Ann (SMS): 4"]).await;
    house.close_with_dead_letters(&["not an event"; 3]).await;
}

#[tokio::test]
async fn a_lane_goes_on_without_a_number_that_never_comes_and_one_that_comes_too_late_is_a_dead_letter() {
    let (house, first) = room_with_one_text().await;
    let [second, third, fourth] = [2, 3, 4].map(|seq| another(&first, seq, &seq.to_string()));
    // The reminder that comes a quarter of an hour after an event was parked, comes now.
    let remind = async |event: &Value| {
        to_slack(&house, &json!({ "switchboard": { "gap": { "event": event } } }).to_string()).await;
    };

    // Parked, and its turn comes: the reminder finds nothing to do.
    to_slack(&house, &third.to_string()).await;
    house.hub.quiet().await;
    to_slack(&house, &second.to_string()).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3"]).await;
    remind(&third).await;
    house.hub.quiet().await;

    // The fourth is never seen.
    let [fifth, sixth] = [5, 6].map(|seq| another(&first, seq, &seq.to_string()));
    to_slack(&house, &sixth.to_string()).await;
    to_slack(&house, &fifth.to_string()).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3"]).await;
    // Of two that are parked only the earlier is the one that the lane has to wait for.
    remind(&fifth).await;
    let shown = ["Ann (SMS): 1", "Ann (SMS): 2", "Ann (SMS): 3", "Ann (SMS): 5", "Ann (SMS): 6"];
    house.expect_shown(CHANNEL, &shown).await;
    to_slack(&house, &fourth.to_string()).await;
    to_slack(&house, &fifth.to_string()).await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &shown).await;
    // The template counts such lines by their level, and an alarm goes by the count.
    let logs = stack(&house).ask("logs").await;
    let said = logs["/aws/lambda/hub-slack-out"].as_array().expect("lines").iter();
    let said = said.filter_map(|line| serde_json::from_str::<Value>(line.as_str()?).ok());
    let errors: Vec<Value> = said.filter(|line| line["level"] == "ERROR").collect();
    assert!(
        errors.iter().any(|line| line["fields"]["message"].to_string().contains("never came")),
        "{errors:#?}"
    );
    house.close_with_dead_letters(&["after its lane had gone on without it"]).await;
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_is_done_twice_when_functions_are_killed() {
    let house = House::open_deployed(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let client = reqwest::Client::new();
    let mut expected = Vec::new();
    for number in 0..6 {
        let text = format!("text {number}");
        let form = sign::text_form(&format!("SM{number:032x}"), ANN, &text);
        let webhook = sign::twilio("/twilio/messages", &form);
        // Where the function was killed there is no answer but 502, and the provider sends it again.
        until("it is accepted", || async { webhook.send(&client, &house.hub.base()).await.0 == 200 }).await;
        expected.push(text);
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..400))).await;
        if number % 2 == 1 {
            stack(&house).ask_with(json!({ "do": "kill", "function": "" })).await;
        }
    }
    let sorted = |list: Vec<String>| {
        let mut list: Vec<String> =
            list.iter().filter_map(|text| text.split_once(": ").map(|(_, text)| text.to_owned())).collect();
        list.sort();
        list
    };
    until("all are there", || async {
        house.shown(CHANNEL).await.len() >= 6 && house.heard(BOB).await.len() >= 6
    })
    .await;
    house.hub.quiet().await;
    assert_eq!(sorted(house.shown(CHANNEL).await), expected);
    assert_eq!(sorted(house.heard(BOB).await), expected);
    let order = |list: Vec<String>| -> Vec<String> {
        list.iter().filter_map(|text| text.split_once(": ").map(|(_, text)| text.to_owned())).collect()
    };
    assert_eq!(order(house.shown(CHANNEL).await), order(house.heard(BOB).await), "in one order");
    house.close().await;
}
