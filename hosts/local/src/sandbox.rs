//! The pretend providers inside this host: for each provider without credentials, the sandbox's identity stands
//! in for them, so that the bridges need not know.
//!
//! Its secrets are made from the data directory's key: nobody outside can sign as the pretend Twilio does.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use sha2::{Digest, Sha256};
use switchboard_core::Secret;
use switchboard_sandbox::{Limits, NoticeBoard, Sandbox, Settings};
use url::Url;

use crate::config::Configuration;
use crate::hub::CannotStart;
use crate::web::access::Peer;
use crate::web::{self, Hub, pages};

/// The number that the pretend phones text: fictional, and free in the pretend account.
const NUMBER: &str = "+15550100100";

/// The pretend providers; nothing when all are real.
pub(crate) struct Pretend {
    sandbox: Option<Sandbox>,
    twilio: bool,
    slack: bool,
}

/// Starts what is pretended and fills in its credentials.
pub(crate) fn start(
    configuration: &mut Configuration,
    base: &str,
    public: &Url,
    key: &Secret,
) -> Result<Pretend, CannotStart> {
    let (twilio, slack) = (configuration.twilio_is_pretend, configuration.slack_is_pretend);
    if !twilio && !slack {
        return Ok(Pretend { sandbox: None, twilio, slack });
    }
    let secret = |what: &str| hex::encode(&Sha256::digest(format!("{what}\0{}", key.expose()))[..16]);
    let mut settings = Settings::for_hub(base);
    settings.public_base = public.as_str().trim_end_matches('/').to_owned();
    // A newcomer's hub has to cope with what it will meet; whoever wants more says so (`POST /sandbox/limits`).
    settings.limits = Limits::real();
    settings.store = Some(configuration.data.join("sandbox.jsonl"));
    settings.twilio.auth_token = secret("twilio auth token");
    settings.slack.signing_secret = secret("slack signing secret");
    settings.slack.bot_token = format!("xoxb-{}", secret("slack bot token"));
    for (name, room) in configuration.rooms.iter() {
        if let Some(channel) = &room.slack_channel
            && settings.slack.channels.iter().all(|(id, _)| id != channel)
        {
            settings.slack.channels.push((channel.clone(), name.as_str().to_owned()));
        }
    }
    let mut fill = |name: &str, value: String| {
        configuration.environment.insert(name.to_owned(), value);
    };
    if twilio {
        let number = settings.twilio.numbers.first().cloned().unwrap_or_else(|| NUMBER.to_owned());
        fill("TWILIO_ACCOUNT_SID", settings.twilio.account_sid.clone());
        fill("TWILIO_AUTH_TOKEN", settings.twilio.auth_token.clone());
        fill("TWILIO_FROM", number);
        fill("TWILIO_API_BASE", format!("{base}/sandbox/twilio"));
    }
    if slack {
        fill("SLACK_SIGNING_SECRET", settings.slack.signing_secret.clone());
        fill("SLACK_BOT_TOKEN", settings.slack.bot_token.clone());
        fill("SLACK_API_BASE", format!("{base}/sandbox/slack/api"));
    }
    let sandbox =
        Sandbox::new(settings).map_err(|error| CannotStart(format!("the pretend providers: {error}")))?;
    Ok(Pretend { sandbox: Some(sandbox), twilio, slack })
}

impl Pretend {
    /// `/sandbox/…`, for whoever is on this machine or has the hub's token.
    pub(crate) fn router(&self, hub: &Arc<Hub>) -> Router {
        let Some(sandbox) = &self.sandbox else { return Router::new() };
        let gate = Arc::new(Gate { hub: Arc::clone(hub), twilio: self.twilio, slack: self.slack });
        let inside = sandbox.router().layer(middleware::from_fn_with_state(gate, let_in));
        Router::new().route("/sandbox", get(overview)).nest("/sandbox", inside)
    }

    /// Where notices are shown, when anything is pretended here.
    pub(crate) fn notices(&self) -> Option<NoticeBoard> {
        self.sandbox.as_ref().map(Sandbox::notices)
    }

    /// Its webhooks end.
    pub(crate) async fn stop(&self) {
        if let Some(sandbox) = &self.sandbox {
            sandbox.stop().await;
        }
    }
}

struct Gate {
    hub: Arc<Hub>,
    twilio: bool,
    slack: bool,
}

/// The provider's own paths check the provider's own credentials, but only for callers on this machine; the
/// controls want the hub's token from elsewhere. A provider that is real has no pretend double.
async fn let_in(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let of = |names: &[&str]| names.iter().any(|name| path.starts_with(name));
    let of_twilio = of(&["/twilio", "/phone"]);
    let of_slack = of(&["/slack"]);
    if (of_twilio && !gate.twilio) || (of_slack && !gate.slack) {
        return web::refusal(StatusCode::NOT_FOUND, "this provider is real here");
    }
    let peer = request.extensions().get::<Peer>().copied();
    let checked = if of(&["/twilio", "/slack/api"]) {
        gate.hub.access.check_near(peer, request.headers())
    } else {
        gate.hub.access.check(peer, request.headers())
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err((status, reason)) => web::refusal(status, reason),
    }
}

/// The page for a browser; for everybody else the first steps.
async fn overview(request: Request) -> Response {
    if switchboard_hosts::pages::wants_page(request.headers()) {
        return pages::sandbox_page(&request);
    }
    Json(json!({
        "text the hub": "POST /sandbox/phone/{number}/text {\"body\": \"JOIN lobby\"}",
        "what a phone has received": "GET /sandbox/phone/{number}",
        "speak in Slack": "POST /sandbox/slack/channels/{id}/say {\"user\": \"U0ANN\", \"text\": \"hello\"}",
        "what a channel shows": "GET /sandbox/slack/channels/{id}",
        "what was published to a topic": "GET /sandbox/notices/{arn}",
        "make the providers fail": "POST /sandbox/faults",
    }))
    .into_response()
}
