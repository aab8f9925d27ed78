//! A channel as a person sees it: threads under their parents, names for ids, deleted messages gone.
//!
//! For tests and for the sandbox's page. A reply whose parent is not there is shown at the top with
//! `lost_thread`, because on the real Slack nobody would find it.

use serde_json::{Value, json};

use super::message::{Message, Ts};
use super::mrkdwn;
use super::workspace::{Channel, Workspace};

/// The newest `limit` messages, oldest first, each with its replies.
pub(crate) fn channel(workspace: &Workspace, channel: &Channel, limit: usize) -> Value {
    let at_top = |message: &&std::sync::Arc<Message>| {
        !message.is_reply() || message.thread_ts.is_none_or(|parent| channel.get(parent).is_none())
    };
    let mut roots: Vec<_> = channel.between(Ts(0), Ts(u64::MAX)).rev().filter(at_top).take(limit).collect();
    roots.reverse();
    let messages: Vec<Value> = roots
        .into_iter()
        .filter(|message| !message.hidden || channel.has_replies(message.ts))
        .map(|message| {
            let mut seen = one(workspace, message);
            seen["replies"] = channel.replies(message.ts).map(|reply| one(workspace, reply)).collect();
            if message.is_reply() {
                seen["lost_thread"] = json!(true);
            }
            seen
        })
        .collect();
    json!({
        "id": channel.id, "name": channel.name, "kept": channel.message_count(), "messages": messages,
        "ephemeral": channel.ephemeral.iter().collect::<Vec<_>>(),
    })
}

fn one(workspace: &Workspace, message: &Message) -> Value {
    let name = |id: &str| {
        let user = workspace.users.get(id).map(|user| user.display_name.clone());
        user.or_else(|| workspace.channel(id).map(|channel| channel.name.clone()))
    };
    let shown_as = message.username.clone().or_else(|| name(message.user.as_deref()?));
    json!({
        "ts": message.ts, "thread_ts": message.thread_ts, "user": message.user, "username": shown_as,
        "bot": message.bot_id.is_some(), "deleted": message.hidden, "text": message.text,
        "shown": mrkdwn::shown(&message.text, name), "edited": message.edited.is_some(), "files": message.files,
        "blocks": message.blocks, "icons": message.icons, "reactions": message.reactions,
        "metadata": message.metadata, "subtype": message.subtype,
    })
}
