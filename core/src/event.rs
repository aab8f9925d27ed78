//! Events: what happened. The kinds are the variants of [`Detail`]; nothing else is ever on the bus. How an event is
//! written is in `envelope`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::id::{EventId, MessageId};
use crate::message::{Address, Attachment, Message, Sender, Surface};
use crate::phone::PhoneNumber;
use crate::room::RoomName;
use crate::time::Timestamp;
use crate::unreadable;

pub use crate::envelope::MAX_EVENT_BYTES;
use crate::envelope::with_event_id;

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
    /// The message that it is about, where that is known: its story begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The surface's own id for it: a Twilio MessageSid, a Slack ts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The bridge's own words: JSON that only it reads.
    pub payload: serde_json::Value,
}

/// A person said or changed something. Heard by the gate and the watchers, never shown as it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessageSaid {
    /// What it says now.
    pub message: Message,
    /// Of an edit: whether its surface keeps the message, and has seen that its sender makes the edit. Whoever has
    /// forgotten the message need not wait for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// What its provider said beside, under names that its bridge does not know: kept for whoever looks, and otherwise
    /// ignored.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
}

impl MessageSaid {
    /// What is said for the first time, or of which its surface keeps nothing.
    pub fn new(message: Message) -> Self {
        Self { message, kept: false, unknown: BTreeMap::new() }
    }
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
    /// What is shown, where the surface keeps it and others may have forgotten it. Of a sender on another surface the
    /// address is what the pages know them by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Message>,
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
    /// As of [`MessageDeleted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Message>,
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
    /// What of the message it tells: that it is new, has another text, or was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
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
            /// Every `detail-type` that there is.
            pub const KINDS: &[&str] = &[$(stringify!($name)),*];

            /// The envelope's `detail-type`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            pub(crate) fn to_json(&self, event_id: &EventId) -> Result<Box<RawValue>, serde_json::Error> {
                match self { $(Self::$name(detail) => with_event_id(event_id, detail),)* }
            }

            pub(crate) fn from_json(kind: &str, json: &str) -> Result<Self, Failure> {
                let bad = |error: serde_json::Error| {
                    Failure::bug(format!("detail of {kind}: {}", unreadable::fault(&error)))
                };
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

impl Event {
    /// An event that `bridge` says happened at `time`.
    pub fn new(id: EventId, bridge: &'static str, time: Timestamp, detail: Detail) -> Self {
        Self { id, bridge: Cow::Borrowed(bridge), time, replay: None, detail }
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
            Detail::MessagePosted(MessageSaid { message, .. })
            | Detail::MessageEdited(MessageSaid { message, .. })
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
            Detail::MessageReceived(received) => words.extend(received.provider_id.as_deref()),
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
            Detail::MessageReceived(received) => received.message_id.as_ref(),
            Detail::SubscriberChanged(_) => None,
        }
    }
}
