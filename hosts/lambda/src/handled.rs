//! How long a function is at work on what it is given: one line of the log for each invocation, where the lines of
//! DEBUG are asked for (the stack's parameter `LogLevels`: `switchboard_lambda=debug`).
//!
//! At work is the runtime's one thread while it is not parked: the bridge's decision, but also JSON, signatures, TLS
//! and the talk with Lambda itself. What is left of the time went by waiting for AWS's services and the providers.
//! The runtime tells it when it parks, so a line is about the time since the line before it: the end of that
//! invocation, and the beginning of this one. The first line has the start of the process in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::runtime::Handle;
use tracing::{Level, debug, enabled};

/// Tells how long each invocation took.
#[derive(Debug, Default)]
pub(crate) struct Handled {
    /// What had been told until the last line, in microseconds.
    told_us: AtomicU64,
}

/// A batch of a queue; all else is one thing.
#[derive(Deserialize)]
struct Counted {
    #[serde(rename = "Records")]
    records: Vec<IgnoredAny>,
}

impl Handled {
    /// Tells that this has been handled, by a function of this name.
    pub(crate) fn tell(&self, function: &str, payload: &str, began: Instant) {
        if !enabled!(Level::DEBUG) {
            return;
        }
        let taken_us = microseconds(began.elapsed());
        // One thread, so one worker.
        let busy_us = microseconds(Handle::current().metrics().worker_total_busy_duration(0));
        let busy_us = busy_us.saturating_sub(self.told_us.swap(busy_us, Ordering::Relaxed));
        let things = serde_json::from_str::<Counted>(payload).map_or(1, |batch| batch.records.len());
        debug!(function, things, busy_us, taken_us, "handled");
    }
}

fn microseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
