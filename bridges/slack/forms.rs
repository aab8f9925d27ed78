//! The forms that Slack posts: commands and buttons.
//! <https://docs.slack.dev/interactivity/implementing-slash-commands>

use serde::Deserialize;
use switchboard_core::{ArrivalId, Failure};

/// A slash command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) app: String,
    pub(super) team: String,
    pub(super) channel: String,
    /// What was written after the command.
    pub(super) text: String,
    /// Installed for a whole organisation: then its teams are many.
    pub(super) enterprise: bool,
    trigger: String,
}

impl Command {
    pub(super) fn arrival_id(&self) -> ArrivalId {
        ArrivalId::from_cause(&["slack", "command", &self.app, &self.trigger])
    }
}

/// Reads the form of `/slack/commands`; `None` for Slack's check of the certificate.
///
/// # Errors
/// [`Failure::Refuse`] with 400 where it is no command.
pub(super) fn read_command(body: &[u8]) -> Result<Option<Command>, Failure> {
    let field = |name: &str| {
        let mut pairs = form_urlencoded::parse(body);
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    if field("ssl_check").as_deref() == Some("1") {
        return Ok(None);
    }
    let need = |name: &str| {
        let value = field(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Failure::refuse(400, format!("a command without {name}")))
    };
    Ok(Some(Command {
        app: need("api_app_id").or_else(|_| need("command"))?,
        team: need("team_id")?,
        channel: need("channel_id")?,
        text: field("text").unwrap_or_default(),
        enterprise: field("is_enterprise_install").as_deref() == Some("true"),
        trigger: need("trigger_id")?,
    }))
}

/// Checks that the form of `/slack/interactions` can be read. Nothing of ours has buttons yet.
///
/// # Errors
/// [`Failure::Refuse`] with 400 where it is none.
pub(super) fn read_interaction(body: &[u8]) -> Result<(), Failure> {
    let payload = form_urlencoded::parse(body).find(|(key, _)| key == "payload");
    let (_, payload) = payload.ok_or_else(|| Failure::refuse(400, "an interaction without payload"))?;
    serde_json::from_str::<Interaction>(&payload)
        .map(|_| ())
        .map_err(|_| Failure::refuse(400, "the payload is not an interaction"))
}

#[derive(Deserialize)]
struct Interaction {
    #[serde(rename = "type")]
    _kind: String,
}
