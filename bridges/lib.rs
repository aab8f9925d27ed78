//! The bridges: one folder per outside world, and here the only list of them.
//!
//! Adding one touches its new folder, its line pair below, its files in `rules/wiring/` and its stanza in
//! `template.yaml`. In each folder the files have the same names: `mod.rs` (what it joins; its declaration),
//! `decide.rs`, `act.rs`, `wire.rs`, `store.rs`, `tests.rs`.

use std::sync::Arc;

use switchboard_core::Bridge;

mod file_type;
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
