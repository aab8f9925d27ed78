//! What Slack sends: the signature, the envelope of the Events API with its messages, commands and buttons.
//!
//! The table of message subtypes is [`Said`]'s making, in `classify`: which is said, edited, deleted, or nothing.
//! <https://docs.slack.dev/reference/events/message>. Nothing is refused for a field that we do not know.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::Sha256;
use switchboard_core::message::MAX_ATTACHMENTS;
use switchboard_core::{ArrivalId, EventId, Failure, MessageId, Revision, Secret, Timestamp};

/// How far a request's time may be from ours, in seconds, before and after: Slack's own advice.
const MAX_SKEW_SECS: i64 = 300;

/// Most of a text that is read, in bytes, entities and tokens included: an event of ours holds it.
const MAX_WIRE_TEXT_BYTES: usize = 160_000;

/// The metadata type of our posts.
pub(super) const MARK: &str = "switchboard_message";

/// Is this from Slack, and sent now? The signature covers the raw bytes of the body.
///
/// # Errors
/// [`Failure::Refuse`] with 403 and the reason.
pub(super) fn verify(
    secrets: &[Secret],
    request: &http::Request<Bytes>,
    now: Timestamp,
) -> Result<(), Failure> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| Failure::refuse(403, format!("no {name} header")))
    };
    let signature = header("x-slack-signature")?;
    let time = header("x-slack-request-timestamp")?;
    let sent: i64 = time.parse().map_err(|_| Failure::refuse(403, "the request's time is not a number"))?;
    let age = now.secs().saturating_sub(sent);
    if age > MAX_SKEW_SECS {
        return Err(Failure::refuse(403, format!("the request is stale: signed {age} s ago")));
    }
    if age < -MAX_SKEW_SECS {
        return Err(Failure::refuse(403, format!("the request is from the future: {} s ahead", -age)));
    }
    if secrets.is_empty() {
        return Err(Failure::refuse(403, "SLACK_SIGNING_SECRET is not set: no request can be verified"));
    }
    let expected = signature.strip_prefix("v0=").and_then(|digits| hex::decode(digits).ok());
    let expected = expected.ok_or_else(|| Failure::refuse(403, "the signature is not v0=<hexadecimal>"))?;
    // Every secret is tried, the same way, and compared in constant time.
    let matches = secrets.iter().filter(|secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(b"v0:");
        mac.update(time.as_bytes());
        mac.update(b":");
        mac.update(request.body());
        mac.verify_slice(&expected).is_ok()
    });
    if matches.count() == 0 {
        return Err(Failure::refuse(403, "the signature does not match"));
    }
    Ok(())
}

/// Is it an id such as `C024BE91L`, and not a name such as `#general`?
pub(super) fn is_channel_id(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(['C', 'G', 'D'])
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Slack's name for a message in a channel: seconds, a point, six digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct SlackTs {
    text: String,
    micros: u64,
}

impl SlackTs {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.micros)
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_ms(i64::try_from(self.micros / 1000).unwrap_or(i64::MAX))
    }
}

impl TryFrom<String> for SlackTs {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let micros = text.split_once('.').and_then(|(seconds, fraction)| {
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(seconds) || !digits(fraction) || fraction.len() > 6 {
                return None;
            }
            let seconds: u64 = seconds.parse().ok()?;
            let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
            seconds.checked_mul(1_000_000)?.checked_add(fraction)
        });
        match micros {
            Some(micros) => Ok(Self { text, micros }),
            None => Err("not a Slack ts such as 1355517523.000005"),
        }
    }
}

impl From<SlackTs> for String {
    fn from(ts: SlackTs) -> Self {
        ts.text
    }
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
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Happened {
    Posted,
    /// With the time of the edit.
    Edited(SlackTs),
    Deleted,
    /// Slack says which mark is on a post of ours.
    Marked,
}

impl Happened {
    fn word(&self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Edited(_) => "edited",
            Self::Deleted => "deleted",
            Self::Marked => "marked",
        }
    }
}

/// One thing that was said in a channel, in our words; it also travels in `MessageReceived`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// The app to which the event was addressed: ours.
    pub(super) app: String,
    /// The user as which our bot speaks there, as the envelope says.
    pub(super) our_user: Option<String>,
    pub(super) channel: String,
    pub(super) ts: SlackTs,
    pub(super) happened: Happened,
    pub(super) author: Author,
    /// As Slack sent it: with tokens and entities.
    pub(super) text: String,
    /// The head of its thread, where that is another message.
    pub(super) thread: Option<SlackTs>,
    pub(super) files: Vec<SlackFile>,
    /// How many more files it has than a message may have.
    #[serde(default)]
    pub(super) more_files: usize,
    /// The mark that a Switchboard put on its post.
    pub(super) mark: Option<Mark>,
}

/// Who wrote it: a person has a user, a bot may have all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Author {
    pub(super) user: Option<String>,
    pub(super) bot: Option<String>,
    pub(super) app: Option<String>,
    /// The name under which a bot posted.
    pub(super) name: Option<String>,
}

/// `metadata.event_payload` of a Switchboard's post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) message_id: MessageId,
    #[serde(default)]
    pub(super) hops: u8,
}

/// A file of a message, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SlackFile {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) mimetype: Option<String>,
    #[serde(default)]
    pub(super) size: Option<u64>,
    /// `hosted`, `snippet`, `post`, `external`, `tombstone`, `hidden_by_limit`.
    #[serde(default)]
    pub(super) mode: Option<String>,
    #[serde(default)]
    pub(super) url_private: Option<String>,
    #[serde(default)]
    pub(super) url_private_download: Option<String>,
    #[serde(default)]
    pub(super) is_external: Option<bool>,
    /// `check_file_info` where the event holds only the id.
    #[serde(default)]
    pub(super) file_access: Option<String>,
}

impl Said {
    /// One arrival for all of Slack's retries, which may come under another `event_id` and without headers.
    pub(super) fn arrival_id(&self) -> ArrivalId {
        ArrivalId::from_cause(&self.cause())
    }

    /// The event that says what happened.
    pub(super) fn event_id(&self) -> EventId {
        EventId::from_cause(&self.cause())
    }

    /// The event that says that something has to be fetched first.
    pub(super) fn received_id(&self) -> EventId {
        let [slack, app, channel, ts, word, edit] = self.cause();
        EventId::from_cause(&[slack, app, channel, ts, word, edit, "received"])
    }

    fn cause(&self) -> [&str; 6] {
        let edit = if let Happened::Edited(ts) = &self.happened { ts.as_str() } else { "" };
        ["slack", &self.app, &self.channel, self.ts.as_str(), self.happened.word(), edit]
    }

    /// The message that it is about.
    pub(super) fn message_id(&self) -> MessageId {
        message_id(&self.app, &self.channel, &self.ts)
    }
}

/// The id of the message that somebody wrote there.
pub(super) fn message_id(app: &str, channel: &str, ts: &SlackTs) -> MessageId {
    MessageId::from_cause(&["slack", app, channel, ts.as_str()])
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
    serde_json::from_str(json).map_err(|error| Failure::refuse(400, format!("not Slack's JSON: {error}")))
}

/// Reads the body of `/slack/events`.
///
/// # Errors
/// [`Failure::Refuse`] with 400 where it is not an envelope.
pub(super) fn read_envelope(body: &[u8]) -> Result<Heard, Failure> {
    let envelope: Envelope<'_> = serde_json::from_slice(body)
        .map_err(|error| Failure::refuse(400, format!("not an envelope of Slack's: {error}")))?;
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
    Author {
        user: message.user.clone(),
        bot: message.bot_id.clone(),
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
    if text.len() > MAX_WIRE_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_WIRE_TEXT_BYTES));
    }
    text
}

fn mark(metadata: &MetadataWire) -> Option<Mark> {
    let ours = metadata.event_type.as_deref() == Some(MARK);
    ours.then(|| serde_json::from_value(metadata.event_payload.clone()?).ok()).flatten()
}

/// A slash command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) app: String,
    pub(super) team: String,
    pub(super) channel: String,
    /// What was written after the command.
    pub(super) text: String,
    /// Installed for a whole organisation: then its teams are many.
    pub(super) enterprise: bool,
    trigger: String,
}

impl Command {
    pub(super) fn arrival_id(&self) -> ArrivalId {
        ArrivalId::from_cause(&["slack", "command", &self.app, &self.trigger])
    }
}

/// Reads the form of `/slack/commands`; `None` for Slack's check of the certificate.
///
/// # Errors
/// [`Failure::Refuse`] with 400 where it is no command.
pub(super) fn read_command(body: &[u8]) -> Result<Option<Command>, Failure> {
    let field = |name: &str| {
        let mut pairs = form_urlencoded::parse(body);
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    };
    if field("ssl_check").as_deref() == Some("1") {
        return Ok(None);
    }
    let need = |name: &str| {
        let value = field(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Failure::refuse(400, format!("a command without {name}")))
    };
    Ok(Some(Command {
        app: need("api_app_id").or_else(|_| need("command"))?,
        team: need("team_id")?,
        channel: need("channel_id")?,
        text: field("text").unwrap_or_default(),
        enterprise: field("is_enterprise_install").as_deref() == Some("true"),
        trigger: need("trigger_id")?,
    }))
}

/// Checks that the form of `/slack/interactions` can be read. Nothing of ours has buttons yet.
///
/// # Errors
/// [`Failure::Refuse`] with 400 where it is none.
pub(super) fn read_interaction(body: &[u8]) -> Result<(), Failure> {
    let payload = form_urlencoded::parse(body).find(|(key, _)| key == "payload");
    let (_, payload) = payload.ok_or_else(|| Failure::refuse(400, "an interaction without payload"))?;
    read::<Kind>(&payload).map(|_| ())
}
