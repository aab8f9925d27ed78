//! What is said to a device: a payload for an MQTT topic that the device subscribes to.
//!
//! The bounds are the narrower of MQTT's and AWS IoT's, and hold in both hosts, so that what one machine publishes AWS
//! publishes too: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901241>,
//! <https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits>. They are checked when a
//! message is made, so no adapter meets a bad one and nothing of it is ever sent.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use crate::failure::Failure;

/// Longest topic, in bytes of UTF-8: AWS IoT's.
pub const MAX_TOPIC_BYTES: usize = 256;
/// Most slashes in a topic: AWS IoT's.
pub const MAX_TOPIC_SLASHES: usize = 7;
/// Largest payload, in bytes: AWS IoT's 128 KB.
pub const MAX_PAYLOAD_BYTES: usize = 128 * 1024;

/// The name of a topic, such as `buttons/hall/acknowledged`: one topic, so without `+` and `#`; without control
/// characters; not among those that belong to the broker, which begin with `$`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceTopic(String);

/// The text is no topic of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a device's topic has 1 to {MAX_TOPIC_BYTES} bytes and at most {MAX_TOPIC_SLASHES} slashes, no +, # or control \
     character, and begins with no $"
)]
pub struct BadDeviceTopic;

impl DeviceTopic {
    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceTopic {
    type Err = BadDeviceTopic;

    fn from_str(text: &str) -> Result<Self, BadDeviceTopic> {
        let ok = (1..=MAX_TOPIC_BYTES).contains(&text.len())
            && !text.starts_with('$')
            && !text.contains(|it: char| matches!(it, '+' | '#') || it.is_control())
            && text.bytes().filter(|byte| *byte == b'/').count() <= MAX_TOPIC_SLASHES;
        if ok { Ok(Self(text.to_owned())) } else { Err(BadDeviceTopic) }
    }
}

impl<'de> Deserialize<'de> for DeviceTopic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for DeviceTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is said to a device.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceMessage {
    topic: DeviceTopic,
    payload: Bytes,
    retained: bool,
}

/// The payload is larger than [`MAX_PAYLOAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload for a device has at most {MAX_PAYLOAD_BYTES} bytes")]
pub struct BadPayload;

impl DeviceMessage {
    /// A message for who subscribes now.
    ///
    /// # Errors
    /// When the payload is too large.
    pub fn new(topic: DeviceTopic, payload: impl Into<Bytes>) -> Result<Self, BadPayload> {
        let payload = payload.into();
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(BadPayload);
        }
        Ok(Self { topic, payload, retained: false })
    }

    /// The same, kept by the broker as the topic's last word for who subscribes later. An empty payload takes away what
    /// was kept.
    #[must_use]
    pub fn retained(self) -> Self {
        Self { retained: true, ..self }
    }

    /// Where it goes.
    pub fn topic(&self) -> &DeviceTopic {
        &self.topic
    }

    /// What is said.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Whether the broker keeps it.
    pub fn is_retained(&self) -> bool {
        self.retained
    }
}

impl fmt::Debug for DeviceMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceMessage({}, {} bytes)", self.topic, self.payload.len())
    }
}

/// A topic is made of a device's name, which is checked when the device first says it; so what is malformed here is the
/// bridge's fault, and there is no sender who could be told.
impl From<BadDeviceTopic> for Failure {
    fn from(bad: BadDeviceTopic) -> Self {
        Self::bug(bad.to_string())
    }
}

/// A bridge knows how much it says.
impl From<BadPayload> for Failure {
    fn from(bad: BadPayload) -> Self {
        Self::bug(bad.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_one_topic_within_what_every_broker_takes() {
        let longest = "é".repeat(MAX_TOPIC_BYTES / 2);
        for text in ["a", "a/b c/ü", "/a//b/", "a/b/c/d/e/f/g/h", &longest] {
            assert_eq!(text.parse::<DeviceTopic>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "a/+/b",
            "a/#",
            "a\0b",
            "a\nb",
            "$SYS/x",
            "$aws/things/a",
            "1/2/3/4/5/6/7/8/9",
            &format!("{longest}x"),
        ] {
            assert_eq!(text.parse::<DeviceTopic>(), Err(BadDeviceTopic), "{text:?}");
        }
        assert_eq!(Failure::from(BadDeviceTopic).kind(), "bug");
    }

    #[test]
    fn a_payload_has_a_largest_size_and_is_not_printed() {
        let topic: DeviceTopic = "buttons/hall".parse().unwrap();
        let largest = DeviceMessage::new(topic.clone(), vec![0; MAX_PAYLOAD_BYTES]).unwrap();
        assert_eq!(format!("{largest:?}"), "DeviceMessage(buttons/hall, 131072 bytes)");
        assert_eq!(DeviceMessage::new(topic, vec![0; MAX_PAYLOAD_BYTES + 1]), Err(BadPayload));
        assert_eq!(Failure::from(BadPayload).kind(), "bug");
    }
}
