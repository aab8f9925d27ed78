//! The control paths: what a test, or the sandbox's page, tells the pretend world to do, and asks of it.
//!
//! JSON in and out; an error is `{"error": "a sentence"}`. Who may use them is the host's business.
//! In the answers `webhook` is the last attempt at the hub's door: `status`, `no_answer`, `ms`.
//!
//! | path | order or answer |
//! |---|---|
//! | `POST /phone/{number}/text` | `body`, `to`?, `media`? `[{content_type, name?, base64? or text?}]`, `copies`?, `extra`? → `sid`, `webhook`, `automatic_reply`, `replies` |
//! | `GET /phone/{number}`, `GET /phone` | `received`, `sent`, `opted_out_of`; all phones |
//! | `POST /twilio/carrier` | `to`?, `statuses`?, `error_code`?, `order`? (`as_it_happens`, `reversed`, `shuffled`), `copies`?, `callbacks`? |
//! | `POST /slack/channels/{id}/say` | `user`, `text`, `thread_ts`?, `broadcast`?, `files`? (as media), `raw`? → `ts`, `event_id`, `webhook` |
//! | `POST /slack/channels/{id}/edit`, `…/delete`, `…/react` | `ts`, `text`, `raw`?; `ts`; `user`, `ts`, `name`, `remove`? |
//! | `GET /slack/channels/{id}?limit=` | `messages` as a person sees them, threads within; `ephemeral` |
//! | `GET /slack/channels`, `GET /slack/users`; `POST` to either | adds `{id, name, display_name?}` |
//! | `POST /slack/command` | `command`, `text`, `user`, `channel` → `reply`, `response_url`, `webhook` |
//! | `POST /slack/press` | `channel`, `ts`, `user`, `action_id`? or `value`? |
//! | `POST /slack/verify` | sends url_verification → `verified` |
//! | `POST /slack/secrets` | `bot_token`?, `signing_secret`?: replaces them, as an admin of the app does; the old ones hold no more |
//! | `GET`, `POST`, `DELETE /faults?provider=` | `provider`, `method`?, `kind`, `only`?, `times`? or `probability`?, `status`?, `retry_after_s`?, `error`?, `delay_ms`?, `copies`? (`faults`) |
//! | `GET`, `POST /limits` | `twilio`, `slack`: `"off"`, `"real"` or their numbers (`settings`) |
//! | `GET`, `POST /behaviour` | any part of `Behaviour` (`settings`) |
//! | `GET /calls?provider=&method=&containing=&limit=` | the last calls, and exact counts by method |
//! | `GET /calls/count?method=&key=` | how often a method was called with a key, and with effect (`calls`) |
//! | `GET /webhooks?kind=&id=&limit=` | the last attempts at the hub's doors |
//! | `GET /notices/{topic}`, `GET /notices` | `received`: what was published to a topic (`id`, `subject`, `message`, `at_ms`); all topics |
//! | `GET /feed` | server-sent events: `changed` when a phone, a channel or a topic has something new |
//! | `GET /phone/{number}/media/{sid}`, `GET /slack/shared/{id}` | a picture as its sender, or a member, sees it |
//! | `DELETE /`, `POST /reset` | forgets everything, and goes back to the settings |

mod knobs;
mod notices;
mod page;
mod slack;
mod twilio;

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer;
use crate::body::LARGEST_BODY;
use crate::house::House;
use crate::refusal::Refusal;

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .merge(twilio::routes())
        .merge(slack::routes())
        .merge(knobs::routes())
        .merge(notices::routes())
        .merge(page::routes())
}

/// The JSON body of a control call; an empty one is `{}`.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let body = to_bytes(request.into_body(), LARGEST_BODY).await;
    let body =
        body.map_err(|_| refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off"))?;
    let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
    serde_json::from_slice(body).map_err(|error| {
        refuse(StatusCode::BAD_REQUEST, &format!("the body is not what this path takes: {error}"))
    })
}

fn refuse(status: StatusCode, sentence: &str) -> Response {
    answer::json(status, &json!({ "error": sentence }))
}

fn done(value: &Value) -> Response {
    answer::json(StatusCode::OK, value)
}

/// The outcome of what was told.
fn told(outcome: Result<Value, Refusal>) -> Response {
    match outcome {
        Ok(value) => done(&value),
        Err(Refusal::Absent(sentence)) => refuse(StatusCode::NOT_FOUND, &sentence),
        Err(Refusal::Wrong(sentence)) => refuse(StatusCode::BAD_REQUEST, &sentence),
    }
}
