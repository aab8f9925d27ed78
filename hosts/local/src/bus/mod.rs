//! The durable bus of one machine: it gives EventBridge's meaning to one file and one thread.
//!
//! ```text
//!   doors ──▶ inbox ──▶ writer thread ──▶ one transaction a batch ──▶ log thread: fsync ──▶ answers, effects, tail
//!               ▲           │ decide / permit / settle, in the batch's transaction
//!               └───────────┴── reports of effects, which run on the async threads
//!   checkpoint thread: the log into the main file
//! ```
//! Deciding happens on the writer thread, inside the transaction: what a decision reads cannot change before
//! its outcome is written. (On DynamoDB the conditions of the writes do that; each bridge's tests let
//! decisions race to prove that it states them.)
//!
//! Absent here: HTTP, providers, configuration. Reading beside the writer is in `archive`.

pub(crate) mod archive;
mod checkpoint;
pub(crate) mod database;
mod deliveries;
pub(crate) mod inbox;
mod lanes;
mod letters;
pub(crate) mod log;
mod queue;
pub(crate) mod readers;
mod rows;
mod view;
mod writer;

pub(crate) use checkpoint::Beside;
pub(crate) use writer::{Parts, Writer};
