//! Phones, by way of Twilio: texts and files in at two webhooks, texts and files out by the Messages API.
//!
//! ```text
//!   POST /twilio/messages ─ text ────────────────────────────────────────→ MessagePosted
//!                         └ with files → MessageReceived → sms.intake ───→ MessagePosted
//!   RoomChanged  → sms.fanout → one SmsRequested a phone, numbered in the phone's lane
//!   SmsRequested → sms.out → Messages API → DeliveryReported
//!   POST /twilio/status ────────────────────────────────────────────────→ DeliveryReported
//! ```
//!
//! Who is in a room is kept here: a phone joins and leaves by text (`words.rs`). Not here: what may be shown
//! (the gate decides), and any answer in TwiML, which is always empty: our words go out like every other text,
//! so that they are paced, counted and reported.
//!
//! Protocol: <https://www.twilio.com/docs/messaging/guides/webhook-request>,
//! <https://www.twilio.com/docs/usage/security#validating-requests>,
//! <https://www.twilio.com/docs/messaging/api/message-resource>,
//! <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>.

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::{
    Admission, Arrival, Bridge, Declaration, Detail, Door, DoorAccess, Effect, Failure, MAX_BODY_BYTES,
    Outcome, Permitted, Ports, Report, Settlement, Timestamp, View, What,
};

use crate::settings::{ConfigError, Keys, LINK_KEY, Settings};

mod config;
mod wire;

mod decide;
mod fanout;
mod words;

mod again;
mod fetched;
mod permit;
mod settle;

mod act;
mod codes;
mod media;

mod segments;
mod signature;
mod smart;
mod store;
mod text;

#[cfg(test)]
mod tests;

use config::Config;
pub use config::Section;

const CONTENT_TYPES: &[&str] = &["application/x-www-form-urlencoded", "application/json"];

/// What it is configured with.
pub(crate) const KEYS: Keys = Keys {
    names: &[
        "TWILIO_ACCOUNT_SID",
        AUTH_TOKEN,
        "TWILIO_FROM",
        "TWILIO_MESSAGING_SERVICE_SID",
        "TWILIO_API_BASE",
    ],
    section: "sms",
    secrets: &[
        // Twilio signs what it sends with the token that is our password there.
        (AUTH_TOKEN, &["sms.door", "sms.intake", "sms.out"]),
        // A status callback's address is signed; the links to a text's files are.
        (LINK_KEY, &["sms.door", "sms.out"]),
    ],
};

const AUTH_TOKEN: &str = "TWILIO_AUTH_TOKEN";

static DECLARATION: Declaration = Declaration {
    name: "sms",
    doors: &[
        Door {
            name: "sms.door",
            path: wire::MESSAGES_PATH,
            methods: &["POST", "GET"],
            access: DoorAccess::Signed,
            content_types: CONTENT_TYPES,
            max_bytes: MAX_BODY_BYTES,
        },
        Door {
            name: "sms.door",
            path: wire::STATUS_PATH,
            methods: &["POST", "GET"],
            access: DoorAccess::Signed,
            content_types: CONTENT_TYPES,
            max_bytes: MAX_BODY_BYTES,
        },
    ],
    listeners: &["sms.intake", "sms.fanout", "sms.out"],
};

/// Phones.
#[derive(Debug)]
pub struct Sms {
    config: Config,
}

impl Sms {
    /// Reads `TWILIO_…`, `[sms]` and the rooms.
    ///
    /// # Errors
    /// A value that is missing or cannot be right, with the mend.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self { config: Config::new(settings)? })
    }
}

#[async_trait]
impl Bridge for Sms {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    fn admit(
        &self,
        _door: &str,
        request: &http::Request<Bytes>,
        _now: Timestamp,
    ) -> Result<Admission, Failure> {
        wire::admit(&self.config, request).map(Admission::Arrival)
    }

    async fn decide(&self, arrival: &Arrival<'_>, view: &dyn View) -> Result<Outcome, Failure> {
        let now = arrival.now;
        match arrival.what {
            What::Request(request) => match wire::read(request)? {
                wire::Knock::Message(inbound) => decide::message(&self.config, inbound, now, view).await,
                wire::Knock::Status(callback) => settle::callback(callback, now, view).await,
            },
            What::Event { event, part } => match (&event.detail, arrival.listener) {
                (Detail::MessageReceived(received), "sms.intake") => decide::received(received),
                (Detail::RoomChanged(changed), "sms.fanout") => {
                    fanout::room_changed(&self.config, event, changed, part, now, view).await
                }
                (Detail::SmsRequested(requested), "sms.out") => {
                    decide::requested(&self.config, event, requested, now, view).await
                }
                _ => Ok(Outcome::nothing()),
            },
            What::Frame(_) | What::Timer(_) => Ok(Outcome::nothing()),
        }
    }

    async fn permit(&self, effect: &Effect, now: Timestamp, view: &dyn View) -> Result<Permitted, Failure> {
        match effect.read()? {
            act::Task::SendText(task) => permit::send(&self.config, &task, now, view).await,
            act::Task::FetchFiles(_) | act::Task::GatherFiles(_) | act::Task::Wait(_) => Ok(Permitted::go()),
        }
    }

    async fn act(&self, effect: &Effect, ports: &Ports<'_>) -> Result<Report, Failure> {
        let report = match effect.read()? {
            act::Task::FetchFiles(draft) => media::fetch_all(&self.config, &draft, ports).await?,
            act::Task::GatherFiles(draft) => media::gather(&draft, ports).await?,
            act::Task::SendText(task) => act::send(&self.config, &task, ports).await?,
            act::Task::Wait(_) => act::Done::Waited,
        };
        Report::new(&report)
    }

    async fn find(
        &self,
        effect: &Effect,
        since: Timestamp,
        ports: &Ports<'_>,
    ) -> Result<Option<Report>, Failure> {
        match effect.read()? {
            act::Task::FetchFiles(_) | act::Task::GatherFiles(_) | act::Task::Wait(_) => Ok(None),
            act::Task::SendText(task) => {
                let found = act::find(&self.config, &task, since, ports).await?;
                found.map(|report| Report::new(&report)).transpose()
            }
        }
    }

    async fn settle(
        &self,
        effect: &Effect,
        settlement: &Settlement,
        now: Timestamp,
        view: &dyn View,
    ) -> Result<Outcome, Failure> {
        match effect.read()? {
            act::Task::FetchFiles(draft) => fetched::fetched(draft, settlement, now, view).await,
            act::Task::GatherFiles(draft) => fetched::gathered(draft, settlement, now, view).await,
            act::Task::SendText(task) => settle::sent(&task, settlement, now, view).await,
            act::Task::Wait(again) => again::waited(again, now, view).await,
        }
    }
}
