//! What Slack sends: the envelope of the Events API, and the table of message subtypes in `classify`: which is
//! said, edited, deleted, or nothing. <https://docs.slack.dev/reference/events/message>
//!
//! Nothing is refused for a field that we do not know.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use switchboard_core::Failure;
use switchboard_core::id::MAX_ID_BYTES;
use switchboard_core::message::MAX_ATTACHMENTS;
use switchboard_core::unreadable;

use super::said::{Author, Happened, Mark, Reacted, Said, SlackFile, SlackTs};

/// Most of a text that is read, in bytes as JSON, entities and tokens included: an event of ours holds it.
const MAX_WIRE_TEXT_BYTES: usize = 160_000;
/// The longest that one byte can become in JSON: `\u0007`.
const MAX_ESCAPE_BYTES: usize = 6;
/// Longest name of a reaction, in characters.
const MAX_REACTION_CHARS: usize = 80;

/// The metadata type of our posts.
pub(super) const MARK: &str = "switchboard_message";

/// Is it an id such as `C024BE91L`, beginning with one of `kinds`, and not a name such as `#general`?
pub(super) fn is_id(text: &str, kinds: &[char]) -> bool {
    text.len() >= 2
        && text.starts_with(kinds)
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// What an envelope of the Events API turned out to be.
#[derive(Debug)]
pub(super) enum Heard {
    /// Slack asks whether this address is ours.
    Challenge(String),
    /// Slack dropped events of this workspace in the minute that began then.
    RateLimited(i64),
    /// Nothing that a room would show.
    Nothing,
    /// Something was said, changed or withdrawn.
    Said(Box<Said>),
    /// Somebody reacted to a message.
    Reacted(Box<Reacted>),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    challenge: Option<String>,
    minute_rate_limited: Option<i64>,
    api_app_id: Option<String>,
    #[serde(default)]
    authorizations: Vec<Authorization>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Authorization {
    user_id: Option<String>,
    #[serde(default)]
    is_bot: bool,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

/// A `message` event, and the messages inside it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct MessageWire {
    subtype: Option<String>,
    channel: Option<String>,
    user: Option<String>,
    bot_id: Option<String>,
    app_id: Option<String>,
    bot_profile: Option<BotProfile>,
    username: Option<String>,
    text: Option<String>,
    ts: Option<SlackTs>,
    thread_ts: Option<SlackTs>,
    deleted_ts: Option<SlackTs>,
    edited: Option<EditedWire>,
    files: Option<Vec<SlackFile>>,
    attachments: Option<Vec<Value>>,
    metadata: Option<MetadataWire>,
    message: Option<Box<MessageWire>>,
    previous_message: Option<Box<MessageWire>>,
}

#[derive(Deserialize)]
struct BotProfile {
    app_id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct EditedWire {
    ts: SlackTs,
}

#[derive(Deserialize)]
struct MetadataWire {
    event_type: Option<String>,
    event_payload: Option<Value>,
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::refuse(400, format!("not an event of Slack's: {}", unreadable::fault(error)))
}

/// Reads the body of `/slack/events`.
///
/// # Errors
/// [`Failure::Refuse`] with 400 where it is not an envelope.
pub(super) fn read_envelope(body: &[u8]) -> Result<Heard, Failure> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    match envelope.kind.as_str() {
        "url_verification" => match envelope.challenge {
            Some(challenge) => Ok(Heard::Challenge(challenge)),
            None => Err(Failure::refuse(400, "url_verification without a challenge")),
        },
        "app_rate_limited" => Ok(Heard::RateLimited(envelope.minute_rate_limited.unwrap_or_default())),
        "event_callback" => {
            let (Some(app), Some(event)) = (envelope.api_app_id, envelope.event) else {
                return Err(Failure::refuse(400, "event_callback without api_app_id or event"));
            };
            let our_user = envelope.authorizations.into_iter().find(|a| a.is_bot).and_then(|a| a.user_id);
            // `app_mention` comes for a message that comes as `message` too.
            let said = match read::<Kind>(event.get())?.kind.as_str() {
                "message" => classify(app, our_user, read(event.get())?)?,
                kind @ ("reaction_added" | "reaction_removed") => {
                    let reacted = reacted(app, our_user, kind == "reaction_added", read(event.get())?);
                    return Ok(reacted.map_or(Heard::Nothing, |reacted| Heard::Reacted(Box::new(reacted))));
                }
                "message_metadata_posted" => marked(app, read(event.get())?),
                _ => None,
            };
            Ok(said.map_or(Heard::Nothing, |said| Heard::Said(Box::new(said))))
        }
        _ => Ok(Heard::Nothing),
    }
}

/// `message_metadata_posted`: it comes for a post of ours where the `message` leaves the mark out.
#[derive(Deserialize)]
struct MarkedWire {
    app_id: Option<String>,
    bot_id: Option<String>,
    user_id: Option<String>,
    channel_id: String,
    message_ts: SlackTs,
    metadata: MetadataWire,
}

fn marked(app: String, event: MarkedWire) -> Option<Said> {
    // Only ours matters.
    if event.app_id.as_ref() != Some(&app) {
        return None;
    }
    Some(Said {
        app,
        our_user: None,
        channel: event.channel_id,
        ts: event.message_ts,
        happened: Happened::Marked,
        author: Author { user: event.user_id, bot: event.bot_id, app: event.app_id, name: None },
        text: String::new(),
        thread: None,
        files: Vec::new(),
        more_files: 0,
        mark: Some(mark(&event.metadata)?),
    })
}

/// `reaction_added` and `reaction_removed`.
#[derive(Deserialize)]
struct ReactionWire {
    user: Option<String>,
    reaction: String,
    item: ItemWire,
    #[serde(default)]
    event_ts: String,
}

#[derive(Deserialize)]
struct ItemWire {
    channel: Option<String>,
    ts: Option<SlackTs>,
}

/// `None` for a reaction to something that is no message.
fn reacted(app: String, our_user: Option<String>, added: bool, event: ReactionWire) -> Option<Reacted> {
    let reaction = event.reaction.split("::").next().unwrap_or_default();
    Some(Reacted {
        app,
        our_user,
        channel: event.item.channel?,
        ts: event.item.ts?,
        user: event.user.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))?,
        reaction: reaction.chars().take(MAX_REACTION_CHARS).collect(),
        added,
        at: event.event_ts,
    })
}

/// What a `message` event says: the table of subtypes. `None` where a room would show nothing.
fn classify(app: String, our_user: Option<String>, event: MessageWire) -> Result<Option<Said>, Failure> {
    let missing = |what: &str| Failure::refuse(400, format!("a message without {what}"));
    let channel = event.channel.clone().ok_or_else(|| missing("channel"))?;
    let (happened, ts, message) = match event.subtype.as_deref() {
        None | Some("bot_message" | "file_share" | "thread_broadcast" | "me_message") => {
            let ts = event.ts.clone().ok_or_else(|| missing("ts"))?;
            (Happened::Posted, ts, event)
        }
        Some("message_changed") => {
            let message = *event.message.ok_or_else(|| missing("message"))?;
            let before = event.previous_message.map(|before| *before);
            let ts = message.ts.clone().or_else(|| before.as_ref()?.ts.clone());
            let ts = ts.ok_or_else(|| missing("message.ts"))?;
            match change(&message, before.as_ref()) {
                None => return Ok(None),
                Some(Happened::Deleted) => (Happened::Deleted, ts, before.unwrap_or(message)),
                Some(happened) => (happened, ts, message),
            }
        }
        Some("message_deleted") => {
            let before = event.previous_message.map(|before| *before);
            let ts = event.deleted_ts.or_else(|| before.as_ref()?.ts.clone());
            (Happened::Deleted, ts.ok_or_else(|| missing("deleted_ts"))?, before.unwrap_or_default())
        }
        // Joining, leaving, topics, archiving, `message_replied` (the reply comes by itself), and all to come.
        Some(_) => return Ok(None),
    };
    let mut files = message.files.clone().unwrap_or_default();
    let more_files = files.len().saturating_sub(MAX_ATTACHMENTS);
    files.truncate(MAX_ATTACHMENTS);
    Ok(Some(Said {
        app,
        our_user,
        channel,
        happened,
        author: author(&message),
        thread: message.thread_ts.clone().filter(|head| *head != ts),
        ts,
        mark: message.metadata.as_ref().and_then(mark),
        text: text(&message),
        files,
        more_files,
    }))
}

/// Which `message_changed` is somebody's edit. Slack also sends it when a link is unfurled, a thread grows or a
/// locale is added: then there is no `edited`, or the text is as it was.
fn change(message: &MessageWire, before: Option<&MessageWire>) -> Option<Happened> {
    let stub = message.text.as_deref() == Some("This message was deleted.") && message.edited.is_none();
    if message.subtype.as_deref() == Some("tombstone") || stub {
        // The head of a thread was deleted; its replies stay.
        return Some(Happened::Deleted);
    }
    let edited = message.edited.as_ref()?;
    let same = before.is_some_and(|before| before.text == message.text);
    (!same).then(|| Happened::Edited(edited.ts.clone()))
}

fn author(message: &MessageWire) -> Author {
    let profile = message.bot_profile.as_ref();
    let named = |name: &Option<String>| name.clone().filter(|name| !name.trim().is_empty());
    let id = |id: &Option<String>| id.clone().filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
    Author {
        user: id(&message.user),
        bot: id(&message.bot_id),
        app: message.app_id.clone().or_else(|| profile?.app_id.clone()),
        name: named(&message.username).or_else(|| named(&profile?.name)),
    }
}

/// The text, as long as a message of ours can be; for a bot that says all in attachments, what those say for who cannot show them.
fn text(message: &MessageWire) -> String {
    let text = message.text.as_deref().unwrap_or_default();
    if !text.trim().is_empty() {
        return shortened(text.to_owned());
    }
    let attachments = message.attachments.iter().flatten();
    let words = attachments
        .filter_map(|one| ["fallback", "text", "title"].iter().find_map(|key| one.get(key)?.as_str()));
    shortened(words.collect::<Vec<_>>().join("\n"))
}

/// Nothing that Slack's people write is as long; what a bot puts together may be.
fn shortened(mut text: String) -> String {
    if text.len() * MAX_ESCAPE_BYTES > MAX_WIRE_TEXT_BYTES {
        let mut used = 0;
        let cut = text.char_indices().find(|(_, c)| {
            let escaped = c.is_control() || matches!(c, '"' | '\\');
            used += if escaped { MAX_ESCAPE_BYTES } else { c.len_utf8() };
            used > MAX_WIRE_TEXT_BYTES
        });
        if let Some((at, _)) = cut {
            text.truncate(at);
        }
    }
    text
}

fn mark(metadata: &MetadataWire) -> Option<Mark> {
    if metadata.event_type.as_deref() != Some(MARK) {
        return None;
    }
    let mark: Mark = serde_json::from_value(metadata.event_payload.clone()?).ok()?;
    (1..=MAX_ID_BYTES).contains(&mark.message_id.as_str().len()).then_some(mark)
}
