//! Calls of Slack's Web API, and the one table that says what its refusals mean for us.
//!
//! Slack answers 200 with `{"ok": false, "error": "…"}` to what it refuses, 429 with `Retry-After` to what is too
//! much, 5xx when it is ill. <https://docs.slack.dev/apis/web-api>

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use switchboard_core::{Failure, Http, HttpError, store};

use super::Slack;

/// How long to wait when Slack limits us without saying how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(5);
/// Waiting does not count as an attempt, so it is never so short that we only ask and ask, nor so long that a
/// mistaken answer stops a room for good.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How long to wait before a token that was refused is tried again: a person has to mend it.
const MENDING_PAUSE: Duration = Duration::from_secs(60);

/// Slack's words for a token that it does not take.
const TOKEN_REFUSED: &[&str] =
    &["invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"];

/// Slack's words for a thread that takes no reply, where the channel may still take a post.
pub(super) const THREAD_REFUSED: &[&str] = &[
    "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
    "cannot_reply_to_message",
    "thread_locked",
    "thread_not_found",
    "invalid_thread_ts",
];

/// What happens if a call is made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    /// The same as once.
    Harmless,
    /// People see it twice: whoever does not know how a call ended must ask.
    Seen,
}

/// Why a call was not answered `ok`.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Slack's own word for it, such as `channel_not_found`; and what it says it needs.
    Refused { error: String, needed: Option<String> },
    /// Anything else, in our terms.
    Failed(Failure),
}

/// Makes calls with the bot's token.
pub(super) struct WebApi<'a> {
    slack: &'a Slack,
    http: &'a dyn Http,
}

impl<'a> WebApi<'a> {
    pub(super) fn new(slack: &'a Slack, http: &'a dyn Http) -> Self {
        Self { slack, http }
    }

    /// Calls a method with JSON, as `chat.*` take it.
    pub(super) async fn json<A: DeserializeOwned>(
        &self,
        method: &str,
        body: &impl Serialize,
        twice: Twice,
    ) -> Result<A, Trouble> {
        let body = store::to_json(body).map_err(Trouble::Failed)?;
        self.call(method, "application/json; charset=utf-8", body, twice).await
    }

    /// Calls a method with a form, as those that read and `files.*` take it.
    pub(super) async fn form<A: DeserializeOwned>(
        &self,
        method: &str,
        fields: &[(&str, &str)],
        twice: Twice,
    ) -> Result<A, Trouble> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.call(method, "application/x-www-form-urlencoded", body, twice).await
    }

    async fn call<A: DeserializeOwned>(
        &self,
        method: &str,
        content_type: &str,
        body: String,
        twice: Twice,
    ) -> Result<A, Trouble> {
        let token = self.slack.bot_token.as_ref().ok_or_else(|| {
            let reason = "SLACK_BOT_TOKEN is not set; to mend it: set it and start again";
            Trouble::Failed(Failure::retry_after(reason, MENDING_PAUSE))
        })?;
        let base = self.slack.api_base.as_str().trim_end_matches('/');
        let request = http::Request::post(format!("{base}/{method}"))
            .header("authorization", format!("Bearer {}", token.expose()))
            .header("content-type", content_type)
            .body(Bytes::from(body))
            .map_err(|error| Trouble::Failed(Failure::bug(format!("{method}: {error}"))))?;
        let answer = self.http.send(request).await.map_err(|error| unanswered(method, error, twice))?;
        read(method, &answer, twice)
    }
}

fn unanswered(method: &str, error: HttpError, twice: Twice) -> Trouble {
    Trouble::Failed(match error {
        HttpError::NotSent(_) => Failure::retry(format!("{method}: {error}")),
        HttpError::Unanswered(_) | HttpError::TooLarge(_) => unknown(twice, format!("{method}: {error}")),
    })
}

/// The failure of a call whose end is unknown.
fn unknown(twice: Twice, reason: String) -> Failure {
    match twice {
        Twice::Harmless => Failure::retry(reason),
        Twice::Seen => Failure::unsure(reason),
    }
}

fn read<A: DeserializeOwned>(
    method: &str,
    answer: &http::Response<Bytes>,
    twice: Twice,
) -> Result<A, Trouble> {
    let status = answer.status();
    if status.as_u16() == 429 {
        return Err(Trouble::Failed(limited(method, answer)));
    }
    let body: Option<Value> = serde_json::from_slice(answer.body()).ok();
    let said = |body: &Value| status.is_success() && body.get("ok").is_some_and(Value::is_boolean);
    let Some(body) = body.filter(said) else {
        let reason = format!("{method}: Slack answered {} and no result", status.as_u16());
        // A 4xx that is no 429 comes from something between us and Slack, which has not seen the call.
        let seen = if status.is_client_error() { Twice::Harmless } else { twice };
        return Err(Trouble::Failed(unknown(seen, reason)));
    };
    if body.get("ok").and_then(Value::as_bool) == Some(true) {
        return serde_json::from_value(body).map_err(|_| {
            Trouble::Failed(unknown(twice, format!("{method}: Slack's answer lacks what it should say")))
        });
    }
    let word = |key: &str| body.get(key).and_then(Value::as_str).map(plain_word);
    let error = word("error").unwrap_or_default();
    Err(match error.as_str() {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => Trouble::Failed(limited(method, answer)),
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            Trouble::Failed(unknown(twice, format!("{method}: Slack answered {error}")))
        }
        _ => Trouble::Refused { error, needed: word("needed") },
    })
}

/// A word of Slack's, fit for a log.
fn plain_word(word: &str) -> String {
    let fit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | ',');
    word.chars().filter(fit).take(80).collect()
}

fn limited(method: &str, answer: &http::Response<Bytes>) -> Failure {
    let after =
        answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = after.map_or(DEFAULT_PAUSE, Duration::from_secs).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    Failure::retry_after(format!("{method}: Slack limits us for {} s", after.as_secs()), after)
}

impl Trouble {
    /// Is it this refusal?
    pub(super) fn is(&self, words: &[&str]) -> bool {
        matches!(self, Self::Refused { error, .. } if words.contains(&error.as_str()))
    }

    /// Did Slack say no, so that asking again does not help? A refused token may be mended.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. }) && !self.is(TOKEN_REFUSED)
    }

    /// What to do next where something can be done without an answer: each attempt counts, so that it ends.
    pub(super) fn counted(self, method: &str) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            refused => {
                let credentials = refused.is(TOKEN_REFUSED);
                Failure::Retry { reason: refused.failure(method).to_string(), after: None, credentials }
            }
        }
    }

    /// What to do next: the table of Slack's refusals.
    pub(super) fn failure(self, method: &str) -> Failure {
        let (error, needed) = match self {
            Self::Failed(failure) => return failure,
            Self::Refused { error, needed } => (error, needed),
        };
        let refuse = |status: u16, mend: &str| {
            Failure::refuse(status, format!("{method}: Slack answered {error}; to mend it: {mend}"))
        };
        let mending = |mend: &str| {
            let reason = format!("{method}: Slack answered {error}; to mend it: {mend}");
            Failure::credentials(reason, MENDING_PAUSE)
        };
        match error.as_str() {
            refused if TOKEN_REFUSED.contains(&refused) => {
                mending("install the app again and set SLACK_BOT_TOKEN to its new token")
            }
            "missing_scope" | "not_allowed_token_type" => mending(&format!(
                "give the app the scope {} and install it again",
                needed.as_deref().unwrap_or("that the method needs")
            )),
            "channel_not_found" | "not_in_channel" => {
                refuse(404, "invite the app into the channel, or correct the room's slack_channel")
            }
            "is_archived" => refuse(410, "unarchive the channel, or give the room another"),
            "restricted_action"
            | "restricted_action_read_only_channel"
            | "restricted_action_thread_only_channel"
            | "posting_to_general_channel_denied" => refuse(403, "let the app post in the channel"),
            refused if THREAD_REFUSED.contains(&refused) => {
                refuse(403, "unlock the thread, or let threads be answered in the channel; then redrive")
            }
            "ekm_access_denied" => refuse(403, "have an administrator allow messages again; then redrive"),
            "cant_update_message" | "edit_window_closed" | "cant_delete_message" => {
                refuse(403, "let apps change their posts at any time, in the workspace's settings")
            }
            "msg_too_long"
            | "no_text"
            | "invalid_arguments"
            | "invalid_arg_name"
            | "invalid_json"
            | "invalid_form_data"
            | "invalid_metadata_format"
            | "invalid_metadata_schema"
            | "metadata_too_large"
            | "invalid_blocks"
            | "invalid_blocks_format"
            | "msg_blocks_too_long"
            | "too_many_attachments"
            | "invalid_array_arg"
            | "invalid_charset"
            | "invalid_post_type"
            | "missing_post_type"
            | "unknown_method" => Failure::bug(format!("{method}: Slack answered {error}")),
            // The workspace moves into an organisation: that passes.
            "team_added_to_org" => Failure::retry(format!("{method}: Slack answered {error}")),
            // Nothing was done, and whether it passes we do not know: what comes after it must not wait for that.
            _ => refuse(
                400,
                &format!("look it up at https://docs.slack.dev/reference/methods/{method}; then redrive"),
            ),
        }
    }
}
