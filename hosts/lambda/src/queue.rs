//! Messages that a function sends itself: try this again at that time; and the queue of what is given up.
//!
//! SQS delays a message by a quarter of an hour at most, so one that is due later is delayed again when it comes; what
//! is hours away is scheduled where the queue has schedules.
//! What a message says is only a reminder: what is to be done stands in the table.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use switchboard_core::{Failure, Timestamp};
use tracing::{error, warn};

use crate::schedules::Schedules;
use crate::signed::{Signer, beginning};

/// SQS's longest delay.
const MAX_DELAY_S: u64 = 900;

/// One queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    signer: Signer,
    url: String,
    far: Option<Schedules>,
}

/// A message of our own. Events of the bus come in EventBridge's envelope, which has no such field.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ours {
    pub(crate) switchboard: Reminder,
}

/// What a function reminds itself of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reminder {
    /// Go on with this delivery: what was decided is published.
    Again { event: Box<RawValue> },
    /// The turn of this event has come. Somebody may have decided it already, and died before it was published.
    Next { event: Box<RawValue> },
    /// This event came before its turn: is its turn still not there?
    Gap {
        event: Box<RawValue>,
        /// How often in a row the lane was found to stand still at an event that nobody goes on with.
        #[serde(default, skip_serializing_if = "is_zero")]
        still: u32,
    },
    /// Go on with the effects that a door or a timer asked for.
    Effects { listener: String, arrival: String },
    /// A timer.
    Timer {
        key: String,
        due: Timestamp,
        /// How often it could not be decided, and since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tried: Option<(u32, Timestamp)>,
    },
    /// A dead letter that somebody put back.
    DeadLetter(Box<Letter>),
}

/// What could not be done, and why.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) listener: String,
    pub(crate) at: Timestamp,
    pub(crate) first_tried: Timestamp,
    pub(crate) attempts: u32,
    /// What its receiver could do: `retry` (attempts ran out), `refuse`, `bug`, `unsure`.
    pub(crate) kind: String,
    pub(crate) reason: String,
    /// Where the effect was to go, where it was an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<String>,
    /// What arrived, where it was no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arrival: Option<String>,
    /// The event, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Box<RawValue>>,
    /// A message that is no event, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// The timer, where it was one that could not be decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<Timer>,
}

/// A timer as it was set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Timer {
    pub(crate) key: String,
    pub(crate) due: Timestamp,
    pub(crate) body: String,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Letter {
    /// About a message that is nothing we know.
    pub(crate) fn about(listener: &str, message: &str, reason: String) -> Self {
        let now = crate::now();
        Self {
            listener: listener.to_owned(),
            at: now,
            first_tried: now,
            attempts: 1,
            kind: "bug".to_owned(),
            reason,
            destination: None,
            arrival: None,
            event: None,
            message: Some(message.to_owned()),
            timer: None,
        }
    }
}

impl Queue {
    pub(crate) fn new(signer: Signer, url: &str) -> Self {
        Self { signer, url: url.to_owned(), far: None }
    }

    /// The same queue with schedules for what is hours away.
    pub(crate) fn with(self, far: Option<Schedules>) -> Self {
        Self { far, ..self }
    }

    /// Puts a dead letter into this queue of such, and says so in the log.
    pub(crate) async fn bury(&self, letter: Letter) -> Result<(), Failure> {
        if letter.kind == "bug" {
            error!(listener = letter.listener, reason = letter.reason, "a delivery became a dead letter");
        } else {
            warn!(
                listener = letter.listener,
                destination = letter.destination,
                attempts = letter.attempts,
                reason = letter.reason,
                "a delivery became a dead letter"
            );
        }
        let now = crate::now();
        self.remind(Reminder::DeadLetter(Box::new(letter)), now, now).await
    }

    /// Sends a reminder that comes when `due` is there, or earlier, where that is more than a quarter of an hour away.
    pub(crate) async fn remind(
        &self,
        reminder: Reminder,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let body = serde_json::to_string(&Ours { switchboard: reminder })
            .map_err(|error| Failure::bug(format!("a reminder cannot be written: {error}")))?;
        if let Some(far) = &self.far
            && far.take(&body, due, now).await?
        {
            return Ok(());
        }
        let wait = due.since(now) + Duration::from_millis(999);
        let delay = wait.as_secs().min(MAX_DELAY_S);
        let message = json!({ "QueueUrl": self.url, "MessageBody": body, "DelaySeconds": delay });
        match self.signer.ask("sqs", "AmazonSQS.SendMessage", &message).await? {
            (200, _) => Ok(()),
            (status, why) => Err(Failure::retry(format!("a queue refuses: {status} {}", beginning(&why)))),
        }
    }
}
