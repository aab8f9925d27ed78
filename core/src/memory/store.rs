//! A bridge's store in memory, with a host's commit.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::store::{self, Expect, Item, Key, Order, Page, Query, View, Write};
use crate::time::Timestamp;

/// A bridge's store in memory. The clock is set by the test.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Inner>);

#[derive(Debug, Default, Clone)]
struct Inner {
    now: Timestamp,
    items: BTreeMap<(String, String), Stored>,
}

#[derive(Debug, Default, Clone)]
struct Stored {
    body: String,
    version: u64,
    count: i64,
    expires_at: Option<Timestamp>,
}

impl MemoryStore {
    /// Sets the clock by which items expire.
    pub fn set_now(&self, now: Timestamp) {
        self.lock().now = now;
    }

    /// Commits all writes or none.
    ///
    /// # Errors
    /// [`Failure::Retry`] when an expectation does not hold; [`Failure::Bug`] over a limit.
    pub fn commit(&self, writes: &[Write]) -> Result<(), Failure> {
        store::check_limits(writes)?;
        let mut inner = self.lock();
        for write in writes {
            let (key, expect) = match write {
                Write::Put { key, expect, .. }
                | Write::Delete { key, expect }
                | Write::Check { key, expect } => (key, *expect),
                Write::Add { .. } => continue,
            };
            let version = inner.live(key).map(|stored| stored.version);
            let holds = match expect {
                Expect::Any => true,
                Expect::Absent => version.is_none(),
                Expect::Version(wanted) => version == Some(wanted),
            };
            if !holds {
                return Err(Failure::retry("somebody else wrote first"));
            }
        }
        for write in writes {
            inner.apply(write);
        }
        Ok(())
    }

    /// A copy as it is now: what a decision sees that another overtakes.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Inner {
    fn live(&self, key: &Key) -> Option<&Stored> {
        let stored = self.items.get(&(key.partition.clone(), key.sort.clone()))?;
        stored.expires_at.is_none_or(|at| at > self.now).then_some(stored)
    }

    fn apply(&mut self, write: &Write) {
        let id = (write.key().partition.clone(), write.key().sort.clone());
        if self.live(write.key()).is_none() {
            self.items.remove(&id);
        }
        match write {
            Write::Put { body, expires_at, .. } => {
                let stored = self.items.entry(id).or_default();
                stored.body.clone_from(body);
                stored.version += 1;
                stored.expires_at = *expires_at;
            }
            Write::Delete { .. } => {
                self.items.remove(&id);
            }
            Write::Add { amount, expires_at, .. } => {
                let stored = self.items.entry(id).or_default();
                stored.count = stored.count.saturating_add(*amount);
                if expires_at.is_some() {
                    stored.expires_at = *expires_at;
                }
            }
            Write::Check { .. } => {}
        }
    }
}

#[async_trait]
impl View for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        Ok(self.lock().live(key).map(|stored| Item {
            sort: key.sort.clone(),
            body: stored.body.clone(),
            version: stored.version,
            count: stored.count,
        }))
    }

    async fn query(&self, query: &Query) -> Result<Page, Failure> {
        let inner = self.lock();
        let mut found: Vec<Item> = inner
            .items
            .iter()
            .filter(|((partition, sort), stored)| {
                *partition == query.partition
                    && sort.starts_with(&query.prefix)
                    && stored.expires_at.is_none_or(|at| at > inner.now)
            })
            .map(|((_, sort), stored)| Item {
                sort: sort.clone(),
                body: stored.body.clone(),
                version: stored.version,
                count: stored.count,
            })
            .collect();
        if query.order == Order::Descending {
            found.reverse();
        }
        if let Some(after) = &query.after {
            found.retain(|item| match query.order {
                Order::Ascending => item.sort > *after,
                Order::Descending => item.sort < *after,
            });
        }
        let limit = query.limit.min(store::MAX_PAGE_ITEMS);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = more.then(|| found.last().map(|item| item.sort.clone())).flatten();
        Ok(Page { items: found, next })
    }
}
