//! `/api/session/oidc/…`: the browser's way to the issuer and back.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use switchboard_core::{Admission, Bridge, Failure, Nonce, Reply};
use tokio::sync::oneshot;

use super::{Hub, refusal};
use crate::bus::inbox::{Answering, Asked, DoorJob};
use crate::sign_in::{COOKIE, SignIn};

pub(super) fn routes(hub: &Arc<Hub>) -> Router {
    Router::new()
        .route("/api/session/oidc/start", get(start))
        .route("/api/session/oidc/callback", get(callback))
        .with_state(Arc::clone(hub))
}

fn failed(failure: &Failure) -> Response {
    match failure {
        Failure::Refuse { status, reason, .. } => {
            refusal(StatusCode::from_u16(*status).unwrap_or(StatusCode::UNAUTHORIZED), reason)
        }
        failure => {
            tracing::warn!(reason = %failure, "somebody could not sign in");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "the issuer of accounts does not answer as it should")
        }
    }
}

/// The issuer, on a request under a name of ours: both are top-level navigations and have no `Origin`.
fn issuer<'a>(hub: &'a Hub, headers: &HeaderMap) -> Result<&'a SignIn, Box<Response>> {
    hub.page_hosts.check_host(headers).map_err(|(status, reason)| Box::new(refusal(status, reason)))?;
    let none = || Box::new(refusal(StatusCode::NOT_FOUND, "no issuer of accounts is configured"));
    hub.sign_in.as_deref().ok_or_else(none)
}

/// The hub's address as the browser sees it.
fn base(hub: &Hub, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let public = hub.links.base();
    let same = public.split("://").nth(1).is_some_and(|rest| rest.split('/').next() == Some(host));
    if same { public.to_owned() } else { format!("http://{host}") }
}

fn cookie(state: &str, seconds: u32, base: &str) -> String {
    let secure = if base.starts_with("https://") { "; Secure" } else { "" };
    format!("{COOKIE}={state}; Path=/api/session/oidc; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

async fn start(
    State(hub): State<Arc<Hub>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let base = base(&hub, &headers);
    let sent = match issuer(&hub, &headers) {
        Ok(issuer) => issuer.start(&base, query.get("next").map(String::as_str)).await,
        Err(refused) => return *refused,
    };
    match sent {
        Ok(sent) => {
            let headers =
                [(header::LOCATION, sent.to), (header::SET_COOKIE, cookie(&sent.state, 600, &base))];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Err(failure) => failed(&failure),
    }
}

async fn callback(
    State(hub): State<Arc<Hub>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let headers = &headers;
    let given = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let given = given
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let base = base(&hub, headers);
    let verified = match issuer(&hub, headers) {
        Ok(issuer) => issuer.finish(&query, given, (hub.clock)()).await,
        Err(refused) => return *refused,
    };
    let (verified, next) = match verified {
        Ok(verified) => verified,
        Err(failure) => return failed(&failure),
    };
    let mut asking = http::Request::new(Bytes::new());
    *asking.uri_mut() = http::Uri::from_static("/api/session/oidc/callback");
    asking.headers_mut().clone_from(headers);
    asking.extensions_mut().insert(Nonce(rand::random()));
    asking.extensions_mut().insert(verified);
    match begin_session(&hub, asking).await {
        Ok(reply) => {
            let mut response =
                (StatusCode::SEE_OTHER, [(header::LOCATION, next)], Body::empty()).into_response();
            let cookies = reply.headers.into_iter().map(|(_, value)| value).chain([cookie("", 0, &base)]);
            for value in cookies.filter_map(|value| value.try_into().ok()) {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
            response
        }
        Err(failure) => failed(&failure),
    }
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
