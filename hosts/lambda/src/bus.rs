//! Publishing on EventBridge: within the limits of `PutEvents`, and only what was refused again.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::DisplayErrorContext;
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
/// How often refused entries are sent again before whoever asked has to come back.
const ATTEMPTS: u32 = 4;

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

    /// Publishes encoded events. Returns when each was acknowledged.
    ///
    /// # Errors
    /// [`Failure::Retry`] when some were not, after a few tries; all are published again then.
    pub(crate) async fn publish<T: AsRef<str>>(&self, events: &[T]) -> Result<(), Failure> {
        let entries: Result<Vec<_>, Failure> =
            events.iter().map(|event| self.entry(event.as_ref())).collect();
        for batch in batches(entries?) {
            self.put(batch).await?;
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

    async fn put(&self, mut entries: Vec<PutEventsRequestEntry>) -> Result<(), Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let asked = self.client.put_events().set_entries(Some(entries.clone()));
            let answer = asked.send().await.map_err(|error| {
                Failure::retry(format!("the bus does not answer: {}", DisplayErrorContext(&error)))
            })?;
            if answer.failed_entry_count == 0 {
                return Ok(());
            }
            // The answer has a result for each entry, in order.
            let results = answer.entries.unwrap_or_default();
            let code = results.iter().find_map(|result| result.error_code.clone()).unwrap_or_default();
            entries = entries
                .into_iter()
                .zip(results)
                .filter_map(|(entry, result)| result.error_code.is_some().then_some(entry))
                .collect();
            warn!(refused = entries.len(), code, "the bus refused a part of what was published");
            if attempt == ATTEMPTS || entries.is_empty() {
                return Err(Failure::retry(format!("the bus refuses: {code}")));
            }
            let wait = Duration::from_millis(50 << attempt).mul_f64(0.5 + rand::random::<f64>());
            tokio::time::sleep(wait).await;
        }
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
    use super::*;

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
