//! A Slack message and its timestamp, in Slack's own shape.
//!
//! <https://docs.slack.dev/reference/events/message>

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A message's id and time: microseconds since 1970, written `1700000000.000100`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Ts(pub(crate) u64);

impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl FromStr for Ts {
    type Err = &'static str;

    /// Up to six decimals may be left out, as in `oldest=0`.
    fn from_str(text: &str) -> Result<Ts, &'static str> {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if seconds.is_empty() || fraction.len() > 6 || !digits(seconds) || !digits(fraction) {
            return Err("invalid_ts");
        }
        let seconds: u64 = seconds.parse().map_err(|_| "invalid_ts")?;
        let micros: u64 = format!("{fraction:0<6}").parse().map_err(|_| "invalid_ts")?;
        seconds.checked_mul(1_000_000).and_then(|whole| whole.checked_add(micros)).map(Ts).ok_or("invalid_ts")
    }
}

impl Serialize for Ts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ts, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A message as Slack writes it in answers and events.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    #[serde(rename = "type", default = "message")]
    pub(crate) kind: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subtype: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Arc<str>>,
    pub(crate) ts: Ts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_msg_id: Option<String>,
    pub(crate) text: String,
    pub(crate) team: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bot_id: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) app_id: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bot_profile: Option<Arc<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) icons: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blocks: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attachments: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread_ts: Option<Ts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent_user_id: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<Value>,
    /// `false` beside files, as Slack says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) display_as_bot: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) edited: Option<Edited>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reactions: Vec<Reaction>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hidden: bool,
}

fn message() -> Cow<'static, str> {
    "message".into()
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Edited {
    pub(crate) user: Arc<str>,
    pub(crate) ts: Ts,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reaction {
    pub(crate) name: String,
    pub(crate) users: Vec<String>,
    pub(crate) count: usize,
}

impl Message {
    /// A message with nothing but its time, place and text.
    pub(crate) fn bare(ts: Ts, team: &Arc<str>, text: String) -> Message {
        Message {
            kind: message(),
            subtype: None,
            user: None,
            ts,
            client_msg_id: None,
            text,
            team: Arc::clone(team),
            bot_id: None,
            app_id: None,
            bot_profile: None,
            username: None,
            icons: None,
            blocks: None,
            attachments: None,
            metadata: None,
            thread_ts: None,
            parent_user_id: None,
            files: Vec::new(),
            upload: None,
            display_as_bot: None,
            edited: None,
            reactions: Vec::new(),
            hidden: false,
        }
    }

    /// Makes it the message of a file.
    pub(crate) fn share(&mut self, file: Value) {
        self.subtype = Some("file_share".into());
        self.upload = Some(false);
        self.display_as_bot = Some(false);
        self.files.push(file);
    }

    /// Whether it is shown in a thread only.
    pub(crate) fn is_reply(&self) -> bool {
        self.thread_ts.is_some_and(|parent| parent != self.ts)
            && self.subtype.as_deref() != Some("thread_broadcast")
    }
}

#[cfg(test)]
mod tests {
    use super::Ts;

    #[test]
    fn timestamps_are_written_as_they_were_read() {
        for text in ["1700000000.000100", "1531420618.999999", "0.000000"] {
            assert_eq!(text.parse::<Ts>().unwrap().to_string(), text);
        }
        assert_eq!("12.5".parse::<Ts>().unwrap(), Ts(12_500_000));
        for text in ["", "x", "1.2.3", "-1", "1.0000001", "99999999999999999999"] {
            assert!(text.parse::<Ts>().is_err(), "{text}");
        }
    }
}
