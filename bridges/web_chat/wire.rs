//! The chat's requests, as JSON, paths and cookies. The protocol is in docs/chat.md.

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use switchboard_core::id::MAX_ID_BYTES;
use switchboard_core::message::MAX_TEXT_CHARS;
use switchboard_core::{Admission, ArrivalId, Failure, MessageId, Nonce, RoomName, unreadable};

use super::history::Span;

/// Messages of a page when nobody says how many.
const PAGE: usize = 50;
/// The cookie of who is signed in.
pub(super) const COOKIE: &str = "switchboard_session";

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Session,
    Guest { name: String },
    Issuer,
    SignOut,
    Ticket,
    Socket { ticket: String },
    Rooms,
    Membership { room: RoomName, join: bool },
    History { room: RoomName, span: Span, limit: usize },
    Search { room: RoomName, words: String, before: Option<u64>, limit: usize },
    Deliveries { room: RoomName, message: MessageId },
    File { room: RoomName },
    Post(Post),
}

/// A message to post at the command line's door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) room: RoomName,
    pub(super) client_id: String,
    pub(super) name: String,
    pub(super) text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostBody {
    id: String,
    name: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuestBody {
    name: String,
}

/// The answer to a post.
#[derive(Serialize)]
pub(super) struct Posted {
    pub(super) message_id: MessageId,
}

/// Refuses a request that is not as the protocol says.
pub(super) fn bad(reason: impl Into<String>) -> Failure {
    Failure::refuse_as(400, "bad_field", reason)
}

fn room(text: &str) -> Result<RoomName, Failure> {
    text.parse().map_err(|error| Failure::refuse_as(404, "unknown_room", format!("{error}")))
}

/// Reads a request.
pub(super) fn read(request: &http::Request<Bytes>) -> Result<Ask, Failure> {
    let parts: Vec<&str> = request.uri().path().trim_start_matches("/api/").split('/').collect();
    let get = request.method() == http::Method::GET;
    match parts.as_slice() {
        ["session"] if get => Ok(Ask::Session),
        ["session"] => Ok(Ask::SignOut),
        ["session", "guest"] => {
            let body: GuestBody = serde_json::from_slice(request.body()).map_err(|error| {
                Failure::refuse_as(
                    400,
                    "bad_json",
                    format!("the body is not {{name}}: {}", unreadable::fault(&error)),
                )
            })?;
            Ok(Ask::Guest { name: body.name })
        }
        ["session", "oidc", "callback"] => Ok(Ask::Issuer),
        ["tickets"] => Ok(Ask::Ticket),
        ["socket"] => {
            let ticket = query(request, "ticket").filter(|ticket| !ticket.is_empty());
            let ticket =
                ticket.ok_or_else(|| Failure::refuse_as(401, "bad_ticket", "a socket needs ?ticket="))?;
            Ok(Ask::Socket { ticket })
        }
        ["rooms"] => Ok(Ask::Rooms),
        ["rooms", name, "membership"] => {
            Ok(Ask::Membership { room: room(name)?, join: request.method() == http::Method::PUT })
        }
        ["rooms", name, "history"] => {
            let span = span(query(request, "before"), query(request, "after"), query(request, "message"))?;
            Ok(Ask::History { room: room(name)?, span, limit: limit(request)? })
        }
        ["rooms", name, "search"] => {
            let words = query(request, "q").unwrap_or_default();
            let before = query(request, "before").map(|text| number("before", &text)).transpose()?;
            Ok(Ask::Search { room: room(name)?, words, before, limit: limit(request)? })
        }
        ["rooms", name, "messages", message, "deliveries"] => {
            Ok(Ask::Deliveries { room: room(name)?, message: MessageId::from_text(*message) })
        }
        ["rooms", name, "files"] => Ok(Ask::File { room: room(name)? }),
        ["rooms", name, "messages"] => read_post(room(name)?, request.body()).map(Ask::Post),
        _ => Err(Failure::refuse(404, "no such path")),
    }
}

/// Which part of a room is asked for.
pub(super) fn span(
    before: Option<String>,
    after: Option<String>,
    message: Option<String>,
) -> Result<Span, Failure> {
    match (before, after, message) {
        (None, None, Some(message)) => Ok(Span::Around(MessageId::from_text(message))),
        (None, Some(after), None) => Ok(Span::After(number("after", &after)?)),
        (before, None, None) => Ok(Span::Before(before.map(|text| number("before", &text)).transpose()?)),
        _ => Err(bad("before, after and message exclude each other")),
    }
}

fn number(name: &str, text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| bad(format!("{name} is a number of the room")))
}

fn limit(request: &http::Request<Bytes>) -> Result<usize, Failure> {
    match query(request, "limit") {
        None => Ok(PAGE),
        Some(text) => text.parse().map_err(|_| bad("limit is a number")),
    }
}

fn query(request: &http::Request<Bytes>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn read_post(room: RoomName, body: &[u8]) -> Result<Post, Failure> {
    let body: PostBody = serde_json::from_slice(body).map_err(|error| {
        let fault = unreadable::fault(&error);
        Failure::refuse_as(400, "bad_json", format!("the body is not {{id, name, text}}: {fault}"))
    })?;
    if body.id.is_empty() || body.id.len() > MAX_ID_BYTES {
        return Err(bad(format!("id has 1 to {MAX_ID_BYTES} bytes")));
    }
    if body.text.trim().is_empty() {
        return Err(Failure::refuse_as(400, "empty", "text is empty"));
    }
    if body.text.chars().count() > MAX_TEXT_CHARS {
        let reason = format!("text has more than {MAX_TEXT_CHARS} characters");
        return Err(Failure::refuse_as(413, "too_long", reason));
    }
    if body.name.trim().is_empty() {
        return Err(Failure::refuse_as(400, "bad_name", "name is empty"));
    }
    Ok(Post { room, client_id: body.id, name: body.name, text: body.text })
}

/// Which arrival a request is.
pub(super) fn admission(ask: &Ask, request: &http::Request<Bytes>) -> Result<Admission, Failure> {
    match ask {
        Ask::Post(post) => {
            let cause = ["web_chat", post.room.as_str(), &post.client_id];
            Ok(Admission::Arrival(ArrivalId::from_cause(&cause)))
        }
        Ask::Session
        | Ask::Rooms
        | Ask::History { .. }
        | Ask::Search { .. }
        | Ask::Deliveries { .. }
        | Ask::File { .. } => Ok(Admission::Read),
        Ask::Guest { .. }
        | Ask::Issuer
        | Ask::SignOut
        | Ask::Ticket
        | Ask::Socket { .. }
        | Ask::Membership { .. } => {
            let nonce = nonce(request)?;
            Ok(Admission::Once(ArrivalId::from_cause(&["web_chat", "once", &hex::encode(nonce)])))
        }
    }
}

/// The randomness that the host gave the request.
pub(super) fn nonce(request: &http::Request<Bytes>) -> Result<[u8; 32], Failure> {
    let nonce = request.extensions().get::<Nonce>();
    nonce.map(|nonce| nonce.0).ok_or_else(|| Failure::bug("the host gave a request no nonce"))
}

/// The secret of who is signed in.
pub(super) fn session_secret(request: &http::Request<Bytes>) -> Option<&str> {
    request.headers().get_all(http::header::COOKIE).iter().find_map(|header| {
        header.to_str().ok()?.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE && !value.is_empty()).then_some(value)
        })
    })
}

/// Whether the page was loaded over TLS: then its cookie is for TLS only.
pub(super) fn over_tls(request: &http::Request<Bytes>) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    header("origin").is_some_and(|origin| origin.starts_with("https://"))
        || header("x-forwarded-proto") == Some("https")
}

/// The name of an uploaded file: percent-encoded, since headers hold no more than ASCII.
pub(super) fn file_name(request: &http::Request<Bytes>) -> String {
    let given =
        request.headers().get("x-file-name").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = percent_decode_str(given).decode_utf8_lossy();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    switchboard_core::message::display_name(name, "file")
}
