//! The common language of Switchboard: what every bridge and both hosts agree on.
//!
//! Here are the words (message, room, event, arrival, outcome, effect, report), the shape of a [`Bridge`], and
//! the ports through which a bridge reaches its store and its provider. Deliberately absent: any I/O, any
//! provider's wire format, AWS, SQL and sockets. What a word means on the bus is in ARCHITECTURE.md.
//!
//! Reading order: [`message`] and [`event`] (what travels), [`bridge`] and [`outcome`] (what a bridge is),
//! [`store`] and [`ports`] (what it may reach), [`failure`] (what goes wrong), then the small values.

mod envelope;
pub mod event;
pub mod message;

pub mod bridge;
pub mod failure;
pub mod outcome;
pub mod socket;

pub mod link;
pub mod ports;
pub mod store;

pub mod device;
pub mod notice;

pub mod id;
pub mod phone;
pub mod room;
pub mod secret;
pub mod time;
pub mod unreadable;

#[cfg(feature = "testing")]
pub mod contract;
#[cfg(feature = "testing")]
pub mod memory;

pub use bridge::{
    Admission, Arrival, Bridge, Declaration, Door, DoorAccess, MAX_BODY_BYTES, Nonce, Permit, Permitted,
    Reading, Settlement, TimerFired, Verified, What,
};
pub use device::{DeviceMessage, DeviceTopic};
pub use event::{Detail, Event};
pub use failure::Failure;
pub use id::{ArrivalId, BlobId, EventId, MessageId};
pub use link::Links;
pub use message::{Address, Attachment, Message, Revision, Sender, Surface};
pub use notice::{Notice, NoticeTopic};
pub use outcome::{Effect, Outcome, Reply, Report, TimerChange};
pub use phone::PhoneNumber;
pub use ports::{Blob, Blobs, Devices, Http, HttpError, Notices, Ports, Search};
pub use room::{Room, RoomName, Rooms, SmsAccess};
pub use secret::Secret;
pub use socket::{
    Audience, Connection, Frame, Grant, Heard, Missed, Pace, Person, Push, Role, Sockets, Told, ToldMessage,
    Word,
};
pub use store::{Expect, Item, Key, Order, Page, Query, View, Write};
pub use time::Timestamp;
