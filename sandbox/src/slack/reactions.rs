//! `reactions.*`: <https://docs.slack.dev/reference/methods/reactions.add>

use std::sync::Arc;

use serde_json::json;

use super::chat::place;
use super::events::Event;
use super::front::{Answer, ok};
use super::message::{Message, Reaction, Ts};
use super::workspace::Workspace;
use crate::body::Params;
use crate::house::{House, locked};
use crate::store::Entry;

pub(crate) fn add(house: &Arc<House>, params: &Params) -> Answer {
    by_the_bot(house, params, true)
}

pub(crate) fn remove(house: &Arc<House>, params: &Params) -> Answer {
    by_the_bot(house, params, false)
}

fn by_the_bot(house: &Arc<House>, params: &Params, added: bool) -> Answer {
    let (channel, ts) = place(params)?;
    let name = params.filled("name").ok_or("no_reaction")?;
    let mut workspace = locked(&house.workspace);
    let bot = Arc::clone(&workspace.bot_user);
    let event = change(house, &mut workspace, &channel, ts, &bot, &name, added)?;
    house.echo(|| event);
    Ok(ok(&json!({})))
}

/// Adds or takes away one person's reaction, and makes the event.
pub(crate) fn change(
    house: &House,
    workspace: &mut Workspace,
    channel_id: &str,
    ts: Ts,
    user: &str,
    name: &str,
    added: bool,
) -> Result<Event, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+-:'".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err("invalid_name");
    }
    let at = workspace.next_ts();
    let channel = workspace.channel_mut(channel_id).ok_or("channel_not_found")?;
    let mut message = Message::clone(channel.get(ts).ok_or("message_not_found")?);
    let known = message.reactions.iter().position(|reaction| reaction.name == name);
    let has_it = known.is_some_and(|at| message.reactions[at].users.iter().any(|other| other == user));
    match (added, has_it, known) {
        (true, true, _) => return Err("already_reacted"),
        (true, false, Some(at)) => message.reactions[at].users.push(user.to_owned()),
        (true, false, None) => {
            message.reactions.push(Reaction {
                name: name.to_owned(),
                users: vec![user.to_owned()],
                count: 1,
            });
        }
        (false, true, Some(at)) => message.reactions[at].users.retain(|other| other != user),
        (false, ..) => return Err("no_reaction"),
    }
    message.reactions.retain(|reaction| !reaction.users.is_empty());
    message.reactions.iter_mut().for_each(|reaction| reaction.count = reaction.users.len());
    let message = Arc::new(message);
    house.keep(&Entry::Message { channel: channel_id.into(), message: Arc::clone(&message) });
    channel.put(Arc::clone(&message));
    let kind = if added { "reaction_added" } else { "reaction_removed" };
    let channel = workspace.channel(channel_id).ok_or("channel_not_found")?;
    Ok(workspace.reacted(kind, channel, &message, user, name, at))
}
