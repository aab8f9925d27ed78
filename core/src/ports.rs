//! What a bridge's `act` and `find` may reach. Each port has an in-memory form for tests (`memory`) and a
//! contract suite (`contract`) that every real adapter passes too.

use async_trait::async_trait;
use bytes::Bytes;

use crate::device::DeviceMessage;
use crate::failure::Failure;
use crate::id::BlobId;
use crate::notice::{Notice, NoticeTopic};
use crate::room::RoomName;
use crate::time::Timestamp;

/// The ports, as `act` is given them.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// Requests to the provider.
    pub http: &'a dyn Http,
    /// Files.
    pub blobs: &'a dyn Blobs,
    /// Alarms for who subscribes to them.
    pub notices: &'a dyn Notices,
    /// Words to devices.
    pub devices: &'a dyn Devices,
    /// When the attempt began.
    pub now: Timestamp,
}

/// Largest answer that is read, in bytes; Twilio's and Slack's media are limited to less by their bridges.
pub const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Requests to the provider. Time-outs are the host's; redirects are not followed: the bridge sees them, since
/// it must not carry its credentials to another host.
#[async_trait]
pub trait Http: Send + Sync {
    /// One exchange. Any status is an answer.
    ///
    /// # Errors
    /// When there is no answer.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection was made: the provider has not seen the request.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The request went out, or part of it; what became of it is unknown.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The answer is larger than is allowed.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::NotSent(_) => Self::retry(error.to_string()),
            HttpError::Unanswered(_) => Self::unsure(error.to_string()),
            HttpError::TooLarge(_) => Self::refuse(502, error.to_string()),
        }
    }
}

/// A stored file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blob {
    /// The media type.
    pub content_type: String,
    /// The content.
    pub bytes: Bytes,
}

/// Files, kept until their message's room forgets them.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores a file under `id`; the same id again replaces it with the same content.
    ///
    /// # Errors
    /// [`Failure::Retry`] when it cannot be stored now.
    async fn put(&self, id: &BlobId, blob: &Blob) -> Result<(), Failure>;

    /// The file, unless there is none.
    ///
    /// # Errors
    /// [`Failure::Retry`] when it cannot be read now.
    async fn get(&self, id: &BlobId) -> Result<Option<Blob>, Failure>;
}

/// Publishing to topics that people subscribe to. Neither order nor that it comes once is promised: an alarm must
/// come, and says itself which one it is.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Publishes; ends when the topic has it, and gives the id that it has there. Whoever subscribes gets it after that.
    /// Sent once: trying again is the host's, since nobody can ask a topic whether it has something already.
    ///
    /// # Errors
    /// [`Failure::Retry`] when it was not taken: no connection, too much at once; with `credentials` when ours are
    /// refused. [`Failure::Unsure`] when there is no answer. [`Failure::Refuse`] when there is no such topic.
    async fn publish(&self, topic: &NoticeTopic, notice: &Notice) -> Result<String, Failure>;
}

/// Publishing to devices, MQTT QoS 1: a device that is connected, or comes back to its session, gets it at least once.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Publishes; ends when the broker has it (`PUBACK`). Whether the device has it, only the device can say.
    ///
    /// # Errors
    /// [`Failure::Retry`] when it was not taken: no connection, too much at once; with `credentials` when ours are
    /// refused. [`Failure::Unsure`] when there is no answer. [`Failure::Refuse`] when there is no broker to publish to,
    /// with the mend.
    async fn publish(&self, message: &DeviceMessage) -> Result<(), Failure>;
}

/// Finding what was said. An index beside the store, that can be made again from it.
#[async_trait]
pub trait Search: Send + Sync {
    /// The numbers of a room's messages that hold all these words, newest first, at most `limit`, and only those
    /// before `before`.
    ///
    /// # Errors
    /// [`Failure::Retry`] when it cannot be searched now.
    async fn find(
        &self,
        room: &RoomName,
        words: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, Failure>;
}
