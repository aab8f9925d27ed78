//! What people do, as events: a post, an edit, a deletion, a reaction. The gate decides what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use switchboard_core::event::{Detail, MessageDeleted, MessageSaid, ReactionChanged};
use switchboard_core::message::display_name;
use switchboard_core::{
    Address, Event, EventId, Failure, Frame, Message, MessageId, Outcome, Person, Reply, Revision, Role,
    RoomName, Rooms, Sender, Surface, Timestamp, View,
};

use super::WebChat;
use super::frames::{self, Said};
use super::shown::{Kind, frame};
use super::store::{self, Entry, Place};
use super::wire::{Post, Posted};
use super::{files, sign_in};

/// For how long the gate remembers a message at least (`[moderation] keep_days`).
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// Longest name of a reaction. Slack's custom names have at most 100 characters.
const MAX_REACTION_CHARS: usize = 100;

/// Is there such a room?
pub(super) fn known(rooms: &Arc<Rooms>, room: &RoomName) -> Result<(), Failure> {
    if rooms.get(room).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = rooms.iter().map(|(name, _)| name.as_str()).collect();
    let reason = format!("no room {room}; there are: {}", names.join(", "));
    Err(Failure::refuse_as(404, "unknown_room", reason))
}

/// Is the person in this room?
pub(super) async fn joined(
    chat: &WebChat,
    person: &Person,
    room: &RoomName,
    view: &dyn View,
) -> Result<(), Failure> {
    known(&chat.rooms, room)?;
    if view.get(&store::left_key(&person.id, room)).await?.is_some() {
        return Err(Failure::refuse_as(403, "not_joined", format!("you have left {room}: join it first")));
    }
    Ok(())
}

/// Somebody wrote something at the command line, or in a script.
pub(super) fn post(chat: &WebChat, post: Post, now: Timestamp) -> Result<Outcome, Failure> {
    known(&chat.rooms, &post.room)?;
    let cause = ["web_chat", post.room.as_str(), post.client_id.as_str()];
    let name = display_name(&post.name, "somebody");
    let sender = Sender { surface: Surface::Web, address: Address::new(name.clone()), name };
    let message = message(MessageId::from_cause(&cause), &post.room, sender, &post.text, now);
    let reply = Reply::json(&Posted { message_id: message.id.clone() })?;
    let id = EventId::from_cause(&[cause[0], cause[1], cause[2], "posted"]);
    let event = Event::new(id, "web_chat", now, Detail::MessagePosted(MessageSaid::new(message)));
    Ok(Outcome { reply: Some(reply), events: vec![event], ..Outcome::default() })
}

fn message(id: MessageId, room: &RoomName, sender: Sender, text: &str, now: Timestamp) -> Message {
    Message {
        id,
        revision: Revision::FIRST,
        room: room.clone(),
        sender,
        text: text.to_owned(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: now,
        hops: 0,
    }
}

fn sender(person: &Person) -> Sender {
    Sender { surface: Surface::Web, address: Address::new(person.id.clone()), name: person.name.clone() }
}

/// A frame that changes something.
pub(super) async fn frame_said(
    chat: &WebChat,
    said: &Frame,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let person = &said.connection.person;
    match frames::read(&said.text)? {
        Said::Renew { ticket } => {
            let (grant, outcome) = sign_in::redeem(&ticket, view).await?;
            if grant.person.id != person.id {
                return Err(Failure::refuse_as(403, "bad_ticket", "the ticket is somebody else's"));
            }
            Ok(outcome)
        }
        Said::Post { id, room, text, thread_parent, files } => {
            joined(chat, person, &room, view).await?;
            check_text(chat, &text, files.is_empty())?;
            if files.len() > chat.config.files {
                let most = chat.config.files;
                return Err(Failure::refuse_as(
                    400,
                    "bad_file",
                    format!("a message has at most {most} files"),
                ));
            }
            if let Some(parent) = &thread_parent {
                standing(parent, &room, view).await?;
            }
            let message_id = MessageId::from_cause(&["web_chat", &person.id, &id]);
            let mut message = message(message_id, &room, sender(person), &text, now);
            message.thread_parent = thread_parent;
            for handle in &files {
                message.attachments.push(files::open(&chat.links, handle, &person.id, now)?);
            }
            let message_id = message.id.clone();
            accepted(person, &id, &message_id, Detail::MessagePosted(MessageSaid::new(message)), now)
        }
        Said::Edit { id, room, message_id, text } => {
            joined(chat, person, &room, view).await?;
            let entry = standing(&message_id, &room, view).await?;
            if !wrote(person, &entry) {
                return Err(not_yours());
            }
            check_text(chat, &text, entry.attachments.is_empty())?;
            // Of two edits the later is the greater; a message said here is edited only here.
            let revision = Revision(u64::try_from(now.ms()).unwrap_or(0).max(entry.revision + 1));
            let message = Message {
                revision,
                attachments: entry.attachments,
                thread_parent: entry.thread_parent,
                time: entry.time,
                ..message(message_id.clone(), &room, sender(person), &text, now)
            };
            accepted(
                person,
                &id,
                &message_id,
                Detail::MessageEdited(MessageSaid { kept: true, ..MessageSaid::new(message) }),
                now,
            )
        }
        Said::Delete { id, room, message_id } => {
            joined(chat, person, &room, view).await?;
            let entry = standing(&message_id, &room, view).await?;
            let moderator = !wrote(person, &entry);
            if moderator && !moderates(person) {
                return Err(not_yours());
            }
            let (sender, shown) = (sender(person), old(entry, &room, now));
            let deleted = MessageDeleted { message_id: message_id.clone(), room, sender, moderator, shown };
            accepted(person, &id, &message_id, Detail::MessageDeleted(deleted), now)
        }
        Said::React { id, room, message_id, reaction, added } => {
            joined(chat, person, &room, view).await?;
            let entry = standing(&message_id, &room, view).await?;
            let plain = |c: char| c.is_alphanumeric() || "_-+':".contains(c);
            if reaction.is_empty()
                || reaction.chars().count() > MAX_REACTION_CHARS
                || !reaction.chars().all(plain)
            {
                return Err(Failure::refuse_as(
                    400,
                    "bad_field",
                    "a reaction has a short name, such as thumbsup",
                ));
            }
            let (sender, shown) = (sender(person), old(entry, &room, now));
            let message = message_id.clone();
            let changed = ReactionChanged { message_id: message, room, sender, reaction, added, shown };
            accepted(person, &id, &message_id, Detail::ReactionChanged(changed), now)
        }
        _ => Err(Failure::bug("a frame that changes nothing was decided")),
    }
}

/// May they take back what others wrote?
fn moderates(person: &Person) -> bool {
    person.roles.iter().any(|role| matches!(role, Role::Moderator | Role::Operator))
}

fn accepted(
    person: &Person,
    client_id: &str,
    message_id: &MessageId,
    detail: Detail,
    now: Timestamp,
) -> Result<Outcome, Failure> {
    let id = EventId::from_cause(&["web_chat", &person.id, client_id, detail.kind()]);
    let text = frame(Kind::Accepted, json!({ "id": client_id, "message_id": message_id }));
    let events = vec![Event::new(id, "web_chat", now, detail)];
    Ok(Outcome { reply: Some(Reply::ok("application/json", text)), events, ..Outcome::default() })
}

fn check_text(chat: &WebChat, text: &str, must_say: bool) -> Result<(), Failure> {
    if must_say && text.trim().is_empty() {
        return Err(Failure::refuse_as(400, "empty", "there is nothing to say"));
    }
    let most = chat.config.text_chars;
    if text.chars().count() > most {
        return Err(Failure::refuse_as(413, "too_long", format!("a text has at most {most} characters")));
    }
    Ok(())
}

/// A message that the room shows.
async fn standing(message: &MessageId, room: &RoomName, view: &dyn View) -> Result<Entry, Failure> {
    let unknown = || Failure::refuse_as(404, "unknown_message", "no such message in this room");
    let place: Option<Place> = store::get(view, &store::place_key(message)).await?;
    let seq = place.filter(|place| place.room == *room).and_then(|place| place.seq).ok_or_else(unknown)?;
    let entry: Option<Entry> = store::get(view, &store::entry_key(room, seq)).await?;
    entry.filter(|entry| entry.gone.is_none()).ok_or_else(unknown)
}

/// Did the person write it?
fn wrote(person: &Person, entry: &Entry) -> bool {
    entry.sender.surface == Surface::Web && entry.sender.id == person.id
}

fn not_yours() -> Failure {
    Failure::refuse_as(403, "not_yours", "somebody else wrote it")
}

/// What the room shows, for a gate that may have forgotten it: rooms keep messages for good, the gate for a while.
fn old(entry: Entry, room: &RoomName, now: Timestamp) -> Option<Message> {
    (now.since(entry.time) > REMEMBERED).then(|| Message {
        id: entry.message_id,
        revision: Revision(entry.revision),
        room: room.clone(),
        sender: Sender {
            surface: entry.sender.surface,
            address: Address::new(entry.sender.id),
            name: entry.sender.name,
        },
        text: entry.text,
        attachments: entry.attachments,
        thread_parent: entry.thread_parent,
        provider_id: None,
        time: entry.time,
        hops: 0,
    })
}
