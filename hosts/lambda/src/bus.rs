//! Publishing on EventBridge: within the limits of `PutEvents`, and only what was refused again, as long as the
//! invocation has time: a message that is given back to its queue comes again minutes later.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use std::time::{Duration, Instant};

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::operation::put_events::PutEventsError;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde::Deserialize;
use serde_json::value::RawValue;
use switchboard_core::{Failure, Timestamp};
use tracing::warn;

/// Most entries of one request.
const MAX_ENTRIES: usize = 10;
/// Most bytes of one request: 256 KiB in all.
const MAX_BYTES: usize = 256 * 1024;
/// What an entry counts beside its texts: its time.
const TIME_BYTES: usize = 14;
/// The wait before the first repeat, which doubles up to [`LONGEST_WAIT`]; by chance it is half as long or half as long
/// again, so that not all who were throttled come back at once.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What a try needs to be worth its beginning.
const A_TRY: Duration = Duration::from_secs(3);
/// The errors of an entry that pass:
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>
const PASSING: [&str; 2] = ["InternalFailure", "ThrottlingException"];

/// The bus.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    client: Client,
    name: String,
}

/// What of an envelope goes into an entry. EventBridge makes the rest.
#[derive(Deserialize)]
struct Envelope<'a> {
    source: &'a str,
    #[serde(rename = "detail-type")]
    detail_type: &'a str,
    time: Timestamp,
    #[serde(borrow)]
    detail: &'a RawValue,
}

impl Bus {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    /// Publishes encoded events. Returns when each was acknowledged. What passes is tried again while there is time
    /// until then; the first try is made in any case.
    ///
    /// # Errors
    /// [`Failure::Retry`] when some were not; all are published again then.
    pub(crate) async fn publish<T: AsRef<str>>(&self, events: &[T], until: Instant) -> Result<(), Failure> {
        let entries: Result<Vec<_>, Failure> =
            events.iter().map(|event| self.entry(event.as_ref())).collect();
        for batch in batches(entries?) {
            self.put(batch, until).await?;
        }
        Ok(())
    }

    fn entry(&self, event: &str) -> Result<PutEventsRequestEntry, Failure> {
        let envelope: Envelope<'_> = serde_json::from_str(event)
            .map_err(|error| Failure::bug(format!("a recorded event cannot be read: {error}")))?;
        // EventBridge cuts the time to seconds; events know theirs to the millisecond.
        let fields = envelope.detail.get().trim_start().strip_prefix('{').unwrap_or_default();
        let comma = if fields.trim_start().starts_with('}') { "" } else { "," };
        let detail = format!("{{\"event_time\":\"{}\"{comma}{fields}", envelope.time);
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(envelope.source)
            .detail_type(envelope.detail_type)
            .time(DateTime::from_millis(envelope.time.ms()))
            .detail(detail)
            .build())
    }

    async fn put(&self, mut entries: Vec<PutEventsRequestEntry>, until: Instant) -> Result<(), Failure> {
        let mut wait = FIRST_WAIT;
        loop {
            let asked = self.client.put_events().set_entries(Some(entries.clone()));
            let (why, passes) = match asked.send().await {
                Ok(answer) if answer.failed_entry_count == 0 => return Ok(()),
                Ok(answer) => {
                    // The answer has a result for each entry, in order.
                    let results = answer.entries.unwrap_or_default();
                    let codes: Vec<String> =
                        results.iter().filter_map(|result| result.error_code.clone()).collect();
                    entries = entries
                        .into_iter()
                        .zip(results)
                        .filter_map(|(entry, result)| result.error_code.is_some().then_some(entry))
                        .collect();
                    let lasting = codes.iter().find(|code| !PASSING.contains(&code.as_str()));
                    let code = lasting.or(codes.first()).cloned().unwrap_or_default();
                    warn!(refused = entries.len(), code, "the bus refused a part of what was published");
                    let passes = lasting.is_none() && !entries.is_empty();
                    (format!("the bus refuses: {code}"), passes)
                }
                Err(error) => {
                    let why = format!("the bus does not answer: {}", DisplayErrorContext(&error));
                    (why, may_pass(&error))
                }
            };
            let pause = wait.mul_f64(0.5 + rand::random::<f64>());
            if !passes || Instant::now() + pause + A_TRY > until {
                return Err(Failure::retry(why));
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// Whether the same request may be taken soon: no answer, too many, or trouble of the service's own.
fn may_pass(error: &SdkError<PutEventsError>) -> bool {
    match error {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            status == 429 || status >= 500 || refused.err().code().is_some_and(|code| PASSING.contains(&code))
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    }
}

/// As few requests as hold them all, in order.
fn batches(entries: Vec<PutEventsRequestEntry>) -> Vec<Vec<PutEventsRequestEntry>> {
    let mut batches: Vec<Vec<PutEventsRequestEntry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = size(&entry);
        match batches.last_mut() {
            Some(last) if last.len() < MAX_ENTRIES && bytes + size <= MAX_BYTES => {
                last.push(entry);
                bytes += size;
            }
            _ => {
                batches.push(vec![entry]);
                bytes = size;
            }
        }
    }
    batches
}

/// An entry's size as EventBridge counts it.
fn size(entry: &PutEventsRequestEntry) -> usize {
    let texts = [&entry.source, &entry.detail_type, &entry.detail];
    TIME_BYTES + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

#[cfg(test)]
mod second_opinion;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scripted::{Asked, Scripted, refusal};

    /// Events of these numbers, published on a bus that answers so.
    async fn publish(
        numbers: std::ops::RangeInclusive<u32>,
        time: Duration,
        answer: impl Fn(&[Asked]) -> (u16, Value) + Send + Sync + 'static,
    ) -> (Result<(), Failure>, Vec<Vec<u64>>) {
        let server = Scripted::start(answer).await;
        let bus = Bus::new(server.clients().events, "hub");
        let event = |number: u32| {
            let said = json!({ "number": number });
            json!({ "source": "switchboard.sms", "detail-type": "MessagePosted",
                    "time": "2026-11-22T08:00:00.000Z", "detail": said })
            .to_string()
        };
        let events: Vec<String> = numbers.map(event).collect();
        let published = bus.publish(&events, Instant::now() + time).await;
        let numbers = |(_, asked): Asked| {
            let entries = asked["Entries"].as_array().unwrap().clone();
            let detail = |entry: &Value| serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            entries
                .iter()
                .map(|entry| {
                    let detail: Value = detail(entry);
                    detail["number"].as_u64().unwrap()
                })
                .collect()
        };
        (published, server.asked().into_iter().map(numbers).collect())
    }

    /// An answer about entries, each taken or refused for a reason.
    fn about(entries: &[Option<&str>]) -> (u16, Value) {
        let refused = entries.iter().flatten().count();
        let results: Vec<Value> = entries
            .iter()
            .map(|code| match code {
                None => json!({ "EventId": "an id of the bus" }),
                Some(code) => json!({ "ErrorCode": code, "ErrorMessage": "not now" }),
            })
            .collect();
        (200, json!({ "FailedEntryCount": refused, "Entries": results }))
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn of_a_request_that_is_refused_in_part_only_that_part_is_sent_again_until_it_is_taken() {
        let throttled = Some("ThrottlingException");
        let answer = move |asked: &[Asked]| match asked.len() {
            1 => about(&[throttled, None, Some("InternalFailure")]),
            2..=5 => {
                about(&[throttled, None][..asked[asked.len() - 1].1["Entries"].as_array().unwrap().len()])
            }
            _ => about(&[None]),
        };
        let (published, asked) = publish(1..=3, LONG, answer).await;
        assert!(published.is_ok(), "{published:?}");
        assert_eq!(asked, [vec![1, 2, 3], vec![1, 3], vec![1], vec![1], vec![1], vec![1]]);
    }

    #[tokio::test]
    async fn a_bus_that_is_throttled_is_asked_again_and_told_each_event_once() {
        for kind in ["ThrottlingException", "InternalException"] {
            let answer = move |asked: &[Asked]| {
                if asked.len() == 1 { refusal(kind) } else { about(&[None, None]) }
            };
            let (published, asked) = publish(1..=2, LONG, answer).await;
            assert!(published.is_ok(), "{published:?}");
            assert_eq!(asked, [[1, 2], [1, 2]], "{kind}");
        }
    }

    #[tokio::test]
    async fn what_the_bus_refuses_for_good_or_for_longer_than_there_is_time_is_given_back() {
        for (answer, time, said) in [
            (about(&[None, Some("MalformedDetail"), Some("ThrottlingException")]), LONG, "MalformedDetail"),
            (about(&[None, None, Some("ThrottlingException")]), A_TRY, "ThrottlingException"),
            (refusal("AccessDeniedException"), LONG, "AccessDenied"),
            (refusal("ResourceNotFoundException"), Duration::ZERO, "ResourceNotFound"),
        ] {
            let (published, asked) = publish(1..=3, time, move |_| answer.clone()).await;
            let failure = published.unwrap_err();
            assert!(
                matches!(failure, Failure::Retry { .. }) && failure.to_string().contains(said),
                "{failure}"
            );
            assert_eq!(asked, [[1, 2, 3]], "{said}: asked once");
        }
    }

    fn entry(bytes: usize) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder().detail("x".repeat(bytes - TIME_BYTES)).build()
    }

    #[test]
    fn requests_keep_the_limits_of_the_bus() {
        let sizes = |entries: Vec<usize>| {
            let batches = batches(entries.into_iter().map(entry).collect());
            batches.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(vec![100; 25]), [10, 10, 5]);
        assert_eq!(sizes(vec![128 * 1024; 3]), [2, 1], "exactly full, then over");
        assert_eq!(sizes(vec![200 * 1024, 57 * 1024, 100]), [1, 2]);
        assert_eq!(sizes(vec![]), [0; 0]);
    }
}
