//! `conversations.*`: what was said where. <https://docs.slack.dev/reference/methods/conversations.history>
//!
//! Cursors are the ts to go on from, in base64 as Slack's are.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::front::{Answer, ok};
use super::message::{Message, Ts};
use super::workspace::Channel;
use crate::body::Params;
use crate::house::{House, locked};

/// The most messages of one answer.
const MOST: usize = 999;

pub(crate) fn wire(channel: &Channel) -> Value {
    let is_im = channel.kind() == "im";
    json!({
        "id": channel.id, "name": channel.name, "name_normalized": channel.name, "is_channel": !is_im,
        "is_group": false, "is_im": is_im, "is_mpim": false, "is_private": false, "is_archived": channel.archived,
        "is_general": false, "is_member": true, "is_shared": false, "is_ext_shared": false, "created": 1_700_000_000,
        "topic": { "value": "" }, "purpose": { "value": "" }, "num_members": 2,
    })
}

pub(crate) fn info(house: &House, params: &Params) -> Answer {
    let id = params.filled("channel").ok_or("channel_not_found")?;
    let workspace = locked(&house.workspace);
    let channel = workspace.channel(&id).ok_or("channel_not_found")?;
    Ok(ok(&json!({ "channel": wire(channel) })))
}

pub(crate) fn list(house: &House, params: &Params) -> Answer {
    let types = params.filled("types").map_or_else(|| "public_channel".into(), std::borrow::Cow::into_owned);
    let limit = limit(params)?;
    let cursor = cursor(params)?;
    let workspace = locked(&house.workspace);
    let wanted = |channel: &&Channel| match channel.kind() {
        "im" => types.contains("im"),
        _ => types.contains("public_channel"),
    };
    let mut channels: Vec<&Channel> = workspace.channels().filter(wanted).collect();
    channels.sort_by(|a, b| a.id.cmp(&b.id));
    channels.retain(|channel| cursor.as_deref().is_none_or(|after| channel.id.as_str() > after));
    let more = channels.len() > limit;
    channels.truncate(limit);
    let next = channels.last().filter(|_| more).map_or_else(String::new, |last| encode(&last.id));
    let channels: Vec<Value> = channels.into_iter().map(wire).collect();
    Ok(ok(&json!({ "channels": channels, "response_metadata": { "next_cursor": next } })))
}

/// Opens direct messages with a person.
pub(crate) fn open(house: &Arc<House>, params: &Params) -> Answer {
    let users =
        params.filled("users").or_else(|| params.filled("channel")).ok_or("users_list_not_supplied")?;
    let mut workspace = locked(&house.workspace);
    let id = workspace.find_channel(&users).filter(|id| id.starts_with('D')).ok_or("user_not_found")?;
    Ok(ok(&json!({ "channel": { "id": id }, "no_op": true, "already_open": true })))
}

pub(crate) fn join(house: &House, params: &Params) -> Answer {
    info(house, params)
}

/// Newest first, without the replies in threads.
pub(crate) fn history(house: &House, params: &Params) -> Answer {
    let id = params.filled("channel").ok_or("channel_not_found")?;
    let (oldest, mut latest) = range(params)?;
    if let Some(cursor) = cursor(params)? {
        latest = latest.min(cursor.parse().map_err(|_| "invalid_cursor")?);
    }
    let limit = limit(params)?;
    let all_metadata = params.flag("include_all_metadata");
    let workspace = locked(&house.workspace);
    let channel = workspace.channel(&id).ok_or("channel_not_found")?;
    let mut found = channel.between(oldest, latest).rev().filter(|message| !message.is_reply());
    let page: Vec<&Arc<Message>> = found.by_ref().take(limit).collect();
    let next = found.next().map(|message| encode(&message.ts.to_string()));
    let messages: Vec<Value> =
        page.into_iter().map(|message| shown(channel, message, all_metadata)).collect();
    Ok(ok(&json!({
        "messages": messages, "has_more": next.is_some(), "pin_count": 0,
        "response_metadata": { "next_cursor": next.unwrap_or_default() },
    })))
}

/// The parent, then its replies, oldest first.
pub(crate) fn replies(house: &House, params: &Params) -> Answer {
    let id = params.filled("channel").ok_or("channel_not_found")?;
    let ts: Ts = params.filled("ts").ok_or("thread_not_found")?.parse().map_err(|_| "thread_not_found")?;
    let (mut oldest, latest) = range(params)?;
    if let Some(cursor) = cursor(params)? {
        oldest = oldest.max(cursor.parse().map_err(|_| "invalid_cursor")?);
    }
    let limit = limit(params)?;
    let all_metadata = params.flag("include_all_metadata");
    let workspace = locked(&house.workspace);
    let channel = workspace.channel(&id).ok_or("channel_not_found")?;
    let asked = channel.get(ts).ok_or("thread_not_found")?;
    // A reply's own ts gives its thread, as with the real one.
    let parent = channel.get(asked.thread_ts.unwrap_or(ts)).ok_or("thread_not_found")?;
    let mut found = channel.replies(parent.ts).filter(|reply| (oldest..=latest).contains(&reply.ts));
    let page: Vec<&Arc<Message>> = found.by_ref().take(limit).collect();
    let next = found.next().map(|message| encode(&message.ts.to_string()));
    let messages: Vec<Value> =
        std::iter::once(parent).chain(page).map(|message| shown(channel, message, all_metadata)).collect();
    Ok(ok(&json!({
        "messages": messages, "has_more": next.is_some(),
        "response_metadata": { "next_cursor": next.unwrap_or_default() },
    })))
}

/// A message as lists show it: with its thread's count, and its metadata only when asked for.
pub(crate) fn shown(channel: &Channel, message: &Message, with_metadata: bool) -> Value {
    let mut value = serde_json::to_value(message).unwrap_or_default();
    if !with_metadata && let Some(fields) = value.as_object_mut() {
        fields.remove("metadata");
    }
    let replies: Vec<_> = channel.replies(message.ts).collect();
    if let Some(last) = replies.last() {
        let mut users: Vec<_> = replies.iter().filter_map(|reply| reply.user.clone()).collect();
        users.sort();
        users.dedup();
        value["thread_ts"] = json!(message.ts);
        value["reply_count"] = json!(replies.len());
        value["reply_users_count"] = json!(users.len());
        value["reply_users"] = json!(users);
        value["latest_reply"] = json!(last.ts);
    }
    value
}

/// The range that `oldest`, `latest` and `inclusive` ask for, ends included.
fn range(params: &Params) -> Result<(Ts, Ts), &'static str> {
    let inclusive = params.flag("inclusive");
    let oldest = match params.filled("oldest") {
        None => Ts(0),
        Some(text) => Ts(text.parse::<Ts>().map_err(|_| "invalid_ts_oldest")?.0 + u64::from(!inclusive)),
    };
    let latest = match params.filled("latest").filter(|text| text != "now") {
        None => Ts(u64::MAX),
        Some(text) => {
            Ts(text.parse::<Ts>().map_err(|_| "invalid_ts_latest")?.0.saturating_sub(u64::from(!inclusive)))
        }
    };
    Ok((oldest, latest))
}

fn limit(params: &Params) -> Result<usize, &'static str> {
    match params.filled("limit") {
        None => Ok(100),
        Some(text) => match text.parse::<usize>() {
            Ok(limit) if (1..=MOST + 1).contains(&limit) => Ok(limit.min(MOST)),
            _ => Err("invalid_limit"),
        },
    }
}

fn encode(place: &str) -> String {
    STANDARD.encode(format!("next:{place}"))
}

fn cursor(params: &Params) -> Result<Option<String>, &'static str> {
    let Some(cursor) = params.filled("cursor") else { return Ok(None) };
    let decoded = STANDARD.decode(cursor.as_bytes()).map_err(|_| "invalid_cursor")?;
    let text = String::from_utf8(decoded).map_err(|_| "invalid_cursor")?;
    text.strip_prefix("next:").map(|place| Some(place.to_owned())).ok_or("invalid_cursor")
}
