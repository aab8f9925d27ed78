//! An event as the bus carries it: in EventBridge's envelope.
//!
//! JSON: `version, id, detail-type, source, account, time, region, resources, detail`, and `replay-name` when it is
//! handed out again. <https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::{Detail, Event};
use crate::failure::Failure;
use crate::id::EventId;
use crate::time::Timestamp;
use crate::unreadable;

/// Largest encoded event, in bytes. EventBridge takes 256 KiB an entry, names and envelope included.
pub const MAX_EVENT_BYTES: usize = 200 * 1024;

/// Writes `detail` with `event_id` as its first field. (Serde's `flatten` would build a map of every event.)
pub(crate) fn with_event_id<T: Serialize>(
    id: &EventId,
    detail: &T,
) -> Result<Box<RawValue>, serde_json::Error> {
    let mut json = String::with_capacity(512);
    json.push_str("{\"event_id\":");
    json.push_str(&serde_json::to_string(id)?);
    let body = serde_json::to_string(detail)?;
    match body.strip_prefix('{') {
        Some("}") => json.push('}'),
        Some(rest) => {
            json.push(',');
            json.push_str(rest);
        }
        None => return Err(serde::ser::Error::custom("a detail is an object")),
    }
    RawValue::from_string(json)
}

/// EventBridge's envelope.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    account: Cow<'a, str>,
    time: Timestamp,
    #[serde(borrow)]
    region: Cow<'a, str>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default, rename = "replay-name", skip_serializing_if = "Option::is_none")]
    replay_name: Option<String>,
    #[serde(borrow)]
    detail: Cow<'a, RawValue>,
}

const SOURCE_PREFIX: &str = "switchboard.";

impl Event {
    /// The envelope's `source`.
    pub fn source(&self) -> String {
        format!("{SOURCE_PREFIX}{}", self.bridge)
    }

    /// The envelope as JSON. An event over [`MAX_EVENT_BYTES`] is refused: its door should have.
    ///
    /// # Errors
    /// [`Failure::Bug`] when it is too large.
    pub fn encode(&self) -> Result<Vec<u8>, Failure> {
        let broken = |error: serde_json::Error| Failure::bug(format!("event {}: {error}", self.id));
        let envelope = Envelope {
            version: "0".into(),
            id: self.id.as_str().into(),
            detail_type: self.detail.kind().into(),
            source: self.source().into(),
            account: "000000000000".into(),
            time: self.time,
            region: "local".into(),
            resources: Vec::new(),
            replay_name: self.replay.clone(),
            detail: Cow::Owned(self.detail.to_json(&self.id).map_err(broken)?),
        };
        let bytes = serde_json::to_vec(&envelope).map_err(broken)?;
        if bytes.len() > MAX_EVENT_BYTES {
            return Err(Failure::bug(format!(
                "event {} ({}) has {} bytes, more than {MAX_EVENT_BYTES}",
                self.id,
                self.detail.kind(),
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// Reads an envelope. Unknown fields are ignored. The id is `detail.event_id`, since EventBridge replaces
    /// the envelope's own; the time is `detail.event_time` where that is given, since EventBridge cuts the
    /// envelope's to seconds.
    ///
    /// # Errors
    /// [`Failure::Bug`] when it is not an event of ours.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct WithId {
            event_id: EventId,
            #[serde(default)]
            event_time: Option<Timestamp>,
        }
        let broken =
            |error: serde_json::Error| Failure::bug(format!("not an event: {}", unreadable::fault(&error)));
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(broken)?;
        let WithId { event_id, event_time } = serde_json::from_str(envelope.detail.get()).map_err(broken)?;
        let Some(bridge) = envelope.source.strip_prefix(SOURCE_PREFIX) else {
            return Err(Failure::bug(format!("not an event of ours: source {:?}", envelope.source)));
        };
        Ok(Self {
            id: event_id,
            bridge: Cow::Owned(bridge.to_owned()),
            time: event_time.unwrap_or(envelope.time),
            replay: envelope.replay_name,
            detail: Detail::from_json(&envelope.detail_type, envelope.detail.get())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::MessageSaid;
    use crate::id::MessageId;
    use crate::message::{Address, Message, Revision, Sender, Surface};

    fn posted(text: &str) -> Event {
        let message = Message {
            id: MessageId::from_cause(&["test", "1"]),
            revision: Revision::FIRST,
            room: "lobby".parse().unwrap(),
            sender: Sender {
                surface: Surface::Sms,
                address: Address::new("+14155550100"),
                name: "Ann".into(),
            },
            text: text.into(),
            attachments: Vec::new(),
            thread_parent: None,
            provider_id: None,
            time: Timestamp::from_ms(1_700_000_000_000),
            hops: 0,
        };
        Event::new(
            EventId::from_cause(&["test", "1"]),
            "sms",
            Timestamp::from_ms(1_700_000_000_000),
            Detail::MessagePosted(MessageSaid::new(message)),
        )
    }

    #[test]
    fn an_event_is_written_in_eventbridges_envelope_and_read_back() {
        let event = posted("a \"quoted\"\nline");
        let bytes = event.encode().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["version"], "0");
        assert_eq!(json["detail-type"], "MessagePosted");
        assert_eq!(json["source"], "switchboard.sms");
        assert_eq!(json["time"], "2023-11-14T22:13:20.000Z");
        assert_eq!(json["resources"], serde_json::json!([]));
        assert_eq!(json["detail"]["event_id"], event.id.as_str());
        assert_eq!(json["detail"]["message"]["room"], "lobby");
        assert!(json.get("replay-name").is_none());
        assert_eq!(Event::decode(&bytes).unwrap(), event);
    }

    #[test]
    fn an_event_that_eventbridge_has_handed_out_is_the_one_that_was_published() {
        let mut event = posted("hello");
        event.time = Timestamp::from_ms(1_700_000_000_123);
        let mut json: serde_json::Value = serde_json::from_slice(&event.encode().unwrap()).unwrap();
        json["id"] = "6a7e8feb-b491-4cf7-a9f1-bf3703467718".into();
        json["time"] = "2023-11-14T22:13:20Z".into();
        json["detail"]["event_time"] = "2023-11-14T22:13:20.123Z".into();
        assert_eq!(Event::decode(json.to_string().as_bytes()).unwrap(), event);
    }

    #[test]
    fn an_event_that_is_too_large_is_not_written() {
        let error = posted(&"x".repeat(MAX_EVENT_BYTES)).encode().unwrap_err();
        assert!(matches!(error, Failure::Bug { .. }), "{error}");
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        for bytes in [&b"{}"[..], b"[]", b"\xff", b"{\"version\":\"0\"}"] {
            assert!(Event::decode(bytes).is_err());
        }
    }

    #[test]
    fn printing_an_event_shows_no_number() {
        assert!(!format!("{:?}", posted("hello")).contains("5550100"));
    }
}
