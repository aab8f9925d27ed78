//! `[moderation]` of the configuration, or the file that it names: what an operator writes. The type is the
//! reference of the keys; each value is checked where it stands, so that a fault names its line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use switchboard_core::{RoomName, Surface};
use toml::Spanned;

use super::policy::Decision;
use super::words::Words;
use crate::settings::{MEND, shown};

/// Most entries of one list.
const MAX_ENTRIES: usize = 20_000;
/// Longest entry as written, in bytes.
const MAX_ENTRY_BYTES: usize = 400;

/// Everything that may stand in `[moderation]` or in a policy file. No key is required.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// A file with the rules, instead of them: a path from where the hub was started. Only in `[moderation]`.
    pub(super) policy: Option<Spanned<String>>,
    /// For so many days the gate knows a message: whether it was said before, what is shown of it, and that it
    /// was deleted. An edit or a deletion that comes later finds nothing. Default 90, as long as a hub is
    /// expected to archive; at most 3650.
    pub(super) keep_days: Option<Within<1, 3650>>,
    /// For so many seconds an edit waits for its message. Default 600.
    pub(super) park_s: Option<Within<1, 86_400>>,

    /// Lists that come with the program, each with what becomes of a message: `abuse` (default `"block"`) and
    /// `scam` (default `"hold"`). `lists = {}` switches them off.
    pub(super) lists: Option<Lists>,
    /// Not shown: words, phrases, or beginnings with `*`.
    pub(super) blocked_words: Option<Entries>,
    /// Held for an operator.
    pub(super) held_words: Option<Entries>,
    /// Never found, whatever the lists say: `["Dick Van Dyke", "Fanny"]`. Only as written, undisguised.
    pub(super) allow: Option<Entries>,
    /// What becomes of a message with a link: `"allow"` (the default), `"hold"` or `"block"`. Disguised and
    /// look-alike links are held at least.
    pub(super) links: Option<LinkRule>,
    /// Hosts, with all below them, that are no concern.
    pub(super) allowed_hosts: Option<Hosts>,
    /// Hosts, with all below them, whose links are blocked even where links are allowed.
    pub(super) blocked_hosts: Option<Hosts>,
    /// A text with more characters is blocked. Default: no limit but the hub's.
    pub(super) max_chars: Option<Within<1, 40_000>>,

    /// How much one sender may say in all rooms: `{ messages = 20, per_s = 60, action = "hold" }`. Default: no
    /// limit. A press of a button never counts.
    pub(super) flood: Option<Flood>,
    /// How often one sender may say the same: `{ times = 3, per_s = 60, action = "hold" }`. Default: no limit.
    pub(super) repeats: Option<Repeats>,

    /// Who is not judged: `["slack:U024BE7LH", "web:Ann"]`.
    pub(super) trusted_senders: Option<Vec<TrustedSender>>,
    /// Surfaces whose people are not judged: `["slack"]`. Default: none; the hub's own buttons never are.
    pub(super) trusted_surfaces: Option<Vec<Surface>>,

    /// `[moderation.rooms.<name>]`: a key there replaces the same key here, for that room.
    #[serde(default)]
    pub(super) rooms: BTreeMap<Spanned<RoomName>, RoomRules>,
}

/// What a room may have for itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomRules {
    pub(super) lists: Option<Lists>,
    pub(super) blocked_words: Option<Entries>,
    pub(super) held_words: Option<Entries>,
    pub(super) allow: Option<Entries>,
    pub(super) links: Option<LinkRule>,
    pub(super) allowed_hosts: Option<Hosts>,
    pub(super) blocked_hosts: Option<Hosts>,
    pub(super) max_chars: Option<Within<1, 40_000>>,
}

impl Written {
    /// What serde cannot check: the entries of the lists.
    pub(super) fn fault(&self) -> Option<(String, Range<usize>)> {
        let own = [&self.blocked_words, &self.held_words, &self.allow];
        let rooms = self.rooms.values().flat_map(|room| [&room.blocked_words, &room.held_words, &room.allow]);
        own.into_iter().chain(rooms).flatten().find_map(Entries::fault)
    }

    /// Is there any rule, rather than only the name of a file that has them?
    pub(super) fn has_rules(&self) -> bool {
        self.lists.is_some()
            || self.blocked_words.is_some()
            || self.held_words.is_some()
            || self.allow.is_some()
            || self.links.is_some()
            || self.allowed_hosts.is_some()
            || self.blocked_hosts.is_some()
            || self.max_chars.is_some()
            || self.flood.is_some()
            || self.repeats.is_some()
            || self.trusted_senders.is_some()
            || self.trusted_surfaces.is_some()
            || !self.rooms.is_empty()
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// An operator decides.
    Hold,
    /// It is not shown.
    Block,
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        match action {
            Action::Hold => Self::Hold,
            Action::Block => Self::Block,
        }
    }
}

/// What becomes of a message with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub(super) enum LinkRule {
    #[default]
    Allow,
    Hold,
    Block,
}

impl From<LinkRule> for Decision {
    fn from(rule: LinkRule) -> Self {
        match rule {
            LinkRule::Allow => Self::Allow,
            LinkRule::Hold => Self::Hold,
            LinkRule::Block => Self::Block,
        }
    }
}

/// The program's own lists.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lists {
    pub(super) abuse: Option<Action>,
    pub(super) scam: Option<Action>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { abuse: Some(Action::Block), scam: Some(Action::Hold) }
    }
}

/// `flood`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flood {
    pub(super) messages: Within<1, 100_000>,
    pub(super) per_s: Within<1, 86_400>,
    #[serde(default = "hold")]
    pub(super) action: Action,
}

/// `repeats`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeats {
    pub(super) times: Within<1, 100_000>,
    pub(super) per_s: Within<1, 86_400>,
    #[serde(default = "hold")]
    pub(super) action: Action,
}

fn hold() -> Action {
    Action::Hold
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Within<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<const LEAST: u32, const MOST: u32> Within<LEAST, MOST> {
    pub(super) fn seconds(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Within<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        u32::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number)).map(Self).ok_or_else(
            || {
                let mend = format!("write a whole number from {LEAST} to {MOST}");
                serde::de::Error::custom(format!("out of range{MEND}{mend}"))
            },
        )
    }
}

/// A list of words and phrases, with their places: a fault in a long list names its line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Entries(Vec<Spanned<String>>);

impl Entries {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.get_ref().as_str())
    }

    /// What is wrong with the list, and where.
    fn fault(&self) -> Option<(String, Range<usize>)> {
        if let Some(one_too_many) = self.0.get(MAX_ENTRIES) {
            return Some((format!("a list has at most {MAX_ENTRIES} entries"), one_too_many.span()));
        }
        self.0.iter().find_map(|entry| {
            let text = entry.get_ref();
            let fault = if text.len() > MAX_ENTRY_BYTES {
                format!("an entry of {} bytes; at most {MAX_ENTRY_BYTES}", text.len())
            } else {
                format!("the entry {:?} {}", shown(text), Words::default().add(text).err()?)
            };
            Some((fault, entry.span()))
        })
    }
}

/// A list of hosts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Hosts(pub(super) Vec<Host>);

/// A host as links are compared with it: in small letters, no scheme, no path.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Host(pub(super) String);

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = text.trim().trim_start_matches("*.").trim_start_matches('.').to_lowercase();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bare.is_empty() || bare.len() > 253 || !bare.chars().all(plain) {
            return Err(format!("{:?} is not a host{MEND}write it like \"example.com\"", shown(&text)));
        }
        Ok(Self(idna::domain_to_unicode(&bare).0))
    }
}

/// Somebody who is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TrustedSender {
    pub(super) surface: Surface,
    pub(super) address: String,
}

impl TryFrom<String> for TrustedSender {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let form =
            || format!("not a sender{MEND}write it like \"slack:U024BE7LH\", \"sms:+1…\" or \"web:Ann\"");
        let (surface, address) = text.split_once(':').ok_or_else(form)?;
        let surface = [Surface::Web, Surface::Sms, Surface::Slack, Surface::Button]
            .into_iter()
            .find(|known| known.as_str() == surface)
            .ok_or_else(form)?;
        if address.is_empty() { Err(form()) } else { Ok(Self { surface, address: address.to_owned() }) }
    }
}
