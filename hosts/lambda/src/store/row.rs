//! Rows of a table as the host reads and writes them: short names, since each is paid for with every item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use switchboard_core::Timestamp;

/// One item of the table.
pub(crate) type Row = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(crate) fn flag(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

pub(crate) fn key(partition: &str, sort: &str) -> Row {
    Row::from([("pk".to_owned(), text(partition)), ("sk".to_owned(), text(sort))])
}

/// When DynamoDB may remove an item, in seconds: a second late rather than early.
pub(crate) fn ttl(at: Timestamp) -> AttributeValue {
    number(at.secs() + 1)
}

/// A text; empty where there is none.
pub(crate) fn read_text(row: &Row, name: &str) -> String {
    row.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

/// A number; `None` where there is none.
pub(crate) fn read_number<T: std::str::FromStr>(row: &Row, name: &str) -> Option<T> {
    row.get(name)?.as_n().ok()?.parse().ok()
}

/// A flag; false where there is none.
pub(crate) fn read_flag(row: &Row, name: &str) -> bool {
    row.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default()
}
