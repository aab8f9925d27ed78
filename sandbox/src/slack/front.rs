//! Receives every call of the Web API: the ordered fault, the token, the limit, then the method.
//!
//! The answer is HTTP 200 whatever happens, but for limits (429) and faults. Bodies may be JSON, a form or
//! multipart; the token a header or a field.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::{chat, commands, conversations, directory, files, reactions, uploads};
use crate::answer;
use crate::body::{LARGEST_BODY, Params, content_type};
use crate::calls::Call;
use crate::faults::{Fault, Instead};
use crate::house::House;
use crate::ids::now_ms;

/// What a method answers: an error's name, or this.
pub(crate) struct Done {
    body: Vec<u8>,
    /// The ts or id of what came to be.
    pub(crate) id: Option<String>,
}

/// The result of a method.
pub(crate) type Answer = Result<Done, &'static str>;

/// An answer with `ok: true`.
pub(crate) fn ok(fields: &impl Serialize) -> Done {
    #[derive(Serialize)]
    struct Ok<'a, F> {
        ok: bool,
        #[serde(flatten)]
        fields: &'a F,
    }
    Done { body: serde_json::to_vec(&Ok { ok: true, fields }).unwrap_or_default(), id: None }
}

impl Done {
    pub(crate) fn with_id(mut self, id: impl ToString) -> Done {
        self.id = Some(id.to_string());
        self
    }

    /// Adds a warning as the real one does.
    pub(crate) fn with_warning(mut self, warning: &str) -> Done {
        if self.body.pop() == Some(b'}') {
            let text =
                format!(r#","warning":"{warning}","response_metadata":{{"warnings":["{warning}"]}}}}"#);
            self.body.extend_from_slice(text.as_bytes());
        }
        self
    }
}

/// The Web API, uploads, downloads and response URLs.
pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/slack/api/{method}", any(receive))
        .route("/slack/upload/{token}", post(uploads::receive).put(uploads::receive))
        .route("/slack/files/{*path}", get(files::download))
        .route("/slack/response/{token}", post(commands::receive_response))
}

async fn receive(State(house): State<Arc<House>>, Path(method): Path<String>, request: Request) -> Response {
    let (started, at_ms) = (Instant::now(), now_ms());
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off");
    };
    let read = Params::read(&head.headers, head.uri.query(), &body);
    let (mut params, unreadable) = match read {
        Ok(params) => (params, None),
        Err(name) => (Params::default(), Some(name)),
    };
    let key = params.text("channel").or_else(|| params.text("channel_id")).unwrap_or_default().into_owned();
    let fault = house.faults.pick("slack", &method, &key);

    let outcome = match fault.as_ref().and_then(Fault::instead) {
        Some(instead) => Outcome::Instead(instead),
        None if unreadable.is_some() => Outcome::Answered(Err(unreadable.unwrap_or_default())),
        None => carry_out(&house, &method, &key, &params, &head.headers),
    };
    let lost = fault.as_ref().is_some_and(Fault::loses_answer);
    let told = outcome.tell();
    params.0.remove("token");
    house.calls.record(Call {
        at_ms,
        provider: "slack",
        method,
        parameters: params.0,
        status: if lost { None } else { told.status },
        error: told.error,
        id: told.id,
        took_effect: told.took_effect,
        fault: fault.as_ref().and_then(Fault::name),
        took_us: started.elapsed().as_micros() as u64,
    });
    match fault {
        Some(fault) => fault.after(&house.tasks, told.response).await,
        None => told.response,
    }
}

enum Outcome {
    Answered(Answer),
    TooFast { retry_after_s: u64 },
    Instead(Instead),
}

/// An outcome, and what is noted of it.
struct Told {
    response: Response,
    status: Option<u16>,
    error: Option<String>,
    id: Option<String>,
    took_effect: bool,
}

impl Outcome {
    fn tell(self) -> Told {
        let refused = |error: &str, status: u16, retry_after_s: Option<u64>| {
            let body = json!({ "ok": false, "error": error });
            let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = answer::json(code, &body);
            if let Some(seconds) = retry_after_s {
                response = answer::retry_after(response, seconds);
            }
            Told {
                response,
                status: Some(status),
                error: Some(error.to_owned()),
                id: None,
                took_effect: false,
            }
        };
        match self {
            Outcome::Answered(Ok(Done { body, id })) => {
                let body = Bytes::from(body);
                let response = answer::with_type(StatusCode::OK, "application/json; charset=utf-8", body);
                Told { response, status: Some(200), error: None, id, took_effect: true }
            }
            Outcome::Answered(Err(error)) => refused(error, 200, None),
            Outcome::TooFast { retry_after_s } => refused("ratelimited", 429, Some(retry_after_s)),
            Outcome::Instead(Instead::Error { error, status }) => {
                refused(&error, status.unwrap_or(200), None)
            }
            Outcome::Instead(Instead::Status { status: 429, retry_after_s }) => {
                refused("ratelimited", 429, retry_after_s)
            }
            Outcome::Instead(Instead::Status { status, retry_after_s }) => {
                refused("internal_error", status, retry_after_s)
            }
            Outcome::Instead(Instead::Nothing) => {
                let response = answer::broken_off();
                Told { response, status: None, error: None, id: None, took_effect: false }
            }
        }
    }
}

fn carry_out(house: &Arc<House>, method: &str, key: &str, params: &Params, headers: &HeaderMap) -> Outcome {
    if let Err(error) = check_token(house, params, headers) {
        return Outcome::Answered(Err(error));
    }
    if let Some(retry_after_s) = too_fast(house, method, key) {
        return Outcome::TooFast { retry_after_s };
    }
    let answered = match method {
        "chat.postMessage" => chat::post(house, params),
        "chat.update" => chat::update(house, params),
        "chat.delete" => chat::delete(house, params),
        "chat.postEphemeral" => chat::post_ephemeral(house, params),
        "conversations.info" => conversations::info(house, params),
        "conversations.list" => conversations::list(house, params),
        "conversations.history" => conversations::history(house, params),
        "conversations.replies" => conversations::replies(house, params),
        "conversations.open" => conversations::open(house, params),
        "conversations.join" => conversations::join(house, params),
        "reactions.add" => reactions::add(house, params),
        "reactions.remove" => reactions::remove(house, params),
        "files.getUploadURLExternal" => uploads::get_url(house, params),
        "files.completeUploadExternal" => uploads::complete(house, params),
        "files.info" => uploads::info(house, params),
        "files.delete" => uploads::delete(house, params),
        "users.info" => directory::user(house, params),
        "users.list" => directory::users(house),
        "auth.test" => Ok(directory::whoami(house)),
        "bots.info" => directory::bot(house, params),
        "api.test" => Ok(ok(&json!({}))),
        _ => Err("unknown_method"),
    };
    let charset_missing = method.starts_with("chat.") && content_type(headers) == "application/json";
    Outcome::Answered(if charset_missing {
        answered.map(|done| done.with_warning("missing_charset"))
    } else {
        answered
    })
}

fn check_token(house: &House, params: &Params, headers: &HeaderMap) -> Result<(), &'static str> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let field = params.text("token");
    match header.and_then(|value| value.strip_prefix("Bearer ")).or(field.as_deref()) {
        None | Some("") => Err("not_authed"),
        Some(token) if token == house.slack_secrets().bot_token => Ok(()),
        Some(_) => Err("invalid_auth"),
    }
}

/// When to come back, if a call is over its limit.
fn too_fast(house: &House, method: &str, key: &str) -> Option<u64> {
    let all = house.limits();
    let limits = all.slack.as_ref()?;
    let taken = if method == "chat.postMessage" {
        house.buckets.take(&format!("post {key}"), limits.per_channel_per_s, limits.burst)
    } else {
        let per_minute = tier(method).filter(|_| limits.tiers)?;
        house.buckets.take(method, per_minute / 60.0, per_minute)
    };
    taken.err().map(|wait| wait.as_secs_f64().ceil().max(1.0) as u64)
}

/// Calls a minute: <https://docs.slack.dev/apis/web-api/rate-limits>
fn tier(method: &str) -> Option<f64> {
    match method {
        "conversations.list" | "users.list" | "reactions.remove" => Some(20.0),
        "chat.update"
        | "chat.delete"
        | "conversations.info"
        | "conversations.history"
        | "conversations.replies"
        | "conversations.open"
        | "conversations.join"
        | "reactions.add"
        | "bots.info"
        | "files.delete" => Some(50.0),
        "users.info"
        | "files.info"
        | "files.getUploadURLExternal"
        | "files.completeUploadExternal"
        | "chat.postEphemeral" => Some(100.0),
        _ => None,
    }
}
