//! The ports in memory, for tests. They keep the same contracts as the real adapters (see [`crate::contract`]);
//! nothing here is durable and no host uses it.

mod blobs;
mod http;
mod store;

pub use blobs::MemoryBlobs;
pub use http::{Answer, ScriptedHttp, SentRequest};
pub use store::MemoryStore;
