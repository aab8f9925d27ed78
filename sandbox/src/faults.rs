//! What the providers can be told to do wrong.
//!
//! A fault names a provider and a method, and lasts for some times, with a probability, or until it is
//! cleared. The first fault that fits is the one that happens. `Faults::pick` says which; the front of each
//! API asks [`Fault::instead`] and [`Fault::after`], the sender of webhooks does its own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::answer;
use crate::house::locked;
use crate::tasks::Tasks;

/// How long "never answers" lasts, so that a forgotten one does not hold its connection for ever.
const NEVER_ANSWERS_S: u64 = 300;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A call is answered with `status`, and `Retry-After` when `retry_after_s` is given.
    Status,
    /// A call is answered with an error of the provider's: `error` (a Slack name, or a Twilio code).
    Error,
    /// A call is never answered.
    Timeout,
    /// A call's connection closes with no answer.
    Reset,
    /// A call takes effect, and then its connection closes with no answer.
    LoseAnswer,
    /// A call takes effect, and is never answered.
    LoseAnswerSlowly,
    /// A call takes effect at once and its answer comes `delay_ms` late; a webhook is sent that late.
    Slow,
    /// A webhook is sent `copies` times at once.
    Duplicate,
    /// A webhook is sent `delay_ms` late, so that later ones overtake it.
    OutOfOrder,
    /// A webhook is not sent at all.
    Drop,
}

/// One order to fail.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// `twilio` or `slack`.
    pub(crate) provider: String,
    /// A method such as `chat.postMessage` or `messages.create`; `webhook`, `webhook.messages`,
    /// `webhook.status`, `webhook.events`, `webhook.commands`, `webhook.interactions`; `*` is every call.
    #[serde(default = "any")]
    pub(crate) method: String,
    pub(crate) kind: Kind,
    /// Only where this is the channel or the phone.
    #[serde(default)]
    pub(crate) only: Option<String>,
    /// How often it happens yet; until cleared when absent.
    #[serde(default)]
    pub(crate) times: Option<u64>,
    /// How probable it is, 0 to 1.
    #[serde(default)]
    pub(crate) probability: Option<f64>,
    #[serde(default)]
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) retry_after_s: Option<u64>,
    #[serde(default)]
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) delay_ms: Option<u64>,
    #[serde(default)]
    pub(crate) copies: Option<usize>,
    /// How often it happened.
    #[serde(default, skip_deserializing)]
    pub(crate) happened: u64,
}

fn any() -> String {
    "*".into()
}

impl Fault {
    /// A sentence about what is wrong with the order, if anything is.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        let webhook = self.method.starts_with("webhook");
        let for_webhooks = matches!(self.kind, Kind::Duplicate | Kind::OutOfOrder | Kind::Drop);
        if !["twilio", "slack"].contains(&self.provider.as_str()) {
            Some("provider is \"twilio\" or \"slack\"")
        } else if for_webhooks && !webhook {
            Some("this kind of fault is for webhooks: give a method such as \"webhook.events\"")
        } else if webhook && !for_webhooks && self.kind != Kind::Slow {
            Some("webhooks can be slow, duplicate, out_of_order or drop")
        } else if self.kind == Kind::Status && !self.status.is_some_and(|status| (300..600).contains(&status))
        {
            Some("a status fault needs a status of 300 to 599")
        } else if self.kind == Kind::Error && self.error.is_none() {
            Some("an error fault needs an error: a Slack error's name, or a Twilio error's code")
        } else if self.probability.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            Some("probability is a number from 0 to 1")
        } else {
            None
        }
    }

    fn fits(&self, provider: &str, method: &str, key: &str) -> bool {
        let webhook = method.starts_with("webhook.");
        let method_fits = match self.method.as_str() {
            "*" => !webhook,
            "webhook" => webhook,
            named => named == method,
        };
        self.provider == provider
            && method_fits
            && self.only.as_deref().is_none_or(|only| only == key)
            && self.probability.is_none_or(|chance| rand::random::<f64>() < chance)
    }
}

/// What a call is answered with instead of being carried out.
pub(crate) enum Instead {
    Status {
        status: u16,
        retry_after_s: Option<u64>,
    },
    Error {
        error: String,
        status: Option<u16>,
    },
    /// No answer at all.
    Nothing,
}

impl Fault {
    /// What happens instead of the call.
    pub(crate) fn instead(&self) -> Option<Instead> {
        match self.kind {
            Kind::Status => {
                let (status, retry_after_s) = (self.status.unwrap_or(500), self.retry_after_s);
                Some(Instead::Status { status, retry_after_s })
            }
            Kind::Error => {
                Some(Instead::Error { error: self.error.clone().unwrap_or_default(), status: self.status })
            }
            Kind::Reset | Kind::Timeout => Some(Instead::Nothing),
            _ => None,
        }
    }

    /// Whether the call is carried out and its answer is lost.
    pub(crate) fn loses_answer(&self) -> bool {
        matches!(self.kind, Kind::LoseAnswer | Kind::LoseAnswerSlowly)
    }

    /// What the caller gets in the end, which may take its time. The call was carried out and noted before,
    /// so it makes no difference whether the caller waits.
    pub(crate) async fn after(&self, tasks: &Tasks, response: Response) -> Response {
        match self.kind {
            Kind::LoseAnswer => answer::broken_off(),
            Kind::Timeout | Kind::LoseAnswerSlowly => {
                tasks.pause(Duration::from_secs(NEVER_ANSWERS_S)).await;
                answer::broken_off()
            }
            Kind::Slow => {
                tasks.pause(Duration::from_millis(self.delay_ms.unwrap_or(1_000))).await;
                response
            }
            _ => response,
        }
    }

    /// The kind's name, as in the order.
    pub(crate) fn name(&self) -> Option<String> {
        serde_json::to_value(self.kind).ok()?.as_str().map(str::to_owned)
    }
}

#[derive(Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    list: Mutex<Vec<Fault>>,
}

impl Faults {
    /// The fault that happens to this call or webhook now. `key` is its channel or phone.
    pub(crate) fn pick(&self, provider: &str, method: &str, key: &str) -> Option<Fault> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut list = locked(&self.list);
        let at = list.iter().position(|fault| fault.fits(provider, method, key))?;
        list[at].happened += 1;
        let fault = list[at].clone();
        if let Some(times) = &mut list[at].times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                list.remove(at);
                self.any.store(!list.is_empty(), Ordering::Release);
            }
        }
        Some(fault)
    }

    pub(crate) fn add(&self, fault: Fault) {
        if fault.times == Some(0) {
            return;
        }
        let mut list = locked(&self.list);
        list.push(fault);
        self.any.store(true, Ordering::Release);
    }

    /// Clears the faults of a provider, or all; says how many.
    pub(crate) fn clear(&self, provider: Option<&str>) -> usize {
        let mut list = locked(&self.list);
        let before = list.len();
        list.retain(|fault| provider.is_some_and(|wanted| fault.provider != wanted));
        self.any.store(!list.is_empty(), Ordering::Release);
        before - list.len()
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        locked(&self.list).clone()
    }
}
