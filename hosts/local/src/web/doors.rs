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
use serde_json::json;
use switchboard_core::{Admission, Bridge, Door, DoorAccess, Failure, Nonce, Reading, Reply};
use switchboard_hosts::sign_in::bearer;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::Hub;
use super::access::{Peer, address_of};
use crate::bus::inbox::{Answering, Asked, DoorJob};
use crate::sockets::open::handshake;

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
                async move { answer(&hub, &bridge, door, request).await }
            };
            router = router.route(door.path, any(handler));
        }
    }
    router
}

async fn answer(hub: &Hub, bridge: &Arc<dyn Bridge>, door: &'static Door, mut request: Request) -> Response {
    let began = Instant::now();
    let response = match door.access {
        DoorAccess::Socket => socket(hub, bridge, door, &mut request).await,
        _ => knock(hub, bridge, door, request).await.map(to_response),
    };
    let response = response.unwrap_or_else(|refused| refused);
    let status = response.status();
    hub.metrics.request_seconds.observe(began.elapsed().as_secs_f64());
    hub.metrics.requests.with_label_values(&[door.name, status.as_str()]).inc();
    response
}

/// A socket is opened as any request is answered; the reply is what it is granted.
async fn socket(
    hub: &Hub,
    bridge: &Arc<dyn Bridge>,
    door: &'static Door,
    request: &mut Request,
) -> Result<Response, Response> {
    let accept =
        handshake(request.headers()).map_err(|(status, reason)| refuse(hub, door, status, "", reason))?;
    let upgrade = hyper::upgrade::on(&mut *request);
    let (mut asking, _) = Request::new(Body::empty()).into_parts();
    asking.method.clone_from(request.method());
    asking.uri.clone_from(request.uri());
    asking.headers.clone_from(request.headers());
    let address = address_of(request.extensions().get::<Peer>().copied(), request.headers());
    let named = request.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let reply = knock(hub, bridge, door, Request::from_parts(asking, Body::empty())).await?;
    let Ok(grant) = serde_json::from_str(&reply.body) else {
        return Err(refuse(hub, door, StatusCode::INTERNAL_SERVER_ERROR, "", "the hub is at fault"));
    };
    hub.exchange.open(grant, address, &accept, named, upgrade).map_err(|failure| failed(hub, door, failure))
}

fn refuse(hub: &Hub, door: &Door, status: StatusCode, code: &str, reason: &str) -> Response {
    warn!(door = door.name, status = status.as_u16(), reason, "a request was refused");
    hub.metrics.refused.with_label_values(&[door.name, status.as_str()]).inc();
    let mut body = json!({ "error": reason });
    if let (false, Some(body)) = (code.is_empty(), body.as_object_mut()) {
        body.insert("code".to_owned(), code.into());
    }
    (status, axum::Json(body)).into_response()
}

async fn knock(
    hub: &Hub,
    bridge: &Arc<dyn Bridge>,
    door: &'static Door,
    mut request: Request,
) -> Result<Reply, Response> {
    let refuse = |status: StatusCode, reason: &str| refuse(hub, door, status, "", reason);
    match door.access {
        DoorAccess::Private => {
            let peer = request.extensions().get::<Peer>().copied();
            hub.access.check(peer, request.headers()).map_err(|(status, reason)| refuse(status, reason))?;
        }
        DoorAccess::Page | DoorAccess::Socket => {
            hub.page_hosts.check(request.headers()).map_err(|(status, reason)| refuse(status, reason))?;
            request.extensions_mut().insert(Nonce(rand::random()));
            if let Some(token) = bearer(request.headers()) {
                let Some(issuer) = &hub.sign_in else {
                    return Err(refuse(StatusCode::UNAUTHORIZED, "no issuer of accounts is configured"));
                };
                let verified = issuer.bearer(token, (hub.clock)()).await;
                let verified = verified.map_err(|failure| failed(hub, door, failure))?;
                request.extensions_mut().insert(verified);
            }
        }
        DoorAccess::Signed => {}
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
    let request = read(request, door.max_bytes).await.map_err(|(status, reason)| refuse(status, reason))?;

    let admitted = bridge.admit(door.name, &request, (hub.clock)());
    let (arrival, once) = match admitted {
        Ok(Admission::Answer(reply)) => return Ok(reply),
        Ok(Admission::Arrival(arrival)) => (arrival, false),
        Ok(Admission::Once(arrival)) => (arrival, true),
        Ok(Admission::Read) => {
            return look(hub, bridge, request).await.map_err(|failure| failed(hub, door, failure));
        }
        Err(failure) => return Err(failed(hub, door, failure)),
    };
    let (answer, answered) = oneshot::channel();
    let answer = Answering::Request(answer);
    if !hub.inbox.knock(DoorJob { door: door.name, arrival, once, asked: Asked::Request(request), answer }) {
        return Err(busy(refuse(StatusCode::SERVICE_UNAVAILABLE, "too much is waiting; try again")));
    }
    match answered.await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(failure)) => Err(failed(hub, door, failure)),
        Err(_) => Err(busy(refuse(StatusCode::SERVICE_UNAVAILABLE, "it could not be stored; try again"))),
    }
}

/// Answers a request that only asks, beside the writer.
async fn look(hub: &Hub, bridge: &Arc<dyn Bridge>, request: http::Request<Bytes>) -> Result<Reply, Failure> {
    let (bridge, now) = (Arc::clone(bridge), (hub.clock)());
    let (search, blobs) = (Arc::clone(&hub.search), hub.blobs.clone());
    let handle = tokio::runtime::Handle::current();
    let name = bridge.declaration().name;
    hub.readers
        .read(name, now, move |view| {
            let reading = Reading { view, search: Some(&*search), blobs: &blobs, now };
            handle.block_on(bridge.read(&request, &reading))
        })
        .await
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
async fn read(request: Request, most: usize) -> Result<http::Request<Bytes>, (StatusCode, &'static str)> {
    let (parts, body) = request.into_parts();
    const TOO_LARGE: (StatusCode, &str) =
        (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large for this door");
    let declared =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > most as u64) {
        return Err(TOO_LARGE);
    }
    let collected = tokio::time::timeout(BODY_WITHIN, Limited::new(body, most).collect()).await;
    match collected {
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body broke off")),
        Ok(Ok(body)) => Ok(http::Request::from_parts(parts, body.to_bytes())),
    }
}

fn failed(hub: &Hub, door: &Door, failure: Failure) -> Response {
    match failure {
        Failure::Refuse { status, code, reason } => {
            refuse(hub, door, StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code, &reason)
        }
        Failure::Retry { reason, .. } | Failure::Unsure { reason } => {
            busy(refuse(hub, door, StatusCode::SERVICE_UNAVAILABLE, "", &reason))
        }
        Failure::Bug { reason } => {
            error!(door = door.name, reason, "a request could not be decided");
            refuse(hub, door, StatusCode::INTERNAL_SERVER_ERROR, "", "the hub is at fault")
        }
    }
}

/// Tells the sender when to come back. Slack retries a 503 by itself; Twilio goes to its fallback URL.
fn busy(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

pub(super) fn to_response(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let content_type = HeaderValue::from_str(&reply.content_type)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    let mut response =
        (status, [(header::CONTENT_TYPE, content_type)], Body::from(reply.body)).into_response();
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
