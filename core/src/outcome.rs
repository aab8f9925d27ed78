//! What a decision amounts to. A value: the host commits it and carries it out, the same for all bridges.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::failure::Failure;
use crate::socket::Push;
use crate::store::{self, Write};
use crate::time::Timestamp;

/// All that follows from an arrival. The host commits writes, events, timers and effects together or not at
/// all, under (listener, arrival id), and only then answers a door.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outcome {
    /// The answer, for a door. Without one it is an empty 200.
    pub reply: Option<Reply>,
    /// Changes of the bridge's own store.
    pub writes: Vec<Write>,
    /// What happened, for all who listen.
    pub events: Vec<Event>,
    /// Timers to set or clear.
    pub timers: Vec<TimerChange>,
    /// What to do in the outside world.
    pub effects: Vec<Effect>,
    /// What to show on sockets, once it is committed. Not stored: who misses one asks again.
    pub pushes: Vec<Push>,
    /// Set when there is more to decide about this arrival than fits one transaction: the host commits this
    /// part and calls `decide` again with it. A lane waits until the last part is settled.
    pub next_part: Option<String>,
}

impl Outcome {
    /// Nothing follows.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Only an answer.
    pub fn reply(reply: Reply) -> Self {
        Self { reply: Some(reply), ..Self::default() }
    }
}

/// A door's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
    /// Further headers, such as `Set-Cookie`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

impl Reply {
    /// 200 with a JSON body.
    ///
    /// # Errors
    /// [`Failure::Bug`] when the value cannot be written.
    pub fn json<T: Serialize>(value: &T) -> Result<Self, Failure> {
        Ok(Self {
            status: 200,
            content_type: "application/json".into(),
            body: store::to_json(value)?,
            headers: Vec::new(),
        })
    }

    /// 200 with a body of any type.
    pub fn ok(content_type: &str, body: impl Into<String>) -> Self {
        Self { status: 200, content_type: content_type.into(), body: body.into(), headers: Vec::new() }
    }

    /// 200 with nothing.
    pub fn empty() -> Self {
        Self::ok("text/plain; charset=utf-8", "")
    }
}

/// A timer to set (again) or to clear. A timer that is set again keeps only its new time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TimerChange {
    /// Fires once at `due`, as an arrival at the bridge's `decide`.
    Set {
        /// The bridge's name for it.
        key: String,
        /// When.
        due: Timestamp,
        /// The bridge's own words: JSON, given back when it fires.
        body: String,
    },
    /// Does not fire any more.
    Clear {
        /// The bridge's name for it.
        key: String,
    },
}

/// Something to do in the outside world, once. Its key is (what arrived, destination).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// To whom: unique within the arrival. Appears in dead letters and traces, so it names the place
    /// (`slack/C024`), not the person.
    pub destination: String,
    /// The bridge's own words for `act`: JSON.
    pub body: String,
    /// Not before this.
    pub not_before: Option<Timestamp>,
}

impl Effect {
    /// An effect with `body` as JSON.
    ///
    /// # Errors
    /// [`Failure::Bug`] when the body cannot be written.
    pub fn new<T: Serialize>(destination: impl Into<String>, body: &T) -> Result<Self, Failure> {
        Ok(Self { destination: destination.into(), body: store::to_json(body)?, not_before: None })
    }

    /// The body as the bridge's own type.
    ///
    /// # Errors
    /// [`Failure::Bug`] when it is not what was written.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        store::from_json(&self.body)
    }
}

/// What the provider answered, in the bridge's own words: JSON, from `act` or `find` to `settle`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report(pub String);

impl Report {
    /// A report with `body` as JSON.
    ///
    /// # Errors
    /// [`Failure::Bug`] when the body cannot be written.
    pub fn new<T: Serialize>(body: &T) -> Result<Self, Failure> {
        Ok(Self(store::to_json(body)?))
    }

    /// The body as the bridge's own type.
    ///
    /// # Errors
    /// [`Failure::Bug`] when it is not what was written.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        store::from_json(&self.0)
    }
}

/// How long one attempt of an effect may take in all, requests of a flow included. *Trying* lasts this long
/// and a little more, so that nobody asks about an attempt that is still under way.
pub const MAX_ATTEMPT: Duration = Duration::from_secs(30);
