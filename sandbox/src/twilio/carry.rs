//! The way of a text from the queue to the phone, and the statuses that it passes.
//!
//! queued, sent, delivered by default; with a Messaging Service accepted comes first. A [`Journey`] says
//! where it goes otherwise. There is no callback for the status that the API call was answered with:
//! <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::callbacks;
use super::media;
use super::texts::Text;
use crate::house::{House, locked};
use crate::ids::now_ms;
use crate::store::Entry;

/// How long the hub is given to come up before texts that were under way go on.
const REST_AFTER_RESTART: Duration = Duration::from_millis(500);

/// How texts to a phone fare.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Journey {
    /// The statuses after `queued`.
    pub(crate) statuses: Vec<Cow<'static, str>>,
    /// For `undelivered` and `failed`; 30003 unless given.
    pub(crate) error_code: Option<u32>,
    /// In which order the callbacks come.
    pub(crate) order: Order,
    /// How many times each callback comes.
    pub(crate) copies: usize,
    /// Whether there are callbacks at all.
    pub(crate) callbacks: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    AsItHappens,
    Reversed,
    Shuffled,
}

impl Default for Journey {
    fn default() -> Journey {
        Journey {
            statuses: vec!["sent".into(), "delivered".into()],
            error_code: None,
            order: Order::AsItHappens,
            copies: 1,
            callbacks: true,
        }
    }
}

impl Journey {
    /// A sentence about what is wrong with it, if anything is.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        const KNOWN: [&str; 6] = ["sending", "sent", "delivered", "undelivered", "failed", "read"];
        if !self.statuses.iter().all(|status| KNOWN.contains(&&**status)) {
            Some("statuses are sending, sent, delivered, undelivered, failed and read")
        } else if !(1..=100).contains(&self.copies) {
            Some("copies is 1 to 100")
        } else {
            None
        }
    }
}

/// Sets a text on its way, after it waited in the queue.
pub(crate) fn set_out(house: &Arc<House>, sid: String, wait: Duration) {
    let carried = carry(Arc::clone(house), sid, wait);
    house.tasks.spawn(carried);
}

/// Goes on with the texts that were under way when the sandbox was stopped.
pub(crate) fn resume(house: &Arc<House>) {
    let unfinished = locked(&house.texts).unfinished();
    for sid in unfinished {
        set_out(house, sid, REST_AFTER_RESTART);
    }
}

async fn carry(house: Arc<House>, sid: String, wait: Duration) {
    let step = Duration::from_millis(house.behaviour().twilio_status_ms);
    let Some(text) = locked(&house.texts).get(&sid).cloned() else { return };
    let journey = locked(&house.texts).journey(&text.to);
    let mut held = Vec::new();

    let mut ahead: Vec<Cow<'static, str>> = Vec::new();
    if text.status == "accepted" {
        ahead.push("queued".into());
    }
    let passed = journey.statuses.iter().position(|status| *status == text.status);
    ahead.extend(journey.statuses.iter().skip(passed.map_or(0, |at| at + 1)).cloned());

    tokio::time::sleep(wait).await;
    let refused = locked(&house.texts).is_opted_out(&text.from, &text.to) && !text.automatic;
    let failure = if refused { Some(21610) } else { fetch_media(&house, &text).await };
    if let Some(code) = failure {
        tokio::time::sleep(step).await;
        if let Some(text) = advance(&house, &sid, "failed".into(), Some(code)) {
            callbacks::send(&house, &text, &journey).await;
        }
        return;
    }
    for status in ahead {
        tokio::time::sleep(step).await;
        let failed = matches!(&*status, "undelivered" | "failed");
        let code = failed.then(|| journey.error_code.unwrap_or(30003));
        let Some(text) = advance(&house, &sid, status, code) else { return };
        if journey.order == Order::AsItHappens {
            callbacks::send(&house, &text, &journey).await;
        } else {
            held.push(text);
        }
    }
    match journey.order {
        Order::AsItHappens => {}
        Order::Reversed => held.reverse(),
        Order::Shuffled => held.shuffle(&mut rand::rng()),
    }
    for text in held {
        callbacks::send(&house, &text, &journey).await;
    }
}

async fn fetch_media(house: &Arc<House>, text: &Text) -> Option<u32> {
    if text.media_urls.is_empty() || !text.fetched.is_empty() {
        return None;
    }
    let (fetched, failure) = media::fetch_all(house, &text.media_urls).await;
    if let Some(text) = locked(&house.texts).get_mut(&text.sid) {
        text.fetched = fetched;
    }
    failure
}

/// Gives a text its next status; `None` when it was deleted or canceled meanwhile.
fn advance(house: &House, sid: &str, status: Cow<'static, str>, error_code: Option<u32>) -> Option<Text> {
    let mut texts = locked(&house.texts);
    let text = texts.get_mut(sid)?;
    if text.status == "canceled" {
        return None;
    }
    text.updated_ms = now_ms();
    if status == "sent" {
        text.sent_ms = Some(text.updated_ms);
    }
    text.status = status;
    text.error_code = error_code;
    house.keep(&Entry::Text(Cow::Borrowed(text)));
    Some(text.clone())
}
