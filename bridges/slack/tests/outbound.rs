//! What the room shows, and what is asked of Slack.

use switchboard_core::event::{Change, DeliveryStatus, RoomChanged};
use switchboard_core::{Address, EventId, Message, MessageId, Revision, Sender, Surface};

use super::*;

fn sms(text: &str) -> Message {
    Message {
        id: MessageId::from_cause(&["sms", "SM1"]),
        revision: Revision::FIRST,
        room: "lobby".parse().unwrap(),
        sender: Sender { surface: Surface::Sms, address: Address::new("+14155550100"), name: "Ann".into() },
        text: text.into(),
        attachments: Vec::new(),
        thread_parent: None,
        time: NOW,
        hops: 0,
    }
}

fn changed(seq: u64, change: Change, message: &Message) -> Event {
    let changed = RoomChanged {
        lane: message.room.to_string(),
        seq,
        change,
        message: message.clone(),
        by: None,
        reaction: None,
    };
    let id = EventId::from_cause(&["gate", message.room.as_str(), &seq.to_string()]);
    Event::new(id, "moderation", NOW, Detail::RoomChanged(changed))
}

#[test]
fn a_text_from_a_phone_is_posted_in_the_channel_and_pings_no_one() {
    let house = House::new();
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &sms("<!channel> fish & chips")));
    let effect = only_effect(&outcome);
    assert_eq!(effect.destination, "slack/C0LOBBY01");
    let answer = r#"{"ok":true,"channel":"C0LOBBY01","ts":"1736207201.000100","message":{"bot_id":"B0HUB0001","team":"T0HUB0001"}}"#;
    let http = ScriptedHttp::new([ok(answer)]);
    let settled = house.carry_out(effect, &http);

    let sent = &http.sent()[0];
    assert_eq!(sent.line, "POST https://slack.test/api/chat.postMessage");
    assert_eq!(sent.header("authorization"), Some("Bearer xoxb-token"));
    assert_eq!(sent.header("content-type"), Some("application/json; charset=utf-8"));
    let expected = serde_json::json!({
        "channel": "C0LOBBY01", "text": "&lt;!channel&gt; fish &amp; chips", "username": "Ann (SMS)",
        "unfurl_links": false, "unfurl_media": false, "parse": "none", "link_names": false,
        "metadata": { "event_type": "switchboard_message",
            "event_payload": { "message_id": sms("").id, "hops": 1 } },
    });
    assert_eq!(json(&sent.body), expected);

    let Detail::DeliveryReported(reported) = only_event(&settled) else { panic!("{settled:?}") };
    assert_eq!(reported.status, DeliveryStatus::Delivered);
    assert_eq!(reported.provider_id.as_deref(), Some("1736207201.000100"));
    assert_eq!((reported.surface, reported.address.as_str()), (Surface::Slack, "C0LOBBY01"));
}
