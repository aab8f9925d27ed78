//! A notice: an alarm for a topic that people subscribe to, by mail, by text or with a program.
//!
//! The bounds are those of SNS's `Publish` and hold in both hosts, so that what one machine publishes AWS publishes too:
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>. They are checked when a notice is made, so no adapter
//! meets a bad one and nothing of it is ever sent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::failure::Failure;

/// Longest subject, in UTF-16 units, of which a letter is one and an emoji two: SNS takes "less than 100 characters".
pub const MAX_SUBJECT_UNITS: usize = 99;
/// Most that subject and message may have together, in bytes of UTF-8: SNS's 256 KB.
pub const MAX_NOTICE_BYTES: usize = 256 * 1024;
/// Longest name of a topic, in characters: <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>.
const MAX_TOPIC_NAME_CHARS: usize = 256;

/// The ARN of a topic, `arn:aws:sns:us-east-1:123456789012:alarms`. FIFO topics are none: they reach programs only,
/// neither mailboxes nor phones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeTopic(String);

/// The text is no topic's ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the ARN of a topic: write it like arn:aws:sns:us-east-1:123456789012:alarms, of a topic that is not FIFO"
)]
pub struct BadNoticeTopic;

impl NoticeTopic {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of it.
    pub fn name(&self) -> &str {
        self.0.rsplit(':').next().unwrap_or_default()
    }
}

impl FromStr for NoticeTopic {
    type Err = BadNoticeTopic;

    fn from_str(text: &str) -> Result<Self, BadNoticeTopic> {
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return Err(BadNoticeTopic) };
        let of = |text: &str, also: fn(u8) -> bool| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || also(byte))
        };
        let ok = of(partition, |byte| byte == b'-')
            && of(region, |byte| byte == b'-' || byte.is_ascii_digit())
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && name.len() <= MAX_TOPIC_NAME_CHARS
            && of(name, |byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if ok { Ok(Self(text.to_owned())) } else { Err(BadNoticeTopic) }
    }
}

impl<'de> Deserialize<'de> for NoticeTopic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for NoticeTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NoticeTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is published: a line for a mail's subject, and the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    subject: String,
    message: String,
}

/// Why something is no notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNotice {
    /// The subject.
    #[error(
        "a notice's subject has 1 to {MAX_SUBJECT_UNITS} characters, not all blank, none of them a line break or control"
    )]
    Subject,
    /// The message.
    #[error(
        "a notice's message is not empty, and has at most {MAX_NOTICE_BYTES} bytes together with the subject"
    )]
    Message,
}

impl Notice {
    /// A notice, if it is one.
    ///
    /// # Errors
    /// Which part of it is wrong.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Result<Self, BadNotice> {
        let (subject, message) = (subject.into(), message.into());
        let breaks = |it: char| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}');
        let units = subject.encode_utf16().count();
        if subject.trim().is_empty() || subject.contains(breaks) || units > MAX_SUBJECT_UNITS {
            return Err(BadNotice::Subject);
        }
        if message.is_empty() || subject.len() + message.len() > MAX_NOTICE_BYTES {
            return Err(BadNotice::Message);
        }
        Ok(Self { subject, message })
    }

    /// The line for a mail's subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({} bytes)", self.subject.len() + self.message.len())
    }
}

/// A notice is made by a bridge out of what was checked when it came in: if it is malformed, the bridge is wrong, and
/// there is no sender who could be told.
impl From<BadNotice> for Failure {
    fn from(bad: BadNotice) -> Self {
        Self::bug(bad.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_the_arn_of_one_that_people_can_subscribe_to() {
        let topic: NoticeTopic = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:Alarms_1-2".parse().unwrap();
        assert_eq!(topic.name(), "Alarms_1-2");
        let long = format!("arn:aws:sns:us-east-1:123456789012:{}", "x".repeat(MAX_TOPIC_NAME_CHARS + 1));
        for text in [
            "",
            "alarms",
            "arn:aws:sqs:us-east-1:123456789012:alarms",
            "arn:aws:sns:us-east-1:12345678901:alarms",
            "arn:aws:sns::123456789012:alarms",
            "arn:aws:sns:us-east-1:123456789012:",
            "arn:aws:sns:us-east-1:123456789012:alarms.fifo",
            "arn:aws:sns:us-east-1:123456789012:alarms:7f0c",
            "arn:aws:sns:us-east-1:123456789012:al/arms",
            "arn:aws:sns:us east:123456789012:alarms",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<NoticeTopic>(), Err(BadNoticeTopic), "{text}");
        }
        let read: Result<NoticeTopic, _> = serde_json::from_str("\"alarms\"");
        assert!(read.unwrap_err().to_string().contains("write it like arn:aws:sns:"));
    }

    #[test]
    fn a_malformed_notice_is_none_and_the_bridges_bug() {
        let longest = "é".repeat(MAX_SUBJECT_UNITS);
        let largest = "é".repeat(MAX_NOTICE_BYTES / 2 - MAX_SUBJECT_UNITS);
        assert!(Notice::new(longest.as_str(), largest.as_str()).is_ok());
        for (subject, message, expected) in [
            ("", "x", BadNotice::Subject),
            (" ", "x", BadNotice::Subject),
            ("one\ntwo", "x", BadNotice::Subject),
            ("tab\there", "x", BadNotice::Subject),
            ("one\u{2028}two", "x", BadNotice::Subject),
            (&format!("{longest}x"), "x", BadNotice::Subject),
            (&"🚨".repeat(50), "x", BadNotice::Subject),
            ("x", "", BadNotice::Message),
            (&longest, &format!("{largest}x"), BadNotice::Message),
        ] {
            assert_eq!(Notice::new(subject, message), Err(expected), "{subject:?}");
        }
        assert_eq!(Failure::from(BadNotice::Subject).kind(), "bug");
    }

    #[test]
    fn printing_a_notice_shows_nothing_of_it() {
        let notice = Notice::new("Alarm", "at the door").unwrap();
        assert_eq!(format!("{notice:?}"), "Notice(16 bytes)");
    }
}
