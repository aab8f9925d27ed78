//! Public media links: `GET|HEAD /media/{id}?until=…&signature=…`, for providers that fetch what we send.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use switchboard_core::{BlobId, Blobs};

use super::{Hub, refused};

pub(super) fn routes(hub: &Arc<Hub>) -> Router {
    Router::new().route("/media/{id}", get(media)).with_state(Arc::clone(hub))
}

async fn media(
    State(hub): State<Arc<Hub>>,
    Path(id): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let blob = BlobId::from_text(id);
    let part = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if !hub.links.media_allowed(&blob, part("until"), part("signature"), (hub.clock)()) {
        return refused(&headers, StatusCode::FORBIDDEN, "not a link of this hub, or too old");
    }
    match hub.blobs.get(&blob).await {
        Ok(Some(blob)) => {
            let said = [
                (header::CONTENT_TYPE, blob.content_type),
                // Whatever the file says it is, a browser shows it as a file of nobody's.
                (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
                (header::CACHE_CONTROL, "private, max-age=3600".to_owned()),
            ];
            (said, Body::from(blob.bytes)).into_response()
        }
        Ok(None) => refused(&headers, StatusCode::NOT_FOUND, "this file is not kept here, or no longer"),
        Err(failure) => refused(&headers, StatusCode::SERVICE_UNAVAILABLE, &failure.to_string()),
    }
}
