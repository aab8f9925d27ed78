//! The hub's HTTP side: the bridges' doors, the operators' interface, the pages, and who may use which.

pub(crate) mod access;
mod api;
mod doors;
mod media;
pub(crate) mod pages;
pub(crate) mod server;
mod sign_in;
mod tail;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use switchboard_core::{Bridge, Links, Timestamp};
use switchboard_hosts::sign_in::SignIn;
use tokio::sync::broadcast;

use crate::bus::archive::Archive;
use crate::bus::inbox::Inbox;
use crate::bus::readers::Readers;
use crate::metrics::Metrics;
use crate::outside::FileBlobs;
use crate::sockets::Exchange;
use crate::trace::TraceIndex;

/// What the handlers share.
pub(crate) struct Hub {
    pub(crate) bridges: Vec<Arc<dyn Bridge>>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) archive: Archive,
    pub(crate) traces: TraceIndex,
    pub(crate) shown: broadcast::Sender<(i64, Arc<[u8]>)>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) access: access::Access,
    pub(crate) page_hosts: access::PageHosts,
    pub(crate) readers: Arc<Readers>,
    pub(crate) search: crate::search::Shared,
    pub(crate) exchange: Arc<Exchange>,
    /// Where there is an issuer of accounts.
    pub(crate) sign_in: Option<Arc<SignIn>>,
    pub(crate) links: Links,
    pub(crate) blobs: FileBlobs,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Turned to true when the hub stops: streams end.
    pub(crate) stopping: tokio::sync::watch::Receiver<bool>,
}

/// All routes.
pub(crate) fn router(hub: &Arc<Hub>) -> Router {
    Router::new()
        .merge(doors::routes(hub))
        .merge(api::routes(hub))
        .merge(media::routes(hub))
        .merge(sign_in::routes(hub))
        .merge(pages::routes())
        .fallback(|headers: HeaderMap| async move {
            refused(&headers, StatusCode::NOT_FOUND, "there is nothing at this address")
        })
}

/// A refusal for whoever asks: a page for a browser that wants one.
fn refused(headers: &HeaderMap, status: StatusCode, reason: &str) -> Response {
    match switchboard_hosts::pages::wants_page(headers) {
        true => pages::trouble_page(status, reason),
        false => refusal(status, reason),
    }
}

/// A refusal with its reason.
pub(crate) fn refusal(status: StatusCode, reason: &str) -> Response {
    (status, axum::Json(json!({ "error": reason }))).into_response()
}
