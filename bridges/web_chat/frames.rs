//! The socket's frames: what a client says, and the words in which it is answered.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use switchboard_core::id::MAX_ID_BYTES;
use switchboard_core::{
    ArrivalId, Audience, Connection, Failure, Heard, MessageId, Pace, Person, Push, RoomName, Timestamp, Word,
};

use super::shown::{Kind, frame, time};

/// How often typing is passed on, and how long it is shown.
const TYPING_EVERY: std::time::Duration = std::time::Duration::from_secs(3);
const TYPING_FOR_MS: u32 = 6000;

/// A frame of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    Hello {
        version: u32,
        #[serde(default)]
        rooms: BTreeMap<RoomName, From>,
    },
    Post {
        id: String,
        room: RoomName,
        #[serde(default)]
        text: String,
        #[serde(default)]
        thread_parent: Option<MessageId>,
        #[serde(default)]
        files: Vec<String>,
    },
    Edit {
        id: String,
        room: RoomName,
        message_id: MessageId,
        text: String,
    },
    Delete {
        id: String,
        room: RoomName,
        message_id: MessageId,
    },
    React {
        id: String,
        room: RoomName,
        message_id: MessageId,
        reaction: String,
        added: bool,
    },
    Typing {
        room: RoomName,
    },
    Watch {
        room: RoomName,
        #[serde(default)]
        after: Option<u64>,
    },
    Unwatch {
        room: RoomName,
    },
    History {
        id: String,
        room: RoomName,
        #[serde(default)]
        before: Option<u64>,
        #[serde(default)]
        after: Option<u64>,
        #[serde(default)]
        limit: Option<usize>,
    },
    Ping {
        #[serde(default)]
        id: Option<String>,
    },
    Renew {
        ticket: String,
    },
}

/// Where to listen on from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    after: Option<u64>,
}

/// What can be read of any frame: to say which it was.
#[derive(Debug, Default, Deserialize)]
struct Outline {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

/// The kinds of [`Said`].
pub(super) const KINDS: [&str; 11] =
    ["hello", "post", "edit", "delete", "react", "typing", "watch", "unwatch", "history", "ping", "renew"];

/// Reads a frame.
pub(super) fn read(text: &str) -> Result<Said, Failure> {
    let said: Result<Said, _> = serde_json::from_str(text);
    said.map_err(|error| {
        let outline: Result<Outline, _> = serde_json::from_str(text);
        match outline.map(|outline| outline.kind) {
            Err(_) => Failure::refuse_as(400, "bad_json", "a frame is a JSON object with kind"),
            Ok(Some(kind)) if KINDS.contains(&kind.as_str()) => {
                Failure::refuse_as(400, "bad_field", format!("{kind}: {error}"))
            }
            Ok(kind) => {
                let kind: String = kind.unwrap_or_default().chars().take(40).collect();
                Failure::refuse_as(400, "unknown_kind", format!("no frame is called {kind:?}"))
            }
        }
    })
}

/// What a frame is.
pub(super) fn hear(connection: &Connection, text: &str, now: Timestamp) -> Heard {
    let said = match read(text).and_then(checked) {
        Ok(said) => said,
        Err(failure) => return Heard::Refused(refused(text, &failure)),
    };
    let person = &connection.person;
    match said {
        Said::Hello { rooms, .. } => Heard::Watch {
            rooms: rooms.into_iter().map(|(room, from)| (room, from.after)).collect(),
            hello: true,
        },
        Said::Watch { room, after } => Heard::Watch { rooms: vec![(room, after)], hello: false },
        Said::Unwatch { room } => Heard::Unwatch(room),
        Said::Post { id, .. } | Said::Edit { id, .. } | Said::Delete { id, .. } | Said::React { id, .. } => {
            Heard::Arrival(ArrivalId::from_cause(&["web_chat", &person.id, &id]))
        }
        Said::Renew { ticket } => Heard::Renew(ArrivalId::from_cause(&["web_chat", "renew", &ticket])),
        Said::History { .. } => Heard::Ask,
        Said::Ping { id } => {
            let mut fields = json!({ "now": time(now) });
            if let (Some(fields), Some(id)) = (fields.as_object_mut(), id) {
                fields.insert("id".to_owned(), id.into());
            }
            Heard::Answer { frame: Some(frame(Kind::Pong, fields)), pushes: Vec::new() }
        }
        Said::Typing { room } => {
            let text = frame(
                Kind::Typing,
                json!({ "room": room, "person": { "id": person.id, "name": person.name }, "for_ms": TYPING_FOR_MS }),
            );
            let pace = Pace::First(format!("typing/{room}/{}", person.id), TYPING_EVERY);
            Heard::Answer {
                frame: None,
                pushes: vec![Push { pace, ..Push::new(Audience::Room(room), text) }],
            }
        }
    }
}

/// What can be said of a frame without looking anywhere.
fn checked(said: Said) -> Result<Said, Failure> {
    match &said {
        Said::Hello { version, .. } if *version != 1 => {
            return Err(Failure::refuse_as(400, "bad_field", "this hub speaks version 1"));
        }
        Said::Post { id, .. } | Said::Edit { id, .. } | Said::Delete { id, .. } | Said::React { id, .. }
            if id.is_empty() || id.len() > MAX_ID_BYTES =>
        {
            return Err(Failure::refuse_as(400, "bad_field", format!("id has 1 to {MAX_ID_BYTES} bytes")));
        }
        _ => {}
    }
    Ok(said)
}

/// That a frame is not carried out, and why.
pub(super) fn refused(text: &str, failure: &Failure) -> String {
    let outline: Outline = serde_json::from_str(text).unwrap_or_default();
    let (code, retry_after_s) = match failure {
        Failure::Refuse { code, .. } if !code.is_empty() => (*code, None),
        Failure::Refuse { .. } => ("bad_field", None),
        Failure::Retry { after, .. } => ("not_stored", Some(after.map_or(1, |after| after.as_secs().max(1)))),
        Failure::Unsure { .. } | Failure::Bug { .. } => ("not_stored", Some(1)),
    };
    let reason = match failure {
        Failure::Bug { .. } => "the hub is at fault".to_owned(),
        failure => failure.to_string(),
    };
    let mut fields = json!({ "code": code, "reason": reason });
    let kind = if outline.id.is_some() { Kind::Refused } else { Kind::Error };
    if let Some(fields) = fields.as_object_mut() {
        fields.extend(outline.id.map(|id| ("id".to_owned(), id.into())));
        fields.extend(retry_after_s.map(|seconds| ("retry_after_s".to_owned(), seconds.into())));
    }
    frame(kind, fields)
}

fn person_here(person: &Person) -> serde_json::Value {
    json!({ "id": person.id, "name": person.name, "surface": "web" })
}

/// The host's words.
pub(super) fn say(word: &Word<'_>) -> String {
    match word {
        Word::Hello { connection, now, ping_s, rooms } => {
            let rooms: serde_json::Map<String, serde_json::Value> = rooms
                .iter()
                .map(|(room, seq, people)| {
                    let people: Vec<_> = people.iter().map(person_here).collect();
                    (room.to_string(), json!({ "seq": seq, "people": people }))
                })
                .collect();
            let Person { id, name, roles } = &connection.person;
            let expires_at = time(connection.expires_at);
            let person = json!({ "id": id, "name": name, "roles": roles, "expires_at": expires_at });
            frame(
                Kind::Hello,
                json!({ "version": 1, "connection": connection.id, "person": person, "now": time(*now),
                    "expires_at": expires_at, "ping_s": ping_s, "rooms": rooms }),
            )
        }
        Word::Watching { room, seq, people } => {
            let people: Vec<_> = people.iter().map(person_here).collect();
            frame(Kind::Watching, json!({ "room": room, "seq": seq, "people": people }))
        }
        Word::Presence { room, person, here } => {
            frame(Kind::Presence, json!({ "room": room, "person": person_here(person), "here": here }))
        }
        Word::Resumed { room, seq, reset } => {
            let mut fields = json!({ "room": room, "seq": seq });
            if let (true, Some(fields)) = (reset, fields.as_object_mut()) {
                fields.insert("reset".to_owned(), true.into());
            }
            frame(Kind::Resumed, fields)
        }
        Word::Renewed { expires_at } => frame(Kind::Renewed, json!({ "expires_at": time(*expires_at) })),
        Word::Resume { reason } => frame(Kind::Resume, json!({ "reason": reason })),
        Word::Error { code, reason } => frame(Kind::Error, json!({ "code": code, "reason": reason })),
        Word::Refused { frame, failure } => refused(frame, failure),
    }
}
