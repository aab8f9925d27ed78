//! The contract of each port, as a suite that every adapter passes: the ones in memory, SQLite and files, and
//! DynamoDB and S3. A suite panics where the contract is broken.

mod blobs;
mod store;

pub use blobs::blobs_keep_their_contract;
pub use store::{StoreUnderTest, store_keeps_its_contract};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryBlobs, MemoryStore};
    use crate::store::{View, Write};
    use crate::{Failure, Timestamp};

    #[async_trait::async_trait]
    impl StoreUnderTest for MemoryStore {
        fn view(&self) -> &dyn View {
            self
        }
        async fn commit(&self, writes: &[Write]) -> Result<(), Failure> {
            MemoryStore::commit(self, writes)
        }
        async fn set_now(&self, now: Timestamp) {
            MemoryStore::set_now(self, now);
        }
    }

    #[test]
    fn the_store_in_memory_keeps_the_contract() {
        futures::executor::block_on(store_keeps_its_contract(&MemoryStore::default()));
    }

    #[test]
    fn the_blobs_in_memory_keep_the_contract() {
        futures::executor::block_on(blobs_keep_their_contract(&MemoryBlobs::default()));
    }
}
