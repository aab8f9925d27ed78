//! What pages are shown: messages, summaries of deliveries, frames. One form for everybody.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use switchboard_core::event::{Change, Reaction};
use switchboard_core::store::to_json;
use switchboard_core::{Attachment, Failure, Links, RoomName, Surface, Timestamp};

use super::store::{Counts, Entry, Gone, Logged, Place, Reactor, Who};

/// For how long a link to a file is good at least; it stays the same for a day, so that browsers keep the file.
const LINK_DAYS: i64 = 7;

/// A message on a page.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    message_id: &'a str,
    room: &'a RoomName,
    seq: u64,
    revision: u64,
    edited: bool,
    gone: Option<Gone>,
    sender: &'a Who,
    text: &'a str,
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_parent: Option<&'a str>,
    time: Timestamp,
    reactions: Vec<Reacted<'a>>,
    deliveries: Vec<Summary>,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    name: &'a str,
    content_type: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Reacted<'a> {
    name: &'a str,
    people: &'a [Reactor],
}

/// How the deliveries of a message on one surface are.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    surface: String,
    total: u32,
    delivered: u32,
    sent: u32,
    queued: u32,
    failed: u32,
    opted_out: u32,
    words: String,
}

/// A message as pages are shown it.
pub(super) fn shown<'a>(
    links: &Links,
    now: Timestamp,
    room: &'a RoomName,
    seq: u64,
    entry: &'a Entry,
    place: Option<&Place>,
) -> Shown<'a> {
    Shown {
        message_id: entry.message_id.as_str(),
        room,
        seq,
        revision: entry.revision,
        edited: entry.edited,
        gone: entry.gone,
        sender: &entry.sender,
        text: &entry.text,
        attachments: entry.attachments.iter().map(|file| shown_file(links, now, file)).collect(),
        thread_parent: entry.thread_parent.as_ref().map(|id| id.as_str()),
        time: entry.time,
        reactions: entry.reactions.iter().map(|(name, people)| Reacted { name, people }).collect(),
        deliveries: place.map(summaries).unwrap_or_default(),
    }
}

fn shown_file<'a>(links: &Links, now: Timestamp, file: &'a Attachment) -> File<'a> {
    File {
        name: &file.name,
        content_type: &file.content_type,
        size: file.size,
        url: file.blob.as_ref().map(|blob| file_url(links, now, blob)),
        note: file.note.as_deref(),
    }
}

/// A link to a file, as a path of the page's own origin.
pub(super) fn file_url(links: &Links, now: Timestamp, blob: &switchboard_core::BlobId) -> String {
    let day = Duration::from_secs(86_400);
    let until = Timestamp::from_secs((now.plus(day).secs() / 86_400 + LINK_DAYS) * 86_400);
    let link = links.media(blob, until);
    link.strip_prefix(links.base()).map_or_else(|| link.clone(), str::to_owned)
}

/// The summaries of a message's deliveries.
pub(super) fn summaries(place: &Place) -> Vec<Summary> {
    place.counts.iter().map(|(surface, counts)| summary(surface, counts)).collect()
}

fn summary(surface: &str, counts: &Counts) -> Summary {
    let Counts { queued, sent, delivered, failed, opted_out, why } = counts;
    let total = queued + sent + delivered + failed + opted_out;
    let why = why.as_deref().filter(|_| *failed > 0);
    let words = if surface == Surface::Slack.as_str() {
        match (why, *failed > 0) {
            (Some(why), _) => format!("Slack: failed ({why})"),
            (None, true) => "Slack: failed".to_owned(),
            (None, false) if *delivered > 0 => "Slack: posted".to_owned(),
            (None, false) => "Slack: on its way".to_owned(),
        }
    } else {
        let parts = [
            (*delivered, "delivered"),
            (*sent, "sent"),
            (*queued, "queued"),
            (*opted_out, "opted out"),
            (*failed, "failed"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let things =
            if surface == Surface::Sms.as_str() { phones(total) } else { format!("{total} {surface}") };
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{things}: {}{why}", parts.join(", "))
    };
    Summary {
        surface: surface.to_owned(),
        total,
        delivered: *delivered,
        sent: *sent,
        queued: *queued,
        failed: *failed,
        opted_out: *opted_out,
        words,
    }
}

/// `1 phone`, `2 phones`.
pub(super) fn phones(count: u32) -> String {
    if count == 1 { "1 phone".to_owned() } else { format!("{count} phones") }
}

#[derive(Serialize)]
struct ChangeFrame<'a> {
    kind: &'static str,
    room: &'a RoomName,
    seq: u64,
    change: Change,
    message: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a Who>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<&'a Reaction>,
}

/// The frame of a change: `logged` is `None` for a posting.
pub(super) fn change_frame(seq: u64, message: Shown<'_>, logged: Option<&Logged>) -> Result<String, Failure> {
    to_json(&ChangeFrame {
        kind: Kind::Change.as_str(),
        room: message.room,
        seq,
        change: logged.map_or(Change::Posted, |logged| logged.change),
        by: logged.and_then(|logged| logged.by.as_ref()),
        reaction: logged.and_then(|logged| logged.reaction.as_ref()),
        message,
    })
}

macro_rules! kinds {
    ($($kind:ident = $name:literal),* $(,)?) => {
        /// What the hub says on a socket; described in asyncapi.json.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($kind),* }

        impl Kind {
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$kind),*];

            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }
        }
    };
}

kinds!(
    Hello = "hello",
    Watching = "watching",
    Change = "change",
    Resumed = "resumed",
    Accepted = "accepted",
    Refused = "refused",
    Judged = "judged",
    Deliveries = "deliveries",
    Warnings = "warnings",
    Typing = "typing",
    Presence = "presence",
    History = "history",
    Pong = "pong",
    Renewed = "renewed",
    Error = "error",
    Resume = "resume",
);

/// `{"kind": …}` with these fields.
pub(super) fn frame(kind: Kind, fields: Value) -> String {
    let mut frame = json!({ "kind": kind.as_str() });
    if let (Some(frame), Value::Object(fields)) = (frame.as_object_mut(), fields) {
        frame.extend(fields);
    }
    frame.to_string()
}

/// How a time is written.
pub(super) fn time(at: Timestamp) -> Value {
    Value::String(at.to_string())
}
