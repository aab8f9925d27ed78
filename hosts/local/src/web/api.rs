//! The operators' interface: health, metrics, traces, dead letters. Each answer is JSON, described in
//! `/api/openapi.json`; what is said on the chat's socket is in `/api/asyncapi.json`.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::json;
use switchboard_core::Failure;
use tokio::sync::oneshot;

use super::access::Peer;
use super::{Hub, refusal, tail};
use crate::bus::inbox::{Obeyed, Order};

/// Most dead letters of one answer; ask again with `after` for more.
const MAX_PAGE: usize = 200;

pub(super) fn routes(hub: &Arc<Hub>) -> Router {
    let open = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready));
    let private = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/openapi.json", get(|| document(switchboard_hosts::pages::OPENAPI)))
        .route("/api/asyncapi.json", get(|| document(switchboard_bridges::web_chat::ASYNCAPI)))
        .route("/api/tail", get(tail::tail))
        .route("/api/trace/{id}", get(trace))
        .route("/api/dead-letters", get(dead_letters))
        .route("/api/dead-letters/{id}", get(dead_letter).delete(discard))
        .route("/api/dead-letters/{id}/redrive", post(redrive))
        .layer(middleware::from_fn_with_state(Arc::clone(hub), private));
    open.merge(private).with_state(Arc::clone(hub))
}

/// Lets in who may; see [`super::access`].
pub(crate) async fn private(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    match hub.access.check(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, reason)) => refusal(status, reason),
    }
}

/// Reads the database off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(read).await?
}

async fn answer<T: Serialize + Send + 'static>(
    read: impl FnOnce() -> Result<Option<T>> + Send + 'static,
) -> Response {
    match blocking(read).await {
        Ok(Some(found)) => Json(found).into_response(),
        Ok(None) => refusal(StatusCode::NOT_FOUND, "nothing of that name"),
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// Ready when the database answers and the hub is not stopping.
async fn ready(State(hub): State<Arc<Hub>>) -> Response {
    if *hub.stopping.borrow() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    if hub.metrics.writable.get() == 0 {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the database cannot be written to; see the log");
    }
    let archive = hub.archive.clone();
    match blocking(move || archive.last_position()).await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            refusal(StatusCode::SERVICE_UNAVAILABLE, &format!("the database does not answer: {error}"))
        }
    }
}

async fn metrics(State(hub): State<Arc<Hub>>) -> Response {
    let mut text = hub.metrics.text();
    let archive = hub.archive.clone();
    if let Ok(count) = blocking(move || archive.dead_letter_count()).await {
        text.push_str(&format!(
            "# HELP switchboard_dead_letters Dead letters that wait for somebody.\n\
             # TYPE switchboard_dead_letters gauge\nswitchboard_dead_letters {count}\n"
        ));
    }
    text.push_str(&format!(
        "# HELP switchboard_waiting_requests Requests that wait for the writer.\n\
         # TYPE switchboard_waiting_requests gauge\nswitchboard_waiting_requests {}\n",
        hub.inbox.waiting()
    ));
    text.push_str(&format!(
        "# HELP switchboard_sockets Sockets that are open.\n\
         # TYPE switchboard_sockets gauge\nswitchboard_sockets {}\n",
        hub.exchange.count()
    ));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn document(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn trace(State(hub): State<Arc<Hub>>, Path(id): Path<String>) -> Response {
    answer(move || {
        let found = hub.traces.find(&id)?;
        let traced = hub.archive.trace(&found.positions)?;
        Ok((!traced.is_empty()).then(|| json!({ "events": traced, "earlier": found.earlier })))
    })
    .await
}

async fn dead_letters(State(hub): State<Arc<Hub>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let after = match query.get("after").map(|text| text.parse()).transpose() {
        Ok(after) => after.unwrap_or(0),
        Err(_) => return refusal(StatusCode::BAD_REQUEST, "after is a dead letter's id"),
    };
    answer(move || Ok(Some(json!({ "dead_letters": hub.archive.dead_letters(after, MAX_PAGE)? })))).await
}

async fn dead_letter(State(hub): State<Arc<Hub>>, Path(id): Path<i64>) -> Response {
    answer(move || hub.archive.dead_letter(id)).await
}

async fn redrive(State(hub): State<Arc<Hub>>, Path(id): Path<i64>) -> Response {
    order(&hub, |answer| Order::Redrive(id, answer)).await
}

async fn discard(State(hub): State<Arc<Hub>>, Path(id): Path<i64>) -> Response {
    order(&hub, |answer| Order::Discard(id, answer)).await
}

async fn order(hub: &Hub, make: impl FnOnce(oneshot::Sender<Obeyed>) -> Order) -> Response {
    let (answer, answered) = oneshot::channel();
    hub.inbox.order(make(answer));
    match answered.await {
        Ok(Ok(())) => Json(json!({ "done": true })).into_response(),
        Ok(Err(Failure::Refuse { status, reason, .. })) => {
            refusal(StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT), &reason)
        }
        Ok(Err(failure)) => refusal(StatusCode::CONFLICT, &failure.to_string()),
        Err(_) => refusal(StatusCode::SERVICE_UNAVAILABLE, "it could not be stored; try again"),
    }
}
