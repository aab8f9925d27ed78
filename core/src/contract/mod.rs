//! The contract of each port, as a suite that every adapter passes: the ones in memory, SQLite and files, and
//! DynamoDB and S3. A suite panics where the contract is broken.

mod blobs;
mod http;
mod store;

pub use blobs::blobs_keep_their_contract;
pub use http::{Behaviour, HttpUnderTest, http_keeps_its_contract};
pub use store::{StoreUnderTest, store_keeps_its_contract};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryBlobs, MemoryStore, ScriptedHttp, SentRequest};
    use crate::ports::{Http, HttpError, MAX_ANSWER_BYTES};
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

    #[async_trait::async_trait]
    impl HttpUnderTest for ScriptedHttp {
        fn http(&self) -> &dyn Http {
            self
        }
        fn base(&self) -> String {
            "https://provider.example".into()
        }
        async fn next(&self, behaviour: Behaviour) {
            self.then(match behaviour {
                Behaviour::Answer(answer) => Ok(answer),
                Behaviour::Refuse => Err(HttpError::NotSent("nobody listens".into())),
                Behaviour::HangUp | Behaviour::HangUpInTheMiddle => {
                    Err(HttpError::Unanswered("it hung up".into()))
                }
                Behaviour::TooMuch => Err(HttpError::TooLarge(MAX_ANSWER_BYTES)),
            });
        }
        async fn seen(&self) -> Vec<SentRequest> {
            self.arrived()
        }
    }

    #[test]
    fn the_provider_in_memory_keeps_the_contract() {
        futures::executor::block_on(http_keeps_its_contract(&ScriptedHttp::default()));
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
