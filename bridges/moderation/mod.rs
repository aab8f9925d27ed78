//! The gate between what was said and what is shown, and the owner of each room's order.
//!
//! It joins no outside world and has no protocol but ours: it hears MessagePosted, MessageEdited,
//! MessageDeleted and ReactionChanged at `moderation.gate`, judges them by the operator's policy, and says
//! RoomChanged for what may be shown, MessageHeld and MessageBlocked for what may not. In the transaction that
//! records a decision it numbers the change: `seq` is 1, 2, 3, … in each room, without a gap.
//!
//! Its doors are for the operator, each with `{"id"}`, the asker's own id for the request, so that a request
//! sent again is one:
//!
//! - `POST /api/messages/{message}/retract`: what is shown is taken back;
//! - `POST /api/messages/{message}/release`: what is held is shown;
//! - `POST /api/messages/{message}/block`: what is held is not shown, for good.
//!
//! There is no `act.rs`, because the gate asks nobody. Reading order: `decide` (the life of a message), `gate` (what each
//! decision is made with), `store` (what is remembered of a message), `config` and `policy` (the operator's rules), and
//! what these are made of: `normalise` (a text as a reader sees it), `words`, `links`, `pace`.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::{
    Admission, Arrival, Bridge, Declaration, Detail, Door, DoorAccess, Failure, MAX_BODY_BYTES, Outcome,
    Timestamp, View, What,
};

use crate::settings::{ConfigError, Keys, Settings};

mod config;
mod decide;
mod gate;
mod links;
mod normalise;
mod orders;
mod pace;
mod policy;
mod store;
mod walk;
mod wire;
mod words;

#[cfg(test)]
mod judgements;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;

use config::Written;

pub use policy::{Decision, Policy, Verdict};

const fn door(path: &'static str) -> Door {
    Door {
        name: "moderation.door",
        path,
        methods: &["POST"],
        access: DoorAccess::Private,
        content_types: &["application/json"],
        max_bytes: MAX_BODY_BYTES,
    }
}

/// What it is configured with.
pub(crate) const KEYS: Keys = Keys { names: &[], section: "moderation", secrets: &[] };

static DECLARATION: Declaration = Declaration {
    name: "moderation",
    doors: &[
        door("/api/messages/{message}/retract"),
        door("/api/messages/{message}/release"),
        door("/api/messages/{message}/block"),
    ],
    listeners: &["moderation.gate"],
};

/// As long as a hub is expected to archive what was said.
const KEEP_DAYS: u32 = 90;
/// Longer than a bridge takes to fetch a picture and less than anybody waits for an edit.
const PARK: Duration = Duration::from_secs(600);

/// The gate.
#[derive(Debug)]
pub struct Moderation {
    policy: Policy,
    keep: Duration,
    park: Duration,
}

impl Moderation {
    /// Compiles the policy of `[moderation]`, or of the file that it names.
    ///
    /// # Errors
    /// What is wrong in it, where, and the mend.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let written: Written = settings.section("moderation")?;
        let policy = match &written.policy {
            None => {
                policy::check(&settings.document, &written, Some(&settings.rooms))?;
                Policy::compile(&written)
            }
            Some(path) if written.has_rules() => {
                return Err(settings
                    .document
                    .fault("[moderation] names a policy file and has rules of its own", Some(path.span()))
                    .mend("keep the rules in one of them"));
            }
            Some(path) => {
                let text = std::fs::read_to_string(path.get_ref()).map_err(|error| {
                    settings
                        .document
                        .fault(
                            format!("the policy file {} cannot be read: {error}", path.get_ref()),
                            Some(path.span()),
                        )
                        .mend("name a file that is there, by its path from where the hub is started")
                })?;
                Policy::read(path.get_ref(), &text, Some(&settings.rooms))?
            }
        };
        let seconds = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        Ok(Self {
            policy,
            keep: seconds(written.keep_days.map_or(KEEP_DAYS, |days| days.0)),
            park: written.park_s.map_or(PARK, config::Within::seconds),
        })
    }
}

#[async_trait]
impl Bridge for Moderation {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    fn admit(
        &self,
        _door: &str,
        request: &http::Request<Bytes>,
        _now: Timestamp,
    ) -> Result<Admission, Failure> {
        Ok(Admission::Arrival(wire::read_order(request)?.arrival_id()))
    }

    async fn decide(&self, arrival: &Arrival<'_>, view: &dyn View) -> Result<Outcome, Failure> {
        match arrival.what {
            What::Request(request) => {
                let order = wire::read_order(request)?;
                self.at(arrival.id.as_str(), arrival.now, view).ordered(&order).await
            }
            What::Frame(_) => Ok(Outcome::nothing()),
            What::Timer(timer) => {
                self.at(arrival.id.as_str(), arrival.now, view).parked_too_long(&timer.body).await
            }
            // A replay shows nothing again: what it brings has been judged, or is too old to be remembered.
            What::Event { event, .. } if event.replay.is_some() => Ok(Outcome::nothing()),
            What::Event { event, .. } => {
                let gate = self.at(event.id.as_str(), arrival.now, view);
                match &event.detail {
                    Detail::MessagePosted(said) => gate.posted(&said.message).await,
                    Detail::MessageEdited(said) => gate.edited(said).await,
                    Detail::MessageDeleted(deleted) => gate.deleted(deleted).await,
                    Detail::ReactionChanged(reaction) => gate.reacted(reaction, event.time).await,
                    _ => Ok(Outcome::nothing()),
                }
            }
        }
    }
}
