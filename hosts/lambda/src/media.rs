//! Public media links: `GET|HEAD /media/{id}?until=…&signature=…` is answered with a fresh link to the storage.

use std::collections::HashMap;

use http::Method;
use serde_json::{Value, json};
use switchboard_core::{BlobId, Failure, Links};
use tracing::warn;
use url::form_urlencoded;

use crate::blobs::Bucket;
use crate::doors::{Event, response};

/// Answers a request for a file.
pub(crate) async fn answer(links: &Links, bucket: &Bucket, event: Event) -> Value {
    let refuse = |status: u16, reason: &str| {
        warn!(door = "media", status, reason, "a request was refused");
        response(status, "application/json", &json!({ "error": reason }).to_string())
    };
    let Ok(request) = event.into_request() else { return refuse(400, "not a request") };
    let Some(id) = request.uri().path().strip_prefix("/media/") else { return refuse(404, "no such door") };
    let blob = BlobId::from_text(id);
    let query: HashMap<String, String> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    let part = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if !links.media_allowed(&blob, part("until"), part("signature"), crate::now()) {
        return refuse(403, "not a link of this hub, or too old");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return refuse(405, "a file is only to be read");
    }
    match bucket.link(request.method().clone(), &blob).await {
        Ok(Some(link)) => {
            let mut answer = response(307, "text/plain; charset=utf-8", "");
            answer["headers"]["location"] = json!(link);
            answer["headers"]["cache-control"] = json!("no-store");
            answer
        }
        Ok(None) => refuse(404, "no such file"),
        Err(Failure::Retry { reason, .. }) => refuse(503, &reason),
        Err(other) => refuse(500, &other.to_string()),
    }
}
