//! A bridge's reading of its own items: strong, ordered, and blind to what has expired.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use switchboard_core::store::MAX_PAGE_ITEMS;
use switchboard_core::{Failure, Item, Key, Order, Page, Query, Timestamp, View};

use super::row::{Row, read_number, read_text, text};
use super::{Table, unanswered};

/// Sorts after every text that begins with what stands before it: the greatest character, as often as it needs.
const AFTER_ALL: &str = "\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}";

/// The partition of a bridge's items.
pub(super) fn partition(of: &str) -> String {
    format!("i#{of}")
}

/// One bridge's items as they are at a moment.
pub(crate) struct TableView<'a> {
    pub(crate) table: &'a Table,
    pub(crate) now: Timestamp,
}

impl TableView<'_> {
    fn item(&self, row: &Row) -> Option<Item> {
        let expired = read_number::<i64>(row, "x").is_some_and(|at| at <= self.now.ms());
        (!expired).then(|| Item {
            sort: read_text(row, "sk"),
            body: read_text(row, "body"),
            version: read_number(row, "v").unwrap_or_default(),
            count: read_number(row, "n").unwrap_or_default(),
        })
    }
}

#[async_trait]
impl View for TableView<'_> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        let row = self.table.row(&partition(&key.partition), &key.sort).await?;
        Ok(row.and_then(|row| self.item(&row)))
    }

    async fn query(&self, query: &Query) -> Result<Page, Failure> {
        let limit = query.limit.min(MAX_PAGE_ITEMS);
        let (lowest, greatest) = bounds(query);
        let bounded = !(lowest.is_empty() && greatest == AFTER_ALL);
        let mut items: Vec<Item> = Vec::new();
        let mut from = None;
        // One more than asked for says whether there are more.
        while items.len() <= limit {
            let asked = self.table.client.query().table_name(&*self.table.name).consistent_read(true);
            let asked = asked
                .scan_index_forward(query.order == Order::Ascending)
                .limit(i32::try_from(limit + 2 - items.len()).unwrap_or(i32::MAX))
                .expression_attribute_values(":p", text(partition(&query.partition)))
                .set_exclusive_start_key(from);
            let asked = if bounded {
                asked
                    .key_condition_expression("pk = :p AND sk BETWEEN :a AND :z")
                    .expression_attribute_values(":a", text(if lowest.is_empty() { "\0" } else { &lowest }))
                    .expression_attribute_values(":z", AttributeValue::S(greatest.clone()))
            } else {
                asked.key_condition_expression("pk = :p")
            };
            let answer = asked.send().await.map_err(unanswered)?;
            let found = answer.items.unwrap_or_default();
            let wanted = found.iter().filter_map(|row| self.item(row));
            items.extend(wanted.filter(|item| query.after.as_ref() != Some(&item.sort)));
            from = answer.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next = more.then(|| items.last().map(|last| last.sort.clone())).flatten();
        Ok(Page { items, next })
    }
}

/// The first and last sort key that a query can give, both included: what it comes `after` is left out by hand.
fn bounds(query: &Query) -> (String, String) {
    let (mut lowest, mut greatest) = (query.prefix.clone(), format!("{}{AFTER_ALL}", query.prefix));
    if let Some(after) = &query.after {
        match query.order {
            Order::Ascending if *after > lowest => lowest.clone_from(after),
            Order::Descending if *after < greatest => greatest.clone_from(after),
            _ => {}
        }
    }
    (lowest, greatest)
}
