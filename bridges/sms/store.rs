//! What the bridge keeps.
//!
//! | partition | sort | what |
//! |---|---|---|
//! | `phone/<number>` | `state` | [`Phone`]: rooms, opt-out, name, the last place in its lane |
//! | `room/<room>` | `<number>` | a phone that joined an open room (the phone's own item decides) |
//! | `delivery/<event id>` | `state` | [`Delivery`]: one SmsRequested and how it fares |
//! | `sid/<sid>` | `delivery` | which delivery a message of Twilio's is |
//! | `noted/<message id>` | `message` | [`Noted`]: it was posted without files of its own that may still come |
//! | `incomplete/<message id>` | `message` | [`Incomplete`]: the phones were told of it without files that may still come |
//! | `withdrawn/<message id>` | `message` | the message is withdrawn: what still waits of it is not sent |
//! | `withdrawn/<message id>` | `<number>` | the phone was never sent it |
//! | `pace` | `sender` | [`Pace`]: until when our sender is busy |
//! | `spent/<day>` | `total`, `phone/…`, `room/…`, `code/…` | segments, as counts |
//!
//! A phone's item never expires: its lane would begin anew and its texts would be taken for repeats.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use switchboard_core::event::{Change, DeliveryStatus, Detail, SmsRequested};
use switchboard_core::{
    Attachment, BlobId, Event, EventId, Expect, Failure, Key, MessageId, PhoneNumber, Revision, RoomName,
    SmsAccess, Timestamp, View, Write,
};

use super::config::Config;

/// How long a delivery is remembered, and whatever a dead letter of it may need: Twilio's last report comes within days.
pub(super) const DELIVERY_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// How long a day's counts are kept: past the end of their day in every time zone.
pub(super) const SPENT_KEPT: Duration = Duration::from_secs(3 * 86_400);

/// An item as it was read, so that it can be written only if nobody else did in between.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored<T> {
    pub(super) value: T,
    pub(super) expect: Expect,
}

impl<T: DeserializeOwned + Default> Stored<T> {
    pub(super) async fn load(view: &dyn View, key: &Key) -> Result<Self, Failure> {
        Ok(match view.get(key).await? {
            Some(item) => Self { value: item.read()?, expect: Expect::Version(item.version) },
            None => Self { value: T::default(), expect: Expect::Absent },
        })
    }
}

impl<T: Serialize> Stored<T> {
    pub(super) fn write(&self, key: Key) -> Result<Write, Failure> {
        Write::put(key, &self.value, self.expect)
    }

    pub(super) fn is_new(&self) -> bool {
        self.expect == Expect::Absent
    }
}

/// A phone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Phone {
    /// The last place given in the phone's lane.
    pub(super) seq: u64,
    /// It has said STOP.
    pub(super) opted_out: bool,
    /// The name that it chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// The rooms that it joined, the last one last.
    pub(super) rooms: Vec<RoomName>,
    /// The rooms that list it and that it left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left: Vec<RoomName>,
    /// When it was last told how to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) helped_at: Option<Timestamp>,
}

impl Phone {
    /// Is it in this room, as the rooms are configured now?
    pub(super) fn is_in(&self, config: &Config, room: &RoomName, number: &PhoneNumber) -> bool {
        config.may_join(room, number)
            && match config.access(room) {
                SmsAccess::Open => self.rooms.contains(room),
                SmsAccess::Listed => !self.left.contains(room),
                SmsAccess::Off => false,
            }
    }

    /// Where its texts go: the room it joined last, or else the first that lists it.
    pub(super) fn home(&self, config: &Config, number: &PhoneNumber) -> Option<RoomName> {
        let joined = self.rooms.iter().rev().find(|room| self.is_in(config, room, number));
        let listed = || config.listing(number).find(|room| self.is_in(config, room, number));
        joined.or_else(listed).cloned()
    }

    pub(super) fn join(&mut self, room: &RoomName) {
        self.leave(room);
        self.left.retain(|other| other != room);
        self.rooms.push(room.clone());
    }

    pub(super) fn leave(&mut self, room: &RoomName) {
        self.rooms.retain(|other| other != room);
        if !self.left.contains(room) {
            self.left.push(room.clone());
        }
    }

    /// The next text in the phone's lane, caused by `cause`.
    pub(super) fn request(&mut self, cause: &EventId, text: NewText, now: Timestamp) -> Event {
        self.seq += 1;
        let id = EventId::from_cause(&[cause.as_str(), "SmsRequested", text.to.as_str()]);
        let requested = SmsRequested {
            lane: text.to,
            seq: self.seq,
            text: text.text,
            attachments: text.attachments,
            message_id: text.message_id,
            change: text.change,
            room: text.room,
        };
        Event::new(id, "sms", now, Detail::SmsRequested(requested))
    }
}

/// A text that has no place in its lane yet.
pub(super) struct NewText {
    pub(super) to: PhoneNumber,
    pub(super) text: String,
    pub(super) attachments: Vec<Attachment>,
    pub(super) message_id: Option<MessageId>,
    pub(super) change: Option<Change>,
    pub(super) room: Option<RoomName>,
}

/// One text on its way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Delivery {
    pub(super) phone: Option<PhoneNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room: Option<RoomName>,
    /// Twilio's id, once it is known that Twilio has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<String>,
    /// The furthest status that Twilio reported, in its word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    /// The day on which its segments were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counted: Option<String>,
    /// What it says, until it is known that the carrier took it: so long it may be sent once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unsent: Option<Unsent>,
    /// It is that once more, and there is no third time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) last: bool,
}

/// What a text says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Unsent {
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attachments: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<Change>,
}

impl Delivery {
    /// Takes a status of Twilio's in, unless it is no further than the last. What to report, if that is new.
    ///
    /// Callbacks come in any order: accepted, scheduled < queued < sending < sent < the ends; read comes only
    /// after delivered.
    pub(super) fn advance(&mut self, status: &str) -> Option<DeliveryStatus> {
        let (far, reported) = rank(status)?;
        let before = self.status.as_deref().and_then(rank);
        if before.is_some_and(|(before, _)| far <= before) {
            return None;
        }
        let ended_otherwise = |(before, said)| before == END && said != DeliveryStatus::Delivered;
        if status == "read" && before.is_some_and(ended_otherwise) {
            return None;
        }
        self.status = Some(status.to_owned());
        if matches!(reported, DeliveryStatus::Delivered) {
            self.unsent = None;
        }
        (before.map(|(_, status)| status) != Some(reported)).then_some(reported)
    }
}

const END: u8 = 5;

/// Twilio's statuses of outgoing messages, by how far they are.
fn rank(status: &str) -> Option<(u8, DeliveryStatus)> {
    Some(match status {
        "accepted" | "scheduled" => (1, DeliveryStatus::Queued),
        "queued" => (2, DeliveryStatus::Queued),
        "sending" => (3, DeliveryStatus::Queued),
        "sent" => (4, DeliveryStatus::Sent),
        "delivered" | "partially_delivered" => (END, DeliveryStatus::Delivered),
        "undelivered" => (END, DeliveryStatus::Undelivered),
        "failed" | "canceled" => (END, DeliveryStatus::Failed),
        "read" => (END + 1, DeliveryStatus::Delivered),
        _ => return None,
    })
}

/// What a message was posted with, when some of its files had been given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Noted {
    pub(super) attachments: Vec<Attachment>,
    pub(super) revision: Revision,
}

impl Default for Noted {
    fn default() -> Self {
        Self { attachments: Vec::new(), revision: Revision::FIRST }
    }
}

/// What the phones were told of a message some of whose files were missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Incomplete {
    pub(super) shown: Vec<BlobId>,
    pub(super) text: String,
}

/// Which delivery a message of Twilio's is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) delivery: EventId,
}

/// Until when our sender is busy.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Pace {
    /// Microseconds since 1970: the theoretical arrival time of the generic cell rate algorithm.
    pub(super) busy_until_us: i64,
}

impl Pace {
    /// Takes the sender's next free time for `segments`, at `rate` segments a second. When they may go.
    pub(super) fn reserve(&mut self, now: Timestamp, segments: u32, rate: f64) -> Timestamp {
        let now_us = now.ms().saturating_mul(1000);
        let start_us = self.busy_until_us.max(now_us);
        #[expect(clippy::cast_possible_truncation, reason = "a rate is at least 0.001 and segments are few")]
        let takes_us = (f64::from(segments) * 1_000_000.0 / rate).ceil() as i64;
        self.busy_until_us = start_us.saturating_add(takes_us);
        Timestamp::from_ms((start_us.saturating_add(999)) / 1000)
    }
}

pub(super) fn phone_key(phone: &PhoneNumber) -> Key {
    Key::new(format!("phone/{}", phone.as_str()), "state")
}

pub(super) fn members_partition(room: &RoomName) -> String {
    format!("room/{room}")
}

pub(super) fn member_key(room: &RoomName, phone: &PhoneNumber) -> Key {
    Key::new(members_partition(room), phone.as_str())
}

pub(super) fn delivery_key(delivery: &EventId) -> Key {
    Key::new(format!("delivery/{delivery}"), "state")
}

pub(super) fn pace_key() -> Key {
    Key::new("pace", "sender")
}

pub(super) fn spent_key(day: &str, what: &str) -> Key {
    Key::new(format!("spent/{day}"), what)
}

pub(super) fn claim_key(sid: &str) -> Key {
    Key::new(format!("sid/{sid}"), "delivery")
}

/// Records that a message of Twilio's is this delivery.
pub(super) fn claim(sid: &str, delivery: &EventId, expect: Expect, now: Timestamp) -> Result<Write, Failure> {
    let claim = Claim { delivery: delivery.clone() };
    Ok(Write::put(claim_key(sid), &claim, expect)?.expiring(now.plus(DELIVERY_KEPT)))
}

/// Where it stands that a message was posted without some of its files.
pub(super) fn noted_key(message: &MessageId) -> Key {
    Key::new(format!("noted/{message}"), "message")
}

/// Where it stands that the phones were told of a message without some of its files.
pub(super) fn incomplete_key(message: &MessageId) -> Key {
    Key::new(format!("incomplete/{message}"), "message")
}

/// Where it stands that a message is withdrawn.
pub(super) fn withdrawn_key(message: &MessageId) -> Key {
    Key::new(format!("withdrawn/{message}"), "message")
}

/// Where it stands that a phone was never sent a message that is withdrawn.
pub(super) fn never_sent_key(message: &MessageId, phone: &PhoneNumber) -> Key {
    Key::new(format!("withdrawn/{message}"), phone.as_str())
}

/// Keeps that something is withdrawn for as long as a text of it may wait, or be redriven.
pub(super) fn withdrawn(key: Key, now: Timestamp) -> Result<Write, Failure> {
    Ok(Write::put(key, &now, Expect::Any)?.expiring(now.plus(DELIVERY_KEPT)))
}

/// Writes a delivery's state.
pub(super) fn put_delivery(
    stored: &Stored<Delivery>,
    delivery: &EventId,
    now: Timestamp,
) -> Result<Write, Failure> {
    Ok(stored.write(delivery_key(delivery))?.expiring(now.plus(DELIVERY_KEPT)))
}
