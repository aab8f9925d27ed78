//! The AWS host: the same bridges, over EventBridge, SQS, DynamoDB and S3.
//!
//! One program, many functions: the handler's name says which door, listener or errand a function is
//! (`functions`). Reading order: `functions`, `configuration`, `serve` (what this one is), `doors`, `page`, `sockets`
//! and `batch` (how things arrive), `settle` (what every arrival goes through), `store`, `bus`, `queue`, `blobs`,
//! `notices`, `devices` (where it goes).
//!
//! `stack` and `moving` are for the operator's program, `switchboard-aws`.
//!
//! Absent here: SQL, any broker, anything that listens. AWS runs those.

pub mod configuration;
pub mod functions;

pub mod serve;

mod batch;
mod doors;
mod handled;
mod journal;
mod media;
mod page;
mod sockets;

mod settle;

pub mod moving;
pub mod stack;

mod answers;
pub mod blobs;
mod bus;
mod clients;
mod connector;
mod devices;
mod notices;
mod queue;
mod schedules;
mod secrets;
mod signed;
pub mod store;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod trouble;

pub use clients::Clients;

use switchboard_core::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
