//! Events: what happened, as the bus carries it in EventBridge's envelope.
//!
//! An event on the bus is JSON: `version, id, detail-type, source, account, time, region, resources, detail`,
//! and `replay-name` when it is handed out again. The kinds of detail are the variants of [`Detail`]; nothing
//! else is ever on the bus. Envelope: <https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::id::{EventId, MessageId};
use crate::message::{Address, Attachment, Message, Sender, Surface};
use crate::phone::PhoneNumber;
use crate::room::RoomName;
use crate::time::Timestamp;

/// Largest encoded event, in bytes. EventBridge takes 256 KiB an entry, names and envelope included.
pub const MAX_EVENT_BYTES: usize = 200 * 1024;

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Derived from what caused it.
    pub id: EventId,
    /// The bridge that says so: `sms` is `switchboard.sms` in the envelope.
    pub bridge: Cow<'static, str>,
    /// When it happened.
    pub time: Timestamp,
    /// Set while the event is handed out again by a replay of this name.
    pub replay: Option<String>,
    /// What happened.
    pub detail: Detail,
}

/// What happened. The variant's name is the envelope's `detail-type`.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "each variant is the struct of its name, documented there")]
pub enum Detail {
    MessageReceived(MessageReceived),
    MessagePosted(MessageSaid),
    MessageEdited(MessageSaid),
    MessageDeleted(MessageDeleted),
    ReactionChanged(ReactionChanged),
    RoomChanged(RoomChanged),
    MessageHeld(MessageJudged),
    MessageBlocked(MessageJudged),
    SmsRequested(SmsRequested),
    DeliveryReported(DeliveryReported),
    SubscriberChanged(SubscriberChanged),
}

/// Something came in and its bridge still has to fetch what belongs to it. Heard by that bridge only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessageReceived {
    /// The bridge's own words: JSON that only it reads.
    pub payload: serde_json::Value,
}

/// A person said or changed something. Heard by the gate and the watchers, never shown as it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessageSaid {
    /// What it says now.
    pub message: Message,
}

/// A person withdrew a message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessageDeleted {
    /// Which one.
    pub message_id: MessageId,
    /// Where.
    pub room: RoomName,
    /// Who withdrew it.
    pub sender: Sender,
    /// Whether they may withdraw anybody's: their surface has checked that they are a moderator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moderator: bool,
}

/// A person put a reaction to a message, or took it away.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReactionChanged {
    /// To which message.
    pub message_id: MessageId,
    /// Where.
    pub room: RoomName,
    /// Who.
    pub sender: Sender,
    /// The reaction's short name, such as `thumbsup`.
    pub reaction: String,
    /// Put there or taken away.
    pub added: bool,
}

/// What may be shown, in the room's order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoomChanged {
    /// The lane: the room's name.
    pub lane: String,
    /// The place in the lane: 1, 2, 3, … without a gap.
    pub seq: u64,
    /// What became of the message.
    pub change: Change,
    /// The message after the change. A message that is gone keeps its last shown form here, for those who have
    /// to remove it.
    pub message: Message,
    /// Who changed it, where that is not the message's sender: on whose surface the change was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Sender>,
    /// With [`Change::Reacted`]: which reaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reaction: Option<Reaction>,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Posted,
    /// Its text is another.
    Edited,
    /// Its sender withdrew it.
    Deleted,
    /// Somebody reacted.
    Reacted,
    /// It was taken back by a moderator (`by`), or at the gate's door.
    Retracted,
}

/// One reaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reaction {
    /// The short name, such as `thumbsup`.
    pub name: String,
    /// Put there or taken away.
    pub added: bool,
}

/// The gate did not let a message through.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessageJudged {
    /// The message, as it would have been shown.
    pub message: Message,
    /// Why; at least one.
    pub reasons: Vec<Reason>,
}

/// Why the gate decided as it did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// The rule's name: `blocked_word`, `link`, `flood`, `length`, …
    pub rule: String,
    /// What it found, in words for an operator.
    pub found: String,
}

/// One text to one phone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SmsRequested {
    /// The lane: the phone.
    pub lane: PhoneNumber,
    /// The place in the lane: 1, 2, 3, … without a gap.
    pub seq: u64,
    /// The text as the phone will show it.
    pub text: String,
    /// Files to send with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message that it carries; `None` for the hub's own words (help, confirmations).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The room that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
}

/// Where a delivery has got to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeliveryReported {
    /// The message; `None` for the hub's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The room, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// On which surface.
    pub surface: Surface,
    /// To whom there: a phone number, a Slack channel's id.
    pub address: Address,
    /// How far it got.
    pub status: DeliveryStatus,
    /// The provider's id for it: a Twilio SID, a Slack ts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Why it went no further, with the provider's code where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far a delivery got. Ordered: a later report never takes a delivery back to an earlier status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The provider has it.
    Queued,
    /// It left the provider.
    Sent,
    /// It is there.
    Delivered,
    /// The carrier or the device did not take it.
    Undelivered,
    /// It never left.
    Failed,
}

/// A phone joined or left a room, or opted out of all of them or in again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SubscriberChanged {
    /// Which phone.
    pub phone: PhoneNumber,
    /// Which room; `None` where it is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// What happened.
    pub change: SubscriberChange,
}

/// What a phone did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum SubscriberChange {
    Joined,
    Left,
    OptedOut,
    OptedIn,
}

/// The lane and the place in it that an event for ordered listeners carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lane {
    /// A room's name, a phone.
    pub name: String,
    /// 1, 2, 3, …
    pub seq: u64,
}

macro_rules! details {
    ($($name:ident),*) => {
        impl Detail {
            /// The envelope's `detail-type`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            fn to_json(&self, event_id: &EventId) -> Result<Box<RawValue>, serde_json::Error> {
                match self { $(Self::$name(detail) => with_event_id(event_id, detail),)* }
            }

            fn from_json(kind: &str, json: &str) -> Result<Self, Failure> {
                let bad = |error: serde_json::Error| Failure::bug(format!("detail of {kind}: {error}"));
                match kind {
                    $(stringify!($name) => serde_json::from_str(json).map(Self::$name).map_err(bad),)*
                    _ => Err(Failure::bug(format!("an event of unknown detail-type {kind:?}"))),
                }
            }
        }
    };
}

details!(
    MessageReceived,
    MessagePosted,
    MessageEdited,
    MessageDeleted,
    ReactionChanged,
    RoomChanged,
    MessageHeld,
    MessageBlocked,
    SmsRequested,
    DeliveryReported,
    SubscriberChanged
);

/// Writes `detail` with `event_id` as its first field. (Serde's `flatten` would build a map of every event.)
fn with_event_id<T: Serialize>(id: &EventId, detail: &T) -> Result<Box<RawValue>, serde_json::Error> {
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
    /// An event that `bridge` says happened at `time`.
    pub fn new(id: EventId, bridge: &'static str, time: Timestamp, detail: Detail) -> Self {
        Self { id, bridge: Cow::Borrowed(bridge), time, replay: None, detail }
    }

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
        let broken = |error: serde_json::Error| Failure::bug(format!("not an event: {error}"));
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

    /// The place in a lane, for the kinds that ordered listeners hear.
    pub fn lane(&self) -> Option<Lane> {
        match &self.detail {
            Detail::RoomChanged(changed) => Some(Lane { name: changed.lane.clone(), seq: changed.seq }),
            Detail::SmsRequested(requested) => {
                Some(Lane { name: requested.lane.as_str().to_owned(), seq: requested.seq })
            }
            _ => None,
        }
    }

    /// By which words this event can be found: its id, its message's, providers' ids, addresses.
    pub fn words(&self) -> Vec<&str> {
        let mut words = vec![self.id.as_str()];
        words.extend(self.message_id().map(MessageId::as_str));
        match &self.detail {
            Detail::MessagePosted(MessageSaid { message })
            | Detail::MessageEdited(MessageSaid { message })
            | Detail::MessageHeld(MessageJudged { message, .. })
            | Detail::MessageBlocked(MessageJudged { message, .. })
            | Detail::RoomChanged(RoomChanged { message, .. }) => {
                words.push(message.sender.address.as_str());
                words.extend(message.provider_id.as_deref());
            }
            Detail::MessageDeleted(MessageDeleted { sender, .. })
            | Detail::ReactionChanged(ReactionChanged { sender, .. }) => words.push(sender.address.as_str()),
            Detail::SmsRequested(requested) => words.push(requested.lane.as_str()),
            Detail::DeliveryReported(reported) => {
                words.push(reported.address.as_str());
                words.extend(reported.provider_id.as_deref());
            }
            Detail::SubscriberChanged(changed) => words.push(changed.phone.as_str()),
            Detail::MessageReceived(_) => {}
        }
        words
    }

    /// The message that this is about.
    pub fn message_id(&self) -> Option<&MessageId> {
        match &self.detail {
            Detail::MessagePosted(said) | Detail::MessageEdited(said) => Some(&said.message.id),
            Detail::MessageDeleted(deleted) => Some(&deleted.message_id),
            Detail::ReactionChanged(reaction) => Some(&reaction.message_id),
            Detail::RoomChanged(changed) => Some(&changed.message.id),
            Detail::MessageHeld(judged) | Detail::MessageBlocked(judged) => Some(&judged.message.id),
            Detail::SmsRequested(requested) => requested.message_id.as_ref(),
            Detail::DeliveryReported(reported) => reported.message_id.as_ref(),
            Detail::MessageReceived(_) | Detail::SubscriberChanged(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Revision;

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
            Detail::MessagePosted(MessageSaid { message }),
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
