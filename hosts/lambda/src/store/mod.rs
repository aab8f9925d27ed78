//! A bridge's table: its own items, and beside them the host's records of what it has done for the bridge.
//!
//! # Layout
//! One DynamoDB table for each bridge, with a partition key `pk` and a sort key `sk`, both text.
//! ```text
//!   i#<partition>            <sort>       the bridge's items: body, version (`v`), count (`n`), expiry (`x`, ms)
//!   r#<listener>#<arrival>   o#<part>     what was decided: reply, events, timers, next part
//!                            e#<part>#<n> one effect: its state, attempts, report, the events of its end
//!                            w            a delivery that could not be decided yet: event, attempts, reason
//!   l#<listener>#<lane>      at           how far the lane is: `done`, and `started` when the next is under way
//!                            p#<seq>      an event that came before its turn
//!                            s#<last>     numbers that never came, `from` this to the last, and that the lane was moved past
//!                            t#<seq>      one of those, which came after all and became a dead letter
//!   t#                       <key>        a timer: due, body
//!   s#…                      …            connections of sockets, see `sockets/rows.rs`
//! ```
//! `ttl_s` (seconds) is for DynamoDB, which removes late; what has expired is not read, removed or not.
//!
//! # Why so
//! An arrival's record, the bridge's writes, timers and effects are one transaction, so that an outcome is there
//! or is not. They can only be one transaction in one place, hence records in the bridge's own table; and a role
//! that may touch one table can do all that its function has to.

mod commit;
mod row;
mod view;
mod whole;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use switchboard_core::Failure;
use switchboard_hosts::handover;

pub(crate) use commit::{NotCommitted, Step};
pub(crate) use row::{Row, flag, key, number, read_flag, read_number, read_text, text, ttl};
pub(crate) use view::TableView;
pub(crate) use whole::{Pages, put_all};

/// One bridge's table.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: Arc<str>,
}

impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.into() }
    }

    /// The row of a bridge's item.
    pub(crate) fn item(item: &handover::Item) -> Row {
        let mut row = key(&view::partition(&item.partition), &item.sort);
        row.extend([("body".to_owned(), text(&item.body)), ("v".to_owned(), number(item.version))]);
        row.extend([("n".to_owned(), number(item.count))]);
        if let Some(at) = item.expires {
            row.extend([("x".to_owned(), number(at.ms())), ("ttl_s".to_owned(), ttl(at))]);
        }
        row
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// One of the host's rows.
    pub(crate) async fn row(&self, partition: &str, sort: &str) -> Result<Option<Row>, Failure> {
        let asked = self.client.get_item().table_name(&*self.name).consistent_read(true);
        let answer = asked.set_key(Some(key(partition, sort))).send().await.map_err(unanswered)?;
        Ok(answer.item)
    }

    /// Counts one more in a row, which is gone at that time; gives how many there are.
    pub(crate) async fn count(
        &self,
        partition: &str,
        sort: &str,
        gone: switchboard_core::Timestamp,
    ) -> Result<u64, Failure> {
        let asked = self.client.update_item().table_name(&*self.name).set_key(Some(key(partition, sort)));
        let asked = asked
            .update_expression("SET ttl_s = :ttl ADD n :one")
            .expression_attribute_values(":ttl", ttl(gone))
            .expression_attribute_values(":one", number(1))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew);
        let answer = asked.send().await.map_err(unanswered)?;
        Ok(answer.attributes.and_then(|row| read_number(&row, "n")).unwrap_or_default())
    }

    /// Looks whether the table is there, by the one kind of request that every function of a bridge may make.
    ///
    /// # Errors
    /// That it is not, or may not be read, with the mend.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let asked = self.client.query().table_name(&*self.name).limit(1).key_condition_expression("pk = :p");
        let answer = asked.expression_attribute_values(":p", text("look")).send().await;
        there(&self.name, answer.map(|_| ()))
    }

    /// The first of the host's rows of a partition between two sort keys, both included.
    pub(crate) async fn first(&self, partition: &str, from: &str, to: &str) -> Result<Option<Row>, Failure> {
        let asked = self.client.query().table_name(&*self.name).consistent_read(true).limit(1);
        let asked = asked.key_condition_expression("pk = :p AND sk BETWEEN :from AND :to");
        let asked = asked.expression_attribute_values(":p", text(partition));
        let asked = asked.expression_attribute_values(":from", text(from));
        let answer = asked.expression_attribute_values(":to", text(to)).send().await.map_err(unanswered)?;
        Ok(answer.items.unwrap_or_default().into_iter().next())
    }

    /// All of the host's rows of a partition, in order.
    pub(crate) async fn rows(&self, partition: &str) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        let mut from = None;
        loop {
            let asked = self.client.query().table_name(&*self.name).consistent_read(true);
            let asked = asked.key_condition_expression("pk = :p");
            let asked = asked.expression_attribute_values(":p", text(partition));
            let answer = asked.set_exclusive_start_key(from).send().await.map_err(unanswered)?;
            rows.extend(answer.items.unwrap_or_default());
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(rows);
            }
        }
    }
}

/// Whether what was asked about a table says that it is there. No answer says nothing: the next request will.
pub(crate) fn there<E: ProvideErrorMetadata>(
    table: &str,
    answer: Result<(), SdkError<E>>,
) -> anyhow::Result<()> {
    let Err(error) = answer else { return Ok(()) };
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ResourceNotFoundException") => {
            anyhow::bail!("there is no table {table} — to mend it: make deploy, which sets SWITCHBOARD_TABLE")
        }
        Some("AccessDeniedException") => {
            anyhow::bail!(
                "the table {table} is not for this function — to mend it: make deploy, which sets SWITCHBOARD_TABLE and the role"
            )
        }
        _ => Ok(()),
    }
}

/// DynamoDB did not answer, or not now: whoever asked tries again.
pub(crate) fn unanswered<E: std::error::Error>(error: E) -> Failure {
    Failure::retry(format!("the store does not answer: {}", DisplayErrorContext(&error)))
}

#[cfg(test)]
pub(crate) mod tests;
