//! Receives every call of the Messages API: the ordered fault, the limits, the credentials, then the
//! operation. What an operation does is in its own file.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::wire::ApiError;
use super::{create, list, media, resource};
use crate::answer;
use crate::body::{LARGEST_BODY, Params};
use crate::calls::Call;
use crate::faults::{Fault, Instead};
use crate::house::{House, locked};
use crate::ids::now_ms;

/// What an operation answers.
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// The sid of what came to be.
    pub(crate) id: Option<String>,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: &Value) -> Answer {
        Answer { response: answer::json(status, body), id: None }
    }
}

/// One call, taken apart.
pub(crate) struct ApiCall<'a> {
    /// What follows `/2010-04-01/`.
    pub(crate) path: &'a str,
    pub(crate) params: &'a Params,
}

/// Twilio's API, and where its media links lead.
pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/twilio/2010-04-01/{*path}", any(receive))
        .route("/twilio/media/{sid}", any(media::download))
}

async fn receive(State(house): State<Arc<House>>, Path(path): Path<String>, request: Request) -> Response {
    let (started, at_ms) = (Instant::now(), now_ms());
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off");
    };
    let params = Params::read(&head.headers, head.uri.query(), &body).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    let operation = operation(&head.method, &segments);
    let to = params.text("To").unwrap_or_default().into_owned();
    let fault = house.faults.pick("twilio", operation, &to);
    let call = ApiCall { path: &path, params: &params };

    let _place = UnderWay::enter(&house);
    let outcome = match before(&house, fault.as_ref()) {
        Some(outcome) => outcome,
        None => perform(&house, &call, operation, &segments, &head.headers),
    };
    let lost = fault.as_ref().is_some_and(Fault::loses_answer);
    let (response, status, error, id, took_effect) = match outcome {
        Outcome::Done(Answer { response, id }) => {
            let status = response.status().as_u16();
            (response, Some(status), None, id, true)
        }
        Outcome::Refused(error) => {
            (error.response(), Some(error.status), Some(error.code.to_string()), None, false)
        }
        Outcome::Other(response) => {
            let status = response.status().as_u16();
            (response, Some(status), None, None, false)
        }
        Outcome::Nothing => (answer::broken_off(), None, None, None, false),
    };
    house.calls.record(Call {
        at_ms,
        provider: "twilio",
        method: operation.to_owned(),
        parameters: params.0,
        status: if lost { None } else { status },
        error,
        id,
        took_effect,
        fault: fault.as_ref().and_then(Fault::name),
        took_us: started.elapsed().as_micros() as u64,
    });
    match fault {
        Some(fault) => fault.after(&house.tasks, response).await,
        None => response,
    }
}

enum Outcome {
    Done(Answer),
    Refused(ApiError),
    Other(Response),
    Nothing,
}

/// What comes before the operation: a fault that replaces it, or too many calls at once.
fn before(house: &House, fault: Option<&Fault>) -> Option<Outcome> {
    if let Some(limits) = &house.limits().twilio
        && locked(&house.texts).under_way > limits.concurrency
    {
        return Some(Outcome::Refused(ApiError::too_many()));
    }
    match fault?.instead()? {
        Instead::Nothing => Some(Outcome::Nothing),
        Instead::Error { error, status } => {
            let code = error.parse().unwrap_or(20500);
            let message = "The sandbox was told to fail.".into();
            Some(Outcome::Refused(ApiError { code, status: status.unwrap_or(400), message }))
        }
        Instead::Status { status, retry_after_s } => {
            let error = match status {
                429 => ApiError::too_many(),
                _ => ApiError { code: 20500, status, message: "Internal Server Error".into() },
            };
            let response = error.response();
            Some(Outcome::Other(match retry_after_s {
                Some(seconds) => answer::retry_after(response, seconds),
                None => response,
            }))
        }
    }
}

fn operation(method: &Method, segments: &[&str]) -> &'static str {
    match (method.as_str(), segments) {
        ("POST", ["Accounts", _, "Messages.json"]) => "messages.create",
        ("GET", ["Accounts", _, "Messages.json"]) => "messages.list",
        ("GET", ["Accounts", _, "Messages", _]) => "messages.fetch",
        ("POST", ["Accounts", _, "Messages", _]) => "messages.update",
        ("DELETE", ["Accounts", _, "Messages", _]) => "messages.delete",
        ("GET", ["Accounts", _, "Messages", _, "Media.json"]) => "media.list",
        ("GET" | "HEAD", ["Accounts", _, "Messages", _, "Media", _]) => "media.fetch",
        ("DELETE", ["Accounts", _, "Messages", _, "Media", _]) => "media.delete",
        ("GET", ["Accounts", _, "IncomingPhoneNumbers.json"]) => "numbers.list",
        ("GET", ["Accounts", _]) => "accounts.fetch",
        _ => "unknown",
    }
}

fn perform(
    house: &Arc<House>,
    call: &ApiCall<'_>,
    operation: &str,
    segments: &[&str],
    headers: &HeaderMap,
) -> Outcome {
    let account = segments.get(1).map(|name| name.trim_end_matches(".json"));
    let done = match () {
        () if !may_call(house, headers) => Err(ApiError::authenticate()),
        () if account != Some(house.settings.twilio.account_sid.as_str()) => {
            Err(ApiError::not_found(call.path))
        }
        () => match (operation, segments) {
            ("messages.create", _) => create::create(house, call.params),
            ("messages.list", _) => list::list(house, call.params),
            ("messages.fetch", [.., sid]) => resource::fetch(house, call, sid),
            ("messages.update", [.., sid]) => resource::update(house, call, sid),
            ("messages.delete", [.., sid]) => resource::delete(house, call, sid),
            ("media.list", [.., message, _]) => media::list(house, call, message),
            ("media.fetch", [.., message, _, sid]) => media::fetch(house, call, message, sid),
            ("media.delete", [.., message, _, sid]) => media::delete(house, call, message, sid),
            ("numbers.list", _) => Ok(resource::numbers(house)),
            ("accounts.fetch", _) => Ok(resource::account(house)),
            _ => Err(ApiError::not_found(call.path)),
        },
    };
    done.map_or_else(Outcome::Refused, Outcome::Done)
}

/// Whether the Basic credentials are the account's.
fn may_call(house: &House, headers: &HeaderMap) -> bool {
    let account = &house.settings.twilio;
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded.trim()).ok());
    given.is_some_and(|given| given == format!("{}:{}", account.account_sid, account.auth_token).into_bytes())
}

/// Counts a call as under way while it lives.
struct UnderWay(Arc<House>);

impl UnderWay {
    fn enter(house: &Arc<House>) -> UnderWay {
        locked(&house.texts).under_way += 1;
        UnderWay(Arc::clone(house))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        locked(&self.0.texts).under_way -= 1;
    }
}
