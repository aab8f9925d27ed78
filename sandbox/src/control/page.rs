//! What the sandbox's page needs beside the other paths: to hear that something changed, and to see pictures as the
//! owner of the phone, or a member of the workspace, sees them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use super::refuse;
use crate::answer;
use crate::house::{House, locked};

/// Many changes within this time are told once; and a change that is told has been made by then.
const TOGETHER: Duration = Duration::from_millis(40);
/// A silent feed says that it lives, so that nothing on the way takes it for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/feed", get(feed))
        .route("/phone/{number}/media/{sid}", get(media))
        .route("/slack/shared/{id}", get(shared))
}

/// Server-sent events: `changed`, at the beginning and whenever a phone or a channel has something new.
async fn feed(State(house): State<Arc<House>>) -> Response {
    let (mut changes, stopping) = (house.changes.subscribe(), house.tasks.stopping());
    changes.mark_changed();
    let lines = stream::unfold((changes, stopping), |(mut changes, mut stopping)| async move {
        let stopped = async {
            let _ = stopping.wait_for(|stopped| *stopped).await;
        };
        let line = tokio::select! {
            () = stopped => None,
            () = tokio::time::sleep(SIGN_OF_LIFE) => Some(Bytes::from_static(b": still here\n\n")),
            changed = changes.changed() => {
                changed.ok()?;
                tokio::time::sleep(TOGETHER).await;
                let number = *changes.borrow_and_update();
                Some(Bytes::from(format!("event: changed\ndata: {number}\n\n")))
            }
        }?;
        Some((Ok::<_, Infallible>(line), (changes, stopping)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A picture that a phone sent.
async fn media(State(house): State<Arc<House>>, Path((_, sid)): Path<(String, String)>) -> Response {
    let found = locked(&house.texts).media(&sid);
    match found {
        Some(media) => shown(&media.content_type, media.bytes.clone()),
        None => refuse(StatusCode::NOT_FOUND, "no such media"),
    }
}

/// A file of the workspace.
async fn shared(State(house): State<Arc<House>>, Path(id): Path<String>) -> Response {
    let found = locked(&house.workspace).files.get(&id).cloned();
    match found.filter(|file| file.uploaded) {
        Some(file) => shown(&file.mimetype, file.bytes.clone()),
        None => refuse(StatusCode::NOT_FOUND, "no such file"),
    }
}

/// Whatever the file says it is, a browser runs nothing of it.
fn shown(content_type: &str, bytes: Bytes) -> Response {
    let mut response = answer::with_type(StatusCode::OK, content_type, bytes);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
