//! The whole configuration: flags, then the environment, then the file, then defaults; the host's own part
//! here, each bridge's in its folder. What is wrong refuses to start, with its place and the mend.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use switchboard_bridges::settings::{Carries, Document, shown};
use switchboard_bridges::{ConfigError, Settings};
use switchboard_core::{Links, Rooms, Secret};
use switchboard_hosts::archive::Archive;
use switchboard_rules::wiring::Wiring;
use url::Url;

use crate::outside::MqttUrl;

/// The host's own names in the environment and in the file, beside the bridges'; what each means is in README.md.
const NAMES: [&str; 5] =
    ["PUBLIC_BASE_URL", "SWITCHBOARD_TOKEN", "SWITCHBOARD_DATA", "SWITCHBOARD_LISTEN", "MQTT_URL"];
/// The host's own tables of the file.
const SECTIONS: [&str; 2] = ["rooms", "archive"];
/// The file that is read when it is there.
const DEFAULT_FILE: &str = "switchboard.toml";
/// What a hub with no file has: one room that phones may join, and a channel of the pretend Slack.
const DEFAULT_ROOMS: &str = "[rooms.lobby]\ntitle = \"Lobby\"\nslack_channel = \"C0LOBBY\"\nsms = \"open\"\n";

/// What the flags of `run` say.
#[derive(Debug, Default, Clone)]
pub(crate) struct Flags {
    pub(crate) data: Option<PathBuf>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) wiring: Option<PathBuf>,
}

/// Everything, checked.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) file: Option<PathBuf>,
    pub(crate) token: Option<Secret>,
    pub(crate) public_base_url: Option<Url>,
    pub(crate) wiring: Wiring,
    /// Where it was read, when not from this binary.
    pub(crate) wiring_directory: Option<PathBuf>,
    /// How long what is settled is kept; `None`: for ever.
    pub(crate) keep: Option<Duration>,
    /// How long the files of messages are kept; `None` for as long as the messages.
    pub(crate) keep_files: Option<Duration>,
    pub(crate) rooms: Arc<Rooms>,
    /// The broker of devices, where there is one.
    pub(crate) mqtt: Option<MqttUrl>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) document: Document,
    /// Without credentials: runs against the pretend one.
    pub(crate) twilio_is_pretend: bool,
    pub(crate) slack_is_pretend: bool,
}

impl Configuration {
    /// Reads and checks everything that can be checked before anything starts.
    ///
    /// # Errors
    /// The place, the fault and the mend.
    pub(crate) fn read(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let (file, document) = read_file(flags.config.as_deref())?;
        check_keys(&document)?;
        let mut values = BTreeMap::new();
        for name in names() {
            let from_file = document.text(name)?;
            let given = environment.get(name).filter(|value| !value.trim().is_empty()).cloned().or(from_file);
            values.extend(given.map(|value| (name.to_owned(), value)));
        }
        let value = |name: &str| values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());

        let listen = match (flags.listen, value("SWITCHBOARD_LISTEN")) {
            (Some(listen), _) => listen,
            (None, Some(text)) => text.parse().map_err(|_| {
                document
                    .wrong_name("SWITCHBOARD_LISTEN", Some(text), "is no address to listen on")
                    .mend("write it like 127.0.0.1:8080")
            })?,
            (None, None) => SocketAddr::from(([127, 0, 0, 1], 8080)),
        };
        let data = flags.data.clone().or_else(|| value("SWITCHBOARD_DATA").map(PathBuf::from));
        let public_base_url = value("PUBLIC_BASE_URL").map(|text| public_url(&document, text)).transpose()?;
        // A fault does not show the address, since a password may be in it.
        let broker = |text: &str| {
            let wrong = || document.wrong_name("MQTT_URL", Some(text), "is not the address of a broker");
            MqttUrl::parse(text).ok_or_else(|| wrong().mend(MqttUrl::MEND))
        };
        let mqtt = value("MQTT_URL").map(broker).transpose()?;
        let token = value("SWITCHBOARD_TOKEN").map(Secret::new);

        let twilio_is_pretend = is_pretend(&document, &values, &["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"])?;
        let slack_is_pretend = is_pretend(&document, &values, &["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN"])?;
        let rooms: Rooms = match document.section("rooms")? {
            Some(rooms) => rooms,
            None if !(twilio_is_pretend && slack_is_pretend) => {
                return Err(document.fault("there are credentials and no rooms", None).mend(
                    "write switchboard.toml with [rooms.lobby], its slack_channel = \"C…\" and sms = \"open\"",
                ));
            }
            None => {
                Document::parse("the default rooms", DEFAULT_ROOMS)?.section("rooms")?.unwrap_or_default()
            }
        };
        switchboard_hosts::rooms::check(&document, &rooms)?;
        let wiring = match &flags.wiring {
            Some(directory) => Wiring::load(directory),
            None => Wiring::embedded(),
        }
        .map_err(|error| ConfigError::new(error.to_string()))?;

        let archive = Archive::read(&document)?;

        if !twilio_is_pretend && public_base_url.is_none() {
            return Err(document
                .wrong_name("TWILIO_AUTH_TOKEN", value("TWILIO_AUTH_TOKEN"), "is set and PUBLIC_BASE_URL is not")
                .mend("set PUBLIC_BASE_URL to the address under which Twilio reaches this hub; its signatures cover it"));
        }
        Ok(Self {
            data: data.unwrap_or_else(|| PathBuf::from("data")),
            listen,
            file,
            token,
            public_base_url,
            wiring,
            wiring_directory: flags.wiring.clone(),
            keep: archive.events,
            keep_files: archive.files,
            rooms: Arc::new(rooms),
            mqtt,
            environment: values,
            document,
            twilio_is_pretend,
            slack_is_pretend,
        })
    }

    /// What the bridges are configured with.
    pub(crate) fn settings(&self, public_base_url: Url, link_key: Secret) -> Settings {
        Settings {
            environment: self.environment.clone(),
            rooms: Arc::clone(&self.rooms),
            links: Links::new(public_base_url, link_key),
            listens_on: Some(self.listen.ip()),
            carries: Carries::default(),
            pages: if self.twilio_is_pretend || self.slack_is_pretend {
                &["chat", "sandbox"]
            } else {
                &["chat"]
            },
            document: self.document.clone(),
            made_for: None,
        }
    }
}

fn read_file(named: Option<&Path>) -> Result<(Option<PathBuf>, Document), ConfigError> {
    let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((Some(path.to_owned()), Document::parse(&path.display().to_string(), &text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            Ok((None, Document::default()))
        }
        Err(error) => Err(ConfigError::new(format!("{}: cannot be read: {error}", path.display()))
            .mend("check the path and its permissions, or leave out --config")),
    }
}

/// Names that the environment and the file know.
fn names() -> impl Iterator<Item = &'static str> {
    switchboard_bridges::keys().flat_map(|keys| keys.names).copied().chain(NAMES)
}

fn check_keys(document: &Document) -> Result<(), ConfigError> {
    let sections = SECTIONS.into_iter().chain(switchboard_bridges::keys().map(|keys| keys.section));
    let known: Vec<&str> = names().chain(sections).collect();
    for (key, span) in document.keys()? {
        if !known.contains(&key.as_str()) {
            let known = known.join(", ");
            return Err(document
                .fault(format!("unknown key {}", shown(&key)), Some(span))
                .mend(format!("known are: {known}")));
        }
    }
    Ok(())
}

/// A provider with none of its credentials is pretended; one with a part of them is a mistake.
fn is_pretend(
    document: &Document,
    values: &BTreeMap<String, String>,
    names: &[&str],
) -> Result<bool, ConfigError> {
    let missing: Vec<&str> = names.iter().copied().filter(|name| !values.contains_key(*name)).collect();
    match missing.as_slice() {
        [] => Ok(false),
        missing if missing.len() == names.len() => Ok(true),
        missing => {
            let set = names.iter().copied().find(|name| values.contains_key(*name)).unwrap_or_default();
            let what = format!("is set and {} is not", missing.join(", "));
            Err(document
                .wrong_name(set, values.get(set).map(String::as_str), what)
                .mend("set all of them for the real provider, or none for the pretend one"))
        }
    }
}

fn public_url(document: &Document, text: &str) -> Result<Url, ConfigError> {
    let wrong = || {
        document
            .wrong_name("PUBLIC_BASE_URL", Some(text), "is not a base address")
            .mend("write it like https://hub.example, with no query and no path beyond a prefix")
    };
    let url: Url = text.parse().map_err(|_| wrong())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    if plain && url.fragment().is_none() { Ok(url) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, environment: &[(&str, &str)]) -> Result<Configuration, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.toml");
        std::fs::write(&path, file).unwrap();
        let flags = Flags { config: Some(path.clone()), ..Flags::default() };
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Configuration::read(&flags, &environment)
            .map_err(|error| error.to_string().replace(&path.display().to_string(), "hub.toml"))
    }

    #[test]
    fn nothing_at_all_is_a_configuration() {
        let configuration = read("", &[]).unwrap();
        assert!(configuration.twilio_is_pretend && configuration.slack_is_pretend);
        assert_eq!(configuration.listen.to_string(), "127.0.0.1:8080");
        assert!(configuration.rooms.get(&"lobby".parse().unwrap()).is_some());
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let file = "SWITCHBOARD_LISTEN = \"127.0.0.1:1\"\nSWITCHBOARD_DATA = \"here\"\n";
        let configuration = read(file, &[("SWITCHBOARD_LISTEN", "127.0.0.1:2")]).unwrap();
        assert_eq!(configuration.listen.port(), 2);
        assert_eq!(configuration.data, PathBuf::from("here"));
    }

    #[test]
    fn what_is_wrong_names_its_place_and_the_mend() {
        for (file, environment, expected) in [
            (
                "[rooms.lobby]\nsms = \"open\"\n[smss]\n",
                &[][..],
                "hub.toml:3: unknown key smss — to mend it: known are",
            ),
            (
                "[rooms.lobby]\nsms = \"maybe\"\n",
                &[],
                "hub.toml:2: [rooms.lobby] sms: no such choice — to mend it: write one of \"open\"",
            ),
            ("[rooms.\"No Room\"]\nsms = \"open\"\n", &[], "hub.toml:1: [rooms.No Room]: a room's name"),
            (
                "[rooms.lobby]\ntitle = \"x\"\n",
                &[],
                "hub.toml:1: [rooms.lobby]: wired to nothing — to mend it: give it",
            ),
            (
                "[rooms.lobby]\nsms = \"listed\"\n",
                &[],
                "hub.toml:2: [rooms.lobby] sms: \"listed\" and no phones — to mend it: list them",
            ),
            (
                "\nTWILIO_ACCOUNT_SID = \"AC1\"\n",
                &[],
                "hub.toml:2: TWILIO_ACCOUNT_SID is set and TWILIO_AUTH_TOKEN is not",
            ),
            ("", &[("SLACK_BOT_TOKEN", "xoxb-1")], "SLACK_BOT_TOKEN is set and SLACK_SIGNING_SECRET is not"),
            (
                "",
                &[("SLACK_BOT_TOKEN", "x"), ("SLACK_SIGNING_SECRET", "y")],
                "hub.toml: there are credentials and no rooms",
            ),
            (
                "[rooms.lobby]\nsms = \"open\"\n",
                &[("TWILIO_ACCOUNT_SID", "AC1"), ("TWILIO_AUTH_TOKEN", "t")],
                "TWILIO_AUTH_TOKEN is set and PUBLIC_BASE_URL",
            ),
            ("", &[("PUBLIC_BASE_URL", "hub.example")], "PUBLIC_BASE_URL is not a base address"),
            (
                "",
                &[("MQTT_URL", "http://u:hunter2@broker.example")],
                "MQTT_URL is not the address of a broker — to mend it",
            ),
            ("", &[("SWITCHBOARD_LISTEN", "8080")], "SWITCHBOARD_LISTEN is no address to listen on"),
            ("SWITCHBOARD_LISTEN = \"8080\"\n", &[], "hub.toml:1: SWITCHBOARD_LISTEN is no address"),
            ("\nPUBLIC_BASE_URL = \" hub.example\"\n", &[], "hub.toml:2: PUBLIC_BASE_URL is not a base"),
            (
                "SWITCHBOARD_TOKEN = 987654321\n",
                &[],
                "hub.toml:1: SWITCHBOARD_TOKEN: a number does not belong here — to mend it: write it as a text in quotes",
            ),
            (
                "[rooms.lobby]\nphones = [14155550123]\n",
                &[],
                "hub.toml:2: [rooms.lobby] phones: a number does not belong here — to mend it: write it as a text in quotes",
            ),
            ("[rooms.lobby]\nsms = \"+14155550123\"\n", &[], "hub.toml:2: [rooms.lobby] sms: no such choice"),
            ("\"+14155550123\" = 1\n", &[], "hub.toml:1: unknown key …"),
            (
                "SWITCHBOARD_LISTEN = 8080\n",
                &[],
                "hub.toml:1: SWITCHBOARD_LISTEN: a number does not belong here",
            ),
            ("[archive]\nkeep_days = 1\n", &[], "hub.toml:2: [archive] keep_days: 1 will not do"),
            (
                "[archive]\nkeep_days = 30\nkeep_files_days = 7\n",
                &[],
                "hub.toml:3: [archive] keep_files_days: 7 will not do — to mend it: keep files at least as long",
            ),
            ("= 1\n", &[], "hub.toml:1: "),
        ] {
            let error = read(file, environment).unwrap_err();
            assert!(error.starts_with(expected), "{file:?} {environment:?}\n gave {error}");
            assert!(error.contains(" — to mend it: "), "{file:?}: no mend in {error}");
            let told =
                ["xoxb", "987654321", "4155550123", "hunter2"].iter().find(|secret| error.contains(**secret));
            assert_eq!(told, None, "a secret in {error}");
        }
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let flags = Flags { config: Some("no/such.toml".into()), ..Flags::default() };
        let error = Configuration::read(&flags, &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.starts_with("no/such.toml: cannot be read"), "{error}");
    }
}
