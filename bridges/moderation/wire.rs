//! The operator's requests and answers, as JSON.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use switchboard_core::id::MAX_ID_BYTES;
use switchboard_core::{ArrivalId, Failure, MessageId, unreadable};

/// What an operator wants done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) message: MessageId,
    pub(super) verb: Verb,
    request_id: String,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Take back what is shown.
    Retract,
    /// Show what is held.
    Release,
    /// Do not show what is held.
    Block,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Retract => "retract",
            Self::Release => "release",
            Self::Block => "block",
        }
    }
}

impl Order {
    /// The same for the same request sent again.
    pub(super) fn arrival_id(&self) -> ArrivalId {
        ArrivalId::from_cause(&["moderation", self.message.as_str(), self.verb.as_str(), &self.request_id])
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    id: String,
}

/// The answer to an order that was carried out.
#[derive(Serialize)]
pub(super) struct Done<'a> {
    pub(super) message_id: &'a MessageId,
    /// The room's number of the change, where something is shown or taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
}

/// Reads `POST /api/messages/{message}/…`.
pub(super) fn read_order(request: &http::Request<Bytes>) -> Result<Order, Failure> {
    let no_path = || Failure::refuse(404, "no such path");
    let rest = request.uri().path().strip_prefix("/api/messages/").ok_or_else(no_path)?;
    let (message, verb) = rest.split_once('/').ok_or_else(no_path)?;
    let verb = match verb {
        "retract" => Verb::Retract,
        "release" => Verb::Release,
        "block" => Verb::Block,
        _ => return Err(no_path()),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if message.is_empty() || message.len() > MAX_ID_BYTES || !message.bytes().all(plain) {
        return Err(Failure::refuse(404, "no such message"));
    }
    let body: Body = serde_json::from_slice(request.body()).map_err(|error| {
        Failure::refuse(400, format!("the body is not {{id}}: {}", unreadable::fault(&error)))
    })?;
    if body.id.is_empty() || body.id.len() > MAX_ID_BYTES {
        return Err(Failure::refuse(400, format!("id has 1 to {MAX_ID_BYTES} bytes")));
    }
    Ok(Order { message: MessageId::from_text(message), verb, request_id: body.id })
}
