//! The chat's requests and answers, as JSON.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use switchboard_core::id::MAX_ID_BYTES;
use switchboard_core::message::MAX_TEXT_CHARS;
use switchboard_core::{ArrivalId, Failure, MessageId, RoomName};

/// A message to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) room: RoomName,
    pub(super) client_id: String,
    pub(super) name: String,
    pub(super) text: String,
}

impl Post {
    /// The same for the same request sent again.
    pub(super) fn arrival_id(&self) -> ArrivalId {
        ArrivalId::from_cause(&["web_chat", self.room.as_str(), &self.client_id])
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: String,
    name: String,
    text: String,
}

/// The answer to a post.
#[derive(Serialize)]
pub(super) struct Posted {
    pub(super) message_id: MessageId,
}

/// Reads `POST /api/rooms/{room}/messages`.
pub(super) fn read_post(request: &http::Request<Bytes>) -> Result<Post, Failure> {
    let path = request.uri().path();
    let room = path
        .strip_prefix("/api/rooms/")
        .and_then(|rest| rest.strip_suffix("/messages"))
        .ok_or_else(|| Failure::refuse(404, "no such path"))?;
    let room = room.parse().map_err(|error| Failure::refuse(404, format!("{error}")))?;
    let body: Body = serde_json::from_slice(request.body())
        .map_err(|error| Failure::refuse(400, format!("the body is not {{id, name, text}}: {error}")))?;
    if body.id.is_empty() || body.id.len() > MAX_ID_BYTES {
        return Err(Failure::refuse(400, format!("id has 1 to {MAX_ID_BYTES} bytes")));
    }
    if body.text.trim().is_empty() {
        return Err(Failure::refuse(400, "text is empty"));
    }
    if body.text.chars().count() > MAX_TEXT_CHARS {
        return Err(Failure::refuse(413, format!("text has more than {MAX_TEXT_CHARS} characters")));
    }
    if body.name.trim().is_empty() {
        return Err(Failure::refuse(400, "name is empty"));
    }
    Ok(Post { room, client_id: body.id, name: body.name, text: body.text })
}
