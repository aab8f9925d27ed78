//! An attempt's ports with a note of each exchange for the trace: what was asked of whom (no query: it may hold a
//! number; nothing of what was said), how it ended, milliseconds.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_core::{
    DeviceMessage, Devices, Failure, Http, HttpError, Notice, NoticeTopic, Notices, Timestamp,
};

use crate::attempt::Ground;

/// The ports of one attempt.
pub(crate) struct Recorded<'a> {
    ground: &'a Ground<'a>,
    exchanges: Mutex<Vec<String>>,
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(ground: &'a Ground<'a>) -> Self {
        Self { ground, exchanges: Mutex::default() }
    }

    /// A line of JSON for each exchange, in the order in which they ended.
    pub(crate) fn exchanges(self) -> Vec<String> {
        self.exchanges.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, (at, began): (Timestamp, Instant), request: &str, ended: &Value) {
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let note = json!({ "at": at, "request": request, "ended": ended, "ms": milliseconds }).to_string();
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    fn begin(&self) -> (Timestamp, Instant) {
        ((self.ground.clock)(), Instant::now())
    }
}

#[async_trait]
impl Http for Recorded<'_> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let began = self.begin();
        let uri = request.uri();
        let line = format!("{} {}{}", request.method(), uri.host().unwrap_or_default(), uri.path());
        let answer = self.ground.http.send(request).await;
        let ended = match &answer {
            Ok(response) => json!(response.status().as_u16()),
            Err(error) => json!(error.to_string()),
        };
        self.note(began, &line, &ended);
        answer
    }
}

#[async_trait]
impl Notices for Recorded<'_> {
    async fn publish(&self, topic: &NoticeTopic, notice: &Notice) -> Result<String, Failure> {
        let began = self.begin();
        let published = self.ground.notices.publish(topic, notice).await;
        let ended = match &published {
            Ok(id) => json!(id),
            Err(failure) => json!(failure.to_string()),
        };
        self.note(began, &format!("notice to {topic}"), &ended);
        published
    }
}

#[async_trait]
impl Devices for Recorded<'_> {
    async fn publish(&self, message: &DeviceMessage) -> Result<(), Failure> {
        let began = self.begin();
        let published = self.ground.devices.publish(message).await;
        let ended = match &published {
            Ok(()) => json!("published"),
            Err(failure) => json!(failure.to_string()),
        };
        self.note(began, &format!("device {}", message.topic()), &ended);
        published
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::memory::{MemoryBlobs, MemoryDevices, MemoryNotices, ScriptedHttp};

    use super::*;

    #[tokio::test]
    async fn what_was_asked_of_whom_and_how_it_ended_is_noted_and_nothing_that_was_said() {
        let (http, blobs) = (ScriptedHttp::new([ScriptedHttp::json(201, "{}")]), MemoryBlobs::default());
        let (notices, devices) = (MemoryNotices::default(), MemoryDevices::default());
        devices.fail(Failure::unsure("no answer"));
        let clock = || Timestamp::from_secs(0);
        let ground =
            Ground { http: &http, blobs: &blobs, notices: &notices, devices: &devices, clock: &clock };
        let recorded = Recorded::new(&ground);

        let request = http::Request::post("https://api.example/texts?to=%2B14155550100").body("hello".into());
        recorded.send(request.unwrap()).await.unwrap();
        let topic: NoticeTopic = "arn:aws:sns:us-east-1:123456789012:alarms".parse().unwrap();
        let notice = Notice::new("hello", "+14155550100").unwrap();
        Notices::publish(&recorded, &topic, &notice).await.unwrap();
        let message = DeviceMessage::new("buttons/hall".parse().unwrap(), "hello").unwrap();
        assert!(Devices::publish(&recorded, &message).await.is_err());

        let notes = recorded.exchanges();
        for (note, (request, ended)) in notes.iter().zip([
            ("POST api.example/texts", json!(201)),
            ("notice to arn:aws:sns:us-east-1:123456789012:alarms", json!("notice-1")),
            ("device buttons/hall", json!("no answer")),
        ]) {
            let read: Value = serde_json::from_str(note).unwrap();
            assert_eq!((&read["request"], &read["ended"]), (&json!(request), &ended));
            assert!(!note.contains("hello") && !note.contains("4155550100"), "{note}");
        }
        assert_eq!(notes.len(), 3);
    }
}
