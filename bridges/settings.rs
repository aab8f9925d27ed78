//! What a bridge is configured with: its own section of the file, the names in the environment, the rooms.
//!
//! Each bridge owns the type of its section and refuses bad values before anything starts; this module only
//! finds the section (`document`) and says of a fault in which line it is, and the mend (`fault`). Where the text
//! comes from is the host's.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use switchboard_core::{Links, Rooms, Secret};

mod document;
mod fault;

pub use document::Document;
pub(crate) use fault::MEND;
pub use fault::{ConfigError, shown};

/// All that the bridges are configured with.
pub struct Settings {
    /// Names such as `TWILIO_AUTH_TOKEN` with their values: the environment's, or else the file's.
    pub environment: BTreeMap<String, String>,
    /// The rooms.
    pub rooms: Arc<Rooms>,
    /// Signs and checks links below the public base URL.
    pub links: Links,
    /// Where the hub listens.
    pub listens_on: Option<IpAddr>,
    /// What the host can carry.
    pub carries: Carries,
    /// The pages that the host has, by name: `chat`, and `sandbox` where a provider is pretended.
    pub pages: &'static [&'static str],
    /// The configuration file.
    pub document: Document,
    /// The one door or listener that a bridge is made for, where each is a function by itself; `None`: for all.
    pub made_for: Option<String>,
}

/// The most that a host's ways in take, whatever is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carries {
    /// Bytes of a socket's frame.
    pub frame_bytes: usize,
    /// Bytes of a file that a page sends.
    pub file_bytes: usize,
}

impl Default for Carries {
    /// Whatever is configured.
    fn default() -> Self {
        Self { frame_bytes: usize::MAX, file_bytes: usize::MAX }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}

/// What a bridge is configured with. A host refuses keys that no bridge and not the host itself knows.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// Names of the environment and of the file.
    pub names: &'static [&'static str],
    /// Its table in the file.
    pub section: &'static str,
    /// Secrets, each with the bridge's doors and listeners that use it: where each of these is a function by itself,
    /// the others hold nothing of it.
    pub secrets: &'static [(&'static str, &'static [&'static str])],
}

/// What links are signed and checked with, for [`Keys::secrets`]: it comes to a bridge as [`Settings::links`].
pub const LINK_KEY: &str = "SWITCHBOARD_LINK_KEY";

impl Keys {
    /// The secrets that a door or listener uses.
    pub fn secrets_of(&self, name: &str) -> impl Iterator<Item = &'static str> {
        self.secrets.iter().filter(move |(_, by)| by.contains(&name)).map(|(secret, _)| *secret)
    }
}

impl Settings {
    /// Whether what the bridge is made for uses this secret: who does not may be without it.
    pub fn uses(&self, keys: &Keys, secret: &str) -> bool {
        self.made_for.as_deref().is_none_or(|name| keys.secrets_of(name).any(|used| used == secret))
    }

    /// A value of the environment or the file; blank counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A value that the bridge cannot do without.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn require(&self, name: &str) -> Result<&str, ConfigError> {
        self.get(name).ok_or_else(|| {
            ConfigError::new(format!("{name} is not set"))
                .mend(format!("set {name} in the environment or in the configuration file"))
        })
    }

    /// The comma-separated secrets under `name`; at least one.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn secrets(&self, name: &str) -> Result<Vec<Secret>, ConfigError> {
        let secrets = Secret::list(self.require(name)?);
        if secrets.is_empty() {
            return Err(self.wrong(name, "holds no secret").mend("set it, or leave it out"));
        }
        Ok(secrets)
    }

    /// A fault of a value that [`Settings::get`] gave: `what` goes on after its name. Its place is known where it
    /// stands in the file.
    pub fn wrong(&self, name: &str, what: impl fmt::Display) -> ConfigError {
        self.document.wrong_name(name, self.environment.get(name).map(String::as_str), what)
    }

    /// A fault in the bridge's own section or a room: see [`Document::wrong`].
    pub fn fault(&self, path: &[&str], what: impl fmt::Display) -> ConfigError {
        self.document.wrong(path, what)
    }

    /// The bridge's own section, `[name]`; the default where there is none.
    ///
    /// # Errors
    /// What is wrong in it, and where.
    pub fn section<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, ConfigError> {
        self.document.section(name).map(Option::unwrap_or_default)
    }

    /// Settings with nothing but these rooms and names, for tests.
    ///
    /// # Panics
    /// When a test's configuration cannot be read.
    pub fn for_tests(toml: &str, environment: &[(&str, &str)]) -> Self {
        let document =
            Document::parse("switchboard.toml", toml).expect("a test's configuration is well formed");
        let rooms = document.section("rooms").expect("a test's rooms are well formed").unwrap_or_default();
        let base = "https://hub.example".parse().expect("a URL");
        Self {
            environment: environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            rooms: Arc::new(rooms),
            links: Links::new(base, Secret::new("test key")),
            listens_on: Some(IpAddr::from([127, 0, 0, 1])),
            carries: Carries::default(),
            pages: &["chat"],
            document,
            made_for: None,
        }
    }
}
