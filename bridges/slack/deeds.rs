//! What `decide` asks of `act`, and what `act` answers: the bodies of effects and reports.

use serde::{Deserialize, Serialize};
use switchboard_core::{MessageId, RoomName};

use super::store::Own;
use super::wire::SlackTs;

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Deed {
    /// Show a message.
    Post(Post),
    /// Show its new text.
    Update { channel: String, ts: SlackTs, text: String },
    /// Show it no more, nor the files that came with it.
    Delete { channel: String, ts: SlackTs, files: Vec<String> },
}

/// A message to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) message_id: MessageId,
    pub(super) room: RoomName,
    pub(super) channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) thread: Option<SlackTs>,
    /// The name under which it stands there.
    pub(super) username: String,
    /// Escaped.
    pub(super) text: String,
    pub(super) hops: u8,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub(super) enum Done {
    /// It stands there.
    Posted { ts: SlackTs, own: Own },
    /// It was done, or there is nothing left to do it to.
    Changed,
}
