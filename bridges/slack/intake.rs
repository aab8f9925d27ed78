//! From what was said in a channel to a message of the room: what must be known for it, the errand that fetches
//! what is not known, and the saying.

use std::time::Duration;

use switchboard_core::event::{MessageReceived, MessageSaid};
use switchboard_core::message::{MAX_TEXT_CHARS, display_name};
use switchboard_core::{
    Address, Attachment, Detail, Effect, Event, Expect, Failure, Message, MessageId, Outcome, Revision,
    RoomName, Sender, Settlement, Surface, Timestamp, View, Write,
};

use super::decide::{self, Whose};
use super::deeds::{Deed, Done, Errand, Fetch, Fetched, Missing};
use super::said::{Happened, Said, message_id};
use super::store::{self, Own, OwnPost, Place};
use super::text::{Names, nameless, to_plain};
use super::{Slack, late, relay};

/// Most names that one message makes us look up; who is named beyond that is shown by id.
const MAX_LOOKUPS: usize = 20;
/// How long a name that Slack does not tell is left alone.
const NAMELESS_FOR: Duration = Duration::from_secs(3600);

/// What is known about a message before it is said.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) names: Names,
    pub(super) parent: Option<MessageId>,
    /// `None` where it has files that were never fetched.
    pub(super) attachments: Option<Vec<Attachment>>,
    pub(super) missing: Missing,
}

/// Looks up all that a message needs.
pub(super) async fn know(slack: &Slack, said: &Said, view: &dyn View) -> Result<Known, Failure> {
    let mut names = Names::new();
    let mut missing = Missing::default();
    let unnamed = if said.author.name.is_none() { sender_id(said) } else { None };
    let mentioned = nameless(&said.text);
    let wanted = unnamed.into_iter().chain(mentioned.into_iter().filter(|id| Some(*id) != unnamed));
    for id in wanted.take(MAX_LOOKUPS) {
        match store::name(view, id).await? {
            Some(name) => {
                names.insert(id.to_owned(), name);
            }
            None => missing.names.push(id.to_owned()),
        }
    }
    let attachments = attachments(said, view).await?;
    missing.files = attachments.is_none();
    if let Whose::Unknown = decide::whose(slack, said, decide::own(said, view).await?.as_ref()) {
        missing.ourselves = true;
    }
    Ok(Known { names, parent: parent(said, view).await?, attachments, missing })
}

/// Its files, where there are none or they were fetched when it was first said.
async fn attachments(said: &Said, view: &dyn View) -> Result<Option<Vec<Attachment>>, Failure> {
    if said.files.is_empty() {
        return Ok(Some(Vec::new()));
    }
    if said.happened == Happened::Posted {
        return Ok(None);
    }
    let place: Option<Place> = store::get(view, &store::place_key(&said.message_id())).await?;
    Ok(place.map(|place| place.attachments).filter(|before| before.len() == said.files.len()))
}

/// The message at the head of the thread: one of ours, or what somebody wrote in Slack.
async fn parent(said: &Said, view: &dyn View) -> Result<Option<MessageId>, Failure> {
    let Some(head) = &said.thread else { return Ok(None) };
    let ours: Option<OwnPost> = store::get(view, &store::own_post_key(&said.channel, head)).await?;
    Ok(Some(match ours {
        Some(post) => post.message_id,
        None => message_id(&said.app, &said.channel, head),
    }))
}

/// Puts a message off until what is missing has been fetched: a door asks nobody.
pub(super) fn send(said: Box<Said>, now: Timestamp) -> Result<Outcome, Failure> {
    let event = relay::errand(said.received_id(), &Errand::Fetch { said }, now)?;
    Ok(Outcome { events: vec![event], ..Outcome::default() })
}

/// An errand has come round.
pub(super) async fn received(
    slack: &Slack,
    event: &Event,
    received: &MessageReceived,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    if event.bridge != "slack" {
        return Ok(Outcome::nothing());
    }
    let errand = serde::Deserialize::deserialize(&received.payload);
    let errand = errand.map_err(|_| Failure::bug("an errand of ours that we cannot read"))?;
    let (channel, deed) = match errand {
        Errand::Upload(upload) => (upload.channel.clone(), Deed::Upload(upload)),
        Errand::Withdraw { channel, files, .. } => (channel, Deed::Withdraw { files }),
        Errand::Fetch { said } => {
            // The room may have lost its channel since.
            let Some(room) = slack.channels.get(&said.channel) else { return Ok(Outcome::nothing()) };
            let known = know(slack, &said, view).await?;
            if known.missing == Missing::default() {
                return late::say(slack, &said, room, known, false, now, view).await;
            }
            let Known { names, parent, attachments, missing } = known;
            let fetch = Fetch { said: *said, room: room.clone(), parent, names, attachments, missing };
            (fetch.said.channel.clone(), Deed::Fetch(Box::new(fetch)))
        }
    };
    let effects = vec![Effect::new(format!("slack/{channel}"), &deed)?];
    Ok(Outcome { effects, ..Outcome::default() })
}

/// What was missing has been fetched, or cannot be: the message is said with what there is.
pub(super) async fn settle_fetch(
    slack: &Slack,
    fetch: Fetch,
    settlement: &Settlement,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let fetched = match settlement {
        Settlement::Done(report) => match report.read()? {
            Done::Fetched(fetched) => fetched,
            other => return Err(Failure::bug(format!("{other:?} is no answer to a fetch"))),
        },
        Settlement::GaveUp(_) => Fetched::default(),
    };
    let gave_up = matches!(settlement, Settlement::GaveUp(_));
    let Fetch { said, room, parent, mut names, attachments, missing } = fetch;
    let mut writes: Vec<Write> = store::learn(view, fetched.own.clone()).await?.into_iter().collect();
    if missing.ourselves {
        let learned = decide::own(&said, view).await?;
        let asked = fetched.own != Own::default();
        let own = if asked { Some(&fetched.own) } else { learned.as_ref() };
        let outcome = match decide::whose(slack, &said, own) {
            Whose::Theirs => None,
            Whose::Ours => Some(decide::echo(slack, &said, now, view).await?),
            // The token speaks for no bot, so no bot is us.
            Whose::Unknown if asked => None,
            // Better lost, as a dead letter says, than our own words said once more as another's.
            Whose::Marked | Whose::Unknown => Some(Outcome::nothing()),
        };
        if let Some(mut outcome) = outcome {
            outcome.writes.append(&mut writes);
            return Ok(outcome);
        }
    }
    for (id, name) in fetched.names {
        let (name, expires) = match name {
            Some(name) => (display_name(&name, &id), slack.name_expiry(now)),
            None => (id.clone(), now.plus(NAMELESS_FOR)),
        };
        writes.push(store::put_name(&id, &name, expires)?);
        names.insert(id, name);
    }
    let mut outcome = if gave_up && missing.files {
        let missing = Missing::default();
        late::gather(Fetch { said, room, parent, names, attachments: None, missing }, view).await?
    } else {
        let attachments = Some(attachments.unwrap_or(fetched.attachments));
        let known = Known { names, parent, attachments, missing: Missing::default() };
        late::say(slack, &said, &room, known, gave_up, now, view).await?
    };
    outcome.writes.append(&mut writes);
    Ok(outcome)
}

/// Says it: the event, and where the message stands, so that it can be answered from elsewhere.
pub(super) fn say(
    slack: &Slack,
    said: &Said,
    room: &RoomName,
    names: &Names,
    attachments: Vec<Attachment>,
    parent: Option<MessageId>,
    now: Timestamp,
) -> Result<Outcome, Failure> {
    let mut text = to_plain(&said.text, names, MAX_TEXT_CHARS - 100);
    if said.more_files > 0 {
        text.push_str(&format!("\n[and {} more files in Slack]", said.more_files));
    }
    if text.trim().is_empty() && attachments.is_empty() {
        return Ok(Outcome::nothing());
    }
    let revision = if let Happened::Edited(at) = &said.happened { at.revision() } else { Revision::FIRST };
    let mut writes = Vec::new();
    if said.happened == Happened::Posted {
        let place = Place {
            channel: said.channel.clone(),
            ts: Some(said.ts.clone()),
            thread: said.thread.clone(),
            attachments: attachments.clone(),
            ..Place::default()
        };
        let key = store::place_key(&said.message_id());
        writes.push(Write::put(key, &place, Expect::Any)?.expiring(slack.post_expiry(now)));
    }
    let message = Message {
        id: said.message_id(),
        revision,
        room: room.clone(),
        sender: sender(said, names),
        text,
        attachments,
        thread_parent: parent,
        provider_id: Some(said.ts.as_str().to_owned()),
        time: said.ts.time(),
        hops: said.mark.as_ref().map_or(0, |mark| mark.hops),
    };
    let detail = match said.happened {
        Happened::Edited(_) => Detail::MessageEdited(MessageSaid::new(message)),
        _ => Detail::MessagePosted(MessageSaid::new(message)),
    };
    let event = Event::new(said.event_id(), "slack", now, detail);
    Ok(Outcome { writes, events: vec![event], ..Outcome::default() })
}

/// The id of who wrote it: a person's, or a bot's.
pub(super) fn sender_id(said: &Said) -> Option<&str> {
    said.author.user.as_deref().or(said.author.bot.as_deref())
}

/// Who wrote it, as others are shown.
pub(super) fn sender(said: &Said, names: &Names) -> Sender {
    let id = sender_id(said).unwrap_or("unknown");
    let name = said.author.name.as_deref().or_else(|| names.get(id).map(String::as_str)).unwrap_or(id);
    Sender { surface: Surface::Slack, address: Address::new(id), name: display_name(name, id) }
}
