//! The bridges: one folder per outside world, and here the only list of them.
//!
//! Adding one touches its new folder, its line pair below, its files in `rules/wiring/` and its stanza in
//! `template.yaml`. In each folder the files have the same names: `mod.rs` (what it joins; its declaration),
//! `decide.rs`, `act.rs`, `wire.rs`, `store.rs`, `tests.rs`.

use std::sync::Arc;

use switchboard_core::Bridge;

mod file_type;
pub mod settings;
pub use settings::{ConfigError, Settings};

pub mod moderation;
pub mod slack;
pub mod sms;
pub mod web_chat;

/// All bridges, configured.
///
/// # Errors
/// When a bridge's part of the configuration is wrong.
pub fn all(settings: &Settings) -> Result<Vec<Arc<dyn Bridge>>, ConfigError> {
    Ok(vec![
        Arc::new(moderation::Moderation::new(settings)?),
        Arc::new(slack::Slack::new(settings)?),
        Arc::new(sms::Sms::new(settings)?),
        Arc::new(web_chat::WebChat::new(settings)?),
    ])
}
