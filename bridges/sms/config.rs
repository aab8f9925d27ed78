//! What the bridge is configured with, and what cannot be right in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base64::Engine;
use serde::Deserialize;
use switchboard_core::{Failure, Links, PhoneNumber, RoomName, Rooms, Secret, SmsAccess};
use url::{Host, Url};

use super::{AUTH_TOKEN, KEYS};
use crate::provider::{self, HostPattern};
use crate::settings::{ConfigError, Settings};

/// `[sms]` of the configuration. Every key has a default that is safe to start with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// How fast we hand texts to Twilio, in segments a second; 0 for as fast as they come. A US long code
    /// carries 1, a toll-free number about 3, a short code 100 and more.
    pub segments_per_second: f64,
    /// The spend cap: most segments a UTC day in all; 0 for no cap. A text with files counts as three.
    pub daily_segments: u32,
    /// Most segments a UTC day to one phone; 0 for no limit.
    pub per_phone_daily: u32,
    /// Most segments a UTC day about one room; 0 for no limit.
    pub per_room_daily: u32,
    /// Most segments a UTC day to the phones of one calling code; 0 for no limit.
    pub per_calling_code_daily: u32,
    /// Other limits than `per_calling_code_daily` for some calling codes: `{ "44" = 200 }`, segments a UTC day.
    pub calling_code_daily: BTreeMap<String, u32>,
    /// Calling codes that may be texted, such as `[1, 44]`; empty for all.
    pub allowed_calling_codes: Vec<u16>,
    /// Whether an edit or a deletion sends one short correction.
    pub corrections: bool,
    /// Hosts from which files of incoming messages are fetched: `host`, `host:port` or `*.domain`. The host of
    /// `TWILIO_API_BASE` is always among them.
    pub media_hosts: Vec<String>,
    /// Most bytes of one incoming file; a larger one becomes a note.
    pub media_max_bytes: u32,
    /// Whether Twilio is asked to report how each text fared.
    pub status_callbacks: bool,
    /// Whether Twilio replaces typographic characters by plain ones, so that more texts fit GSM-7.
    pub smart_encoding: bool,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            segments_per_second: 1.0,
            daily_segments: 2000,
            per_phone_daily: 300,
            per_room_daily: 1500,
            per_calling_code_daily: 2000,
            calling_code_daily: BTreeMap::new(),
            allowed_calling_codes: Vec::new(),
            corrections: true,
            media_hosts: ["api.twilio.com", "mms.twiliocdn.com", "*.twiliocdn.com", "*.amazonaws.com"]
                .map(str::to_owned)
                .to_vec(),
            media_max_bytes: 5 * 1024 * 1024,
            status_callbacks: true,
            smart_encoding: false,
        }
    }
}

/// Who our texts are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sender {
    /// A number or short code of ours.
    From(String),
    /// A Messaging Service, which chooses the number.
    Service(String),
}

/// Everything the bridge knows from its start.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) account: String,
    /// None where nothing uses them.
    pub(super) tokens: Vec<Secret>,
    pub(super) sender: Sender,
    /// What stands before `/2010-04-01/…`, without a slash at the end.
    pub(super) api_base: String,
    pub(super) api_url: Url,
    pub(super) links: Links,
    pub(super) rooms: Arc<Rooms>,
    pub(super) section: Section,
    pub(super) media_hosts: Vec<HostPattern>,
    /// Whether Twilio can reach us: otherwise it is given no links.
    pub(super) reachable: bool,
    /// The phones of each room with `sms = "listed"`, in order.
    listed: HashMap<RoomName, Vec<PhoneNumber>>,
}

impl Config {
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let account = settings.require("TWILIO_ACCOUNT_SID")?.to_owned();
        if !is_sid(&account, "AC") {
            return Err(settings
                .wrong("TWILIO_ACCOUNT_SID", "is no account's SID")
                .mend("it is AC and 32 hexadecimal digits, on the front page of the Twilio console"));
        }
        let section: Section = settings.section("sms")?;
        check(settings, &section)?;
        let api_url =
            provider::api_base(settings, "TWILIO_API_BASE", "/2010-04-01/", "https://api.twilio.com")?;
        let api_base = api_url.as_str().trim_end_matches('/').to_owned();
        let media_hosts = HostPattern::list(settings, ["sms", "media_hosts"], &section.media_hosts)?;
        let public = Url::parse(settings.links.base()).ok();
        let reachable = is_local(&api_url) || !public.as_ref().is_some_and(is_local);
        let mut listed = HashMap::new();
        for (name, room) in settings.rooms.iter() {
            if room.sms == SmsAccess::Listed {
                let mut phones = room.phones.clone();
                phones.sort();
                phones.dedup();
                listed.insert(name.clone(), phones);
            }
        }
        Ok(Self {
            account,
            tokens: match settings.get(AUTH_TOKEN) {
                None if !settings.uses(&KEYS, AUTH_TOKEN) => Vec::new(),
                _ => settings.secrets(AUTH_TOKEN)?,
            },
            sender: sender(settings)?,
            api_base,
            api_url,
            links: settings.links.clone(),
            rooms: Arc::clone(&settings.rooms),
            section,
            media_hosts,
            reachable,
            listed,
        })
    }

    /// Does Twilio tell us how a text fares?
    pub(super) fn is_told(&self) -> bool {
        self.section.status_callbacks && self.reachable
    }

    /// The phones of a room's list; none unless `sms = "listed"`.
    pub(super) fn listed(&self, room: &RoomName) -> &[PhoneNumber] {
        self.listed.get(room).map_or(&[], Vec::as_slice)
    }

    /// The rooms that list a phone, by name.
    pub(super) fn listing(&self, phone: &PhoneNumber) -> impl Iterator<Item = &RoomName> {
        let lists = |room: &RoomName| self.listed(room).binary_search(phone).is_ok();
        self.rooms.iter().map(|(name, _)| name).filter(move |name| lists(name))
    }

    /// May this phone be in this room?
    pub(super) fn may_join(&self, room: &RoomName, phone: &PhoneNumber) -> bool {
        match self.access(room) {
            SmsAccess::Open => true,
            SmsAccess::Listed => self.listed(room).binary_search(phone).is_ok(),
            SmsAccess::Off => false,
        }
    }

    pub(super) fn access(&self, room: &RoomName) -> SmsAccess {
        self.rooms.get(room).map_or(SmsAccess::Off, |room| room.sms)
    }

    /// Is it the number that we text from?
    pub(super) fn is_ours(&self, phone: &PhoneNumber) -> bool {
        matches!(&self.sender, Sender::From(number) if number == phone.as_str())
    }

    /// Whether the phones of a calling code may be texted.
    pub(super) fn allows_code(&self, code: u16) -> bool {
        let allowed = &self.section.allowed_calling_codes;
        allowed.is_empty() || allowed.contains(&code)
    }

    /// The value of `Authorization` for the API: the first token is our password.
    ///
    /// # Errors
    /// Whatever this was made for declares no use of the token.
    pub(super) fn authorization(&self) -> Result<String, Failure> {
        let token = self.tokens.first().ok_or_else(|| Failure::bug("what asks Twilio has no token"))?;
        let pair = format!("{}:{}", self.account, token.expose());
        Ok(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    }
}

fn check(settings: &Settings, section: &Section) -> Result<(), ConfigError> {
    let rate = section.segments_per_second;
    if !rate.is_finite() || !(0.0..=10_000.0).contains(&rate) || (rate > 0.0 && rate < 0.001) {
        return Err(settings
            .fault(&["sms", "segments_per_second"], format!("{rate} is no rate"))
            .mend("write segments a second from 0.001 to 10000, or 0 for no pacing"));
    }
    if section.media_max_bytes == 0 {
        return Err(settings
            .fault(&["sms", "media_max_bytes"], "0 would take no file")
            .mend("write bytes, such as 5242880, or leave it out"));
    }
    for code in section.calling_code_daily.keys() {
        if !code.parse().is_ok_and(|number: u16| number.to_string() == *code && is_calling_code(number)) {
            return Err(settings
                .fault(&["sms", "calling_code_daily", code], "no calling code")
                .mend("write a code that exists, such as \"44\" = 200"));
        }
    }
    let is_none = |code: &u16| !is_calling_code(*code);
    if let Some(nth) = section.allowed_calling_codes.iter().position(is_none) {
        return Err(settings
            .fault(&["sms", "allowed_calling_codes", &nth.to_string()], "no calling code")
            .mend("write codes that exist, such as [1, 44]"));
    }
    Ok(())
}

/// Do numbers begin with this code, and with no shorter one?
fn is_calling_code(code: u16) -> bool {
    let number = format!("+{code}00000000").parse::<PhoneNumber>();
    number.is_ok_and(|number| number.calling_code() == code)
}

fn sender(settings: &Settings) -> Result<Sender, ConfigError> {
    match (settings.get("TWILIO_FROM"), settings.get("TWILIO_MESSAGING_SERVICE_SID")) {
        (None, None) => Err(ConfigError::new("neither TWILIO_FROM nor TWILIO_MESSAGING_SERVICE_SID is set")
            .mend(
                "set one of them in the environment or in the configuration file: a number of yours such as \
                 +14155550100, or a Messaging Service's SID",
            )),
        (Some(_), Some(_)) => Err(settings
            .wrong("TWILIO_FROM", "and TWILIO_MESSAGING_SERVICE_SID are both set")
            .mend("keep one: a Messaging Service chooses the number itself")),
        (None, Some(service)) if is_sid(service, "MG") => Ok(Sender::Service(service.to_owned())),
        (None, Some(_)) => Err(settings
            .wrong("TWILIO_MESSAGING_SERVICE_SID", "is no service's SID")
            .mend("it is MG and 32 hexadecimal digits")),
        (Some(from), None) => {
            let short_code = (3..=8).contains(&from.len()) && from.bytes().all(|byte| byte.is_ascii_digit());
            if short_code {
                return Ok(Sender::From(from.to_owned()));
            }
            let number: PhoneNumber = from.parse().map_err(|_| {
                settings
                    .wrong("TWILIO_FROM", "is neither a number nor a short code")
                    .mend("write a number of yours in international form, such as +14155550100")
            })?;
            Ok(Sender::From(number.as_str().to_owned()))
        }
    }
}

/// `AC` or `MG` and 32 hexadecimal digits.
fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Is it this machine, or an address of a private network?
fn is_local(url: &Url) -> bool {
    provider::is_loopback(url) || matches!(url.host(), Some(Host::Ipv4(address)) if address.is_private())
}
