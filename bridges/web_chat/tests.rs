//! Tables: request in, outcome out.

use bytes::Bytes;
use futures::executor::block_on;
use switchboard_core::memory::MemoryStore;
use switchboard_core::{Admission, Arrival, ArrivalId, Bridge, Detail, Failure, Outcome, Timestamp, What};

use super::WebChat;
use crate::settings::Settings;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn chat() -> WebChat {
    WebChat::new(&Settings::for_tests("[rooms.lobby]\nsms = \"open\"\n", &[])).unwrap()
}

fn knock(path: &str, body: &str) -> Result<(ArrivalId, Outcome), Failure> {
    let request = http::Request::post(path).body(Bytes::from(body.to_owned())).unwrap();
    let Admission::Arrival(id) = chat().admit("web_chat.door", &request, NOW)? else {
        panic!("not an arrival")
    };
    let arrival = Arrival { listener: "web_chat.door", id: &id, now: NOW, what: What::Request(&request) };
    let outcome = block_on(chat().decide(&arrival, &MemoryStore::default()))?;
    Ok((id, outcome))
}

#[test]
fn a_post_becomes_a_message_of_its_room() {
    let body = r#"{"id":"1","name":" Ann\u0007 ","text":"hello"}"#;
    let (id, outcome) = knock("/api/rooms/lobby/messages", body).unwrap();
    let Detail::MessagePosted(said) = &outcome.events[0].detail else { panic!("{outcome:?}") };
    assert_eq!((said.message.room.as_str(), said.message.text.as_str()), ("lobby", "hello"));
    assert_eq!(said.message.sender.name, "Ann");
    assert!(outcome.reply.as_ref().unwrap().body.contains(said.message.id.as_str()));
    assert_eq!((id, outcome), knock("/api/rooms/lobby/messages", body).unwrap(), "same cause, same ids");
}

#[test]
fn what_is_no_message_is_refused_with_the_right_status() {
    let long = format!(r#"{{"id":"1","name":"Ann","text":"{}"}}"#, "x".repeat(40_001));
    for (path, body, status) in [
        ("/api/rooms/attic/messages", r#"{"id":"1","name":"Ann","text":"hello"}"#, 404),
        ("/api/rooms/NO%20ROOM/messages", r#"{"id":"1","name":"Ann","text":"hello"}"#, 404),
        ("/api/rooms/lobby/messages", "not json", 400),
        ("/api/rooms/lobby/messages", r#"{"id":"","name":"Ann","text":"hello"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":" ","text":"hello"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":"Ann","text":" \n"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":"Ann","text":"hello","role":"admin"}"#, 400),
        ("/api/rooms/lobby/messages", &long, 413),
    ] {
        match knock(path, body) {
            Err(Failure::Refuse { status: got, .. }) => assert_eq!(got, status, "{path} {body:.60}"),
            other => panic!("{path} {body:.60}: {other:?}"),
        }
    }
}
