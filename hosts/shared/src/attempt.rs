//! Carrying out one attempt of an effect, within its time, and saying how it ended.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use switchboard_core::outcome::MAX_ATTEMPT;
use switchboard_core::{Blobs, Bridge, Devices, Effect, Failure, Http, Notices, Ports, Report, Timestamp};

use crate::recorded::Recorded;

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
    /// Alarms for who subscribes to them.
    pub notices: &'a dyn Notices,
    /// Words to devices.
    pub devices: &'a dyn Devices,
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
    let recorded = Recorded::new(ground);
    let ports = Ports {
        http: &recorded,
        blobs: ground.blobs,
        notices: &recorded,
        devices: &recorded,
        now: (ground.clock)(),
    };
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
    (attempted, recorded.exchanges())
}
