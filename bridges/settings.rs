//! What a bridge is configured with: its own section of the file, the names in the environment, the rooms.
//!
//! Each bridge owns the type of its section and refuses bad values before anything starts; this module only
//! finds the section and says in which line of the file a fault is. Where the text comes from is the host's.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use switchboard_core::{Links, Rooms, Secret};
use toml::Spanned;
use toml::de::DeTable;

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
            return Err(ConfigError::new(format!("{name} holds no secret")).mend("set it, or leave it out"));
        }
        Ok(secrets)
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

/// A configuration file. Each reading parses the text again: it is small, and read at the start only.
#[derive(Debug, Clone, Default)]
pub struct Document {
    file: String,
    text: String,
}

impl Document {
    /// Takes a file's text.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let document = Self { file: file.to_owned(), text: text.to_owned() };
        document.table()?;
        Ok(document)
    }

    /// The keys at the top, with their places.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn keys(&self) -> Result<Vec<(String, Range<usize>)>, ConfigError> {
        Ok(self.table()?.keys().map(|key| (key.get_ref().to_string(), key.span())).collect())
    }

    fn table(&self) -> Result<DeTable<'_>, ConfigError> {
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| {
            ConfigError::new(error.message())
                .at(&self.file, &self.text, error.span())
                .mend("correct the TOML")
        })
    }

    /// A text at the top level, such as `TWILIO_AUTH_TOKEN = "…"`.
    ///
    /// # Errors
    /// When it is not a text.
    pub fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        self.section(name)
    }

    /// The value under a key at the top, as a type of its owner.
    ///
    /// # Errors
    /// What is wrong in it, and where.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.table()?.remove(name) else { return Ok(None) };
        let span = value.span();
        let deserializer = toml::de::ValueDeserializer::from(value);
        T::deserialize(deserializer).map(Some).map_err(|error| {
            ConfigError::new(format!("[{name}]: {}", error.message().trim())).at(
                &self.file,
                &self.text,
                error.span().or(Some(span)),
            )
        })
    }

    /// A fault at a place of this file.
    pub fn fault(&self, message: impl Into<String>, span: Option<Range<usize>>) -> ConfigError {
        ConfigError::new(message).at(&self.file, &self.text, span)
    }
}

/// What is wrong with the configuration: where, what, and the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: Option<String>,
    message: String,
    mend: Option<String>,
}

impl ConfigError {
    /// A fault.
    pub fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), mend: None }
    }

    /// With what would be right.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// With its place: the file and, from the byte range, the line.
    #[must_use]
    pub fn at(mut self, file: &str, text: &str, span: Option<Range<usize>>) -> Self {
        let line = span.map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        self.place = Some(line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}")));
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(mend) = &self.mend {
            write!(f, " — to mend it: {mend}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Default, Debug)]
    #[serde(deny_unknown_fields)]
    struct Section {
        #[expect(dead_code, reason = "only its reading is tested")]
        speed: u32,
    }

    #[test]
    fn a_fault_names_the_file_the_line_and_the_fault() {
        let document = Document::parse("hub.toml", "a = 1\n\n[sms]\nspeed = \"fast\"\n").unwrap();
        let error = document.section::<Section>("sms").unwrap_err().to_string();
        assert!(error.starts_with("hub.toml:4: [sms]: invalid type"), "{error}");
        let document = Document::parse("hub.toml", "[sms]\nspeed = 1\nspede = 2\n").unwrap();
        let error = document.section::<Section>("sms").unwrap_err().to_string();
        assert!(error.starts_with("hub.toml:3: [sms]: unknown field `spede`"), "{error}");
        let error = Document::parse("hub.toml", "x = [\n").unwrap_err().to_string();
        assert!(error.starts_with("hub.toml:"), "{error}");
    }

    #[test]
    fn a_bad_phone_in_a_room_is_found_in_its_line() {
        let text = "[rooms.lobby]\nsms = \"listed\"\nphones = [\"+14155550100\", \"0800\"]\n";
        let document = Document::parse("hub.toml", text).unwrap();
        let error = document.section::<Rooms>("rooms").unwrap_err().to_string();
        assert!(error.starts_with("hub.toml:3: "), "{error}");
    }
}
