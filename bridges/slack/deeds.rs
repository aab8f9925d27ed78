//! What `decide` asks of `act`, and what `act` answers: the bodies of effects and reports; and the errands by
//! which the bridge sends itself to fetch or bring something in its own time (`MessageReceived`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switchboard_core::{Attachment, BlobId, MessageId, RoomName};

use super::said::{Said, SlackTs};
use super::store::Own;
use super::text::Names;

/// The payload of our `MessageReceived`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "errand", rename_all = "snake_case")]
pub(super) enum Errand {
    /// Fetch what this message names or carries, then say it.
    Fetch { said: Box<Said> },
    /// Bring a message's files into the thread of its post.
    Upload(Upload),
    /// Take files away that came too late: their message was withdrawn while they were brought.
    Withdraw {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
        channel: String,
        files: Vec<String>,
    },
}

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
    /// Show a reaction, or show it no more.
    React { channel: String, ts: SlackTs, name: String, added: bool },
    /// Show a message's files.
    Upload(Upload),
    /// Show these files no more.
    Withdraw { files: Vec<String> },
    /// Learn what is missing to say a message.
    Fetch(Box<Fetch>),
    /// Of its files, which were given up, take those that are here.
    Gather(Box<Fetch>),
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
    /// What is to be brought into its thread when it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<Attachment>,
    /// Those of `files`, where others of the message are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) incomplete: Option<Vec<BlobId>>,
}

/// A message's files, to be shown in a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) message_id: MessageId,
    pub(super) channel: String,
    pub(super) thread: SlackTs,
    pub(super) files: Vec<Attachment>,
}

/// What is missing to say a message, and what is known already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fetch {
    pub(super) said: Said,
    pub(super) room: RoomName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<MessageId>,
    pub(super) names: Names,
    /// The files as they were fetched before; `None`: they are to be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attachments: Option<Vec<Attachment>>,
    pub(super) missing: Missing,
}

/// What has to be asked of Slack before a message can be said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Missing {
    /// People, channels and bots without a known name, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<String>,
    /// Whether the bot that wrote it is ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ourselves: bool,
    /// Its files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) files: bool,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub(super) enum Done {
    /// It stands there.
    Posted {
        ts: SlackTs,
        own: Own,
        /// In the channel, since its thread takes no reply.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unthreaded: bool,
    },
    /// It was done, or there is nothing left to do it to.
    Changed,
    /// It was not done: its message was withdrawn before.
    Withdrawn,
    /// These files stand there, by Slack's ids.
    Uploaded { files: Vec<String> },
    /// What Slack knew.
    Fetched(Fetched),
}

/// What Slack knew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fetched {
    /// By id; `None` where Slack does not say.
    pub(super) names: BTreeMap<String, Option<String>>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) own: Own,
}
