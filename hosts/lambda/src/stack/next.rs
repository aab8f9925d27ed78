//! What is left to do after a deployment: the addresses that the providers are to be given, and the Slack app's
//! manifest, filled in.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Deployed;

/// What providers see, as the functions were told.
///
/// # Errors
/// When no function knows it.
pub fn address(functions: &[Deployed]) -> Result<&str> {
    // The chat has an address of its own.
    let doors = functions.iter().filter(|function| !function.handler.starts_with("web_chat."));
    let known = doors.into_iter().find_map(|function| function.value("PUBLIC_BASE_URL"));
    known
        .map(|url| url.trim_end_matches('/'))
        .context("no function knows PUBLIC_BASE_URL — to mend it: make deploy")
}

/// Where browsers find the chat, as its functions were told; `None` where they were not.
pub fn chat(functions: &[Deployed]) -> Option<&str> {
    let page = functions.iter().find(|function| function.handler == "web_chat.page")?;
    page.value("PUBLIC_BASE_URL").map(|url| url.trim_end_matches('/'))
}

/// The lines for an operator.
///
/// # Errors
/// When no function knows the public address.
pub fn lines(functions: &[Deployed]) -> Result<String> {
    let address = address(functions)?;
    let chat = chat(functions).unwrap_or(address);
    Ok(format!(
        "The chat: {chat}/\n\
         Twilio, \"A message comes in\" and \"Primary handler fails\": {address}/twilio/messages (HTTP POST)\n\
         Slack app, from this manifest (https://api.slack.com/apps?new_app=1, \"From a manifest\"), \
         with its own id for A0YOURAPP once it has one:\n{:#}",
        manifest(address)
    ))
}

/// The manifest of the Slack app. <https://docs.slack.dev/reference/app-manifest>
fn manifest(address: &str) -> Value {
    json!({
        "display_information": { "name": "Switchboard" },
        "features": {
            "bot_user": { "display_name": "Switchboard", "always_online": true },
            "slash_commands": [{
                "command": "/switchboard",
                "url": format!("{address}/slack/commands"),
                "description": "Who is in this room, and what the hub can do",
                "should_escape": true
            }]
        },
        "oauth_config": { "scopes": { "bot": [
            "channels:history", "groups:history", "channels:read", "groups:read", "users:read", "files:read",
            "files:write", "chat:write", "chat:write.customize", "commands", "metadata.message:read",
            "reactions:read", "reactions:write"
        ] } },
        "settings": {
            "event_subscriptions": {
                "request_url": format!("{address}/slack/events"),
                "bot_events": [
                    "message.channels", "message.groups", "reaction_added", "reaction_removed",
                    "message_metadata_posted"
                ],
                "metadata_subscriptions": [{ "app_id": "A0YOURAPP", "event_type": "switchboard_message" }]
            },
            "interactivity": { "is_enabled": true, "request_url": format!("{address}/slack/interactions") },
            "org_deploy_enabled": false,
            "socket_mode_enabled": false
        }
    })
}
