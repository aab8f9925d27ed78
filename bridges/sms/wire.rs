//! What Twilio sends and answers. These types stay here and in `act.rs`; unknown fields are kept with the message and
//! otherwise ignored.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use switchboard_core::message::{MAX_ATTACHMENTS, MAX_TEXT_CHARS};
use switchboard_core::{ArrivalId, EventId, Failure, PhoneNumber, Reply, Timestamp};

use super::config::Config;
use super::signature;

pub(super) const MESSAGES_PATH: &str = "/twilio/messages";
pub(super) const STATUS_PATH: &str = "/twilio/status";

/// Longest link to a file that is kept: ten of them and the text fit an event many times over.
const MAX_MEDIA_URL_BYTES: usize = 2000;

/// The only TwiML that we ever send: nothing of a message can reach it, so nothing needs escaping.
pub(super) fn twiml() -> Reply {
    Reply::ok("text/xml", "<Response/>")
}

/// A request of Twilio's.
#[derive(Debug, PartialEq)]
pub(super) enum Knock {
    Message(Inbound),
    Status(Callback),
}

/// A message from a phone.
#[derive(Debug, PartialEq)]
pub(super) struct Inbound {
    pub(super) sid: String,
    /// `None` for what is no number: a short code, a sender's name.
    pub(super) from: Option<PhoneNumber>,
    /// The sender's address names a channel that is not SMS, such as `whatsapp:`.
    pub(super) channel: bool,
    pub(super) to: String,
    pub(super) text: String,
    pub(super) files: Vec<RemoteFile>,
    /// With Advanced Opt-Out: what Twilio took the message for.
    pub(super) opt_out: Option<String>,
    /// What is not among [`KNOWN`], as far as there is room for it.
    pub(super) unknown: BTreeMap<String, String>,
}

/// What Twilio documents of an incoming message, without the numbers that media have at their names' ends:
/// <https://www.twilio.com/docs/messaging/guides/webhook-request>
const KNOWN: [&str; 25] = [
    "MessageSid",
    "SmsSid",
    "SmsMessageSid",
    "AccountSid",
    "MessagingServiceSid",
    "ApiVersion",
    "From",
    "To",
    "Body",
    "NumMedia",
    "NumSegments",
    "ReferralNumMedia",
    "MediaUrl",
    "MediaContentType",
    "SmsStatus",
    "MessageStatus",
    "OptOutType",
    "FromCity",
    "FromState",
    "FromZip",
    "FromCountry",
    "ToCity",
    "ToState",
    "ToZip",
    "ToCountry",
];
/// So much of what is unknown is kept: a signed request is still no reason for an event of any size.
const MAX_UNKNOWN: usize = 20;
const MAX_UNKNOWN_NAME_BYTES: usize = 64;
const MAX_UNKNOWN_CHARS: usize = 200;

/// A file that Twilio keeps for us.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(super) struct RemoteFile {
    /// `None` where the parameter is missing or no URL.
    pub(super) url: Option<String>,
    pub(super) content_type: String,
}

/// How a text of ours fares.
#[derive(Debug, PartialEq)]
pub(super) struct Callback {
    pub(super) sid: String,
    pub(super) status: String,
    pub(super) error_code: Option<u32>,
    /// Our delivery's id, when the callback's URL named it.
    pub(super) delivery: Option<EventId>,
}

/// Is this request Twilio's, about our account, and can it be read?
pub(super) fn admit(config: &Config, request: &http::Request<Bytes>) -> Result<ArrivalId, Failure> {
    if !signature::verify(&config.tokens, config.links.base(), request) {
        return Err(unsigned(config, request));
    }
    let parameters = Parameters::read(request)?;
    match interpret(&parameters, request)? {
        Knock::Message(inbound) => {
            check_account(config, &parameters)?;
            if inbound.text.chars().count() > MAX_TEXT_CHARS {
                return Err(Failure::refuse(413, format!("Body has more than {MAX_TEXT_CHARS} characters")));
            }
            Ok(ArrivalId::from_cause(&["twilio", "message", &inbound.sid]))
        }
        Knock::Status(callback) => {
            check_account(config, &parameters)?;
            let delivery = callback.delivery.as_ref().map_or("", EventId::as_str);
            if !delivery.is_empty() {
                let signature = query_value(request, "signature").unwrap_or_default();
                if !config.links.verify("status", &[delivery], &signature) {
                    return Err(Failure::refuse(403, "the delivery in the callback's URL is not ours"));
                }
            }
            Ok(ArrivalId::from_cause(&["twilio", "status", &callback.sid, &callback.status, delivery]))
        }
    }
}

/// Which of the things is wrong that a signature depends on, as far as that can be told. The query is left out: what
/// callers put there is nobody's to log.
fn unsigned(config: &Config, request: &http::Request<Bytes>) -> Failure {
    let mut signatures = request.headers().get_all(signature::HEADER).iter();
    match (signatures.next(), signatures.next()) {
        (None, _) => Failure::refuse(403, "there is no X-Twilio-Signature"),
        (_, Some(_)) => Failure::refuse(403, "there is more than one X-Twilio-Signature"),
        (Some(_), None) => {
            let url = format!("{}{}", config.links.base(), request.uri().path());
            Failure::refuse(
                403,
                format!("X-Twilio-Signature is not this account's token over {url} (see PUBLIC_BASE_URL)"),
            )
        }
    }
}

fn check_account(config: &Config, parameters: &Parameters) -> Result<(), Failure> {
    if parameters.get("AccountSid") == Some(config.account.as_str()) {
        return Ok(());
    }
    Err(Failure::refuse(403, "AccountSid is not the configured account"))
}

/// Reads a request that has been admitted.
pub(super) fn read(request: &http::Request<Bytes>) -> Result<Knock, Failure> {
    interpret(&Parameters::read(request)?, request)
}

fn interpret(parameters: &Parameters, request: &http::Request<Bytes>) -> Result<Knock, Failure> {
    let sid = parameters.get("MessageSid").unwrap_or_default().to_owned();
    if sid.is_empty() || sid.len() > 64 || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::refuse(400, "MessageSid is missing or no SID"));
    }
    let path = request.uri().path();
    if path.ends_with(STATUS_PATH) {
        return read_status(parameters, request, sid).map(Knock::Status);
    }
    if !path.ends_with(MESSAGES_PATH) {
        return Err(Failure::refuse(404, "no such path"));
    }
    let from = parameters.get("From").ok_or_else(|| Failure::refuse(400, "From is missing"))?;
    let count = parameters.get("NumMedia").filter(|count| !count.is_empty()).unwrap_or("0");
    let count: usize = count.parse().map_err(|_| Failure::refuse(400, "NumMedia is no number"))?;
    let file = |index: usize| {
        let url = parameters.get(&format!("MediaUrl{index}"));
        let content_type = parameters.get(&format!("MediaContentType{index}")).unwrap_or_default();
        RemoteFile {
            url: url.filter(|url| url.len() <= MAX_MEDIA_URL_BYTES).map(str::to_owned),
            content_type: content_type.chars().take(100).collect(),
        }
    };
    Ok(Knock::Message(Inbound {
        from: from.parse().ok(),
        channel: from.contains(':'),
        to: parameters.get("To").unwrap_or_default().to_owned(),
        text: parameters.get("Body").unwrap_or_default().to_owned(),
        files: (0..count.min(MAX_ATTACHMENTS)).map(file).collect(),
        opt_out: parameters.get("OptOutType").map(str::to_owned),
        unknown: parameters.unknown(),
        sid,
    }))
}

fn read_status(
    parameters: &Parameters,
    request: &http::Request<Bytes>,
    sid: String,
) -> Result<Callback, Failure> {
    let status = parameters.get("MessageStatus").or_else(|| parameters.get("SmsStatus"));
    let status = status.ok_or_else(|| Failure::refuse(400, "MessageStatus is missing"))?;
    if status.len() > 40 {
        return Err(Failure::refuse(400, "MessageStatus is no status"));
    }
    Ok(Callback {
        sid,
        status: status.to_owned(),
        error_code: parameters.get("ErrorCode").and_then(|code| code.parse().ok()),
        delivery: query_value(request, "delivery").map(EventId::from_text),
    })
}

fn query_value(request: &http::Request<Bytes>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Names and values, from a form, a query or a flat JSON object.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(request: &http::Request<Bytes>) -> Result<Self, Failure> {
        let own = |pairs: form_urlencoded::Parse<'_>| pairs.into_owned().collect();
        if request.method() != http::Method::POST {
            return Ok(Self(own(form_urlencoded::parse(
                request.uri().query().unwrap_or_default().as_bytes(),
            ))));
        }
        if !signature::is_json(request) {
            return Ok(Self(own(form_urlencoded::parse(request.body()))));
        }
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(request.body())
            .map_err(|_| Failure::refuse(400, "the body is no JSON object"))?;
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Ok(Self(object.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()))
    }

    fn unknown(&self) -> BTreeMap<String, String> {
        let known = |name: &str| KNOWN.contains(&name.trim_end_matches(|end: char| end.is_ascii_digit()));
        let unknown = self.0.iter().filter(|(name, _)| name.len() <= MAX_UNKNOWN_NAME_BYTES && !known(name));
        let short = |value: &str| value.chars().take(MAX_UNKNOWN_CHARS).collect();
        unknown.map(|(name, value)| (name.clone(), short(value))).take(MAX_UNKNOWN).collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A message, as the Messages API gives it.
#[derive(Debug, Deserialize)]
pub(super) struct MessageResource {
    pub(super) sid: String,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) messaging_service_sid: Option<String>,
    #[serde(default)]
    pub(super) direction: Option<String>,
    /// RFC 2822.
    #[serde(default)]
    pub(super) date_created: Option<String>,
}

/// A page of messages, newest first.
#[derive(Debug, Deserialize)]
pub(super) struct MessageList {
    pub(super) messages: Vec<MessageResource>,
    #[serde(default)]
    pub(super) next_page_uri: Option<String>,
}

/// An error. Its sentence is not read: it quotes the phone's number.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct ErrorBody {
    pub(super) code: Option<u32>,
}

/// Reads `Wed, 22 Nov 2026 05:10:45 +0000`.
pub(super) fn rfc2822(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut parts = date.split_whitespace();
    let day: u8 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))? + 1;
    let (year, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let zone = match zone {
        "GMT" | "UTC" | "UT" | "Z" => "Z".to_owned(),
        offset if offset.len() == 5 && offset.is_ascii() => format!("{}:{}", &offset[..3], &offset[3..]),
        _ => return None,
    };
    format!("{year}-{month:02}-{day:02}T{time}{zone}").parse().ok()
}
