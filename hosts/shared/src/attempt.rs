//! Carrying out one attempt of an effect, within its time, and saying how it ended.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use serde_json::json;
use switchboard_core::outcome::MAX_ATTEMPT;
use switchboard_core::{Blobs, Bridge, Effect, Failure, Http, HttpError, Ports, Report, Timestamp};

/// Longer than an attempt can take: whoever finds a *trying* that is over knows that nobody is at it.
pub const TRYING: Duration = MAX_ATTEMPT.saturating_add(Duration::from_secs(5));

/// How an attempt ended.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the bridge was asked to act, or to look whether it had been done")]
pub enum Attempted {
    Acted(Result<Report, Failure>),
    Looked(Result<Option<Report>, Failure>),
}

/// What attempts stand on.
pub struct Ground<'a> {
    /// Requests to the provider.
    pub http: &'a dyn Http,
    /// Files.
    pub blobs: &'a dyn Blobs,
    /// The time now.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
}

/// Carries out one attempt: `act`, or with `look_since` a `find`. Gives how it ended, and a line of JSON for each
/// exchange with the provider.
pub async fn carry_out(
    bridge: &dyn Bridge,
    effect: &Effect,
    look_since: Option<Timestamp>,
    ground: &Ground<'_>,
) -> (Attempted, Vec<String>) {
    let recorded = Recorded { http: ground.http, clock: ground.clock, exchanges: Mutex::default() };
    let ports = Ports { http: &recorded, blobs: ground.blobs };
    let attempt = async {
        match look_since {
            None => Attempted::Acted(bridge.act(effect, &ports).await),
            Some(since) => Attempted::Looked(bridge.find(effect, since, &ports).await),
        }
    };
    let ended = tokio::time::timeout(MAX_ATTEMPT, AssertUnwindSafe(attempt).catch_unwind()).await;
    let failed = |failure| match look_since {
        None => Attempted::Acted(Err(failure)),
        Some(_) => Attempted::Looked(Err(failure)),
    };
    let attempted = match ended {
        Ok(Ok(attempted)) => attempted,
        Ok(Err(_)) => failed(Failure::bug("the attempt panicked")),
        Err(_) => failed(Failure::unsure(format!("no end within {} s", MAX_ATTEMPT.as_secs()))),
    };
    (attempted, recorded.exchanges.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Requests with a note of each for the trace: method, host and path (no query: it may hold a number), status,
/// milliseconds.
struct Recorded<'a> {
    http: &'a dyn Http,
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
