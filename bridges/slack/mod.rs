//! Slack: what is said in a room's channel becomes a message of the room, and what the room may show is posted
//! into its channel.
//!
//! In: the Events API (`/slack/events`), the command `/switchboard` (`/slack/commands`) and buttons
//! (`/slack/interactions`), all signed: <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
//! Events to subscribe to: `message.channels`, `message.groups`, `reaction_added`, `reaction_removed`, and
//! `message_metadata_posted` for `switchboard_message`.
//! Out: the Web API, <https://docs.slack.dev/reference/methods>. Scopes that the app needs: `channels:history`,
//! `groups:history`, `channels:read`, `groups:read`, `users:read`, `files:read`, `files:write`, `chat:write`,
//! `chat:write.customize`, `commands`, `metadata.message:read`,
//! `reactions:read`, `reactions:write`.
//!
//! Deliberately not here: Socket Mode, and retracting what a Slack user wrote (a bot cannot
//! delete a person's message). Slack's limit of about one post a second and channel is kept by obeying its
//! `Retry-After`: the room's lane waits, and no other.
//!
//! ```text
//!   /slack/events ─ admit ─ decide ──────────────────────────── MessagePosted / Edited / Deleted
//!                              └ a name or a file is missing ─ MessageReceived ─ slack.intake ─ fetch ─┘
//!   RoomChanged ─ slack.out ─ post / update / delete
//!                              └ it has files ─ MessageReceived ─ slack.intake ─ upload into its thread
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use switchboard_core::ports::MAX_ANSWER_BYTES;
use switchboard_core::{
    Admission, Arrival, Bridge, Declaration, Detail, Door, DoorAccess, Effect, Failure, MAX_BODY_BYTES,
    Outcome, Permitted, Ports, Report, RoomName, Rooms, Secret, Settlement, Timestamp, View, What,
};
use url::Url;

use self::deeds::Deed;
use crate::provider::{self, HostPattern};
use crate::settings::{ConfigError, Keys, Settings};

mod commands;
mod decide;
mod intake;
mod late;
mod relay;

mod act;
mod files;
mod names;
mod web_api;

mod deeds;
mod said;
mod store;
mod text;

mod forms;
mod signature;
mod wire;

#[cfg(test)]
mod tests;

const SIGNED: DoorAccess = DoorAccess::Signed;

/// What it is configured with.
pub(crate) const KEYS: Keys = Keys {
    names: &[SIGNING_SECRET, BOT_TOKEN, "SLACK_API_BASE"],
    section: "slack",
    secrets: &[(SIGNING_SECRET, &["slack.door"]), (BOT_TOKEN, &["slack.intake", "slack.out"])],
};

const SIGNING_SECRET: &str = "SLACK_SIGNING_SECRET";
const BOT_TOKEN: &str = "SLACK_BOT_TOKEN";

static DECLARATION: Declaration = Declaration {
    name: "slack",
    doors: &[
        Door {
            name: "slack.door",
            path: "/slack/events",
            methods: &["POST"],
            access: SIGNED,
            content_types: &["application/json"],
            max_bytes: MAX_BODY_BYTES,
        },
        Door {
            name: "slack.door",
            path: "/slack/commands",
            methods: &["POST"],
            access: SIGNED,
            content_types: &["application/x-www-form-urlencoded"],
            max_bytes: MAX_BODY_BYTES,
        },
        Door {
            name: "slack.door",
            path: "/slack/interactions",
            methods: &["POST"],
            access: SIGNED,
            content_types: &["application/x-www-form-urlencoded"],
            max_bytes: MAX_BODY_BYTES,
        },
    ],
    listeners: &["slack.intake", "slack.out"],
};

/// `[slack]` of the configuration. Nothing in it is needed: what the app is called by Slack is learned.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackConfig {
    /// Our app's id, `A…`. Set, events for another app are refused.
    pub app_id: Option<String>,
    /// The id of the user as which our bot speaks, `U…`.
    pub bot_user_id: Option<String>,
    /// The id of our bot, `B…`.
    pub bot_id: Option<String>,
    /// The workspace that the app is installed in, `T…`: commands are taken from its people only.
    pub team_id: Option<String>,
    /// Largest file that is fetched from Slack, in bytes; a larger one is named but not shown.
    pub file_max_bytes: usize,
    /// The hosts that files are fetched from and sent to, with the bot's token: `host`, `host:port` or `*.domain`.
    /// The host of `SLACK_API_BASE` is always one of them.
    pub file_hosts: Vec<String>,
    /// How long a person's or channel's name is believed before Slack is asked again, in hours.
    pub name_cache_hours: u64,
    /// How long a post can still be edited, deleted and answered from another surface, in days.
    pub remember_days: u64,
}

impl Default for SlackConfig {
    fn default() -> Self {
        Self {
            app_id: None,
            bot_user_id: None,
            bot_id: None,
            team_id: None,
            file_max_bytes: 20 * 1024 * 1024,
            file_hosts: vec!["files.slack.com".into(), "*.slack.com".into()],
            name_cache_hours: 24,
            remember_days: 90,
        }
    }
}

impl SlackConfig {
    fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        if !(1..=MAX_ANSWER_BYTES).contains(&self.file_max_bytes) {
            return Err(settings
                .fault(&["slack", "file_max_bytes"], format!("{} is out of range", self.file_max_bytes))
                .mend(format!("write bytes, from 1 to {MAX_ANSWER_BYTES}")));
        }
        for (name, id, kinds) in [
            ("app_id", &self.app_id, &['A'][..]),
            ("bot_user_id", &self.bot_user_id, &['U', 'W']),
            ("bot_id", &self.bot_id, &['B']),
            ("team_id", &self.team_id, &['T', 'E']),
        ] {
            if id.as_deref().is_some_and(|id| !wire::is_id(id, kinds)) {
                return Err(settings
                    .fault(&["slack", name], "no such id")
                    .mend(format!("write the id, such as {}024BE91L, or leave it out", kinds[0])));
            }
        }
        for (name, unit, value) in [
            ("name_cache_hours", "hours", self.name_cache_hours),
            ("remember_days", "days", self.remember_days),
        ] {
            if value == 0 {
                return Err(settings
                    .fault(&["slack", name], "0 is too few")
                    .mend(format!("write {unit}, from 1, or leave it out")));
            }
        }
        Ok(())
    }
}

/// The Slack bridge.
#[derive(Debug)]
pub struct Slack {
    config: SlackConfig,
    rooms: Arc<Rooms>,
    /// The room that each channel shows.
    channels: HashMap<String, RoomName>,
    signing_secrets: Vec<Secret>,
    bot_token: Option<Secret>,
    /// What stands before `/chat.postMessage`.
    api_base: Url,
    file_hosts: Vec<HostPattern>,
}

impl Slack {
    /// Reads `[slack]`, `SLACK_SIGNING_SECRET`, `SLACK_BOT_TOKEN` and `SLACK_API_BASE`.
    ///
    /// # Errors
    /// When two rooms share a channel, a value cannot be right, or a room has a channel but the secrets are
    /// missing that the bridge uses. Without such a room the bridge sleeps and needs none.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let config: SlackConfig = settings.section("slack")?;
        config.check(settings)?;
        let channels = channels_of(settings)?;
        let needs = |secret: &str| !channels.is_empty() && settings.uses(&KEYS, secret);
        let signing_secrets = match settings.get(SIGNING_SECRET) {
            None if !needs(SIGNING_SECRET) => Vec::new(),
            _ => settings.secrets(SIGNING_SECRET)?,
        };
        let bot_token = match settings.get(BOT_TOKEN) {
            None if !needs(BOT_TOKEN) => None,
            _ => Some(Secret::new(settings.require(BOT_TOKEN)?)),
        };
        let usual = "https://slack.com/api";
        let api_base = provider::api_base(settings, "SLACK_API_BASE", "/chat.postMessage", usual)?;
        let file_hosts = HostPattern::list(settings, ["slack", "file_hosts"], &config.file_hosts)?;
        let rooms = Arc::clone(&settings.rooms);
        Ok(Self { config, rooms, channels, signing_secrets, bot_token, api_base, file_hosts })
    }

    fn name_expiry(&self, now: Timestamp) -> Timestamp {
        now.plus(Duration::from_secs(self.config.name_cache_hours.saturating_mul(3600)))
    }

    fn post_expiry(&self, now: Timestamp) -> Timestamp {
        now.plus(Duration::from_secs(self.config.remember_days.saturating_mul(86_400)))
    }
}

fn channels_of(settings: &Settings) -> Result<HashMap<String, RoomName>, ConfigError> {
    let mut channels = HashMap::new();
    for (name, room) in settings.rooms.iter() {
        let Some(channel) = &room.slack_channel else { continue };
        let path = ["rooms", name.as_str(), "slack_channel"];
        if !wire::is_id(channel, &['C', 'G', 'D']) {
            return Err(settings
                .fault(&path, "not a channel's id")
                .mend("write the id, such as C024BE91L: it stands at the foot of the channel's details"));
        }
        if let Some(other) = channels.insert(channel.clone(), name.clone()) {
            return Err(settings
                .fault(&path, format!("the room {other} has this channel already"))
                .mend("give each room a channel of its own"));
        }
    }
    Ok(channels)
}

#[async_trait]
impl Bridge for Slack {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    fn admit(
        &self,
        _door: &str,
        request: &http::Request<Bytes>,
        now: Timestamp,
    ) -> Result<Admission, Failure> {
        signature::verify(&self.signing_secrets, request, now)?;
        decide::admit(self, request)
    }

    async fn decide(&self, arrival: &Arrival<'_>, view: &dyn View) -> Result<Outcome, Failure> {
        match arrival.what {
            What::Request(request) => decide::request(self, request, arrival.now, view).await,
            What::Event { event, .. } => match &event.detail {
                Detail::RoomChanged(changed) if arrival.listener == "slack.intake" => {
                    relay::withdrawn_early(self, changed, arrival.now, view).await
                }
                Detail::RoomChanged(changed) => relay::room_changed(self, changed, arrival.now, view).await,
                Detail::MessageReceived(received) => {
                    intake::received(self, event, received, arrival.now, view).await
                }
                _ => Ok(Outcome::nothing()),
            },
            What::Frame(_) | What::Timer(_) => Ok(Outcome::nothing()),
        }
    }

    async fn permit(&self, effect: &Effect, _now: Timestamp, view: &dyn View) -> Result<Permitted, Failure> {
        relay::permit(&effect.read()?, view).await
    }

    async fn act(&self, effect: &Effect, ports: &Ports<'_>) -> Result<Report, Failure> {
        Report::new(&act::act(self, effect.read()?, ports).await?)
    }

    async fn find(
        &self,
        effect: &Effect,
        since: Timestamp,
        ports: &Ports<'_>,
    ) -> Result<Option<Report>, Failure> {
        let done = act::find(self, effect.read()?, since, ports).await?;
        done.as_ref().map(Report::new).transpose()
    }

    async fn settle(
        &self,
        effect: &Effect,
        settlement: &Settlement,
        now: Timestamp,
        view: &dyn View,
    ) -> Result<Outcome, Failure> {
        match effect.read()? {
            Deed::Post(post) => relay::settle_post(self, post, settlement, now, view).await,
            Deed::Upload(upload) => relay::settle_upload(self, upload, settlement, now, view).await,
            Deed::Fetch(fetch) => intake::settle_fetch(self, *fetch, settlement, now, view).await,
            Deed::Gather(fetch) => late::settle_gather(self, *fetch, settlement, now, view).await,
            Deed::Update { .. } | Deed::Delete { .. } | Deed::React { .. } | Deed::Withdraw { .. } => {
                Ok(Outcome::nothing())
            }
        }
    }
}
