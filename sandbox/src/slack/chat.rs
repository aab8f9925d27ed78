//! `chat.*`: the bot posts, changes and deletes. <https://docs.slack.dev/reference/methods/chat.postMessage>
//!
//! The text is cut at 40,000 characters when posted, and refused above 4,000 bytes when updated. Metadata
//! is kept. Posting into a thread whose parent is not known makes an orphan, as with the real one.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::blocks;
use super::front::{Answer, ok};
use super::message::{Edited, Message, Ts};
use super::mrkdwn;
use super::workspace::Workspace;
use crate::body::Params;
use crate::house::{House, locked};
use crate::store::Entry;

/// Where posted text is cut.
const TEXT_KEPT: usize = 40_000;
/// Above this `chat.update` refuses.
const LONGEST_UPDATE_BYTES: usize = 4_000;
/// Above this `markdown_text` is refused.
const LONGEST_MARKDOWN: usize = 12_000;
/// The most attachments.
const MOST_ATTACHMENTS: usize = 100;
/// The largest metadata, in bytes of JSON.
const LARGEST_METADATA: usize = 8_000;

#[derive(Serialize)]
struct Posted<'a> {
    channel: &'a str,
    ts: Ts,
    message: &'a Message,
}

/// What a call brings that is shown.
struct Content {
    text: Option<String>,
    blocks: Option<Value>,
    attachments: Option<Value>,
    metadata: Option<Value>,
}

impl Content {
    fn read(params: &Params) -> Result<Content, &'static str> {
        let mut text = params.text("text").map(std::borrow::Cow::into_owned);
        let blocks = params.json("blocks").map_err(|_| "invalid_blocks_format")?;
        let attachments = params.json("attachments").map_err(|_| "invalid_attachments")?;
        let metadata = params.json("metadata").map_err(|_| "invalid_metadata_format")?;
        if let Some(markdown) = params.filled("markdown_text") {
            if text.is_some() || blocks.is_some() {
                return Err("markdown_text_conflict");
            }
            if markdown.chars().count() > LONGEST_MARKDOWN {
                return Err("msg_too_long");
            }
            text = Some(markdown.into_owned());
        }
        if let Some(blocks) = &blocks {
            blocks::check(blocks)?;
        }
        if let Some(attachments) = &attachments {
            let list = attachments.as_array().ok_or("invalid_attachments")?;
            if list.len() > MOST_ATTACHMENTS {
                return Err("too_many_attachments");
            }
        }
        if let Some(metadata) = &metadata {
            let complete = metadata["event_type"].is_string() && metadata["event_payload"].is_object();
            if !complete && metadata.as_object().is_none_or(|fields| !fields.is_empty()) {
                return Err("invalid_metadata_format");
            }
            if metadata.to_string().len() > LARGEST_METADATA {
                return Err("metadata_too_large");
            }
        }
        Ok(Content { text, blocks, attachments, metadata })
    }

    fn shows_something(&self) -> bool {
        let filled = |list: &Option<Value>| {
            list.as_ref().and_then(Value::as_array).is_some_and(|list| !list.is_empty())
        };
        self.text.as_deref().is_some_and(|text| !text.is_empty())
            || filled(&self.blocks)
            || filled(&self.attachments)
    }
}

pub(crate) fn post(house: &Arc<House>, params: &Params) -> Answer {
    let named = params.filled("channel").ok_or("channel_not_found")?;
    let content = Content::read(params)?;
    let thread_ts = match params.filled("thread_ts") {
        Some(text) => Some(text.parse::<Ts>().map_err(|_| "invalid_thread_ts")?),
        None => None,
    };
    let mut guard = locked(&house.workspace);
    let workspace = &mut *guard;
    let channel = workspace.find_channel(&named).ok_or("channel_not_found")?;
    if workspace.channel(&channel).is_some_and(|channel| channel.archived) {
        return Err("is_archived");
    }
    if !content.shows_something() {
        return Err("no_text");
    }
    let mut text = content.text.unwrap_or_default();
    let cut = text.len() > TEXT_KEPT && text.chars().count() > TEXT_KEPT;
    if cut {
        text = text.chars().take(TEXT_KEPT).collect();
    }
    let mut message = bot_message(workspace, mrkdwn::posted(text));
    message.blocks = content.blocks;
    message.attachments = content.attachments;
    message.metadata = content.metadata.filter(|metadata| metadata["event_type"].is_string());
    message.thread_ts = thread_ts;
    if let Some(parent) = thread_ts {
        let parent = workspace.channel(&channel).and_then(|channel| channel.get(parent));
        message.parent_user_id = parent.and_then(|parent| parent.user.clone());
        if params.flag("reply_broadcast") {
            message.subtype = Some("thread_broadcast".into());
        }
    }
    dress(&mut message, params);
    let message = Arc::new(message);
    house.keep(&Entry::Message { channel: channel.as_str().into(), message: Arc::clone(&message) });
    if let Some(channel) = workspace.channel_mut(&channel) {
        channel.put(Arc::clone(&message));
    }
    if let Some(channel) = workspace.channel(&channel) {
        house.echo(|| workspace.posted(channel, &message));
    }
    drop(guard);
    let done = ok(&Posted { channel: &channel, ts: message.ts, message: &message }).with_id(message.ts);
    Ok(if cut { done.with_warning("message_truncated") } else { done })
}

/// A message of the bot's.
pub(crate) fn bot_message(workspace: &mut Workspace, text: String) -> Message {
    let ts = workspace.next_ts();
    let mut message = Message::bare(ts, &workspace.team, text);
    message.user = Some(Arc::clone(&workspace.bot_user));
    message.bot_id = Some(Arc::clone(&workspace.bot_id));
    message.app_id = Some(Arc::clone(&workspace.app_id));
    message.bot_profile = Some(Arc::clone(&workspace.bot_profile));
    message
}

/// With a name or a picture of its own a message is a `bot_message`, and names no user.
fn dress(message: &mut Message, params: &Params) {
    let picture = |name: &str, field: &str| params.filled(name).map(|value| json!({ field: value }));
    message.username = params.filled("username").map(std::borrow::Cow::into_owned);
    message.icons = picture("icon_emoji", "emoji").or_else(|| picture("icon_url", "image_48"));
    if message.username.is_some() || message.icons.is_some() {
        message.user = None;
        message.bot_profile = None;
        message.subtype.get_or_insert("bot_message".into());
    }
}

/// The ts parameter, and the channel's id.
pub(crate) fn place(params: &Params) -> Result<(String, Ts), &'static str> {
    let channel = params.filled("channel").ok_or("channel_not_found")?.into_owned();
    let ts = params.filled("ts").or_else(|| params.filled("timestamp")).ok_or("message_not_found")?;
    Ok((channel, ts.parse().map_err(|_| "message_not_found")?))
}

pub(crate) fn update(house: &Arc<House>, params: &Params) -> Answer {
    let (channel_id, ts) = place(params)?;
    let content = Content::read(params)?;
    let mut guard = locked(&house.workspace);
    let workspace = &mut *guard;
    let channel = workspace.channel(&channel_id).ok_or("channel_not_found")?;
    let before = Arc::clone(channel.get(ts).ok_or("message_not_found")?);
    if before.bot_id.as_ref() != Some(&workspace.bot_id) || before.hidden {
        return Err("cant_update_message");
    }
    if content.text.as_ref().is_some_and(|text| text.len() > LONGEST_UPDATE_BYTES) {
        return Err("msg_too_long");
    }
    if !content.shows_something() {
        return Err("no_text");
    }
    let at = workspace.next_ts();
    let mut after = Message::clone(&before);
    if let Some(text) = content.text {
        after.text = mrkdwn::posted(text);
    }
    // What a call leaves out stays; an empty list or object takes it away.
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty) || *value == json!({});
    for (old, new) in [
        (&mut after.blocks, content.blocks),
        (&mut after.attachments, content.attachments),
        (&mut after.metadata, content.metadata),
    ] {
        if let Some(new) = new {
            *old = Some(new).filter(|new| !empty(new));
        }
    }
    after.edited = Some(Edited { user: Arc::clone(&workspace.bot_user), ts: at });
    let after = Arc::new(after);
    replace(house, workspace, &channel_id, &before, &after, at);
    drop(guard);
    let answer = json!({ "channel": channel_id, "ts": ts, "text": after.text, "message": &*after });
    Ok(ok(&answer).with_id(ts))
}

/// Puts a message of the hub's in place of its earlier self, and tells the hub.
pub(crate) fn replace(
    house: &Arc<House>,
    workspace: &mut Workspace,
    channel: &str,
    before: &Message,
    after: &Arc<Message>,
    at: Ts,
) {
    house.keep(&Entry::Message { channel: channel.into(), message: Arc::clone(after) });
    if let Some(channel) = workspace.channel_mut(channel) {
        channel.put(Arc::clone(after));
    }
    if let Some(channel) = workspace.channel(channel) {
        house.echo(|| workspace.changed(channel, before, after, at));
    }
}

pub(crate) fn delete(house: &Arc<House>, params: &Params) -> Answer {
    let (channel_id, ts) = place(params)?;
    let mut guard = locked(&house.workspace);
    let workspace = &mut *guard;
    let channel = workspace.channel(&channel_id).ok_or("channel_not_found")?;
    let before = channel.get(ts).filter(|message| !message.hidden).ok_or("message_not_found")?;
    if before.bot_id.as_ref() != Some(&workspace.bot_id) {
        return Err("cant_delete_message");
    }
    if let Some(event) = take_away(house, workspace, &channel_id, ts) {
        house.echo(|| event);
    }
    drop(guard);
    Ok(ok(&json!({ "channel": channel_id, "ts": ts })).with_id(ts))
}

/// Removes a message and makes the event. The parent of a thread leaves a tombstone, and is told of as a
/// change.
pub(crate) fn take_away(
    house: &House,
    workspace: &mut Workspace,
    channel_id: &str,
    ts: Ts,
) -> Option<super::events::Event> {
    let at = workspace.next_ts();
    let team = Arc::clone(&workspace.team);
    let channel = workspace.channel_mut(channel_id)?;
    let before = Arc::clone(channel.get(ts)?);
    if channel.has_replies(ts) {
        let mut grave = Message::bare(ts, &team, "This message was deleted.".into());
        grave.subtype = Some("tombstone".into());
        grave.user = Some("USLACKBOT".into());
        grave.thread_ts = Some(ts);
        grave.hidden = true;
        let grave = Arc::new(grave);
        house.keep(&Entry::Message { channel: channel_id.into(), message: Arc::clone(&grave) });
        channel.put(Arc::clone(&grave));
        return Some(workspace.changed(workspace.channel(channel_id)?, &before, &grave, at));
    }
    channel.remove(ts);
    house.keep(&Entry::MessageGone { channel: channel_id.into(), ts });
    Some(workspace.deleted(workspace.channel(channel_id)?, &before, at))
}

pub(crate) fn post_ephemeral(house: &Arc<House>, params: &Params) -> Answer {
    let named = params.filled("channel").ok_or("channel_not_found")?;
    let user = params.filled("user").ok_or("user_not_in_channel")?;
    let content = Content::read(params)?;
    let mut workspace = locked(&house.workspace);
    let ts = workspace.next_ts();
    let channel = workspace.find_channel(&named).ok_or("channel_not_found")?;
    if !content.shows_something() {
        return Err("no_text");
    }
    let seen = json!({ "user": user, "text": content.text, "blocks": content.blocks, "ts": ts });
    if let Some(channel) = workspace.channel_mut(&channel) {
        channel.ephemeral.push(seen);
    }
    Ok(ok(&json!({ "message_ts": ts })).with_id(ts))
}
