//! Sockets: what a bridge that people are connected to adds to [`Bridge`](crate::Bridge).
//!
//! The host owns the connections: who is there, which rooms each listens to, how much waits for it. The bridge
//! owns the protocol: what a frame means and how anything is said. A frame that changes something is an arrival
//! like a request; one that only asks is answered beside the writer; typing and presence touch no store at all.
//!
//! What goes to sockets is a [`Push`]: sent after the commit, best effort, never stored for a socket. Who misses
//! one sees the gap in the numbers and resumes from what is stored ([`Sockets::missed`]).

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::bridge::Reading;
use crate::failure::Failure;
use crate::id::{ArrivalId, BlobId, MessageId};
use crate::message::Attachment;
use crate::room::RoomName;
use crate::store::View;
use crate::time::Timestamp;

/// Somebody who is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Person {
    /// Never changes, and says nothing about them.
    pub id: String,
    /// What others are shown.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
}

/// What a person may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read and write.
    Member,
    /// Decide about others' messages.
    Moderator,
    /// Everything.
    Operator,
}

/// One open socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Which.
    pub id: String,
    /// Whose.
    pub person: Person,
    /// Of which session: signing out ends them all.
    pub session: String,
    /// When it has to be renewed.
    pub expires_at: Timestamp,
}

/// What opens a socket, or renews it: the body of the reply at a [`DoorAccess::Socket`](crate::DoorAccess) door
/// and to [`Heard::Renew`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// For whom.
    pub person: Person,
    /// Of which session.
    pub session: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A frame that `hear` took for an arrival.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// On which socket.
    pub connection: Connection,
    /// As it came.
    pub text: String,
}

/// What a frame is.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// It changes something: decide, unless it has been. The outcome's reply goes back on the socket.
    Arrival(ArrivalId),
    /// It asks something: [`Sockets::answer`].
    Ask,
    /// To be answered and passed on at once; nothing is stored.
    Answer {
        /// Back to the socket.
        frame: Option<String>,
        /// To others.
        pushes: Vec<Push>,
    },
    /// It wants to listen to these rooms, from the number after the given one.
    Watch {
        /// Which, and the last number that was seen there.
        rooms: Vec<(RoomName, Option<u64>)>,
        /// The first frame of a socket.
        hello: bool,
    },
    /// It listens to this room no more.
    Unwatch(RoomName),
    /// It wants to live longer: decide, and the reply is a [`Grant`].
    Renew(ArrivalId),
    /// It is not understood, or not allowed; with what to say. Counts against the socket.
    Refused(String),
}

/// To whom.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Audience {
    /// All sockets that listen to a room.
    Room(RoomName),
    /// All sockets of a person.
    Person(String),
    /// All sockets of a session.
    Session(String),
}

/// A frame for sockets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Push {
    /// To whom.
    pub to: Audience,
    /// The frame; empty when they are only to be closed.
    pub frame: String,
    /// Its number in the room. A socket gets each number once and in order.
    pub seq: Option<u64>,
    /// How often something of this kind may go out.
    pub pace: Pace,
    /// Close them with this code.
    pub close: Option<u16>,
}

impl Push {
    /// A frame that goes out at once.
    pub fn new(to: Audience, frame: String) -> Self {
        Self { to, frame, seq: None, pace: Pace::AtOnce, close: None }
    }
}

/// How often something of a kind may go out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Always, and now.
    AtOnce,
    /// The latest of this key, when the time is over.
    Latest(String, Duration),
    /// The first of this key; others are dropped until the time is over.
    First(String, Duration),
}

/// What a socket missed of a room.
#[derive(Clone, PartialEq, Debug)]
pub struct Missed {
    /// The changes, with their numbers, in order.
    pub frames: Vec<(u64, String)>,
    /// All up to this number are among `frames`: while it is less than `seq`, ask again with it.
    pub until: u64,
    /// The room's last number.
    pub seq: u64,
    /// It is too much to send: the client forgets the room and loads it again.
    pub reset: bool,
}

/// A part of what stands in a room.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// Messages that are not gone, oldest first.
    pub messages: Vec<ToldMessage>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<u64>,
}

/// One message for an index.
#[derive(Clone, PartialEq, Debug)]
pub struct ToldMessage {
    /// Its number in the room.
    pub seq: u64,
    /// Its id.
    pub message_id: MessageId,
    /// When it was said.
    pub time: Timestamp,
    /// As [`found_by`] says.
    pub found_by: String,
    /// The files that it shows.
    pub files: Vec<BlobId>,
}

/// What a message is found by, a line each: its text, who said it, and the names of its files.
pub fn found_by(text: &str, sender: &str, files: &[Attachment]) -> String {
    let files = files.iter().map(|file| file.name.as_str());
    [text, sender].into_iter().chain(files).collect::<Vec<_>>().join("\n")
}

/// What the host has to say to a socket, for the bridge to put into its protocol's words.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the fields are the words of docs/chat.md")]
pub enum Word<'a> {
    Hello {
        connection: &'a Connection,
        now: Timestamp,
        /// How often the client is to say something, in seconds, so that the line lives.
        ping_s: u32,
        rooms: &'a [(RoomName, u64, Vec<Person>)],
    },
    Watching {
        room: &'a RoomName,
        seq: u64,
        people: &'a [Person],
    },
    Presence {
        room: &'a RoomName,
        person: &'a Person,
        here: bool,
    },
    Resumed {
        room: &'a RoomName,
        seq: u64,
        reset: bool,
    },
    Renewed {
        expires_at: Timestamp,
    },
    Resume {
        reason: &'a str,
    },
    Error {
        code: &'a str,
        reason: &'a str,
    },
    /// A frame that could not be carried out.
    Refused {
        frame: &'a str,
        failure: &'a Failure,
    },
}

/// What a bridge with sockets does besides.
#[async_trait]
pub trait Sockets: Send + Sync {
    /// What is this frame? Pure: no store, no I/O.
    fn hear(&self, connection: &Connection, text: &str, now: Timestamp) -> Heard;

    /// The answer to a frame that asks.
    ///
    /// # Errors
    /// [`Failure::Refuse`] with a code for the client; [`Failure::Retry`] when the store does not answer.
    async fn answer(
        &self,
        connection: &Connection,
        text: &str,
        reading: &Reading<'_>,
    ) -> Result<String, Failure>;

    /// What happened in a room after a number; without one only where the room stands. For nobody in particular
    /// where the host itself wants to know.
    ///
    /// # Errors
    /// As [`Sockets::answer`]: a room that is not there, or that the person has left.
    async fn missed(
        &self,
        person: Option<&Person>,
        room: &RoomName,
        after: Option<u64>,
        reading: &Reading<'_>,
    ) -> Result<Missed, Failure>;

    /// What stands in a room after a number, a part at a time: for an index that is made again.
    ///
    /// # Errors
    /// [`Failure::Retry`] when the store does not answer.
    async fn told(&self, room: &RoomName, after: u64, view: &dyn View) -> Result<Told, Failure>;

    /// Puts the host's words into the protocol's.
    fn say(&self, word: &Word<'_>) -> String;
}
