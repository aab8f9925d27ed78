//! The control paths: what a test, or the sandbox's page, tells the pretend world to do, and asks of it.
//!
//! JSON in and out; an error is `{"error": "a sentence"}`. Who may use them is the host's business.

mod knobs;
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

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new().merge(twilio::routes()).merge(slack::routes()).merge(knobs::routes())
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

/// The outcome of what was told; its error is a sentence.
fn told(outcome: Result<Value, String>) -> Response {
    match outcome {
        Ok(value) => done(&value),
        Err(sentence) => {
            let absent = sentence.starts_with("there is no");
            refuse(if absent { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST }, &sentence)
        }
    }
}
