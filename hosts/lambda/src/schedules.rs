//! Timers that are hours away: EventBridge Scheduler puts their reminders into the queue when they are near, so that no
//! message is delayed again every quarter of an hour until then.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>
//!
//! A schedule only wakes: whether a timer still holds stands in its row, as with any reminder. So a timer that is
//! cleared or set anew leaves its schedule, which then wakes nobody, and removes itself.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use switchboard_core::{ArrivalId, Failure, Timestamp};

use crate::signed::{Signer, beginning};

/// What is further away than this is scheduled. A schedule costs a dollar a million; delaying a message again costs
/// that after about an hour.
const FAR: Duration = Duration::from_secs(2 * 60 * 60);
/// The Scheduler is exact to a minute: it wakes this much before, and the queue's delay does the rest.
const BEFORE: Duration = Duration::from_secs(120);

/// Schedules of one queue.
#[derive(Debug, Clone)]
pub(crate) struct Schedules {
    signer: Signer,
    stack: String,
    role: String,
    queue: String,
}

impl Schedules {
    /// `place` says the stack, the role that the Scheduler takes, and the queue (both by ARN), with spaces between.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn new(signer: Signer, place: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = place.split_whitespace().collect();
        let [stack, role, queue] = parts[..] else {
            anyhow::bail!("SWITCHBOARD_SCHEDULES is {place:?} — to mend it: deploy template.yaml as it is");
        };
        Ok(Self { signer, stack: stack.to_owned(), role: role.to_owned(), queue: queue.to_owned() })
    }

    /// Has a reminder come shortly before it is due, if that is hours away; says whether it will.
    pub(crate) async fn take(&self, reminder: &str, due: Timestamp, now: Timestamp) -> Result<bool, Failure> {
        if due.since(now) <= FAR {
            return Ok(false);
        }
        let at = Timestamp::from_ms(due.ms() - i64::try_from(BEFORE.as_millis()).unwrap_or_default());
        let body = json!({
            "ScheduleExpression": expression(at),
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "ActionAfterCompletion": "DELETE",
            "Target": { "Arn": self.queue, "RoleArn": self.role, "Input": reminder },
        });
        let place =
            format!("{}/schedules/{}", self.signer.endpoint("scheduler"), name(&self.stack, reminder));
        let request = http::Request::post(place)
            .header("Content-Type", "application/json")
            .body(Bytes::from(body.to_string()))
            .map_err(|_| Failure::bug("a schedule's name is no address"))?;
        let answer = self.signer.send("scheduler", request).await?;
        match answer.status().as_u16() {
            // A conflict: whoever said so before scheduled the same.
            200 | 409 => Ok(true),
            status => {
                Err(Failure::retry(format!("the Scheduler answers {status}: {}", beginning(answer.body()))))
            }
        }
    }
}

/// The same reminder is the same schedule. A name has at most 64 letters, digits and signs, and a stack's functions
/// leave it 44 of them.
fn name(stack: &str, reminder: &str) -> String {
    let id = ArrivalId::from_cause(&["schedule", reminder]).to_string();
    let hash = id.rsplit('_').next().unwrap_or(&id);
    format!("{stack}-{}", hash.get(..19).unwrap_or(hash))
}

/// A time as the Scheduler takes it: in UTC, to the second, without a zone.
fn expression(at: Timestamp) -> String {
    let text = at.to_string();
    format!("at({})", text.get(..19).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_named_for_what_it_reminds_of_and_says_when_in_utc() {
        let at: Timestamp = "2026-11-22T15:04:05.678Z".parse().unwrap();
        assert_eq!(expression(at), "at(2026-11-22T15:04:05)");
        let stack = "s".repeat(44);
        let named = name(&stack, "a");
        assert!(
            named.len() <= 64 && named.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'),
            "{named}"
        );
        assert_ne!(name("hub", "a"), name("hub", "b"));
        assert_eq!(name("hub", "a"), name("hub", "a"));
    }

    #[test]
    fn a_place_has_three_parts() {
        let clients = crate::Clients::for_tests("http://127.0.0.1:9");
        let place = "hub arn:aws:iam::1:role/r arn:aws:sqs:us-east-1:1:q";
        assert_eq!(Schedules::new(clients.signer.clone(), place).unwrap().stack, "hub");
        let error = Schedules::new(clients.signer, "hub").unwrap_err().to_string();
        assert!(error.contains("to mend it"), "{error}");
    }
}
