//! Batches of a queue, and the answer that gives back only what failed.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
//!
//! Messages of one lane are handled one after the other, in their order; lanes are handled side by side. So are
//! events of no lane that are about one message, such as the reports of its deliveries: they would write the same item,
//! and each that is overtaken has to be decided and paid for again.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchboard_core::{ArrivalId, Failure};
use tracing::{error, warn};

use crate::queue::{Letter, Ours, Reminder};
use crate::settle::{Came, Origin, Settler};

/// Most lanes of a batch that are handled at once.
const MAX_AT_ONCE: usize = 10;

/// What SQS gives a function.
#[derive(Deserialize)]
pub(crate) struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl Message {
    /// Whether the queue has given it out before.
    fn is_repeated(&self) -> bool {
        let received = self.attributes.get("ApproximateReceiveCount");
        received.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count > 1)
    }

    /// The lane and the place in it, or what it is about; the rest goes each by itself.
    fn order(&self) -> (String, u64) {
        let by_itself = || (format!("message {}", self.message_id), 0);
        let Ok(event) = switchboard_core::Event::decode(self.body.as_bytes()) else { return by_itself() };
        match (event.lane(), event.message_id()) {
            (Some(lane), _) => (lane.name, lane.seq),
            (None, Some(about)) => (format!("about {about}"), 0),
            (None, None) => by_itself(),
        }
    }
}

/// Handles each message; gives back those that are to come again.
pub(crate) async fn handle(settler: &Settler, function: &str, batch: Batch) -> Value {
    let mut lanes: BTreeMap<String, Vec<(u64, Message)>> = BTreeMap::new();
    for message in batch.records {
        let (lane, seq) = message.order();
        lanes.entry(lane).or_default().push((seq, message));
    }
    let handled = lanes.into_values().map(|mut lane| async move {
        lane.sort_by_key(|(seq, _)| *seq);
        let settler = &Settler { shown: Arc::default(), ..settler.clone() };
        let (mut failed, mut through) = (Vec::new(), 0);
        for (seq, message) in lane {
            // Those behind a repeat were parked mostly, and then it has just seen to them.
            if seq != 0 && seq <= through {
                continue;
            }
            match one(settler, function, &message).await {
                Ok(number) => through = number,
                Err(failure) => {
                    match failure {
                        Failure::Bug { reason } => {
                            error!(function, reason, "a message goes back to its queue")
                        }
                        other => warn!(function, reason = %other, "a message goes back to its queue"),
                    }
                    failed.push(message.message_id);
                }
            }
        }
        settler.send_shown().await;
        failed
    });
    let failed: Vec<Vec<String>> =
        futures::stream::iter(handled).buffer_unordered(MAX_AT_ONCE).collect().await;
    let items: Vec<Value> = failed.concat().into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
    json!({ "batchItemFailures": items })
}

/// Handles each message by itself.
pub(crate) async fn each<F: Future<Output = Result<(), Failure>>>(
    batch: Batch,
    handle: impl Fn(String) -> F,
) -> Value {
    let handled = batch.records.into_iter().map(|message| {
        let handling = handle(message.body);
        async move { handling.await.err().map(|failure| (message.message_id, failure)) }
    });
    let failed: Vec<_> = futures::stream::iter(handled).buffer_unordered(MAX_AT_ONCE).collect().await;
    let mut items = Vec::new();
    for (id, failure) in failed.into_iter().flatten() {
        warn!(reason = %failure, "a message goes back to its queue");
        items.push(json!({ "itemIdentifier": id }));
    }
    json!({ "batchItemFailures": items })
}

/// Gives the number up to which its lane needs no second look, as far as that is known.
async fn one(settler: &Settler, function: &str, message: &Message) -> Result<u64, Failure> {
    let repeated = message.is_repeated();
    let came = if repeated { Came::Repeated } else { Came::First };
    let Ok(ours) = serde_json::from_str::<Ours>(&message.body) else {
        return settler.deliver(function, &message.body, came).await;
    };
    reminded(settler, function, ours.switchboard, repeated).await.map(|()| 0)
}

async fn reminded(
    settler: &Settler,
    function: &str,
    reminder: Reminder,
    repeated: bool,
) -> Result<(), Failure> {
    let event_of = |event: Box<RawValue>, came| async move {
        settler.deliver(function, event.get(), came).await.map(drop)
    };
    match reminder {
        Reminder::Next { event } => {
            event_of(event, if repeated { Came::Repeated } else { Came::First }).await
        }
        Reminder::Again { event } => {
            event_of(event, if repeated { Came::Repeated } else { Came::Reminded }).await
        }
        Reminder::Gap { event, still } => event_of(event, Came::ForGap { repeated, still }).await,
        Reminder::Effects { listener, arrival } => {
            let origin = Origin { listener, arrival: ArrivalId::from_text(arrival) };
            settler.errand(&origin, repeated).await
        }
        Reminder::Timer { key, due, tried } => settler.timer(&key, due, tried, repeated).await,
        Reminder::DeadLetter(letter) => match *letter {
            Letter { event: Some(event), .. } => event_of(event, Came::Redriven).await,
            Letter { timer: Some(timer), .. } => settler.redrive_timer(&timer).await,
            Letter { arrival: Some(arrival), listener, .. } => {
                let origin = Origin { listener, arrival: ArrivalId::from_text(arrival) };
                settler.redrive(&origin).await
            }
            // What nobody could read then may be something that is known now.
            Letter { message, .. } => {
                let message = message.unwrap_or_default();
                settler.deliver(function, &message, Came::Redriven).await.map(drop)
            }
        },
    }
}

#[cfg(test)]
mod tests;
