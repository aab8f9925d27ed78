//! The journal: every event, found by its id, by its time, and by each word that it is known by (a message's id, a
//! provider's id, an address). EventBridge's archive can only replay; `trace`, `export` and `erase` read this.
//!
//! ```text
//!   e#<event id>   e                     the envelope, whole
//!   h#<hour>       <time>#<event id>     what happened when
//!   w#<word>       <time>#<event id>     what is known by a word
//! ```

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use switchboard_core::{Event, Failure};

use crate::store::{Row, key, put_all, text, there};

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

    /// Looks whether the table is there, by the one kind of request that the journal may make: removing a row that
    /// nobody wrote.
    ///
    /// # Errors
    /// That it is not, or may not be written, with the mend.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let delete = DeleteRequest::builder().set_key(Some(key("look", "look"))).build()?;
        let write = WriteRequest::builder().delete_request(delete).build();
        let asked = self.client.batch_write_item().request_items(&self.table, vec![write]);
        there(&self.table, asked.send().await.map(|_| ()))
    }

    /// Keeps events. The same one again replaces it with the same.
    ///
    /// # Errors
    /// [`Failure::Retry`] when not all of them are written; [`Failure::Bug`] for what is no event.
    pub(crate) async fn keep(&self, envelope: &str) -> Result<(), Failure> {
        let event = Event::decode(envelope.as_bytes())?;
        put_all(&self.client, &self.table, rows(&event, envelope)).await
    }
}

/// The rows of one event.
pub(crate) fn rows(event: &Event, envelope: &str) -> Vec<Row> {
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
