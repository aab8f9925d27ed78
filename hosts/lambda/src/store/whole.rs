//! A table as a whole: many rows written at once, and all of them read. Not part of any transaction.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use switchboard_core::Failure;

use super::{Row, unanswered};

/// Most writes of one request. <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const MAX_WRITES: usize = 25;
/// How often what was not taken is written again.
const ATTEMPTS: u32 = 5;

/// Writes rows, whatever is there. No two of them have the same key.
///
/// # Errors
/// [`Failure::Retry`] when not all of them are written.
pub(crate) async fn put_all(client: &Client, table: &str, rows: Vec<Row>) -> Result<(), Failure> {
    let mut writes = Vec::new();
    for row in rows {
        let put = PutRequest::builder().set_item(Some(row)).build();
        let put = put.map_err(|error| Failure::bug(format!("a row cannot be written: {error}")))?;
        writes.push(WriteRequest::builder().put_request(put).build());
    }
    for some in writes.chunks(MAX_WRITES) {
        put(client, table, some.to_vec()).await?;
    }
    Ok(())
}

async fn put(client: &Client, table: &str, mut writes: Vec<WriteRequest>) -> Result<(), Failure> {
    for attempt in 0..ATTEMPTS {
        let asked = client.batch_write_item().request_items(table, writes);
        let answer = asked.send().await.map_err(unanswered)?;
        let left = answer.unprocessed_items.and_then(|mut items| items.remove(table));
        writes = left.unwrap_or_default();
        if writes.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50 << attempt)).await;
    }
    Err(Failure::retry(format!("{table} is throttled")))
}

/// Rows of a table page by page, in no order, as they are at the moment of each page.
pub(crate) struct Pages<'a> {
    client: &'a Client,
    table: &'a str,
    from: Option<Row>,
    ended: bool,
}

impl<'a> Pages<'a> {
    /// All rows of a table.
    pub(crate) fn of(client: &'a Client, table: &'a str) -> Self {
        Self { client, table, from: None, ended: false }
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// [`Failure::Retry`] when the table does not answer.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Row>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let asked = self.client.scan().table_name(self.table).consistent_read(true);
        let answer = asked.set_exclusive_start_key(self.from.take()).send().await.map_err(unanswered)?;
        self.from = answer.last_evaluated_key;
        self.ended = self.from.is_none();
        Ok(Some(answer.items.unwrap_or_default()))
    }
}
