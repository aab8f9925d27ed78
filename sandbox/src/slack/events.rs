//! Tells the hub what happens in the workspace: <https://docs.slack.dev/apis/events-api>
//!
//! A signed POST that wants a 2xx within three seconds; up to three retries (at once, after a minute, after
//! five more), signed anew, with `X-Slack-Retry-Num` and `-Reason`. Retries were also seen with a new
//! `event_id` and no such headers: `Behaviour::slack_retry_in_disguise`.
//! Events that wait to be retried are not kept over a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::conversations::shown;
use super::message::{Message, Ts};
use super::workspace::{Channel, Workspace};
use crate::house::House;
use crate::ids::{now_ms, slack_id};
use crate::signing;
use crate::webhooks::{Attempt, NoAnswer, Webhook};

/// Above this many tasks under way echoes are not sent, and counted as left out.
const MOST_UNDER_WAY: usize = 20_000;
/// The legacy verification token, which nobody should check.
const TOKEN: &str = "sandbox-verification-token";

/// An event that is ready to be sent.
pub(crate) struct Event {
    channel: String,
    pub(crate) event_id: String,
    body: Bytes,
}

/// The body of a message event: the message itself, and where it is.
#[derive(Serialize)]
struct MessageEvent<'a> {
    #[serde(flatten)]
    message: &'a Message,
    /// The thread's parent, when a reply is shown in the channel too.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<Value>,
    channel: &'a str,
    event_ts: Ts,
    channel_type: &'a str,
}

#[derive(Serialize)]
struct Envelope<'a, E> {
    token: &'a str,
    team_id: &'a str,
    context_team_id: &'a str,
    context_enterprise_id: Option<&'a str>,
    api_app_id: &'a str,
    event: &'a E,
    #[serde(rename = "type")]
    kind: &'a str,
    event_id: &'a str,
    event_time: u64,
    authorizations: [Value; 1],
    is_ext_shared_channel: bool,
    event_context: &'a str,
}

impl Workspace {
    fn event(&self, channel: &str, event: &impl Serialize) -> Event {
        let event_id = slack_id("Ev");
        let envelope = Envelope {
            token: TOKEN,
            team_id: &self.team,
            context_team_id: &self.team,
            context_enterprise_id: None,
            api_app_id: &self.app_id,
            event,
            kind: "event_callback",
            event_id: &event_id,
            event_time: now_ms() / 1_000,
            authorizations: [json!({
                "enterprise_id": null, "team_id": self.team, "user_id": self.bot_user, "is_bot": true,
                "is_enterprise_install": false,
            })],
            is_ext_shared_channel: false,
            event_context: "4-sandbox",
        };
        let body = serde_json::to_vec(&envelope).unwrap_or_default().into();
        Event { channel: channel.to_owned(), event_id, body }
    }

    /// A message was posted.
    pub(crate) fn posted(&self, channel: &Channel, message: &Message) -> Event {
        let (id, kind) = (&channel.id, channel.kind());
        let broadcast = message.subtype.as_deref() == Some("thread_broadcast");
        let root = message.thread_ts.filter(|_| broadcast).and_then(|parent| channel.get(parent));
        let root = root.map(|root| shown(channel, root, false));
        self.event(id, &MessageEvent { message, root, channel: id, event_ts: message.ts, channel_type: kind })
    }

    /// A message was changed at `at`.
    pub(crate) fn changed(&self, channel: &Channel, before: &Message, after: &Message, at: Ts) -> Event {
        let mut message = shown(channel, after, true);
        if after.bot_id.is_none() && !after.hidden {
            message["source_team"] = json!(self.team);
            message["user_team"] = json!(self.team);
        }
        let event = json!({
            "type": "message", "subtype": "message_changed", "hidden": true, "message": message,
            "previous_message": shown(channel, before, true), "channel": channel.id, "ts": at, "event_ts": at,
            "channel_type": channel.kind(),
        });
        self.event(&channel.id, &event)
    }

    /// A message was deleted at `at`.
    pub(crate) fn deleted(&self, channel: &Channel, before: &Message, at: Ts) -> Event {
        let event = json!({
            "type": "message", "subtype": "message_deleted", "hidden": true, "deleted_ts": before.ts,
            "previous_message": before, "channel": channel.id, "ts": at, "event_ts": at,
            "channel_type": channel.kind(),
        });
        self.event(&channel.id, &event)
    }

    /// A reaction came (`reaction_added`) or went (`reaction_removed`).
    pub(crate) fn reacted(
        &self,
        kind: &str,
        channel: &Channel,
        message: &Message,
        user: &str,
        name: &str,
        at: Ts,
    ) -> Event {
        let event = json!({
            "type": kind, "user": user, "reaction": name, "item_user": message.user,
            "item": { "type": "message", "channel": channel.id, "ts": message.ts }, "event_ts": at,
        });
        self.event(&channel.id, &event)
    }
}

impl House {
    /// Tells the hub and returns the first attempt; the retries follow by themselves.
    pub(crate) async fn tell(self: &Arc<Self>, event: Event) -> Attempt {
        let attempt = self.send(event_webhook(self, &event, None)).await;
        if !attempt.succeeded() {
            let (house, failed) = (Arc::clone(self), attempt.clone());
            self.tasks.spawn(async move { retry(&house, event, failed).await });
        }
        attempt
    }

    /// Tells the hub of what it did itself, as the real one does, unless that is switched off.
    pub(crate) fn echo(self: &Arc<Self>, make: impl FnOnce() -> Event) {
        if !self.behaviour().slack_echo {
            return;
        }
        if self.tasks.living() > MOST_UNDER_WAY {
            // Each would be a line; the first tells the reason, `GET /webhooks` how many.
            if self.echoes_left_out.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!("echoes to the hub are left out: too many wait for its answer");
            }
            return;
        }
        let (house, event) = (Arc::clone(self), make());
        self.tasks.spawn(async move {
            let Ok(place) = house.echo_places.acquire().await else { return };
            let attempt = house.send(event_webhook(&house, &event, None)).await;
            drop(place);
            if !attempt.succeeded() {
                retry(&house, event, attempt).await;
            }
        });
    }
}

async fn retry(house: &Arc<House>, mut event: Event, mut failed: Attempt) {
    for (n, wait_ms) in (1..).zip(house.behaviour().slack_retry_after_ms.iter().copied()) {
        if failed.no_retry && failed.no_answer.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let reason = match failed.no_answer {
            Some(NoAnswer::Timeout) => "http_timeout",
            Some(_) => "connection_failed",
            None => "http_error",
        };
        let disguised = house.behaviour().slack_retry_in_disguise;
        if disguised {
            let (body, new_id) = (String::from_utf8_lossy(&event.body), slack_id("Ev"));
            event.body = body.replace(&event.event_id, &new_id).into();
            event.event_id = new_id;
        }
        failed = house.send(event_webhook(house, &event, Some((n, reason, disguised)))).await;
        if failed.succeeded() {
            return;
        }
    }
}

fn event_webhook(house: &House, event: &Event, retry: Option<(u32, &str, bool)>) -> Webhook {
    let mut webhook =
        signed(house, "webhook.events", "/slack/events", "application/json", event.body.clone());
    event.event_id.clone_into(&mut webhook.id);
    event.channel.clone_into(&mut webhook.key);
    if let Some((n, reason, disguised)) = retry {
        webhook.retry = n;
        if !disguised {
            webhook.headers.push(("x-slack-retry-num", n.to_string()));
            webhook.headers.push(("x-slack-retry-reason", reason.to_owned()));
        }
    }
    webhook
}

/// A webhook of Slack's, signed now.
pub(crate) fn signed(
    house: &House,
    kind: &'static str,
    path: &str,
    media_type: &str,
    body: Bytes,
) -> Webhook {
    let timestamp = (now_ms() / 1_000).to_string();
    let signature = signing::slack(&house.slack_secrets().signing_secret, &timestamp, &body);
    Webhook {
        provider: "slack",
        kind,
        url: format!("{}{path}", house.settings.hub_base),
        headers: vec![
            ("content-type", media_type.to_owned()),
            ("accept", "*/*".into()),
            ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)".into()),
            ("x-slack-request-timestamp", timestamp),
            ("x-slack-signature", signature),
        ],
        body,
        within: Duration::from_millis(house.behaviour().slack_ack_ms),
        id: String::new(),
        key: String::new(),
        retry: 0,
    }
}

/// Asks the hub's events door whether it is there; says whether it gave the challenge back.
pub(crate) async fn url_verification(house: &Arc<House>) -> Value {
    let challenge = slack_id("challenge");
    let body = json!({ "token": TOKEN, "challenge": challenge, "type": "url_verification" });
    let body = serde_json::to_vec(&body).unwrap_or_default().into();
    let attempt =
        house.send(signed(house, "webhook.events", "/slack/events", "application/json", body)).await;
    let said = String::from_utf8_lossy(&attempt.body).into_owned();
    let given_back = said.trim() == challenge
        || serde_json::from_str::<Value>(&said).is_ok_and(|answer| answer["challenge"] == challenge.as_str());
    json!({ "verified": attempt.succeeded() && given_back, "webhook": attempt })
}
