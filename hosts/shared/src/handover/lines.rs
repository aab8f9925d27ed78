//! What the lines of a file say: the header, and a struct for each kind of line.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use switchboard_core::{Reply, Timestamp};

/// The one version that there is.
pub const VERSION: u32 = 1;
/// What `switchboard` is in the first line.
pub(super) const MARK: &str = "hand-over";

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    switchboard: String,
    version: u32,
    /// Of this export: random, so that an import that is begun again is known to be the same.
    pub id: String,
    /// `local` or `aws`.
    pub from: String,
    /// When it was begun.
    pub at: Timestamp,
}

impl Header {
    /// Of an export that begins now.
    pub fn new(id: String, from: &str, at: Timestamp) -> Self {
        Self { switchboard: MARK.to_owned(), version: VERSION, id, from: from.to_owned(), at }
    }
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the struct of its name, documented there")]
pub enum Line {
    Event(Kept),
    Item(Item),
    Timer(Timer),
    Decided(Decided),
    Effect(Effect),
    Waiting(Waiting),
    Lane(Lane),
    Blob(File),
    End(End),
}

/// An event of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The envelope.
    pub envelope: Box<RawValue>,
}

/// An item of a bridge's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Whose.
    pub bridge: String,
    /// Partition key.
    pub partition: String,
    /// Sort key.
    pub sort: String,
    /// JSON; empty for one that was only ever added to.
    pub body: String,
    /// Grows by one with each put.
    pub version: u64,
    /// What was added up.
    pub count: i64,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// Whose.
    pub bridge: String,
    /// Its key.
    pub key: String,
    /// When it fires.
    pub due: Timestamp,
    /// What it says.
    pub body: String,
}

/// What something was done for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An event that a listener heard, by its id.
    Event(String),
    /// A request at a door, or a timer, by its arrival's id.
    Arrival(String),
}

impl Cause {
    /// The id, whichever it is.
    pub fn id(&self) -> &str {
        match self {
            Self::Event(id) | Self::Arrival(id) => id,
        }
    }
}

/// An arrival that has been decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The listener, the door, or (for a timer) the bridge.
    pub listener: String,
    /// What arrived.
    pub cause: Cause,
    /// When it arrived.
    pub at: Timestamp,
    /// What a door answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// Where deciding goes on, if it is not at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How far an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be tried when due.
    Waiting,
    /// Under way until due: whoever finds it later asks the provider first.
    Trying,
    /// The provider has answered, and the bridge has still to settle that.
    Answered,
    /// It has happened.
    Done,
    /// It was given up.
    Dead,
}

/// Something to do outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// Who asked for it.
    pub listener: String,
    /// What it was asked for.
    pub cause: Cause,
    /// Tells it from the others of the same cause, and orders them.
    pub sort: String,
    /// Where it goes.
    pub destination: String,
    /// What is to be done: the bridge's own words.
    pub body: String,
    /// How far it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// An attempt's end is unknown.
    pub unsure: bool,
    /// Not before this; while trying, when the attempt is over.
    pub due: Timestamp,
    /// When it was asked for.
    pub first: Timestamp,
    /// What the provider answered, until that is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// Why it was given up, while that waits for somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<Why>,
}

/// A delivery that is still to be decided, or was given up before it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Who is to hear it.
    pub listener: String,
    /// The event's id.
    pub event: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this.
    pub due: Timestamp,
    /// Since when.
    pub first: Timestamp,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<Why>,
}

/// Why something was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// `retry` (attempts ran out), `refuse`, `bug`, `unsure`.
    pub kind: String,
    /// In words.
    pub reason: String,
}

/// How far an ordered listener is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// Who.
    pub listener: String,
    /// In which lane.
    pub name: String,
    /// The last number that has ended.
    pub done: u64,
    /// The last number that was taken up.
    pub started: u64,
}

/// A file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its id, `blob_…`.
    pub id: String,
    /// Its media type.
    pub content_type: String,
    /// Its bytes in base64, with padding.
    pub bytes: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many lines stand between the first and this one.
    pub lines: u64,
}
