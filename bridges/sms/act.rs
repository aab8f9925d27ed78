//! The one place that talks to the Messages API, and what its answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use serde::{Deserialize, Serialize};
use switchboard_core::event::Change;
use switchboard_core::{
    Attachment, EventId, Failure, HttpError, Message, MessageId, PhoneNumber, Ports, RoomName, Timestamp,
};

use super::codes::{self, Verdict};
use super::config::{Config, Sender};
use super::store::Unsent;
use super::wire::{self, ErrorBody, MessageList, MessageResource, RemoteFile};
use super::{smart, wire::STATUS_PATH};

/// What is to be done: the body of our effects.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    FetchFiles(Draft),
    /// Of files that were given up, take those that are here.
    GatherFiles(Draft),
    SendText(SendText),
    /// Wait until a text that its carrier did not take may be sent once more.
    Wait(SendAgain),
}

/// The payload of `MessageReceived`: the bridge's errands to itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Errand {
    Again { again: SendAgain },
    Fetch(Draft),
}

/// A text that Twilio took and its carrier did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SendAgain {
    /// The delivery that failed.
    pub(super) delivery: EventId,
    pub(super) to: PhoneNumber,
    pub(super) text: Unsent,
    pub(super) message_id: Option<MessageId>,
    pub(super) room: Option<RoomName>,
    pub(super) not_before: Timestamp,
}

/// A message whose files are still with Twilio: the payload of `MessageReceived`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Draft {
    pub(super) sid: String,
    pub(super) message: Message,
    pub(super) files: Vec<RemoteFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) unknown: BTreeMap<String, String>,
}

/// One text to one phone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SendText {
    /// The id of the SmsRequested.
    pub(super) delivery: EventId,
    pub(super) to: PhoneNumber,
    pub(super) body: String,
    /// The links of a text that is older than `files`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) media_urls: Vec<String>,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<Attachment>,
    /// What it counts as.
    pub(super) segments: u32,
    pub(super) message_id: Option<MessageId>,
    #[serde(default)]
    pub(super) change: Option<Change>,
    pub(super) room: Option<RoomName>,
}

/// How a task ended: our reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Done {
    /// The files, in order; those that could not be had are notes.
    Fetched { attachments: Vec<Attachment> },
    /// Twilio has it.
    Sent { sid: String, status: Option<String> },
    /// Twilio has texts like it, oldest first: one may be this.
    Found { sids: Vec<String> },
    /// A callback was faster: all is known.
    Known,
    /// The phone wants no texts from us; the code when Twilio said so.
    OptedOut { code: Option<u32> },
    /// The phone has left the room.
    NotInRoom,
    /// What it tells was withdrawn before it was sent.
    Withdrawn,
    /// The time has come.
    Waited,
    /// It cannot be.
    Failed { code: u32 },
}

/// How long the links to files are good: a text may wait for hours at Twilio.
const LINKS_LAST: Duration = Duration::from_secs(28 * 3600);
/// Before a found message was made our first attempt may have begun: clocks differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
/// What Twilio puts before the text of a trial account.
const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";
/// Waiting as long as Twilio says costs no attempt, so it is never so short that we only ask and ask, nor so long that one
/// mistaken answer stops a phone's lane for good.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
const FIND_PAGE_SIZE: usize = 50;
const FIND_PAGES: usize = 4;

/// Asks Twilio to send a text.
pub(super) async fn send(config: &Config, task: &SendText, ports: &Ports<'_>) -> Result<Done, Failure> {
    let request = http::Request::post(messages_url(config))
        .header(AUTHORIZATION, config.authorization()?)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(form(config, task, ports.now)))
        .map_err(|error| Failure::bug(format!("the request cannot be made: {error}")))?;
    let response = ports.http.send(request).await?;
    if !response.status().is_success() {
        return refused(&response);
    }
    let message: MessageResource = serde_json::from_slice(response.body())
        .map_err(|_| Failure::unsure("Twilio took the text, but its answer cannot be read"))?;
    Ok(Done::Sent { sid: message.sid, status: message.status })
}

fn form(config: &Config, task: &SendText, now: Timestamp) -> String {
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(256 + task.body.len()));
    form.append_pair("To", task.to.as_str());
    match &config.sender {
        Sender::From(number) => form.append_pair("From", number),
        Sender::Service(sid) => form.append_pair("MessagingServiceSid", sid),
    };
    form.append_pair("Body", &task.body);
    for url in media_urls(config, task, now) {
        form.append_pair("MediaUrl", &url);
    }
    if config.section.smart_encoding {
        form.append_pair("SmartEncoded", "true");
    }
    if config.is_told() {
        form.append_pair("StatusCallback", &status_callback(config, &task.delivery));
    }
    form.finish()
}

/// Signed anew: a text that is redriven may be weeks old.
fn media_urls(config: &Config, task: &SendText, now: Timestamp) -> Vec<String> {
    if task.files.is_empty() {
        return task.media_urls.clone();
    }
    let blobs = task.files.iter().filter_map(|file| file.blob.as_ref());
    blobs.map(|blob| config.links.media(blob, now.plus(LINKS_LAST))).collect()
}

fn messages_url(config: &Config) -> String {
    format!("{}/2010-04-01/Accounts/{}/Messages.json", config.api_base, config.account)
}

/// Where Twilio reports how a delivery fares. Signed by us, so that no other delivery can be named.
fn status_callback(config: &Config, delivery: &EventId) -> String {
    let signature = config.links.sign("status", &[delivery.as_str()]);
    format!("{}{STATUS_PATH}?delivery={delivery}&signature={signature}", config.links.base())
}

/// What an answer that is no success means.
fn refused(response: &http::Response<Bytes>) -> Result<Done, Failure> {
    let status = response.status().as_u16();
    let code = serde_json::from_slice::<ErrorBody>(response.body()).unwrap_or_default().code;
    let known = code.and_then(|code| Some((code, codes::look_up(code)?)));
    if let Some((code, (verdict, _))) = known {
        return match verdict {
            Verdict::OptedOut => Ok(Done::OptedOut { code: Some(code) }),
            Verdict::Failed | Verdict::Noteworthy | Verdict::Loop => Ok(Done::Failed { code }),
            Verdict::Mend => Err(Failure::refuse(status, codes::reason(code))),
            Verdict::Later(unless_told) => {
                let after = retry_after(response).unwrap_or(unless_told);
                Err(Failure::retry_after(codes::reason(code), after))
            }
            Verdict::Credentials => Err(Failure::credentials(codes::reason(code), codes::MENDING_PAUSE)),
            Verdict::Bug => Err(Failure::bug(codes::reason(code))),
        };
    }
    match (status, code) {
        (429, _) => {
            let after = retry_after(response).unwrap_or(Duration::from_secs(5));
            Err(Failure::retry_after(codes::reason(20429), after))
        }
        (401, _) => Err(Failure::credentials(codes::reason(20003), codes::MENDING_PAUSE)),
        (408 | 500.., _) => Err(Failure::unsure(format!("Twilio answered {status}"))),
        (_, Some(code)) => Err(Failure::refuse(status, codes::reason(code))),
        (_, None) => Err(Failure::refuse(status, format!("Twilio answered {status}: check TWILIO_API_BASE"))),
    }
}

fn retry_after(response: &http::Response<Bytes>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
}

/// Asks Twilio whether it has texts like this one, made since we first tried. Which of them is this one only
/// the store knows: `settle` takes the first that no other delivery has claimed.
pub(super) async fn find(
    config: &Config,
    task: &SendText,
    since: Timestamp,
    ports: &Ports<'_>,
) -> Result<Option<Done>, Failure> {
    let since = since.minus(CLOCKS_DIFFER);
    let url = |dated: bool| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("To", task.to.as_str());
        if dated {
            query.append_pair("DateSent>", &since.day());
        }
        query.append_pair("PageSize", &FIND_PAGE_SIZE.to_string());
        format!("{}?{}", messages_url(config), query.finish())
    };
    // A text that still waits has no date of sending and is in no dated list: the newest page has it.
    let mut found = list(config, &url(false), ports).await?.messages;
    let mut next = Some(url(true));
    for _ in 0..FIND_PAGES {
        let Some(url) = next.take() else { break };
        let page = list(config, &url, ports).await?;
        found.extend(page.messages);
        next = page.next_page_uri.filter(|uri| uri.starts_with("/2010-04-01/"));
        next = next.map(|uri| format!("{}{uri}", config.api_base));
    }
    let mut like: Vec<_> = found
        .into_iter()
        .filter_map(|message| Some((made_like(config, task, since, &message)?, message.sid)))
        .collect();
    like.sort();
    like.dedup();
    let sids: Vec<_> = like.into_iter().map(|(_, sid)| sid).collect();
    Ok((!sids.is_empty()).then_some(Done::Found { sids }))
}

/// Why there is no answer, without the host's own words: they may quote the URL, with a number or a signature.
pub(super) fn no_answer(error: &HttpError) -> &'static str {
    match error {
        HttpError::NotSent(_) => "no connection to Twilio",
        HttpError::Unanswered(_) => "no answer from Twilio",
        HttpError::TooLarge(_) => "Twilio's answer is too large",
    }
}

async fn list(config: &Config, url: &str, ports: &Ports<'_>) -> Result<MessageList, Failure> {
    let request = http::Request::get(url)
        .header(AUTHORIZATION, config.authorization()?)
        .header(ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|error| Failure::bug(format!("the request cannot be made: {error}")))?;
    let response = ports.http.send(request).await.map_err(|error| Failure::retry(no_answer(&error)))?;
    if !response.status().is_success() {
        // Only asked: whatever is the matter, ask again.
        return match refused(&response) {
            Err(later @ Failure::Retry { .. }) => Err(later),
            _ => Err(Failure::retry(format!("Twilio's list answered {}", response.status().as_u16()))),
        };
    }
    serde_json::from_slice(response.body()).map_err(|_| Failure::retry("Twilio's list cannot be read"))
}

/// When this message was made, if it is like our text.
fn made_like(
    config: &Config,
    task: &SendText,
    since: Timestamp,
    message: &MessageResource,
) -> Option<Timestamp> {
    let ours = match &config.sender {
        Sender::From(number) => message.from.as_deref() == Some(number.as_str()),
        Sender::Service(sid) => message.messaging_service_sid.as_deref() == Some(sid.as_str()),
    };
    let outbound = message.direction.as_deref().is_none_or(|direction| direction.starts_with("outbound"));
    let made = message.date_created.as_deref().and_then(wire::rfc2822).filter(|made| *made >= since)?;
    let body = message.body.as_deref().unwrap_or_default();
    let body = body.strip_prefix(TRIAL_PREFIX).unwrap_or(body);
    let same = body == task.body
        || config.section.smart_encoding && smart::encode(body) == smart::encode(&task.body);
    (ours && outbound && same).then_some(made)
}
