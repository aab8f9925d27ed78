//! Rooms: the places where people of all surfaces meet, as the configuration lists them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::phone::PhoneNumber;

/// A room's name: lower-case letters, digits, `-` and `_`, at most 40, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RoomName(String);

/// The text is not a room's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room's name has 1 to 40 lower-case letters, digits, - or _, and begins with a letter or digit")]
pub struct BadRoomName;

impl RoomName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = BadRoomName;

    fn from_str(text: &str) -> Result<Self, BadRoomName> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ok = (1..=40).contains(&text.len())
            && text.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'_')
            && text.bytes().next().is_some_and(plain);
        if ok { Ok(Self(text.to_owned())) } else { Err(BadRoomName) }
    }
}

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which phones may be in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SmsAccess {
    /// Any phone may text `JOIN <room>`.
    Open,
    /// Only the phones of the room's list, which are in it from the start.
    Listed,
    /// None.
    #[default]
    Off,
}

/// `[rooms.<name>]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// What people read; the name when absent.
    pub title: Option<String>,
    /// The id of the Slack channel that shows this room, such as `C024BE91L`.
    pub slack_channel: Option<String>,
    /// Which phones may be in it.
    #[serde(default)]
    pub sms: SmsAccess,
    /// The phones, where `sms = "listed"`.
    #[serde(default, deserialize_with = "as_people_write_them")]
    pub phones: Vec<PhoneNumber>,
}

fn as_people_write_them<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PhoneNumber>, D::Error> {
    let numbers = Vec::<String>::deserialize(deserializer)?;
    numbers.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

/// All rooms by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Rooms(BTreeMap<RoomName, Room>);

impl Rooms {
    /// The rooms of a list.
    pub fn new(rooms: impl IntoIterator<Item = (RoomName, Room)>) -> Self {
        Self(rooms.into_iter().collect())
    }

    /// The room with this name.
    pub fn get(&self, name: &RoomName) -> Option<&Room> {
        self.0.get(name)
    }

    /// The room that a Slack channel shows.
    pub fn of_slack_channel(&self, channel: &str) -> Option<&RoomName> {
        self.0.iter().find(|(_, room)| room.slack_channel.as_deref() == Some(channel)).map(|(name, _)| name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&RoomName, &Room)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_name_is_plain() {
        for good in ["lobby", "a", "ops-2", "night_shift"] {
            assert!(good.parse::<RoomName>().is_ok(), "{good}");
        }
        for bad in ["", "Lobby", "a b", "-x", "é", "a/b", &"x".repeat(41)] {
            assert!(bad.parse::<RoomName>().is_err(), "{bad}");
        }
    }
}
