//! `/api/session/oidc/…`: the browser's way to the issuer and back.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use switchboard_core::{Admission, Bridge, Failure, Reply};
use switchboard_hosts::pages::wants_page;
use switchboard_hosts::sign_in::{CALLBACK, START, SignIn, failed};
use tokio::sync::oneshot;

use super::doors::to_response;
use super::{Hub, refused};
use crate::bus::inbox::{Answering, Asked, DoorJob};

pub(super) fn routes(hub: &Arc<Hub>) -> Router {
    Router::new().route(START, get(start)).route(CALLBACK, get(callback)).with_state(Arc::clone(hub))
}

/// Whoever signs in looks at a browser: what went wrong is a page there.
fn answered(headers: &HeaderMap, reply: Result<Reply, Failure>) -> Response {
    match reply {
        Ok(reply) => to_response(reply),
        Err(failure) if wants_page(headers) => to_response(failed(&failure)),
        Err(Failure::Refuse { status, reason, .. }) => {
            refused(headers, StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED), &reason)
        }
        Err(failure) => {
            tracing::warn!(reason = %failure, "somebody could not sign in");
            let words = "the issuer of accounts does not answer as it should";
            refused(headers, StatusCode::SERVICE_UNAVAILABLE, words)
        }
    }
}

/// The answer to a request under a name that is not ours. Both are top-level navigations and have no `Origin`.
fn foreign(hub: &Hub, headers: &HeaderMap) -> Option<Response> {
    let (status, reason) = hub.page_hosts.check_host(headers).err()?;
    Some(refused(headers, status, reason))
}

fn issuer(hub: &Hub) -> Result<&SignIn, Failure> {
    hub.sign_in.as_deref().ok_or_else(|| Failure::refuse(404, "no issuer of accounts is configured"))
}

/// The hub's address as the browser sees it.
fn base(hub: &Hub, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let public = hub.links.base();
    let same = public.split("://").nth(1).is_some_and(|rest| rest.split('/').next() == Some(host));
    if same { public.to_owned() } else { format!("http://{host}") }
}

/// A request without its body, which nobody sends here.
fn bare(request: Request) -> http::Request<Bytes> {
    request.map(|_| Bytes::new())
}

async fn start(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let request = bare(request);
    if let Some(response) = foreign(&hub, request.headers()) {
        return response;
    }
    let base = base(&hub, request.headers());
    let reply = match issuer(&hub) {
        Ok(issuer) => issuer.start(&base, &request, (hub.clock)()).await,
        Err(failure) => Err(failure),
    };
    answered(request.headers(), reply)
}

async fn callback(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let request = bare(request);
    if let Some(response) = foreign(&hub, request.headers()) {
        return response;
    }
    answered(request.headers(), come_back(&hub, &request).await)
}

async fn come_back(hub: &Hub, request: &http::Request<Bytes>) -> Result<Reply, Failure> {
    let issuer = issuer(hub)?;
    let (asking, next) = issuer.finish(request, (hub.clock)()).await?;
    let session = begin_session(hub, asking).await?;
    Ok(SignIn::begun(session, next, &base(hub, request.headers())))
}

/// The chat begins the session of whom the request names.
async fn begin_session(hub: &Hub, request: http::Request<Bytes>) -> Result<Reply, Failure> {
    let bridge: &dyn Bridge = hub.exchange.bridge();
    let door = "web_chat.page";
    let Admission::Once(arrival) = bridge.admit(door, &request, (hub.clock)())? else {
        return Err(Failure::bug("a session begins once"));
    };
    let (answer, answered) = oneshot::channel();
    let answer = Answering::Request(answer);
    let asked = Asked::Request(request);
    if !hub.inbox.knock(DoorJob { door, arrival, once: true, asked, answer }) {
        return Err(Failure::retry("too much is waiting"));
    }
    answered.await.unwrap_or_else(|_| Err(Failure::retry("it could not be stored")))
}
