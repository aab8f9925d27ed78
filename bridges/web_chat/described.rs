//! asyncapi.json is the socket's description for programs. Here it is held against the code: the same kinds, the
//! same fields, and frames as they are really said.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use switchboard_core::event::Change;
use switchboard_core::{Attachment, Connection, Failure, Person, Role, RoomName, Timestamp, Word};

use super::frames::{self, Said};
use super::shown::{Kind, frame};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn document() -> Value {
    serde_json::from_str(super::ASYNCAPI).unwrap()
}

/// The payloads of one side's frames, by kind.
fn payloads(side: &str) -> Vec<(String, Value)> {
    let document = document();
    let all = document["components"]["messages"].as_object().unwrap();
    let of = all.iter().filter_map(|(name, message)| Some((name.strip_prefix(side)?.to_owned(), message)));
    let of = of.map(|(kind, message)| {
        let payload = message["payload"].clone();
        assert_eq!(payload["properties"]["kind"]["const"], json!(kind));
        assert_eq!(message["name"], json!(kind));
        (kind, payload)
    });
    of.collect()
}

fn kinds(side: &str) -> BTreeSet<String> {
    payloads(side).into_iter().map(|(kind, _)| kind).collect()
}

/// The names between backticks in what serde complains of, after the first: what it would have taken.
fn taken(frame: &Value) -> BTreeSet<String> {
    let error = serde_json::from_value::<Said>(frame.clone()).unwrap_err().to_string();
    error.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

/// What is wrong with a value, for the part of JSON Schema that the document uses.
fn faults(document: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            document.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere");
        return faults(document, target, value, path);
    }
    let mut found = Vec::new();
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = &schema["type"];
    if types != kind && !types.as_array().is_some_and(|types| types.contains(&json!(kind))) {
        return vec![format!("{path} is {kind}, not {types}")];
    }
    if schema.get("const").is_some_and(|only| only != value)
        || schema["enum"].as_array().is_some_and(|some| !some.contains(value))
    {
        found.push(format!("{path} may not be {value}"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{path}/{at}")));
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Object(any)) => {
                found.extend(faults(document, &Value::Object(any.clone()), inner, &path));
            }
            (Value::Null, _) => found.push(format!("{path} is not described")),
            (property, _) => found.extend(faults(document, property, inner, &path)),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{path}/{name} is missing"));
        }
    }
    found
}

#[test]
fn every_kind_of_frame_is_in_the_document_and_no_other() {
    let understood = taken(&json!({ "kind": "?" }));
    assert_eq!(understood, frames::KINDS.map(str::to_owned).into(), "what the code calls its kinds");
    assert_eq!(kinds("client_"), understood, "what clients say");
    let said: BTreeSet<String> = Kind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    assert_eq!(kinds("server_"), said, "what the hub says");
    let document = document();
    for (operation, side) in [("hear", "client_"), ("say", "server_")] {
        let listed = document["operations"][operation]["messages"].as_array().unwrap();
        let listed = listed.iter().map(|one| one["$ref"].as_str().unwrap().rsplit('/').next().unwrap());
        let listed: BTreeSet<String> = listed.map(|name| name.trim_start_matches(side).to_owned()).collect();
        assert_eq!(listed, kinds(side), "{operation}");
        for kind in listed {
            let reference = &document["channels"]["socket"]["messages"][format!("{side}{kind}")]["$ref"];
            assert_eq!(reference, &json!(format!("#/components/messages/{side}{kind}")));
        }
    }
}

#[test]
fn every_field_of_a_clients_frame_is_described_and_the_examples_are_frames() {
    let document = document();
    for (kind, payload) in payloads("client_") {
        let mut described: BTreeSet<String> =
            payload["properties"].as_object().unwrap().keys().cloned().collect();
        described.remove("kind");
        let example = &document["components"]["messages"][format!("client_{kind}")]["examples"][0]["payload"];
        assert_eq!(faults(&document, &payload, example, &kind), [""; 0]);
        assert!(frames::read(&example.to_string()).is_ok(), "{example}");
        let mut odd = example.clone();
        odd["?"] = json!(1);
        assert_eq!(taken(&odd), described, "the fields of {kind}");
        for required in payload["required"].as_array().unwrap() {
            let mut less = example.clone();
            less.as_object_mut().unwrap().remove(required.as_str().unwrap());
            assert!(frames::read(&less.to_string()).is_err(), "{kind} without {required}");
        }
    }
}

/// Frames of every kind, by the code that says them.
fn said() -> Vec<String> {
    let room: RoomName = "lobby".parse().unwrap();
    let person =
        Person { id: "guest_a".into(), name: "Ann".into(), roles: vec![Role::Member, Role::Operator] };
    let connection =
        Connection { id: "1".into(), person: person.clone(), session: "s".into(), expires_at: NOW };
    let rooms = [(room.clone(), 3, vec![person.clone()])];
    let failure = Failure::retry("the disk is full");
    let mut said: Vec<String> = [
        Word::Hello { connection: &connection, now: NOW, ping_s: 30, rooms: &rooms },
        Word::Watching { room: &room, seq: 3, people: &rooms[0].2 },
        Word::Presence { room: &room, person: &person, here: true },
        Word::Resumed { room: &room, seq: 3, reset: true },
        Word::Renewed { expires_at: NOW },
        Word::Resume { reason: "expiring" },
        Word::Error { code: "binary", reason: "frames are texts" },
        Word::Refused { frame: r#"{"kind":"post","id":"1"}"#, failure: &failure },
        Word::Refused { frame: "{}", failure: &failure },
    ]
    .iter()
    .map(frames::say)
    .collect();
    for text in [r#"{"kind":"ping","id":"p"}"#, r#"{"kind":"typing","room":"lobby"}"#] {
        let switchboard_core::Heard::Answer { frame, pushes } = frames::hear(&connection, text, NOW) else {
            panic!("{text}")
        };
        said.extend(frame);
        said.extend(pushes.into_iter().map(|push| push.frame));
    }
    said.push(frame(Kind::Accepted, json!({ "id": "1", "message_id": "msg_1" })));
    said
}

fn shown_frames() -> Vec<String> {
    let file = |blob, note: Option<&str>| Attachment {
        name: "a.png".into(),
        content_type: "image/png".into(),
        size: 7,
        blob,
        note: note.map(str::to_owned),
    };
    let house = super::tests::House::new();
    let blob = switchboard_core::BlobId::from_text("b");
    let mut message = super::tests::message("m1", 1, "hello");
    message.attachments = vec![file(Some(blob), None), file(None, Some("too large"))];
    message.thread_parent = Some(switchboard_core::MessageId::from_text("m0"));
    let mut outcomes = vec![
        house.change(1, Change::Posted, message.clone()),
        house.change(2, Change::Reacted, message.clone()),
        house.change(3, Change::Retracted, message.clone()),
    ];
    outcomes.extend(house.reported_and_judged(&message));
    let pushes = outcomes.into_iter().flat_map(|outcome| outcome.pushes);
    let mut frames: Vec<String> = pushes.map(|push| push.frame).collect();
    frames.push(house.history_frame());
    frames
}

#[test]
fn what_the_hub_says_is_as_described() {
    let document = document();
    let payloads = payloads("server_");
    let mut heard = BTreeSet::new();
    for text in said().into_iter().chain(shown_frames()) {
        let value: Value = serde_json::from_str(&text).unwrap();
        let kind = value["kind"].as_str().unwrap().to_owned();
        let (_, payload) = payloads.iter().find(|(known, _)| *known == kind).unwrap();
        assert_eq!(faults(&document, payload, &value, &kind), [""; 0], "{text}");
        heard.insert(kind);
    }
    let all: BTreeSet<String> = Kind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    assert_eq!(heard, all, "every kind has been said");
}
