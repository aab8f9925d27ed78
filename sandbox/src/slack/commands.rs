//! Slash commands, pressed buttons, and what the hub answers to their `response_url`.
//!
//! <https://docs.slack.dev/interactivity/implementing-slash-commands> and
//! <https://docs.slack.dev/reference/interaction-payloads/block_actions-payload>. A response_url holds for five
//! uses and 30 minutes.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat;
use super::events::signed;
use super::message::{Message, Ts};
use super::mrkdwn;
use super::workspace::Invitation;
use crate::answer;
use crate::body::LARGEST_BODY;
use crate::house::{House, locked};
use crate::ids::{now_us, slack_id};
use crate::refusal::Refusal;
use crate::store::Entry;
use crate::webhooks::{Attempt, Webhook};

const FORM: &str = "application/x-www-form-urlencoded";
/// How long a response_url holds, in microseconds.
const INVITED_US: u64 = 30 * 60 * 1_000_000;

/// `POST /slack/command`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    pub(crate) command: String,
    #[serde(default)]
    pub(crate) text: String,
    pub(crate) user: String,
    pub(crate) channel: String,
}

/// `POST /slack/press`: a button under a message, named by its action_id, its value, or not at all when
/// there is only one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Press {
    pub(crate) channel: String,
    pub(crate) ts: Ts,
    pub(crate) user: String,
    pub(crate) action_id: Option<String>,
    pub(crate) value: Option<String>,
}

/// Opens a response_url.
fn invite(house: &House, channel: &str, message: Option<Ts>) -> String {
    let token = slack_id("R");
    let until_us = now_us() + INVITED_US;
    let mut workspace = locked(&house.workspace);
    if workspace.invitations.len() > 1_000 {
        workspace.invitations.retain(|_, invitation| invitation.until_us > now_us());
    }
    let invitation = Invitation { channel: channel.to_owned(), message, uses_left: 5, until_us };
    workspace.invitations.insert(token.clone(), invitation);
    format!("{}/slack/response/{token}", house.settings.own_base)
}

pub(crate) async fn slash_command(house: &Arc<House>, command: Command) -> Result<Value, Refusal> {
    let app = &house.settings.slack;
    let (channel_name, user_name) = names(house, &command.channel, &command.user)?;
    let response_url = invite(house, &command.channel, None);
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("token", "sandbox-verification-token")
        .append_pair("team_id", &app.team_id)
        .append_pair("team_domain", "sandbox")
        .append_pair("channel_id", &command.channel)
        .append_pair("channel_name", &channel_name)
        .append_pair("user_id", &command.user)
        .append_pair("user_name", &user_name)
        .append_pair("command", &command.command)
        .append_pair("text", &command.text)
        .append_pair("api_app_id", &app.app_id)
        .append_pair("is_enterprise_install", "false")
        .append_pair("response_url", &response_url)
        .append_pair("trigger_id", &trigger())
        .finish();
    let webhook = Webhook {
        id: command.command.clone(),
        key: command.channel.clone(),
        ..signed(house, "webhook.commands", "/slack/commands", FORM, body.into())
    };
    let attempt = house.send(webhook).await;
    let reply = reply(&attempt);
    if let Some(reply) = &reply {
        show(house, &command.channel, None, reply)?;
    }
    Ok(json!({ "webhook": attempt, "reply": reply, "response_url": response_url }))
}

pub(crate) async fn press(house: &Arc<House>, press: Press) -> Result<Value, Refusal> {
    let app = &house.settings.slack;
    let (channel_name, user_name) = names(house, &press.channel, &press.user)?;
    let message = {
        let workspace = locked(&house.workspace);
        let found = workspace.channel(&press.channel).and_then(|channel| channel.get(press.ts));
        found.cloned().ok_or_else(Refusal::no_message)?
    };
    let (block, button) = button(&message, &press)?;
    let response_url = invite(house, &press.channel, Some(press.ts));
    let at = format!("{}", Ts(now_us()));
    let payload = json!({
        "type": "block_actions", "api_app_id": app.app_id, "token": "sandbox-verification-token",
        "team": { "id": app.team_id, "domain": "sandbox" },
        "user": { "id": press.user, "username": user_name, "name": user_name, "team_id": app.team_id },
        "channel": { "id": press.channel, "name": channel_name },
        "container": {
            "type": "message", "message_ts": press.ts, "channel_id": press.channel, "is_ephemeral": false,
        },
        "message": &*message, "state": { "values": {} }, "enterprise": null, "is_enterprise_install": false,
        "trigger_id": trigger(), "response_url": response_url,
        "actions": [{
            "type": "button", "block_id": block, "action_id": button["action_id"], "value": button["value"],
            "text": button["text"], "style": button["style"], "action_ts": at,
        }],
    });
    let body =
        form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let webhook = Webhook {
        id: button["action_id"].as_str().unwrap_or_default().to_owned(),
        key: press.channel.clone(),
        ..signed(house, "webhook.interactions", "/slack/interactions", FORM, body.into())
    };
    let attempt = house.send(webhook).await;
    Ok(json!({ "webhook": attempt, "reply": reply(&attempt), "response_url": response_url }))
}

/// The button that is meant, and its block's id.
fn button(message: &Message, press: &Press) -> Result<(Value, Value), String> {
    let blocks = message.blocks.as_ref().and_then(Value::as_array);
    let mut found = Vec::new();
    for block in blocks.into_iter().flatten() {
        let elements = block["elements"].as_array().into_iter().flatten().chain([&block["accessory"]]);
        for element in elements.filter(|element| element["type"] == "button") {
            let named = press.action_id.as_deref().is_none_or(|id| element["action_id"] == id)
                && press.value.as_deref().is_none_or(|value| element["value"] == value);
            if named {
                found.push((block["block_id"].clone(), element.clone()));
            }
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err("the message has no such button".into()),
        _ => Err("the message has several such buttons: name one by action_id or value".into()),
    }
}

fn names(house: &House, channel: &str, user: &str) -> Result<(String, String), Refusal> {
    let workspace = locked(&house.workspace);
    let channel = workspace.channel(channel).ok_or_else(|| Refusal::no_channel(channel))?;
    let user = workspace.users.get(user).ok_or_else(|| Refusal::no_user(user))?;
    Ok((channel.name.clone(), user.name.clone()))
}

fn trigger() -> String {
    format!("{}.{}.{}", now_us() / 1_000_000, now_us() % 1_000_000, slack_id("t").to_lowercase())
}

/// What the hub said in its answer: JSON, or plain text for the one who asked.
fn reply(attempt: &Attempt) -> Option<Value> {
    let text = String::from_utf8_lossy(&attempt.body);
    if !attempt.succeeded() || text.trim().is_empty() {
        return None;
    }
    let said = serde_json::from_str::<Value>(&text).ok().filter(Value::is_object);
    Some(said.unwrap_or_else(|| json!({ "response_type": "ephemeral", "text": text })))
}

/// Shows what the hub said in a channel.
fn show(house: &Arc<House>, channel_id: &str, origin: Option<Ts>, said: &Value) -> Result<(), String> {
    let mut guard = locked(&house.workspace);
    let workspace = &mut *guard;
    let text = mrkdwn::posted(said["text"].as_str().unwrap_or_default().to_owned());
    let blocks = said.get("blocks").filter(|blocks| blocks.is_array()).cloned();
    if text.is_empty() && blocks.is_none() && said["delete_original"] != true {
        return Ok(());
    }
    let at = workspace.next_ts();
    if let Some(ts) = origin {
        if said["delete_original"] == true {
            if let Some(event) = chat::take_away(house, workspace, channel_id, ts) {
                house.echo(|| event);
            }
            return Ok(());
        }
        let original = workspace.channel(channel_id).and_then(|channel| channel.get(ts)).cloned();
        if let Some(before) = original.filter(|_| said["replace_original"] != false) {
            let mut after = Message::clone(&before);
            after.text = text;
            after.blocks = blocks;
            chat::replace(house, workspace, channel_id, &before, &Arc::new(after), at);
            return Ok(());
        }
    }
    if said["response_type"] != "in_channel" {
        let seen = json!({ "text": text, "blocks": blocks, "ts": at });
        let channel = workspace.channel_mut(channel_id).ok_or("the channel is gone")?;
        channel.ephemeral.push(seen);
        return Ok(());
    }
    let mut message = chat::bot_message(workspace, text);
    message.subtype = Some("bot_message".into());
    message.user = None;
    message.bot_profile = None;
    message.blocks = blocks;
    let message = Arc::new(message);
    house.keep(&Entry::Message { channel: channel_id.into(), message: Arc::clone(&message) });
    if let Some(channel) = workspace.channel_mut(channel_id) {
        channel.put(Arc::clone(&message));
    }
    let channel = workspace.channel(channel_id).ok_or("the channel is gone")?;
    house.echo(|| workspace.posted(channel, &message));
    Ok(())
}

/// `POST` to a response_url.
pub(crate) async fn receive_response(
    State(house): State<Arc<House>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let body = to_bytes(request.into_body(), LARGEST_BODY).await.unwrap_or_default();
    let Ok(said) = serde_json::from_slice::<Value>(&body) else {
        return answer::json(StatusCode::BAD_REQUEST, &json!({ "ok": false, "error": "invalid_payload" }));
    };
    let place = {
        let mut workspace = locked(&house.workspace);
        let invitation = workspace.invitations.get_mut(&token);
        let open = invitation.filter(|invitation| invitation.uses_left > 0 && invitation.until_us > now_us());
        open.map(|invitation| {
            invitation.uses_left -= 1;
            (invitation.channel.clone(), invitation.message)
        })
    };
    let Some((channel, message)) = place else {
        return answer::json(StatusCode::NOT_FOUND, &json!({ "ok": false, "error": "expired_url" }));
    };
    match show(&house, &channel, message, &said) {
        Ok(()) => answer::text(StatusCode::OK, "ok"),
        Err(_) => answer::text(StatusCode::NOT_FOUND, "no_channel"),
    }
}
