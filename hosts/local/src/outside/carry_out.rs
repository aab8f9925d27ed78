//! Carrying out one attempt of an effect, outside the writer thread, and saying how it ended.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use serde_json::json;
use switchboard_core::outcome::MAX_ATTEMPT;
use switchboard_core::{Failure, Http, HttpError, Ports, Timestamp};

use super::{Client, FileBlobs};
use crate::bus::Start;
use crate::bus::inbox::{AttemptResult, Attempted, Inbox};

/// What attempts stand on.
pub(crate) struct Ground {
    pub(crate) http: Client,
    pub(crate) blobs: FileBlobs,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Carries out one attempt. However it ends, the writer hears of it.
pub(crate) async fn carry_out(start: Start, ground: Arc<Ground>) {
    let recorded = Recorded { http: &ground.http, clock: &*ground.clock, exchanges: Mutex::default() };
    let ports = Ports { http: &recorded, blobs: &ground.blobs };
    let attempt = async {
        match start.look_since {
            None => AttemptResult::Acted(start.bridge.act(&start.effect, &ports).await),
            Some(since) => AttemptResult::Looked(start.bridge.find(&start.effect, since, &ports).await),
        }
    };
    let ended = tokio::time::timeout(MAX_ATTEMPT, AssertUnwindSafe(attempt).catch_unwind()).await;
    let failed = |failure| match start.look_since {
        None => AttemptResult::Acted(Err(failure)),
        Some(_) => AttemptResult::Looked(Err(failure)),
    };
    let result = match ended {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => failed(Failure::bug("the attempt panicked")),
        Err(_) => failed(Failure::unsure(format!("no end within {} s", MAX_ATTEMPT.as_secs()))),
    };
    let exchanges = recorded.exchanges.into_inner().unwrap_or_else(PoisonError::into_inner);
    ground.inbox.attempted(Attempted { effect: start.id, result, exchanges });
}

/// Requests with a note of each for the trace: method, host and path (no query: it may hold a number), status,
/// milliseconds.
struct Recorded<'a> {
    http: &'a Client,
    clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    exchanges: Mutex<Vec<String>>,
}

#[async_trait]
impl Http for Recorded<'_> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let at = (self.clock)();
        let uri = request.uri();
        let line = format!("{} {}{}", request.method(), uri.host().unwrap_or_default(), uri.path());
        let began = Instant::now();
        let answer = self.http.send(request).await;
        let ended = match &answer {
            Ok(response) => json!(response.status().as_u16()),
            Err(error) => json!(error.to_string()),
        };
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let note = json!({ "at": at, "request": line, "ended": ended, "ms": milliseconds }).to_string();
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        answer
    }
}
