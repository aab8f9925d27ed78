//! What is said in a channel: which of it is our own echo, which is a message of the room.

use bytes::Bytes;
use serde_json::json;
use switchboard_core::event::{MessageDeleted, ReactionChanged};
use switchboard_core::message::{MAX_HOPS, display_name};
use switchboard_core::{
    Address, Admission, ArrivalId, Detail, Event, Failure, Outcome, Reply, RoomName, Sender, Surface,
    Timestamp, View,
};

use super::deeds::Missing;
use super::said::{Happened, Reacted, Said, message_id};
use super::store::{self, Own, OwnPost, Place};
use super::text::Names;
use super::wire::{self, Heard};
use super::{Slack, commands, forms, intake, late};

/// Is it something to decide about? What a room would not show is answered at once and not recorded.
pub(super) fn admit(slack: &Slack, request: &http::Request<Bytes>) -> Result<Admission, Failure> {
    match request.uri().path() {
        "/slack/events" => admit_event(slack, request.body()),
        "/slack/commands" => Ok(match forms::read_command(request.body())? {
            Some(command) => Admission::Arrival(command.arrival_id()),
            None => Admission::Answer(Reply::empty()),
        }),
        "/slack/interactions" => {
            forms::read_interaction(request.body())?;
            Ok(Admission::Answer(Reply::empty()))
        }
        path => Err(Failure::refuse(404, format!("no door {path}"))),
    }
}

fn admit_event(slack: &Slack, body: &[u8]) -> Result<Admission, Failure> {
    match wire::read_envelope(body)? {
        Heard::Challenge(challenge) => {
            Ok(Admission::Answer(Reply::json(&json!({ "challenge": challenge }))?))
        }
        Heard::RateLimited(minute) => {
            tracing::warn!(
                minute,
                "Slack drops events of this workspace: it had more than 30,000 in an hour"
            );
            Ok(Admission::Answer(Reply::empty()))
        }
        Heard::Said(said) => admit_if_ours(slack, &said.app, &said.channel, || said.arrival_id()),
        Heard::Reacted(reacted) => {
            admit_if_ours(slack, &reacted.app, &reacted.channel, || reacted.arrival_id())
        }
        Heard::Nothing => Ok(Admission::Answer(Reply::empty())),
    }
}

/// An event for our app, in a channel that shows a room, is an arrival.
fn admit_if_ours(
    slack: &Slack,
    app: &str,
    channel: &str,
    id: impl FnOnce() -> ArrivalId,
) -> Result<Admission, Failure> {
    if slack.config.app_id.as_deref().is_some_and(|ours| ours != app) {
        return Err(Failure::refuse(403, "an event for another app than [slack] app_id"));
    }
    Ok(match slack.channels.contains_key(channel) {
        true => Admission::Arrival(id()),
        false => Admission::Answer(Reply::empty()),
    })
}

/// Decides about a request that was let in.
pub(super) async fn request(
    slack: &Slack,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    if request.uri().path() == "/slack/commands" {
        return match forms::read_command(request.body())? {
            Some(command) => commands::answer(slack, &command, view).await,
            None => Ok(Outcome::nothing()),
        };
    }
    match wire::read_envelope(request.body())? {
        Heard::Said(said) => heard(slack, said, now, view).await,
        Heard::Reacted(reacted) => self::reacted(slack, &reacted, now, view).await,
        _ => Ok(Outcome::nothing()),
    }
}

/// Whose words these are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    Theirs,
    /// A Switchboard's, most likely ours: it bears the mark, and we do not know yet which bot we are.
    Marked,
    /// A bot's, and we do not know yet which bot we are.
    Unknown,
}

pub(super) fn whose(slack: &Slack, said: &Said, learned: Option<&Own>) -> Whose {
    let (author, config) = (&said.author, &slack.config);
    let is = |a: &Option<String>, b: Option<&String>| a.is_some() && a.as_ref() == b;
    if is(&author.app, Some(&said.app))
        || is(&author.user, said.our_user.as_ref())
        || is(&author.user, config.bot_user_id.as_ref())
        || is(&author.user, learned.and_then(|own| own.user.as_ref()))
    {
        return Whose::Ours;
    }
    if author.bot.is_none() || author.app.is_some() {
        return Whose::Theirs;
    }
    match config.bot_id.as_ref().or_else(|| learned?.bot.as_ref()) {
        Some(ours) if is(&author.bot, Some(ours)) => Whose::Ours,
        Some(_) => Whose::Theirs,
        None if said.mark.is_some() => Whose::Marked,
        None => Whose::Unknown,
    }
}

/// Something happened in a channel.
async fn heard(slack: &Slack, said: Box<Said>, now: Timestamp, view: &dyn View) -> Result<Outcome, Failure> {
    let Some(room) = slack.channels.get(&said.channel) else { return Ok(Outcome::nothing()) };
    let learned = own(&said, view).await?;
    match whose(slack, &said, learned.as_ref()) {
        Whose::Ours => return echo(slack, &said, now, view).await,
        // Any app can set such a mark: it may keep a post from coming back, but says nothing about ours.
        Whose::Marked => return Ok(Outcome::nothing()),
        Whose::Theirs | Whose::Unknown if is_in_circle(&said) => return Ok(Outcome::nothing()),
        Whose::Theirs | Whose::Unknown if said.happened == Happened::Deleted => {
            return deleted(&said, room, now, view).await;
        }
        Whose::Theirs => {}
        Whose::Unknown => return intake::send(said, now),
    }
    let known = intake::know(slack, &said, view).await?;
    if known.missing != Missing::default() {
        return intake::send(said, now);
    }
    if let Happened::Edited(_) = said.happened {
        return late::say(slack, &said, room, known, false, now, view).await;
    }
    let attachments = known.attachments.unwrap_or_default();
    intake::say(slack, &said, room, &known.names, attachments, known.parent, now)
}

/// Has it gone round between Switchboards?
fn is_in_circle(said: &Said) -> bool {
    said.mark.as_ref().is_some_and(|mark| mark.hops >= MAX_HOPS)
}

/// What we have learned of ourselves, where it matters: a person is never us, and mostly it is people.
pub(super) async fn own(said: &Said, view: &dyn View) -> Result<Option<Own>, Failure> {
    if said.author.bot.is_none() && said.files.is_empty() {
        return Ok(None);
    }
    store::get(view, &store::own_key()).await
}

/// Somebody withdrew a message: theirs, since ours were told apart; or Slack does not say whose.
async fn deleted(said: &Said, room: &RoomName, now: Timestamp, view: &dyn View) -> Result<Outcome, Failure> {
    let ours = store::own_post_key(&said.channel, &said.ts);
    if view.get(&ours).await?.is_some() {
        return Ok(Outcome::nothing());
    }
    let mut names = Names::new();
    if let Some(id) = intake::sender_id(said) {
        names.extend(store::name(view, id).await?.map(|name| (id.to_owned(), name)));
    }
    let gone = MessageDeleted {
        message_id: said.message_id(),
        room: room.clone(),
        sender: intake::sender(said, &names),
        moderator: false,
        shown: None,
    };
    let event = Event::new(said.event_id(), "slack", now, Detail::MessageDeleted(gone));
    Ok(Outcome { events: vec![event], ..Outcome::default() })
}

/// Somebody reacted to a message; who it was is named if that is known, for a reaction waits for nothing.
async fn reacted(slack: &Slack, it: &Reacted, now: Timestamp, view: &dyn View) -> Result<Outcome, Failure> {
    let Some(room) = slack.channels.get(&it.channel) else { return Ok(Outcome::nothing()) };
    let learned: Option<Own> = store::get(view, &store::own_key()).await?;
    let learned = learned.and_then(|own| own.user);
    let us = [it.our_user.as_deref(), slack.config.bot_user_id.as_deref(), learned.as_deref()];
    if us.contains(&Some(it.user.as_str())) {
        return Ok(Outcome::nothing());
    }
    let ours: Option<OwnPost> = store::get(view, &store::own_post_key(&it.channel, &it.ts)).await?;
    let message_id = match ours {
        Some(post) => post.message_id,
        None => message_id(&it.app, &it.channel, &it.ts),
    };
    let name = store::name(view, &it.user).await?;
    let sender = Sender {
        surface: Surface::Slack,
        address: Address::new(it.user.as_str()),
        name: display_name(name.as_deref().unwrap_or(&it.user), "somebody"),
    };
    let (reaction, added) = (it.reaction.clone(), it.added);
    let changed = ReactionChanged { message_id, room: room.clone(), sender, reaction, added, shown: None };
    let event = Event::new(it.event_id(), "slack", now, Detail::ReactionChanged(changed));
    Ok(Outcome { events: vec![event], ..Outcome::default() })
}

/// Our own post, come back: it says where our message stands, should the answer not have said so yet.
pub(super) async fn echo(
    slack: &Slack,
    said: &Said,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let (Some(mark), Happened::Posted | Happened::Marked) = (&said.mark, &said.happened) else {
        return Ok(Outcome::nothing());
    };
    let place = Place {
        channel: said.channel.clone(),
        ts: Some(said.ts.clone()),
        thread: said.thread.clone(),
        ..Place::default()
    };
    let writes = store::remember_post(view, &mark.message_id, place, slack.post_expiry(now)).await?;
    Ok(Outcome { writes, ..Outcome::default() })
}
