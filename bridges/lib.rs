//! The bridges: one folder per outside world, and here the only list of them.
//!
//! Adding one touches its new folder, its line pair below, its files in `rules/wiring/` and its stanza in
//! `template.yaml`. In each folder the files have the same names: `mod.rs` (what it joins; its declaration),
//! `decide.rs`, `act.rs`, `wire.rs`, `store.rs`, `tests.rs`.

use std::sync::Arc;

use switchboard_core::Bridge;

mod file_type;
mod provider;
pub mod settings;
pub use settings::{ConfigError, Keys, Settings};

pub mod moderation;
pub mod slack;
pub mod sms;
pub mod web_chat;

/// Makes a bridge from its part of the configuration.
type Make = fn(&Settings) -> Result<Arc<dyn Bridge>, ConfigError>;

/// The list: each folder's name, what it is configured with, and how its bridge is made.
const BRIDGES: &[(&str, Keys, Make)] = &[
    ("moderation", moderation::KEYS, |settings| Ok(Arc::new(moderation::Moderation::new(settings)?))),
    ("slack", slack::KEYS, |settings| Ok(Arc::new(slack::Slack::new(settings)?))),
    ("sms", sms::KEYS, |settings| Ok(Arc::new(sms::Sms::new(settings)?))),
    ("web_chat", web_chat::KEYS, |settings| Ok(Arc::new(web_chat::WebChat::new(settings)?))),
];

/// What the bridges are configured with.
pub fn keys() -> impl Iterator<Item = Keys> {
    BRIDGES.iter().map(|(_, keys, _)| *keys)
}

/// The secrets that a bridge's door or listener uses; the others of its bridge are none of its business.
pub fn secrets_of(name: &str) -> impl Iterator<Item = &'static str> {
    keys().flat_map(move |keys| keys.secrets_of(name).collect::<Vec<_>>())
}

/// All bridges, configured.
///
/// # Errors
/// When a bridge's part of the configuration is wrong.
pub fn all(settings: &Settings) -> Result<Vec<Arc<dyn Bridge>>, ConfigError> {
    BRIDGES.iter().map(|(_, _, make)| make(settings)).collect()
}

/// One bridge: where each function holds only its own secrets, the others cannot be made. `None`: there is no
/// such bridge.
///
/// # Errors
/// When its part of the configuration is wrong.
pub fn one(name: &str, settings: &Settings) -> Option<Result<Arc<dyn Bridge>, ConfigError>> {
    BRIDGES.iter().find(|(known, ..)| *known == name).map(|(_, _, make)| make(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: &str = "[rooms.lobby]\nsms = \"open\"\nslack_channel = \"C0LOBBY\"\n";
    /// Neither is needed by who was not given it: without an issuer there is none, and a key is made.
    const OPTIONAL: [&str; 2] = ["OIDC_CLIENT_SECRET", settings::LINK_KEY];

    #[test]
    fn each_door_and_listener_is_made_with_the_secrets_that_it_uses_and_without_one_of_them_it_is_not() {
        let environment = |without: &dyn Fn(&str) -> bool| -> Vec<(&str, &str)> {
            [
                ("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef"),
                ("TWILIO_FROM", "+14155550100"),
                ("TWILIO_AUTH_TOKEN", "t"),
                ("SLACK_SIGNING_SECRET", "s"),
                ("SLACK_BOT_TOKEN", "xoxb-t"),
            ]
            .into_iter()
            .filter(|(name, _)| !without(name))
            .collect()
        };
        let all = all(&Settings::for_tests(ROOMS, &environment(&|_| false))).unwrap();
        for bridge in all {
            let declared = bridge.declaration();
            let keys = BRIDGES.iter().find(|(name, ..)| *name == declared.name).unwrap().1;
            let names: Vec<&str> = declared
                .doors
                .iter()
                .map(|door| door.name)
                .chain(declared.listeners.iter().copied())
                .collect();
            for (secret, by) in keys.secrets {
                assert!(
                    by.iter().all(|name| names.contains(name)),
                    "{secret} is used by {by:?} of {names:?}"
                );
            }
            for name in names {
                let make = |without: &dyn Fn(&str) -> bool| {
                    let made_for = Some(name.to_owned());
                    let settings = Settings { made_for, ..Settings::for_tests(ROOMS, &environment(without)) };
                    one(declared.name, &settings).unwrap()
                };
                let used: Vec<&str> = secrets_of(name).collect();
                let foreign = |secret: &str| {
                    keys.secrets.iter().any(|(known, _)| *known == secret) && !used.contains(&secret)
                };
                make(&foreign).unwrap_or_else(|error| panic!("{name}: {error}"));
                for missing in used.iter().filter(|secret| !OPTIONAL.contains(secret)) {
                    let error = make(&|secret| secret == *missing).err().map(|error| error.to_string());
                    assert!(
                        error
                            .as_ref()
                            .is_some_and(|error| error.starts_with(&format!("{missing} is not set"))),
                        "{name} without {missing}: {error:?}"
                    );
                }
            }
        }
    }
}
