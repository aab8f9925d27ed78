//! AWS as a test has it answer, where no emulator is ever short of anything: each request is written down, and the
//! test says what comes back.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::Clients;

/// What a request was: the operation's name, and its body.
pub(crate) type Asked = (String, Value);
/// Told all requests so far, the last one the one to answer: a status and a body.
type Answer = dyn Fn(&[Asked]) -> (u16, Value) + Send + Sync;

/// A server in the place of AWS's.
pub(crate) struct Scripted {
    endpoint: String,
    script: Script,
}

#[derive(Clone)]
struct Script {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Answer>,
}

impl Scripted {
    /// Answers requests in the JSON protocols of DynamoDB and EventBridge, until the test ends.
    pub(crate) async fn start(answer: impl Fn(&[Asked]) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let script = Script { asked: Arc::default(), answer: Arc::new(answer) };
        let app = axum::Router::new().fallback(take).with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, script }
    }

    /// Clients that ask it.
    pub(crate) fn clients(&self) -> Clients {
        Clients::for_tests(&self.endpoint)
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }
}

/// A refusal as both services write it.
pub(crate) fn refusal(kind: &str) -> (u16, Value) {
    let status = if kind.starts_with("Internal") { 500 } else { 400 };
    (status, json!({ "__type": format!("com.amazonaws#{kind}"), "message": "not now" }))
}

async fn take(
    State(Script { asked, answer }): State<Script>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let mut asked = asked.lock().unwrap();
    asked.push((operation, serde_json::from_str(&body).unwrap()));
    let (status, body) = answer(&asked);
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string())
}
