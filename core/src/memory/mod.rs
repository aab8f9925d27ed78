//! The ports in memory, for tests. They keep the same contracts as the real adapters (see [`crate::contract`]);
//! nothing here is durable and no host uses it.

mod blobs;
mod devices;
mod http;
mod notices;
mod store;

pub use blobs::MemoryBlobs;
pub use devices::MemoryDevices;
pub use http::{Answer, ScriptedHttp, SentRequest};
pub use notices::MemoryNotices;
pub use store::MemoryStore;
