//! What a function may ask of its own queue, done once: to come back to what has to wait.

use serde_json::{Value, json};
use switchboard_stories::{House, until};

use super::logical;
use crate::stack;

/// Longer than a function waits itself.
pub(crate) const PUT_OFF_S: u64 = 3;

/// Every listener reminds itself of something; the gate's timers are set in its bridge's queue.
pub(super) async fn tour(house: &House, other_policy: &str) {
    let journal = stack(house).ask("journal").await;
    let journal = journal.as_array().expect("events");
    // What a provider's bridge has to fetch is heard by that bridge alone.
    for (listener, said, source) in [
        ("moderation.gate", "MessagePosted", "switchboard.sms"),
        ("web_chat.deliveries", "DeliveryReported", "switchboard.sms"),
        ("slack.intake", "MessageReceived", "switchboard.slack"),
        ("sms.intake", "MessageReceived", "switchboard.sms"),
    ] {
        // A text is sent once more once only, however often that is asked for.
        let errand = |event: &Value| event["detail"]["payload"]["again"].is_object();
        let fits =
            |event: &&Value| event["detail-type"] == said && event["source"] == source && !errand(event);
        let like = journal.iter().find(fits);
        let event = again(like.unwrap_or_else(|| panic!("no {said} of {source}")), 1);
        let id = event["detail"]["event_id"].clone();
        let waits = json!({ "do": "put-off", "listener": listener, "event": id, "seconds": PUT_OFF_S });
        stack(house).ask_with(waits).await;
        give(house, listener, &event).await;
    }
    house.hub.quiet().await;
    // One that comes before the one before it waits for it.
    for (listener, said) in [
        ("slack.out", "RoomChanged"),
        ("sms.fanout", "RoomChanged"),
        ("web_chat.history", "RoomChanged"),
        ("sms.out", "SmsRequested"),
    ] {
        let lane = &journal.iter().find(|event| event["detail-type"] == said).expect("one")["detail"]["lane"];
        let of_it = |event: &&Value| event["detail-type"] == said && event["detail"]["lane"] == *lane;
        let last = journal.iter().filter(of_it).max_by_key(|event| event["detail"]["seq"].as_u64());
        for ahead in [2, 1] {
            give(house, listener, &again(last.expect("the newest"), ahead)).await;
        }
    }
    house.hub.quiet().await;
    // A timer that the queue can wait for, and one for which it has to wait twice.
    stack(house).ask_with(json!({ "do": "configure", "text": other_policy })).await;
    let edited = journal.iter().find(|event| event["detail-type"] == "MessageEdited").expect("an edit");
    let mut edited = again(edited, 1);
    edited["detail"]["message"]["id"] = json!(format!("msg_{:032x}", 1));
    give(house, "moderation.gate", &edited).await;
    assert_eq!(stack(house).ask("wake-early").await, json!(1));
    house.hub.quiet().await;
}

/// A text that its carrier does not take for a reason that may pass is sent once more, in a while.
pub(crate) async fn not_taken(house: &House, from: &str, to: &str, word: &str) {
    let ends = |end: &str| json!({ "to": to, "statuses": ["sent", end], "error_code": 30008 });
    house.control("POST", "/twilio/carrier", ends("undelivered")).await;
    house.text(from, word).await;
    let errand = || async {
        let journal = stack(house).ask("journal").await;
        let mut events = journal.as_array().expect("events").iter();
        events.find(|event| event["detail"]["payload"]["again"]["to"] == to).cloned()
    };
    until("it is to be sent once more", || async { errand().await.is_some() }).await;
    house.control("POST", "/twilio/carrier", ends("delivered")).await;
    let errand = errand().await.expect("an errand");
    let over = json!({ "do": "end-waits", "table": "SmsTable" });
    until("it came twice", || async {
        stack(house).ask_with(over.clone()).await;
        give(house, "sms.intake", &errand).await;
        house.heard(to).await.iter().filter(|text| text.contains(word)).count() == 2
    })
    .await;
}

/// An event like that one that nobody has heard, so much further in its lane.
pub(crate) fn again(like: &Value, ahead: u64) -> Value {
    let mut event = like.clone();
    let id = like["detail"]["event_id"].as_str().expect("an id");
    let id = format!("ev_{ahead:016}{}", &id[id.len() - 16..]);
    event["id"] = json!(id);
    event["detail"]["event_id"] = json!(id);
    if let Some(seq) = like["detail"]["seq"].as_u64() {
        event["detail"]["seq"] = json!(seq + ahead);
    }
    event
}

/// Has a listener given an event; it takes it.
pub(crate) async fn give(house: &House, listener: &str, event: &Value) {
    let function = logical(&listener.replace(['.', '_'], "-"));
    let given = json!({ "do": "give-again", "function": function, "body": event.to_string() });
    let answer = stack(house).ask_with(given).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }), "{function}: {event}");
}
