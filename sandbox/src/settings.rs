//! What a sandbox is told when it starts: whom it pretends to be, for which hub, and how it behaves.
//!
//! Only values and their defaults are here. [`Behaviour`], [`Limits`] and the Slack app's two secrets can also be
//! changed while it runs (`control`); the identities cannot.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that a sandbox needs to start.
#[derive(Clone)]
pub struct Settings {
    /// Where the webhooks are posted: the hub's address, such as `http://127.0.0.1:8080`.
    pub hub_base: String,
    /// What the hub believes its public address to be: Twilio's signatures are computed over it.
    pub public_base: String,
    /// Where the hub reaches this sandbox: what stands before `/twilio/…` and `/slack/…` in links to media
    /// and files.
    pub own_base: String,
    /// The pretend Twilio account.
    pub twilio: TwilioAccount,
    /// The pretend Slack workspace, and the one app that is installed in it.
    pub slack: SlackApp,
    /// A file in which what was received survives a restart; without one it is forgotten.
    pub store: Option<PathBuf>,
    /// The providers' speed limits; off unless given. `switchboard run` gives the real ones.
    pub limits: Limits,
    /// Delays, echoes and retries.
    pub behaviour: Behaviour,
}

impl Settings {
    /// Pretend identities for a hub at `hub_base`, which mounts this sandbox under `/sandbox`.
    pub fn for_hub(hub_base: &str) -> Settings {
        let hub_base = hub_base.trim_end_matches('/').to_owned();
        Settings {
            public_base: hub_base.clone(),
            own_base: format!("{hub_base}/sandbox"),
            hub_base,
            twilio: TwilioAccount::default(),
            slack: SlackApp::default(),
            store: None,
            limits: Limits::default(),
            behaviour: Behaviour::default(),
        }
    }
}

/// The account that the hub's Twilio credentials belong to.
#[derive(Clone)]
pub struct TwilioAccount {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// Signs the webhooks, and is the password of the API.
    pub auth_token: String,
    /// The account's own numbers, in E.164; the first is the one that phones text by default.
    pub numbers: Vec<String>,
    /// `MG` and 32 hexadecimal digits, when messages may be sent through a Messaging Service.
    pub messaging_service_sid: Option<String>,
}

impl Default for TwilioAccount {
    fn default() -> TwilioAccount {
        TwilioAccount {
            account_sid: "AC5a4db0c5a4db0c5a4db0c5a4db0c5a4d".into(),
            auth_token: "sandbox-auth-token".into(),
            // Fictional numbers of the North American plan, 555-0100 to 555-0199.
            numbers: vec!["+15550100100".into(), "+15550100101".into()],
            messaging_service_sid: Some("MG5a4db0c5a4db0c5a4db0c5a4db0c5a4d".into()),
        }
    }
}

/// The app that the hub's Slack credentials belong to, and the workspace around it.
#[derive(Clone)]
pub struct SlackApp {
    /// `A…`
    pub app_id: String,
    /// The bearer token of the Web API, `xoxb-…`.
    pub bot_token: String,
    /// `B…`
    pub bot_id: String,
    /// `U…`
    pub bot_user_id: String,
    /// Signs events, commands and interactions.
    pub signing_secret: String,
    /// `T…`
    pub team_id: String,
    /// Channels as (id, name). Any other is `channel_not_found`.
    pub channels: Vec<(String, String)>,
    /// People as (id, name, display name).
    pub users: Vec<(String, String, String)>,
}

impl Default for SlackApp {
    fn default() -> SlackApp {
        SlackApp {
            app_id: "A0SANDBOX".into(),
            bot_token: "xoxb-sandbox".into(),
            bot_id: "B0SANDBOX".into(),
            bot_user_id: "U0SANDBOX".into(),
            signing_secret: "sandbox-signing-secret".into(),
            team_id: "T0SANDBOX".into(),
            channels: vec![("C0LOBBY".into(), "lobby".into()), ("C0OPS".into(), "ops".into())],
            users: vec![
                ("U0ANN".into(), "ann".into(), "Ann".into()),
                ("U0BOB".into(), "bob".into(), "Bob".into()),
            ],
        }
    }
}

/// What the Slack app and the hub know of each other, as it is now.
#[derive(Clone)]
pub(crate) struct SlackSecrets {
    pub(crate) bot_token: String,
    pub(crate) signing_secret: String,
}

impl Limits {
    /// As fast as the real providers let a small account be.
    pub fn real() -> Limits {
        Limits { twilio: Some(TwilioLimits::default()), slack: Some(SlackLimits::default()) }
    }
}

impl SlackSecrets {
    pub(crate) fn of(app: &SlackApp) -> SlackSecrets {
        SlackSecrets { bot_token: app.bot_token.clone(), signing_secret: app.signing_secret.clone() }
    }
}

/// How fast the providers let the hub be. `None` is no limit.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Twilio's; `None` when off.
    pub twilio: Option<TwilioLimits>,
    /// Slack's; `None` when off.
    pub slack: Option<SlackLimits>,
}

/// Twilio's limits. The defaults are those of one US long code.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TwilioLimits {
    /// How many segments a sender puts on the air in a second; the rest wait as `queued`.
    pub segments_per_s: f64,
    /// How many API calls may be under way at once before 429 with code 20429.
    pub concurrency: usize,
    /// How much may wait in one sender's queue before code 21611.
    pub queue_s: f64,
}

impl Default for TwilioLimits {
    fn default() -> TwilioLimits {
        TwilioLimits { segments_per_s: 1.0, concurrency: 100, queue_s: 36_000.0 }
    }
}

/// Slack's limits: <https://docs.slack.dev/apis/web-api/rate-limits>
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlackLimits {
    /// `chat.postMessage` to one channel.
    pub per_channel_per_s: f64,
    /// How many above that are let through after a pause.
    pub burst: f64,
    /// Whether the other methods keep to their tiers (tier 1: 1 a minute, 2: 20, 3: 50, 4: 100).
    pub tiers: bool,
}

impl Default for SlackLimits {
    fn default() -> SlackLimits {
        SlackLimits { per_channel_per_s: 1.0, burst: 4.0, tiers: true }
    }
}

/// How the providers behave where the real ones vary. `POST /behaviour` changes any part of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Whether Slack tells the hub of the hub's own messages, edits and deletions, as the real one does.
    pub slack_echo: bool,
    /// How long Slack waits for a 2xx.
    pub slack_ack_ms: u64,
    /// When Slack tries again, after each failure.
    pub slack_retry_after_ms: Vec<u64>,
    /// Whether a retry comes with a new `event_id` and without the `X-Slack-Retry-…` headers, as was seen.
    pub slack_retry_in_disguise: bool,
    /// How long after `files.completeUploadExternal` the file's message appears.
    pub slack_share_ms: u64,
    /// Between two statuses of a text.
    pub twilio_status_ms: u64,
    /// How long Twilio waits for an answer.
    pub twilio_timeout_ms: u64,
    /// Tried after the hub's door failed: a path of the hub, such as `/twilio/messages`.
    pub twilio_fallback_path: Option<String>,
    /// Whether webhooks carry `OptOutType`, as with Advanced Opt-Out.
    pub twilio_advanced_opt_out: bool,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour {
            slack_echo: true,
            slack_ack_ms: 3_000,
            slack_retry_after_ms: vec![0, 60_000, 300_000],
            slack_retry_in_disguise: false,
            slack_share_ms: 50,
            twilio_status_ms: 30,
            twilio_timeout_ms: 15_000,
            twilio_fallback_path: None,
            twilio_advanced_opt_out: false,
        }
    }
}
