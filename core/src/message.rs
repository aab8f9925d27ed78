//! A message as every surface understands it: who said what, in which room, with which files.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{BlobId, MessageId};
use crate::room::RoomName;
use crate::time::Timestamp;

/// Longest text of a message, in characters. More is refused at the door.
pub const MAX_TEXT_CHARS: usize = 40_000;
/// Most files of one message (Twilio sends at most ten).
pub const MAX_ATTACHMENTS: usize = 10;
/// Longest display name, in characters. A longer one is cut.
pub const MAX_NAME_CHARS: usize = 80;
/// A message that has passed this often from one outside world to another is going round in a circle.
pub const MAX_HOPS: u8 = 4;

/// What is said, at one revision. It is complete: no listener has to look anything up in another bridge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The same through all revisions and on all surfaces.
    pub id: MessageId,
    /// Which version of the text this is.
    pub revision: Revision,
    /// Where it was said.
    pub room: RoomName,
    /// Who said it.
    pub sender: Sender,
    /// Plain text: no surface's escapes, tokens or markup. At most [`MAX_TEXT_CHARS`].
    pub text: String,
    /// The files that came with it, at most [`MAX_ATTACHMENTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message at the head of the thread, when this one answers in a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_parent: Option<MessageId>,
    /// The surface's own id for it: a Twilio MessageSid, a Slack ts. For finding it again, never for deciding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// When it was first said.
    pub time: Timestamp,
    /// How often it has passed from one outside world to another; see [`MAX_HOPS`].
    #[serde(default)]
    pub hops: u8,
}

/// Orders the versions of one message; a greater one is later. The first is [`Revision::FIRST`]; an edit's is
/// the provider's edit time in microseconds or a count: only comparison within one message has a meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The version as first said.
    pub const FIRST: Self = Self(1);
}

/// Where a person speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// The chat page, and the command line.
    Web,
    /// A phone.
    Sms,
    /// A Slack workspace.
    Slack,
    /// A panic button.
    Button,
}

impl Surface {
    /// As it stands in events and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Sms => "sms",
            Self::Slack => "slack",
            Self::Button => "button",
        }
    }
}

/// Who said something.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sender {
    /// Where they are.
    pub surface: Surface,
    /// How their surface knows them.
    pub address: Address,
    /// What others are shown.
    pub name: String,
}

/// How a surface knows a person: a phone number, a Slack user's id, a page's account. Prints redacted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// Wraps the surface's own text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The surface's own text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address]")
    }
}

/// A file of a message: stored, or a note that says why it is not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// What people read; never a path.
    pub name: String,
    /// The media type, such as `image/png`, as checked against the content.
    pub content_type: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// The stored content; `None` when it could not be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<BlobId>,
    /// Why there is no content, in words for the people in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Cuts a display name to [`MAX_NAME_CHARS`] and drops control characters; `fallback` when nothing is left.
pub fn display_name(name: &str, fallback: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let clean = clean.trim();
    if clean.is_empty() { fallback.to_owned() } else { clean.to_owned() }
}
