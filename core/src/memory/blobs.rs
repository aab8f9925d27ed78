//! Files in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::id::BlobId;
use crate::ports::{Blob, Blobs};

/// Files in memory.
#[derive(Default, Debug)]
pub struct MemoryBlobs(Mutex<HashMap<BlobId, Blob>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, id: &BlobId, blob: &Blob) -> Result<(), Failure> {
        self.0.lock().expect("no test panics while it holds this").insert(id.clone(), blob.clone());
        Ok(())
    }

    async fn get(&self, id: &BlobId) -> Result<Option<Blob>, Failure> {
        Ok(self.0.lock().expect("no test panics while it holds this").get(id).cloned())
    }
}
