//! What was said in a channel, in our own words; no type of the wire is needed to understand it.
//!
//! [`Said`] also travels in `MessageReceived`, so its form outlives a restart.

use serde::{Deserialize, Serialize};
use switchboard_core::{ArrivalId, EventId, MessageId, Revision, Timestamp};

/// Longest ts that is taken, in bytes; Slack's have 17.
const MAX_TS_BYTES: usize = 40;

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Happened {
    Posted,
    /// With the time of the edit.
    Edited(SlackTs),
    Deleted,
    /// Slack says which mark is on a post of ours.
    Marked,
}

impl Happened {
    fn word(&self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Edited(_) => "edited",
            Self::Deleted => "deleted",
            Self::Marked => "marked",
        }
    }
}

/// One thing that was said in a channel, in our words; it also travels in `MessageReceived`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// The app to which the event was addressed: ours.
    pub(super) app: String,
    /// The user as which our bot speaks there, as the envelope says.
    pub(super) our_user: Option<String>,
    pub(super) channel: String,
    pub(super) ts: SlackTs,
    pub(super) happened: Happened,
    pub(super) author: Author,
    /// As Slack sent it: with tokens and entities.
    pub(super) text: String,
    /// The head of its thread, where that is another message.
    pub(super) thread: Option<SlackTs>,
    pub(super) files: Vec<SlackFile>,
    /// How many more files it has than a message may have.
    #[serde(default)]
    pub(super) more_files: usize,
    /// The mark that a Switchboard put on its post.
    pub(super) mark: Option<Mark>,
}

/// Who wrote it: a person has a user, a bot may have all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Author {
    pub(super) user: Option<String>,
    pub(super) bot: Option<String>,
    pub(super) app: Option<String>,
    /// The name under which a bot posted.
    pub(super) name: Option<String>,
}

/// `metadata.event_payload` of a Switchboard's post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) message_id: MessageId,
    #[serde(default)]
    pub(super) hops: u8,
}

/// A file of a message, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SlackFile {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) mimetype: Option<String>,
    #[serde(default)]
    pub(super) size: Option<u64>,
    /// `hosted`, `snippet`, `post`, `external`, `tombstone`, `hidden_by_limit`.
    #[serde(default)]
    pub(super) mode: Option<String>,
    #[serde(default)]
    pub(super) url_private: Option<String>,
    #[serde(default)]
    pub(super) url_private_download: Option<String>,
    #[serde(default)]
    pub(super) is_external: Option<bool>,
    /// `check_file_info` where the event holds only the id.
    #[serde(default)]
    pub(super) file_access: Option<String>,
}

impl Said {
    /// One arrival for all of Slack's retries, which may come under another `event_id` and without headers.
    pub(super) fn arrival_id(&self) -> ArrivalId {
        ArrivalId::from_cause(&self.cause())
    }

    /// The event that says what happened.
    pub(super) fn event_id(&self) -> EventId {
        EventId::from_cause(&self.cause())
    }

    /// The event that says that something has to be fetched first.
    pub(super) fn received_id(&self) -> EventId {
        let [slack, app, channel, ts, word, edit] = self.cause();
        EventId::from_cause(&[slack, app, channel, ts, word, edit, "received"])
    }

    fn cause(&self) -> [&str; 6] {
        let edit = if let Happened::Edited(ts) = &self.happened { ts.as_str() } else { "" };
        ["slack", &self.app, &self.channel, self.ts.as_str(), self.happened.word(), edit]
    }

    /// The message that it is about.
    pub(super) fn message_id(&self) -> MessageId {
        message_id(&self.app, &self.channel, &self.ts)
    }
}

/// Somebody put a reaction to a message, or took it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reacted {
    pub(super) app: String,
    /// The user as which our bot speaks there.
    pub(super) our_user: Option<String>,
    pub(super) channel: String,
    pub(super) ts: SlackTs,
    pub(super) user: String,
    /// The short name, without a skin tone.
    pub(super) reaction: String,
    pub(super) added: bool,
    /// When, by Slack's clock: the same reaction may come, go and come again.
    pub(super) at: String,
}

impl Reacted {
    /// One arrival for all of Slack's retries.
    pub(super) fn arrival_id(&self) -> ArrivalId {
        ArrivalId::from_cause(&self.cause())
    }

    /// The event that says so.
    pub(super) fn event_id(&self) -> EventId {
        EventId::from_cause(&self.cause())
    }

    fn cause(&self) -> [&str; 8] {
        let word = if self.added { "reacted" } else { "unreacted" };
        ["slack", &self.app, &self.channel, self.ts.as_str(), word, &self.user, &self.reaction, &self.at]
    }
}

/// The id of the message that somebody wrote there.
pub(super) fn message_id(app: &str, channel: &str, ts: &SlackTs) -> MessageId {
    MessageId::from_cause(&["slack", app, channel, ts.as_str()])
}

/// Slack's name for a message in a channel: seconds, a point, six digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct SlackTs {
    text: String,
    micros: u64,
}

impl SlackTs {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.micros)
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_ms(i64::try_from(self.micros / 1000).unwrap_or(i64::MAX))
    }
}

impl TryFrom<String> for SlackTs {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let sound = text.len() <= MAX_TS_BYTES;
        let micros = text.split_once('.').filter(|_| sound).and_then(|(seconds, fraction)| {
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(seconds) || !digits(fraction) || fraction.len() > 6 {
                return None;
            }
            let seconds: u64 = seconds.parse().ok()?;
            let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
            seconds.checked_mul(1_000_000)?.checked_add(fraction)
        });
        match micros {
            Some(micros) => Ok(Self { text, micros }),
            None => Err("not a Slack ts such as 1355517523.000005"),
        }
    }
}

impl From<SlackTs> for String {
    fn from(ts: SlackTs) -> Self {
        ts.text
    }
}
