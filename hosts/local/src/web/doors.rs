//! The bridges' doors as HTTP: method, type, size and time are checked here, the signature in the bridge; then
//! the request waits until what follows from it is on disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use switchboard_core::{Admission, Bridge, Door, DoorAccess, Failure, Reply};
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::access::Peer;
use super::{Hub, refusal};
use crate::bus::inbox::DoorJob;

/// Most bytes of a body: no webhook comes near it.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A route for each door.
pub(super) fn routes(hub: &Arc<Hub>) -> Router {
    let mut router = Router::new();
    for bridge in &hub.bridges {
        for door in bridge.declaration().doors {
            let (hub, bridge) = (Arc::clone(hub), Arc::clone(bridge));
            let handler = move |request: Request| {
                let (hub, bridge) = (Arc::clone(&hub), Arc::clone(&bridge));
                async move { answer(&hub, &*bridge, door, request).await }
            };
            router = router.route(door.path, any(handler));
        }
    }
    router
}

async fn answer(hub: &Hub, bridge: &dyn Bridge, door: &'static Door, request: Request) -> Response {
    let began = Instant::now();
    let response = match knock(hub, bridge, door, request).await {
        Ok(reply) => to_response(reply),
        Err(refused) => refused,
    };
    let status = response.status();
    hub.metrics.request_seconds.observe(began.elapsed().as_secs_f64());
    hub.metrics.requests.with_label_values(&[door.name, status.as_str()]).inc();
    response
}

async fn knock(
    hub: &Hub,
    bridge: &dyn Bridge,
    door: &'static Door,
    request: Request,
) -> Result<Reply, Response> {
    let refuse = |status: StatusCode, reason: &str| {
        warn!(door = door.name, status = status.as_u16(), reason, "a request was refused");
        hub.metrics.refused.with_label_values(&[door.name, status.as_str()]).inc();
        refusal(status, reason)
    };
    if door.access == DoorAccess::Private {
        let peer = request.extensions().get::<Peer>().copied();
        hub.access.check(peer, request.headers()).map_err(|(status, reason)| refuse(status, reason))?;
    }
    if !door.methods.contains(&request.method().as_str()) {
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "not a method of this door");
        if let Ok(methods) = HeaderValue::from_str(&door.methods.join(", ")) {
            response.headers_mut().insert(header::ALLOW, methods);
        }
        return Err(response);
    }
    if request.method() != http::Method::GET && !type_fits(door, &request) {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not a content type of this door"));
    }
    let request = read(request).await.map_err(|(status, reason)| refuse(status, reason))?;

    let admitted = bridge.admit(door.name, &request, (hub.clock)());
    let arrival = match admitted {
        Ok(Admission::Answer(reply)) => return Ok(reply),
        Ok(Admission::Arrival(arrival)) => arrival,
        Err(failure) => return Err(failed(door, failure, refuse)),
    };
    let (answer, answered) = oneshot::channel();
    if !hub.inbox.knock(DoorJob { door: door.name, arrival, request, answer }) {
        return Err(busy(refuse(StatusCode::SERVICE_UNAVAILABLE, "too much is waiting; try again")));
    }
    match answered.await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(failure)) => Err(failed(door, failure, refuse)),
        Err(_) => Err(busy(refuse(StatusCode::SERVICE_UNAVAILABLE, "it could not be stored; try again"))),
    }
}

fn type_fits(door: &Door, request: &Request) -> bool {
    if door.content_types.is_empty() {
        return true;
    }
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let plain = given.split(';').next().unwrap_or_default().trim();
    door.content_types.iter().any(|known| known.eq_ignore_ascii_case(plain))
}

/// The request with its body, within size and time.
async fn read(request: Request) -> Result<http::Request<Bytes>, (StatusCode, &'static str)> {
    let (parts, body) = request.into_parts();
    const TOO_LARGE: (StatusCode, &str) = (StatusCode::PAYLOAD_TOO_LARGE, "the body has more than 1 MiB");
    let declared =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > MAX_BODY_BYTES as u64) {
        return Err(TOO_LARGE);
    }
    let collected = tokio::time::timeout(BODY_WITHIN, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    match collected {
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body broke off")),
        Ok(Ok(body)) => Ok(http::Request::from_parts(parts, body.to_bytes())),
    }
}

fn failed(door: &Door, failure: Failure, refuse: impl Fn(StatusCode, &str) -> Response) -> Response {
    match failure {
        Failure::Refuse { status, reason } => {
            refuse(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &reason)
        }
        Failure::Retry { reason, .. } | Failure::Unsure { reason } => {
            busy(refuse(StatusCode::SERVICE_UNAVAILABLE, &reason))
        }
        Failure::Bug { reason } => {
            error!(door = door.name, reason, "a request could not be decided");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "the hub is at fault")
        }
    }
}

/// Tells the sender when to come back. Slack retries a 503 by itself; Twilio goes to its fallback URL.
fn busy(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn to_response(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let content_type = HeaderValue::from_str(&reply.content_type)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    (status, [(header::CONTENT_TYPE, content_type)], Body::from(reply.body)).into_response()
}
