//! Sends webhooks to the hub, one attempt at a time, and remembers each with its answer.
//!
//! Faults that were ordered for webhooks happen here. When to try again is the provider's business
//! (`slack::events`, `twilio::callbacks`) and is not decided here.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::faults::Kind;
use crate::house::{House, locked};
use crate::ids::now_ms;
use crate::ring::Ring;

/// How many are kept.
const KEPT: usize = 4_096;
/// How much of an answer is read.
const LARGEST_ANSWER: usize = 256 * 1024;

/// One request to the hub.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) provider: &'static str,
    /// `webhook.events` and the like; faults name it.
    pub(crate) kind: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    pub(crate) within: Duration,
    /// The sid or event id.
    pub(crate) id: String,
    /// The channel or phone.
    pub(crate) key: String,
    /// 0 for the first.
    pub(crate) retry: u32,
}

/// Why an attempt got no answer.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoAnswer {
    /// The hub could not be reached.
    ConnectionFailed,
    /// The hub hung up before it had answered.
    HungUp,
    /// It took too long.
    Timeout,
    /// A fault dropped it.
    Dropped,
}

/// What became of one attempt.
#[derive(Clone, Serialize)]
pub(crate) struct Attempt {
    pub(crate) status: Option<u16>,
    pub(crate) no_answer: Option<NoAnswer>,
    pub(crate) ms: f64,
    #[serde(skip)]
    pub(crate) body: Bytes,
    #[serde(skip)]
    pub(crate) no_retry: bool,
    #[serde(skip)]
    pub(crate) xml: bool,
}

impl Attempt {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    fn without_answer(why: NoAnswer, ms: f64) -> Attempt {
        Attempt { status: None, no_answer: Some(why), ms, body: Bytes::new(), no_retry: false, xml: false }
    }
}

#[derive(Serialize)]
struct Sent {
    at_ms: u64,
    provider: &'static str,
    kind: &'static str,
    id: String,
    key: String,
    retry: u32,
    #[serde(flatten)]
    attempt: Attempt,
}

#[derive(Default, Serialize, Clone, Copy)]
struct Tally {
    sent: u64,
    answered_2xx: u64,
}

pub(crate) struct Webhooks(Mutex<(Ring<Sent>, BTreeMap<&'static str, Tally>)>);

impl Webhooks {
    pub(crate) fn new() -> Webhooks {
        Webhooks(Mutex::new((Ring::new(KEPT), BTreeMap::new())))
    }

    fn record(&self, webhook: Webhook, at_ms: u64, attempt: Attempt) {
        let Webhook { provider, kind, id, key, retry, .. } = webhook;
        let mut inner = locked(&self.0);
        let tally = inner.1.entry(kind).or_default();
        tally.sent += 1;
        tally.answered_2xx += u64::from(attempt.succeeded());
        inner.0.push(Sent { at_ms, provider, kind, id, key, retry, attempt });
    }

    /// The newest, oldest of them first; `id` shows those of one message only.
    pub(crate) fn show(&self, kind: Option<&str>, id: Option<&str>, limit: usize) -> Value {
        let inner = locked(&self.0);
        let mut webhooks: Vec<_> = inner
            .0
            .iter()
            .rev()
            .filter(|sent| kind.is_none_or(|wanted| sent.kind == wanted))
            .filter(|sent| id.is_none_or(|wanted| sent.id == wanted))
            .take(limit)
            .collect();
        webhooks.reverse();
        json!({ "total": inner.0.total(), "kinds": inner.1, "webhooks": webhooks })
    }

    pub(crate) fn clear(&self) {
        let mut inner = locked(&self.0);
        inner.0.clear();
        inner.1.clear();
    }
}

impl House {
    /// Sends `webhook` once, or as a fault orders.
    pub(crate) async fn send(self: &std::sync::Arc<Self>, webhook: Webhook) -> Attempt {
        let Some(fault) = self.faults.pick(webhook.provider, webhook.kind, &webhook.key) else {
            return self.send_once(webhook).await;
        };
        match fault.kind {
            Kind::Drop => {
                let attempt = Attempt::without_answer(NoAnswer::Dropped, 0.0);
                self.webhooks.record(webhook, now_ms(), attempt.clone());
                return attempt;
            }
            Kind::Duplicate => {
                for _ in 1..fault.copies.unwrap_or(2) {
                    let (house, copy) = (std::sync::Arc::clone(self), webhook.clone());
                    self.tasks.spawn(async move {
                        house.send_once(copy).await;
                    });
                }
            }
            _ => tokio::time::sleep(Duration::from_millis(fault.delay_ms.unwrap_or(300))).await,
        }
        self.send_once(webhook).await
    }

    async fn send_once(&self, webhook: Webhook) -> Attempt {
        let (at_ms, started) = (now_ms(), Instant::now());
        let elapsed = || (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let attempt = match tokio::time::timeout(webhook.within, self.exchange(&webhook)).await {
            Err(_) => Attempt::without_answer(NoAnswer::Timeout, elapsed()),
            Ok(Err(error)) if error.is_connect() => {
                Attempt::without_answer(NoAnswer::ConnectionFailed, elapsed())
            }
            Ok(Err(_)) => Attempt::without_answer(NoAnswer::HungUp, elapsed()),
            Ok(Ok(attempt)) => Attempt { ms: elapsed(), ..attempt },
        };
        self.webhooks.record(webhook, at_ms, attempt.clone());
        attempt
    }

    async fn exchange(&self, webhook: &Webhook) -> Result<Attempt, reqwest::Error> {
        let mut request = self.http.post(&webhook.url).body(webhook.body.clone());
        for (name, value) in &webhook.headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let no_retry = header("x-slack-no-retry") == Some("1");
        let xml = header("content-type").is_some_and(|media_type| media_type.contains("xml"));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let room = LARGEST_ANSWER - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        let status = Some(response.status().as_u16());
        Ok(Attempt { status, no_answer: None, ms: 0.0, body: body.into(), no_retry, xml })
    }
}
