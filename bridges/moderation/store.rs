//! What the gate keeps: a counter for each room, a record for each message, a pace for each sender.
//!
//! ```text
//! partition            sort     body                                          expires
//! room/<room>          seq      the last number given                         never
//! message/<id>         state    what is shown or held, and how far it got     after keep_days
//! sender/<hash>        pace     how fast the sender has been going            when it would say nothing more
//! ```
//!
//! A parked edit and early deletions live in the record of the message that they wait for, so that a post
//! costs one reading however much came before it. Every write demands the version that was read: of two
//! decisions on the same items one is made again.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use switchboard_core::{
    Expect, Failure, Key, Message, MessageId, Revision, RoomName, Sender, Timestamp, View, Write,
};

/// Most reactions that are kept of one message; more are not shown. Bounds the record.
pub(super) const MAX_REACTIONS: usize = 200;

/// Most people who can withdraw a message before it comes; one would do, but for strangers that claim to.
pub(super) const MAX_WITHDRAWALS: usize = 8;

/// An item as it was read, with the demand that it has not changed since.
#[derive(Debug, Clone)]
pub(super) struct Seen<T> {
    pub(super) value: Option<T>,
    pub(super) expect: Expect,
}

async fn read<T: DeserializeOwned>(view: &dyn View, key: &Key) -> Result<Seen<T>, Failure> {
    match view.get(key).await? {
        Some(item) => Ok(Seen { value: Some(item.read()?), expect: Expect::Version(item.version) }),
        None => Ok(Seen { value: None, expect: Expect::Absent }),
    }
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It is shown.
    Shown,
    /// It waits for an operator.
    Held,
    /// It is not shown, or was taken back by an operator. For good.
    Blocked,
    /// Its sender withdrew it. For good: a tombstone.
    Deleted,
    /// It has not come yet, but an edit or a deletion of it has.
    Parked,
}

/// What the gate remembers of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) status: Status,
    /// The highest revision that was judged, shown or not.
    pub(super) revision: Revision,
    /// What is shown, held or parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<Message>,
    /// Who withdrew it before it came: when it comes, it is seen whether they could. At most
    /// [`MAX_WITHDRAWALS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) withdrawn_by: Vec<Sender>,
    /// The reactions that are shown: name and a hash of who.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reactions: Vec<String>,
}

impl Record {
    /// A message that is shown, held or parked.
    pub(super) fn of(status: Status, message: &Message) -> Self {
        Self {
            status,
            revision: message.revision,
            message: Some(message.clone()),
            withdrawn_by: Vec::new(),
            reactions: Vec::new(),
        }
    }

    /// A message of which nothing is kept but that it is not shown.
    pub(super) fn gone(status: Status, revision: Revision) -> Self {
        Self { status, revision, message: None, withdrawn_by: Vec::new(), reactions: Vec::new() }
    }
}

fn message_key(id: &MessageId) -> Key {
    Key::new(format!("message/{id}"), "state")
}

fn room_key(room: &RoomName) -> Key {
    Key::new(format!("room/{room}"), "seq")
}

/// What is known of a message.
pub(super) async fn message(view: &dyn View, id: &MessageId) -> Result<Seen<Record>, Failure> {
    read(view, &message_key(id)).await
}

/// Remembers a message for as long as `keep`.
pub(super) fn put_message(
    id: &MessageId,
    record: &Record,
    expect: Expect,
    forgotten_at: Timestamp,
) -> Result<Write, Failure> {
    Ok(Write::put(message_key(id), record, expect)?.expiring(forgotten_at))
}

/// Demands that a message is still what was read of it.
pub(super) fn check_message(id: &MessageId, expect: Expect) -> Write {
    Write::Check { key: message_key(id), expect }
}

/// The room's next number, and the write that takes it.
pub(super) async fn next_seq(view: &dyn View, room: &RoomName) -> Result<(u64, Write), Failure> {
    let key = room_key(room);
    let last: Seen<u64> = read(view, &key).await?;
    let seq = last.value.unwrap_or(0).saturating_add(1);
    let write = Write::put(key, &seq, last.expect)?;
    Ok((seq, write))
}

/// A sender's name in keys and records: no address is written where none is needed.
pub(super) fn sender_hash(sender: &Sender) -> String {
    let mut hash = Sha256::new();
    hash.update(sender.surface.as_str());
    hash.update([0]);
    hash.update(sender.address.as_str());
    hex::encode(&hash.finalize()[..12])
}

fn sender_key(sender: &Sender) -> Key {
    Key::new(format!("sender/{}", sender_hash(sender)), "pace")
}

/// How fast a sender has been going.
pub(super) async fn pace<T: DeserializeOwned>(view: &dyn View, sender: &Sender) -> Result<Seen<T>, Failure> {
    read(view, &sender_key(sender)).await
}

/// Remembers a sender's pace for `memory`.
pub(super) fn put_pace<T: Serialize>(
    sender: &Sender,
    pace: &T,
    expect: Expect,
    now: Timestamp,
    memory: Duration,
) -> Result<Write, Failure> {
    Ok(Write::put(sender_key(sender), pace, expect)?.expiring(now.plus(memory)))
}
