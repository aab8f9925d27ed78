//! The contract of each port, as a suite that every adapter passes: the ones in memory, SQLite and files, and
//! DynamoDB and S3. A suite panics where the contract is broken.

mod blobs;
mod devices;
mod http;
mod notices;
mod store;
mod trouble;

pub use blobs::blobs_keep_their_contract;
pub use devices::{DevicesUnderTest, devices_keep_their_contract};
pub use http::{Behaviour, HttpUnderTest, http_keeps_its_contract};
pub use notices::{NoticesUnderTest, notices_keep_their_contract};
pub use store::{StoreUnderTest, store_keeps_its_contract};
pub use trouble::Trouble;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::DeviceTopic;
    use crate::memory::{MemoryBlobs, MemoryDevices, MemoryNotices, MemoryStore, ScriptedHttp, SentRequest};
    use crate::notice::NoticeTopic;
    use crate::ports::{Devices, Http, HttpError, MAX_ANSWER_BYTES, Notices};
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

    #[async_trait::async_trait]
    impl NoticesUnderTest for MemoryNotices {
        fn notices(&self) -> &dyn Notices {
            self
        }
        fn topics(&self) -> [NoticeTopic; 2] {
            ["alarms", "others"]
                .map(|name| format!("arn:aws:sns:us-east-1:123456789012:{name}").parse().expect("a topic"))
        }
        async fn received(&self, topic: &NoticeTopic, _: usize) -> Vec<(String, String)> {
            let of = self.published().into_iter().filter(|(published, _)| published == topic);
            of.map(|(_, notice)| (notice.subject().to_owned(), notice.message().to_owned())).collect()
        }
        async fn in_trouble(&self, trouble: Trouble) -> Option<Arc<dyn Notices>> {
            let port = Self::default();
            port.fail(trouble.failure());
            Some(Arc::new(port))
        }
    }

    #[async_trait::async_trait]
    impl DevicesUnderTest for MemoryDevices {
        fn devices(&self) -> &dyn Devices {
            self
        }
        async fn received(&self, _: usize) -> Vec<(String, Vec<u8>)> {
            let seen = |it: crate::DeviceMessage| (it.topic().to_string(), it.payload().to_vec());
            self.published().into_iter().map(seen).collect()
        }
        async fn kept(&self, topic: &DeviceTopic) -> Option<Vec<u8>> {
            let published = self.published();
            let last = published.iter().rfind(|it| it.topic() == topic && it.is_retained());
            last.map(|it| it.payload().to_vec()).filter(|payload| !payload.is_empty())
        }
        async fn in_trouble(&self, trouble: Trouble) -> Option<Arc<dyn Devices>> {
            let port = Self::default();
            port.fail(trouble.failure());
            Some(Arc::new(port))
        }
    }

    #[test]
    fn the_notices_in_memory_keep_the_contract() {
        futures::executor::block_on(notices_keep_their_contract(&MemoryNotices::default()));
    }

    #[test]
    fn the_devices_in_memory_keep_the_contract() {
        futures::executor::block_on(devices_keep_their_contract(&MemoryDevices::default()));
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
