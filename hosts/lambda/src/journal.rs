//! The journal: every event, found by its id, by its time, and by each word that it is known by (a message's id, a
//! provider's id, an address). EventBridge's archive can only replay; `trace`, `export` and `erase` read this.
//!
//! ```text
//!   e#<event id>   e                     the envelope, whole
//!   h#<hour>       <time>#<event id>     what happened when
//!   w#<word>       <time>#<event id>     what is known by a word
//! ```

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use switchboard_core::{Event, Failure};

use crate::store::{Row, key, text, unanswered};

/// Most writes of one request. <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const MAX_WRITES: usize = 25;
/// How often what was not taken is written again.
const ATTEMPTS: u32 = 5;

/// The journal's table.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    client: Client,
    table: String,
}

impl Journal {
    /// The journal in this table.
    pub(crate) fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }

    /// Keeps events. The same one again replaces it with the same.
    ///
    /// # Errors
    /// [`Failure::Retry`] when not all of them are written; [`Failure::Bug`] for what is no event.
    pub(crate) async fn keep(&self, envelope: &str) -> Result<(), Failure> {
        let event = Event::decode(envelope.as_bytes())?;
        let rows = rows(&event, envelope);
        let mut writes = Vec::new();
        for row in rows {
            let put = PutRequest::builder().set_item(Some(row)).build();
            let put = put.map_err(|error| Failure::bug(format!("a row cannot be written: {error}")))?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        for some in writes.chunks(MAX_WRITES) {
            self.write(some.to_vec()).await?;
        }
        Ok(())
    }

    async fn write(&self, mut writes: Vec<WriteRequest>) -> Result<(), Failure> {
        for attempt in 0..ATTEMPTS {
            let asked = self.client.batch_write_item().request_items(&self.table, writes);
            let answer = asked.send().await.map_err(unanswered)?;
            let left = answer.unprocessed_items.and_then(|mut items| items.remove(&self.table));
            writes = left.unwrap_or_default();
            if writes.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50 << attempt)).await;
        }
        Err(Failure::retry("the journal is throttled"))
    }
}

/// The rows of one event.
fn rows(event: &Event, envelope: &str) -> Vec<Row> {
    let id = event.id.as_str();
    let time = event.time.to_string();
    let place = format!("{time}#{id}");
    let mut whole = key(&format!("e#{id}"), "e");
    whole.insert("event".to_owned(), text(envelope));
    let hour: String = time.chars().take("2026-11-22T08".len()).collect();
    let mut rows = vec![whole, key(&format!("h#{hour}"), &place)];
    let mut words: Vec<&str> = event.words();
    words.retain(|word| *word != id && !word.is_empty());
    words.sort_unstable();
    words.dedup();
    rows.extend(words.into_iter().map(|word| key(&format!("w#{word}"), &place)));
    rows
}
