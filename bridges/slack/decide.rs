//! What is said in a channel: which of it is our own echo, which is a message of the room.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;
use switchboard_core::event::{MessageDeleted, MessageSaid};
use switchboard_core::message::{MAX_HOPS, MAX_TEXT_CHARS, display_name};
use switchboard_core::{
    Address, Admission, Attachment, Detail, Event, Expect, Failure, Message, MessageId, Outcome, Reply,
    Revision, RoomName, Sender, Surface, Timestamp, View, Write,
};

use super::Slack;
use super::store::{self, Name, Own, OwnPost, Place};
use super::text::{Names, nameless, to_plain};
use super::wire::{self, Happened, Heard, Said};

/// Is it something to decide about? What a room would not show is answered at once and not recorded.
pub(super) fn admit(slack: &Slack, request: &http::Request<Bytes>) -> Result<Admission, Failure> {
    match request.uri().path() {
        "/slack/events" => match wire::read_envelope(request.body())? {
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
            Heard::Said(said) => {
                if slack.config.app_id.as_ref().is_some_and(|ours| *ours != said.app) {
                    return Err(Failure::refuse(403, "an event for another app than [slack] app_id"));
                }
                Ok(match slack.channels.contains_key(&said.channel) {
                    true => Admission::Arrival(said.arrival_id()),
                    false => Admission::Answer(Reply::empty()),
                })
            }
            Heard::Nothing => Ok(Admission::Answer(Reply::empty())),
        },
        _ => Ok(Admission::Answer(Reply::empty())),
    }
}

/// Decides about a request that was let in.
pub(super) async fn request(
    slack: &Slack,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    match wire::read_envelope(request.body())? {
        Heard::Said(said) => heard(slack, &said, now, view).await,
        _ => Ok(Outcome::nothing()),
    }
}

/// Whose words these are.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Theirs,
    /// A Switchboard's, most likely ours: it bears the mark, and we do not know yet which bot we are.
    Marked,
    /// A bot's, and we do not know yet which bot we are.
    Unknown,
}

fn whose(slack: &Slack, said: &Said, learned: Option<&Own>) -> Whose {
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

async fn heard(slack: &Slack, said: &Said, now: Timestamp, view: &dyn View) -> Result<Outcome, Failure> {
    let Some(room) = slack.channels.get(&said.channel) else { return Ok(Outcome::nothing()) };
    let learned: Option<Own> = match said.author.bot {
        Some(_) => store::get(view, &store::own_key()).await?,
        None => None,
    };
    match whose(slack, said, learned.as_ref()) {
        Whose::Ours => return echo(slack, said, now, view).await,
        // Any app can set such a mark: it may keep a post from coming back, but says nothing about ours.
        Whose::Marked => return Ok(Outcome::nothing()),
        Whose::Theirs | Whose::Unknown => {}
    }
    let hops = said.mark.as_ref().map_or(0, |mark| mark.hops);
    if hops >= MAX_HOPS {
        return Ok(Outcome::nothing());
    }
    let mut names = Names::new();
    for id in said.author.user.as_deref().into_iter().chain(nameless(&said.text)) {
        if let Some(name) = store::get::<Name>(view, &store::name_key(id)).await? {
            names.insert(id.to_owned(), name.name);
        }
    }
    let parent = parent(said, view).await?;
    let event = say(said, room, &names, Vec::new(), parent, now);
    let writes = match said.happened {
        Happened::Posted => vec![place(slack, said, Vec::new(), now)?],
        _ => Vec::new(),
    };
    Ok(Outcome { events: vec![event], writes, ..Outcome::default() })
}

/// Our own post, come back: it says where our message stands, should the answer not have said so yet.
async fn echo(slack: &Slack, said: &Said, now: Timestamp, view: &dyn View) -> Result<Outcome, Failure> {
    let (Some(mark), Happened::Posted) = (&said.mark, &said.happened) else { return Ok(Outcome::nothing()) };
    let place = Place {
        channel: said.channel.clone(),
        ts: Some(said.ts.clone()),
        thread: said.thread.clone(),
        ..Place::default()
    };
    let writes = store::remember_post(view, &mark.message_id, place, slack.post_expiry(now)).await?;
    Ok(Outcome { writes, ..Outcome::default() })
}

/// The message at the head of the thread: one of ours, or what somebody wrote in Slack.
async fn parent(said: &Said, view: &dyn View) -> Result<Option<MessageId>, Failure> {
    let Some(head) = &said.thread else { return Ok(None) };
    let ours: Option<OwnPost> = store::get(view, &store::own_post_key(&said.channel, head)).await?;
    Ok(Some(match ours {
        Some(post) => post.message_id,
        None => wire::message_id(&said.app, &said.channel, head),
    }))
}

fn place(slack: &Slack, said: &Said, attachments: Vec<Attachment>, now: Timestamp) -> Result<Write, Failure> {
    let place = Place {
        channel: said.channel.clone(),
        ts: Some(said.ts.clone()),
        thread: said.thread.clone(),
        attachments,
        ..Place::default()
    };
    Ok(Write::put(store::place_key(&said.message_id()), &place, Expect::Any)?
        .expiring(slack.post_expiry(now)))
}

/// The event that says it.
fn say(
    said: &Said,
    room: &RoomName,
    names: &BTreeMap<String, String>,
    attachments: Vec<Attachment>,
    parent: Option<MessageId>,
    now: Timestamp,
) -> Event {
    let author = &said.author;
    let address = author.user.as_deref().or(author.bot.as_deref()).unwrap_or("unknown");
    let name = author.name.as_deref().or_else(|| names.get(address).map(String::as_str)).unwrap_or(address);
    let sender =
        Sender { surface: Surface::Slack, address: Address::new(address), name: display_name(name, address) };
    let message_id = said.message_id();
    let detail = if said.happened == Happened::Deleted {
        Detail::MessageDeleted(MessageDeleted { message_id, room: room.clone(), sender })
    } else {
        let revision =
            if let Happened::Edited(at) = &said.happened { at.revision() } else { Revision::FIRST };
        let message = Message {
            id: message_id,
            revision,
            room: room.clone(),
            sender,
            text: to_plain(&said.text, names, MAX_TEXT_CHARS),
            attachments,
            thread_parent: parent,
            provider_id: Some(said.ts.as_str().to_owned()),
            time: said.ts.time(),
            hops: said.mark.as_ref().map_or(0, |mark| mark.hops),
        };
        match said.happened {
            Happened::Edited(_) => Detail::MessageEdited(MessageSaid { message }),
            _ => Detail::MessagePosted(MessageSaid { message }),
        }
    };
    Event::new(said.event_id(), "slack", now, detail)
}
