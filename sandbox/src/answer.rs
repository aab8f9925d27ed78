//! Answers over HTTP, among them the ones that break off.
//!
//! A connection is reset without unsafe code or the socket: the answer's body fails at its first poll.
//! Hyper then closes the connection before it has flushed the head, so the caller sees an end with no
//! answer at all. That is why [`broken_off`] has no status that anyone could see.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// JSON with a status.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    with_type(status, "application/json; charset=utf-8", body.into())
}

/// Bytes of a media type.
pub(crate) fn with_type(status: StatusCode, media_type: &str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_str(media_type)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// A status and a sentence.
pub(crate) fn text(status: StatusCode, sentence: &'static str) -> Response {
    with_type(status, "text/plain; charset=utf-8", Bytes::from_static(sentence.as_bytes()))
}

/// Adds `Retry-After`.
pub(crate) fn retry_after(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// No answer: the connection closes.
pub(crate) fn broken_off() -> Response {
    let fails = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("told to break off")) });
    Response::new(Body::from_stream(fails))
}
