//! What the chat keeps: its keys and items.
//!
//! ```text
//!   room/<room>       <seq>                the message posted with that number, in its newest form
//!   changes/<room>    <seq>                what else happened in the room: edits, deletions, reactions
//!   message/<id>      at                   where a message stands, and how many deliveries have got how far
//!   message/<id>      to/<surface>/<hash>  how far one delivery has got
//!   phones/<room>     <hash>               a phone of the room: whether it can be reached
//!   phone/<hash>      rooms                the rooms that a phone is in
//!   left/<person>     <room>               a room that a person has left
//!   session/<hash>    state                who is signed in
//!   name/<skeleton>   holder               whose name it is
//!   ticket/<hash>     state                opens one socket
//! ```
//! Numbers are written with twenty digits, so that their order is that of the keys. A page of a room is one
//! query and a reading for each message, however long the room is. A posting needs no row of its own in
//! `changes`: the message's number is that of its posting. No phone's number is here: hashes with the hub's key.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use switchboard_core::event::{Change, DeliveryStatus};
use switchboard_core::{
    Attachment, Expect, Failure, Key, Message, MessageId, Order, Page, Person, Query, RoomName, Surface,
    Timestamp, View,
};

/// An item as it was read, with the demand that it has not changed since.
#[derive(Debug, Clone)]
pub(super) struct Seen<T> {
    pub(super) value: Option<T>,
    pub(super) expect: Expect,
}

/// Reads an item.
pub(super) async fn seen<T: DeserializeOwned>(view: &dyn View, key: &Key) -> Result<Seen<T>, Failure> {
    match view.get(key).await? {
        Some(item) => Ok(Seen { value: Some(item.read()?), expect: Expect::Version(item.version) }),
        None => Ok(Seen { value: None, expect: Expect::Absent }),
    }
}

/// Reads an item that will not be written.
pub(super) async fn get<T: DeserializeOwned>(view: &dyn View, key: &Key) -> Result<Option<T>, Failure> {
    view.get(key).await?.map(|item| item.read()).transpose()
}

/// Who said or did something, as pages know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    pub(super) surface: Surface,
    pub(super) id: String,
    pub(super) name: String,
}

/// Why a message is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Gone {
    Deleted,
    Retracted,
}

/// A person who reacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reactor {
    pub(super) id: String,
    pub(super) name: String,
}

/// A message as the room shows it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) message_id: MessageId,
    pub(super) revision: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) edited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gone: Option<Gone>,
    pub(super) sender: Who,
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attachments: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) thread_parent: Option<MessageId>,
    pub(super) time: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) reactions: BTreeMap<String, Vec<Reactor>>,
}

impl Entry {
    /// A message as it was posted.
    pub(super) fn new(message: &Message, sender: Who) -> Self {
        Self {
            message_id: message.id.clone(),
            revision: message.revision.0,
            edited: false,
            gone: None,
            sender,
            text: message.text.clone(),
            attachments: message.attachments.clone(),
            thread_parent: message.thread_parent.clone(),
            time: message.time,
            reactions: BTreeMap::new(),
        }
    }
}

/// What happened with a number that is no posting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Logged {
    pub(super) change: Change,
    /// The number of the message that it happened to.
    pub(super) at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<Who>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reaction: Option<switchboard_core::event::Reaction>,
}

/// How many deliveries of a message have got how far on one surface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) queued: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) sent: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) delivered: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) failed: u32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) opted_out: u32,
    /// Why the latest failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) room: RoomName,
    /// Its number; `None` while only deliveries of it are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    /// By surface.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) counts: BTreeMap<String, Counts>,
}

/// How far one delivery has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delivered {
    pub(super) surface: Surface,
    pub(super) who: String,
    pub(super) status: DeliveryStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    pub(super) time: Timestamp,
}

/// A phone of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Phone {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) opted_out: bool,
    /// Why the latest text did not reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

/// The rooms that a phone is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PhoneRooms {
    pub(super) rooms: BTreeSet<RoomName>,
    #[serde(default)]
    pub(super) opted_out: bool,
    /// When it last joined or left each room, and opted out or in: what happened before is too late to count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) heard: BTreeMap<RoomName, Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) opted_at: Option<Timestamp>,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) person: Person,
    pub(super) expires_at: Timestamp,
    /// The name's key, to be given back when they sign out.
    pub(super) name: String,
}

/// Opens one socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) person: Person,
    pub(super) session: String,
    /// The session's end.
    pub(super) session_until: Timestamp,
}

fn numbered(seq: u64) -> String {
    format!("{seq:020}")
}

/// The message posted with a number.
pub(super) fn entry_key(room: &RoomName, seq: u64) -> Key {
    Key::new(format!("room/{room}"), numbered(seq))
}

/// What else happened with a number.
pub(super) fn change_key(room: &RoomName, seq: u64) -> Key {
    Key::new(format!("changes/{room}"), numbered(seq))
}

/// Where a message stands.
pub(super) fn place_key(message: &MessageId) -> Key {
    Key::new(format!("message/{message}"), "at")
}

/// How far a message's delivery to one address has got.
pub(super) fn delivery_key(message: &MessageId, surface: Surface, hash: &str) -> Key {
    Key::new(format!("message/{message}"), format!("to/{}/{hash}", surface.as_str()))
}

/// A phone of a room.
pub(super) fn phone_key(room: &RoomName, hash: &str) -> Key {
    Key::new(format!("phones/{room}"), hash)
}

/// A phone's rooms.
pub(super) fn phone_rooms_key(hash: &str) -> Key {
    Key::new(format!("phone/{hash}"), "rooms")
}

/// That a person has left a room.
pub(super) fn left_key(person: &str, room: &RoomName) -> Key {
    Key::new(format!("left/{person}"), room.as_str())
}

/// A session.
pub(super) fn session_key(hash: &str) -> Key {
    Key::new(format!("session/{hash}"), "state")
}

/// A name's holder.
pub(super) fn name_key(skeleton: &str) -> Key {
    Key::new(format!("name/{skeleton}"), "holder")
}

/// A ticket.
pub(super) fn ticket_key(hash: &str) -> Key {
    Key::new(format!("ticket/{hash}"), "state")
}

/// What a secret is known by here: whoever reads the file cannot sign in with it.
pub(super) fn secret_hash(secret: &str) -> String {
    hex::encode(&Sha256::digest(secret.as_bytes())[..20])
}

/// Reads a number from a sort key.
pub(super) fn number(sort: &str) -> Result<u64, Failure> {
    sort.parse().map_err(|_| Failure::bug("a number of a room cannot be read"))
}

/// Rows of a room (`room` or `changes`) after or before a number.
pub(super) async fn numbered_page(
    view: &dyn View,
    kind: &str,
    room: &RoomName,
    after: Option<u64>,
    order: Order,
    limit: usize,
) -> Result<Page, Failure> {
    let query = Query {
        partition: format!("{kind}/{room}"),
        prefix: String::new(),
        after: after.map(numbered),
        order,
        limit,
    };
    view.query(&query).await
}

/// The room's last number; 0 when nothing has happened there.
pub(super) async fn head(view: &dyn View, room: &RoomName) -> Result<u64, Failure> {
    let mut last = 0;
    for kind in ["room", "changes"] {
        let page = numbered_page(view, kind, room, None, Order::Descending, 1).await?;
        if let Some(item) = page.items.first() {
            last = last.max(number(&item.sort)?);
        }
    }
    Ok(last)
}
