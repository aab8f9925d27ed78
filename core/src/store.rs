//! A bridge's own store, as both hosts give it: items under (partition, sort) keys.
//!
//! The contract, kept by the local host too so that what works there works on DynamoDB:
//! reads are strong; a query is ordered by the bytes of the sort key; a put can demand that the item be absent
//! or have a version; a transaction has at most [`MAX_TRANSACTION_ITEMS`] items and [`MAX_TRANSACTION_BYTES`];
//! an item has at most [`MAX_ITEM_BYTES`]; a decision never reads its own writes, because it returns them;
//! an expired item is not read, whether or not it has been removed.
//!
//! There is no way to name another bridge's items: the host gives each bridge a view of its own.

use async_trait::async_trait;

use crate::failure::Failure;
use crate::time::Timestamp;
use crate::unreadable;

/// Most items that an outcome may write, so that with the host's own records it fits one transaction of 100.
pub const MAX_TRANSACTION_ITEMS: usize = 90;
/// Most bytes in one transaction.
pub const MAX_TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of one item, key included: DynamoDB's 400 KB, less what a host keeps beside the body.
pub const MAX_ITEM_BYTES: usize = 399 * 1024;
/// Most bytes of a partition: DynamoDB's 2048, less the mark by which a host tells items from its own records.
pub const MAX_PARTITION_BYTES: usize = 2000;
/// Most items of one page of a query.
pub const MAX_PAGE_ITEMS: usize = 1000;

/// Where an item is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Which group of items; at most [`MAX_PARTITION_BYTES`], not empty.
    pub partition: String,
    /// Which item of the group; at most 1024 bytes, not empty.
    pub sort: String,
}

impl Key {
    /// A key of two parts.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

/// An item as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its sort key.
    pub sort: String,
    /// JSON; empty for an item that was only ever added to.
    pub body: String,
    /// Grows by one with each put. 1 after the first.
    pub version: u64,
    /// What [`Write::Add`] has added up.
    pub count: i64,
}

/// What must be so for a write to happen; otherwise the whole outcome is not committed and is decided again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Nothing is demanded.
    Any,
    /// There is no such item.
    Absent,
    /// The item is there, with this version.
    Version(u64),
}

/// One change of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are the words above")]
pub enum Write {
    /// Writes the whole item. Its count stays.
    Put { key: Key, body: String, expect: Expect, expires_at: Option<Timestamp> },
    /// Removes it; that it is not there is no fault, unless `expect` says so.
    Delete { key: Key, expect: Expect },
    /// Adds to the item's count without reading it; makes the item where there is none. Never conflicts.
    Add { key: Key, amount: i64, expires_at: Option<Timestamp> },
    /// Writes nothing, and demands.
    Check { key: Key, expect: Expect },
}

impl Write {
    /// Puts `value` as JSON.
    ///
    /// # Errors
    /// [`Failure::Bug`] when it cannot be written as JSON.
    pub fn put<T: serde::Serialize>(key: Key, value: &T, expect: Expect) -> Result<Self, Failure> {
        Ok(Self::Put { key, body: to_json(value)?, expect, expires_at: None })
    }

    /// The same put, gone at `expires_at`.
    #[must_use]
    pub fn expiring(self, at: Timestamp) -> Self {
        match self {
            Self::Put { key, body, expect, .. } => Self::Put { key, body, expect, expires_at: Some(at) },
            Self::Add { key, amount, .. } => Self::Add { key, amount, expires_at: Some(at) },
            other => other,
        }
    }

    /// The key that it is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. }
            | Self::Delete { key, .. }
            | Self::Add { key, .. }
            | Self::Check { key, .. } => key,
        }
    }
}

/// Any value of ours as JSON text.
///
/// # Errors
/// [`Failure::Bug`] when it cannot be written.
pub fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::bug(format!("cannot be written as JSON: {error}")))
}

/// Reads JSON text that we wrote.
///
/// # Errors
/// [`Failure::Bug`] when it is not what was written.
pub fn from_json<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| {
        Failure::bug(format!("a stored value cannot be read: {}", unreadable::fault(&error)))
    })
}

impl Item {
    /// The body as a value of ours.
    ///
    /// # Errors
    /// [`Failure::Bug`] when it is not what was written.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, Failure> {
        from_json(&self.body)
    }
}

/// In which order a query gives its items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Smallest sort key first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// Which items of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// The partition.
    pub partition: String,
    /// Only sort keys that begin so; empty for all.
    pub prefix: String,
    /// Only those after this sort key, in the order asked for.
    pub after: Option<String>,
    /// The order.
    pub order: Order,
    /// Most items to give; at most [`MAX_PAGE_ITEMS`].
    pub limit: usize,
}

/// A page of a query.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The items.
    pub items: Vec<Item>,
    /// Ask for those after this one next; `None` when there are no more.
    pub next: Option<String>,
}

/// A bridge's reading of its own store.
#[async_trait]
pub trait View: Send + Sync {
    /// The item under `key`, unless there is none or it has expired.
    ///
    /// # Errors
    /// [`Failure::Retry`] when the store does not answer.
    async fn get(&self, key: &Key) -> Result<Option<Item>, Failure>;

    /// Items of one partition, in order.
    ///
    /// # Errors
    /// [`Failure::Retry`] when the store does not answer.
    async fn query(&self, query: &Query) -> Result<Page, Failure>;
}

/// Checks the limits of a transaction: number, sizes, and that no item is written twice.
///
/// # Errors
/// [`Failure::Bug`]: a bridge asks for what no host can do.
pub fn check_limits(writes: &[Write]) -> Result<(), Failure> {
    if writes.len() > MAX_TRANSACTION_ITEMS {
        return Err(Failure::bug(format!("{} writes, more than {MAX_TRANSACTION_ITEMS}", writes.len())));
    }
    let mut total = 0;
    for (index, write) in writes.iter().enumerate() {
        let key = write.key();
        if key.partition.is_empty()
            || key.partition.len() > MAX_PARTITION_BYTES
            || key.sort.is_empty()
            || key.sort.len() > 1024
        {
            return Err(Failure::bug(format!(
                "a key's partition has 1 to {MAX_PARTITION_BYTES} bytes and its sort 1 to 1024"
            )));
        }
        let body = if let Write::Put { body, .. } = write { body.len() } else { 0 };
        let size = key.partition.len() + key.sort.len() + body;
        if size > MAX_ITEM_BYTES {
            return Err(Failure::bug(format!("an item of {size} bytes, more than {MAX_ITEM_BYTES}")));
        }
        total += size;
        if writes[..index].iter().any(|earlier| earlier.key() == key) {
            return Err(Failure::bug("two writes of one item in one outcome"));
        }
    }
    if total > MAX_TRANSACTION_BYTES {
        return Err(Failure::bug(format!("writes of {total} bytes, more than {MAX_TRANSACTION_BYTES}")));
    }
    Ok(())
}
