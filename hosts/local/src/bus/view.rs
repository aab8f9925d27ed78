//! A bridge's own items in the database: reading them, and writing what an outcome says.
//!
//! The writer thread reads and writes through one connection, inside the transaction of the batch. The lock
//! only proves to the compiler what is so anyway: one thread uses the connection at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use switchboard_core::store::{MAX_PAGE_ITEMS, Write};
use switchboard_core::{Expect, Failure, Item, Key, Order, Page, Query, Timestamp, View};

/// A connection that a view can share.
pub(crate) type Shared = Mutex<Connection>;

/// The connection. A panic elsewhere leaves it as usable as it was: SQLite keeps its own state.
pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, Connection> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The statements for one bridge's table, written out once.
#[derive(Debug)]
pub(crate) struct ItemsSql {
    get: String,
    ascending: String,
    descending: String,
    put: String,
    delete: String,
    add: String,
    version: String,
    sweep_end: String,
    sweep: String,
}

impl ItemsSql {
    /// For the table `items_<bridge>`.
    pub(crate) fn new(bridge: &str) -> Self {
        let table = format!("items_{bridge}");
        // One bound at each end: of two SQLite would seek to one, and walk to the other through all that lies between.
        let query = |order: &str| {
            format!(
                "SELECT sort, body, version, count FROM {table} WHERE partition = ?1 AND sort >= ?2 AND sort < ?3 \
                 AND (expires IS NULL OR expires > ?4) ORDER BY sort {order} LIMIT ?5"
            )
        };
        // An expired item counts as absent: writing over it begins again at version 1.
        let put = format!(
            "INSERT INTO {table} (partition, sort, body, version, count, expires) VALUES (?1, ?2, ?3, 1, 0, ?4) \
             ON CONFLICT (partition, sort) DO UPDATE SET body = ?3, expires = ?4, \
             version = CASE WHEN expires <= ?5 THEN 1 ELSE version + 1 END, \
             count = CASE WHEN expires <= ?5 THEN 0 ELSE count END"
        );
        Self {
            get: format!(
                "SELECT sort, body, version, count FROM {table} \
                 WHERE partition = ?1 AND sort = ?2 AND (expires IS NULL OR expires > ?3)"
            ),
            ascending: query("ASC"),
            descending: query("DESC"),
            put,
            delete: format!("DELETE FROM {table} WHERE partition = ?1 AND sort = ?2"),
            add: format!(
                "INSERT INTO {table} (partition, sort, body, version, count, expires) \
                 VALUES (?1, ?2, '', 0, ?3, ?4) ON CONFLICT (partition, sort) DO UPDATE SET \
                 count = CASE WHEN expires <= ?5 THEN ?3 ELSE count + ?3 END, \
                 body = CASE WHEN expires <= ?5 THEN '' ELSE body END, \
                 version = CASE WHEN expires <= ?5 THEN 0 ELSE version END, expires = COALESCE(?4, expires)"
            ),
            version: format!(
                "SELECT version FROM {table} WHERE partition = ?1 AND sort = ?2 \
                 AND (expires IS NULL OR expires > ?3)"
            ),
            sweep_end: format!(
                "SELECT partition, sort FROM {table} WHERE (partition, sort) > (?1, ?2) \
                 ORDER BY partition, sort LIMIT 1 OFFSET ?3"
            ),
            sweep: format!(
                "DELETE FROM {table} WHERE (partition, sort) > (?1, ?2) AND (partition, sort) <= (?3, ?4) \
                 AND expires <= ?5"
            ),
        }
    }
}

/// One bridge's reading of its own items.
pub(crate) struct SqlView<'a> {
    pub(crate) connection: &'a Shared,
    pub(crate) sql: &'a ItemsSql,
    pub(crate) now: Timestamp,
}

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item { sort: row.get(0)?, body: row.get(1)?, version: row.get(2)?, count: row.get(3)? })
}

fn unreadable(error: rusqlite::Error) -> Failure {
    Failure::retry(format!("the store does not answer: {error}"))
}

#[async_trait]
impl View for SqlView<'_> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        let connection = lock(self.connection);
        let mut statement = connection.prepare_cached(&self.sql.get).map_err(unreadable)?;
        statement
            .query_row(params![key.partition, key.sort, self.now.ms()], item)
            .optional()
            .map_err(unreadable)
    }

    async fn query(&self, query: &Query) -> Result<Page, Failure> {
        let limit = query.limit.min(MAX_PAGE_ITEMS);
        let (mut from, mut end) = (query.prefix.clone(), format!("{}{AFTER_ALL}", query.prefix));
        let sql = match query.order {
            Order::Ascending => {
                // What comes next after a text is the same with the smallest character behind it.
                from = query.after.as_ref().map_or(String::new(), |after| format!("{after}\0")).max(from);
                &self.sql.ascending
            }
            Order::Descending => {
                end = query.after.clone().unwrap_or_else(|| end.clone()).min(end);
                &self.sql.descending
            }
        };
        let connection = lock(self.connection);
        let mut statement = connection.prepare_cached(sql).map_err(unreadable)?;
        let values = params![query.partition, from, end, self.now.ms(), limit + 1];
        let mut items = statement
            .query_map(values, item)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable)?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = more.then(|| items.last().map(|last| last.sort.clone())).flatten();
        Ok(Page { items, next })
    }
}

/// Sorts after every text that a key may hold: the greatest character, as often as it needs to be.
const AFTER_ALL: &str = "\u{10FFFF}\u{10FFFF}\u{10FFFF}\u{10FFFF}";

/// Writes what an outcome says: all of it, or nothing and `Ok(false)` when an expectation does not hold. What is
/// expected is read before anything is written, since the writer is alone in its transaction: a savepoint would
/// copy each page that it touches.
///
/// # Errors
/// When the database fails.
pub(crate) fn write(
    connection: &Connection,
    sql: &ItemsSql,
    writes: &[Write],
    now: Timestamp,
) -> rusqlite::Result<bool> {
    for write in writes {
        if !holds(connection, sql, write, now)? {
            return Ok(false);
        }
    }
    let now = now.ms();
    for write in writes {
        let Key { partition, sort } = write.key();
        match write {
            Write::Put { body, expires_at, .. } => connection.prepare_cached(&sql.put)?.execute(params![
                partition,
                sort,
                body,
                expires_at.map(Timestamp::ms),
                now
            ])?,
            Write::Delete { .. } => {
                connection.prepare_cached(&sql.delete)?.execute(params![partition, sort])?
            }
            Write::Add { amount, expires_at, .. } => connection
                .prepare_cached(&sql.add)?
                .execute(params![partition, sort, amount, expires_at.map(Timestamp::ms), now])?,
            Write::Check { .. } => 0,
        };
    }
    Ok(true)
}

/// Is what a write expects so?
fn holds(connection: &Connection, sql: &ItemsSql, write: &Write, now: Timestamp) -> rusqlite::Result<bool> {
    let (Write::Put { key, expect, .. } | Write::Delete { key, expect } | Write::Check { key, expect }) =
        write
    else {
        return Ok(true);
    };
    if *expect == Expect::Any {
        return Ok(true);
    }
    let version: Option<u64> = connection
        .prepare_cached(&sql.version)?
        .query_row(params![key.partition, key.sort, now.ms()], |row| row.get(0))
        .optional()?;
    Ok(match expect {
        Expect::Any => true,
        Expect::Absent => version.is_none(),
        Expect::Version(wanted) => version == Some(*wanted),
    })
}

/// Removes what has expired among the next `most` items after `place`, and moves on; at the end of the table it
/// begins again. There is no index over expiry: every write would pay for it, and reading hides the expired.
///
/// # Errors
/// When the database fails.
pub(crate) fn sweep(
    connection: &Connection,
    sql: &ItemsSql,
    now: Timestamp,
    place: &mut (String, String),
    most: usize,
) -> rusqlite::Result<usize> {
    let from = std::mem::take(place);
    let end: Option<(String, String)> = connection
        .prepare_cached(&sql.sweep_end)?
        .query_row(params![from.0, from.1, most], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let until = end.clone().unwrap_or_else(|| (AFTER_ALL.into(), AFTER_ALL.into()));
    let removed = connection.prepare_cached(&sql.sweep)?.execute(params![
        from.0,
        from.1,
        until.0,
        until.1,
        now.ms()
    ])?;
    *place = end.unwrap_or_default();
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use switchboard_core::contract::{StoreUnderTest, store_keeps_its_contract};
    use switchboard_core::store;

    use super::*;

    struct Sqlite {
        connection: Shared,
        sql: ItemsSql,
        now: AtomicI64,
    }

    impl Sqlite {
        fn now(&self) -> Timestamp {
            Timestamp::from_ms(self.now.load(Ordering::Relaxed))
        }
    }

    /// The contract reads through a view of its own each time, at the test's own clock.
    #[async_trait]
    impl View for Sqlite {
        async fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
            SqlView { connection: &self.connection, sql: &self.sql, now: self.now() }.get(key).await
        }
        async fn query(&self, query: &Query) -> Result<Page, Failure> {
            SqlView { connection: &self.connection, sql: &self.sql, now: self.now() }.query(query).await
        }
    }

    #[async_trait]
    impl StoreUnderTest for Sqlite {
        fn view(&self) -> &dyn View {
            self
        }
        async fn commit(&self, writes: &[Write]) -> Result<(), Failure> {
            store::check_limits(writes)?;
            let mut connection = lock(&self.connection);
            let transaction = connection.transaction().unwrap();
            if !write(&transaction, &self.sql, writes, self.now()).unwrap() {
                return Err(Failure::retry("conflict"));
            }
            transaction.commit().unwrap();
            Ok(())
        }
        async fn set_now(&self, now: Timestamp) {
            self.now.store(now.ms(), Ordering::Relaxed);
        }
    }

    fn sqlite(directory: &std::path::Path) -> Sqlite {
        let connection =
            crate::bus::database::open_for_writing(&directory.join("hub.sqlite3"), &["sms"]).unwrap();
        Sqlite { connection: Mutex::new(connection), sql: ItemsSql::new("sms"), now: AtomicI64::new(0) }
    }

    #[test]
    fn the_store_in_sqlite_keeps_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        futures::executor::block_on(store_keeps_its_contract(&sqlite(directory.path())));
    }

    #[test]
    fn a_page_costs_the_same_wherever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let store = sqlite(directory.path());
        let row = |number: usize| {
            let key = Key::new("p", format!("{number:05}"));
            Write::Put { key, body: "x".into(), expect: Expect::Any, expires_at: None }
        };
        for from in (0..5000).step_by(50) {
            let rows: Vec<Write> = (from..from + 50).map(row).collect();
            futures::executor::block_on(store.commit(&rows)).unwrap();
        }
        for order in [Order::Ascending, Order::Descending] {
            for after in [None, Some("00003"), Some("02500"), Some("04996")] {
                let query = Query {
                    partition: "p".into(),
                    prefix: String::new(),
                    after: after.map(str::to_owned),
                    order,
                    limit: 10,
                };
                futures::executor::block_on(StoreUnderTest::view(&store).query(&query)).unwrap();
                let sql =
                    if order == Order::Ascending { &store.sql.ascending } else { &store.sql.descending };
                let connection = lock(&store.connection);
                let statement = connection.prepare_cached(sql).unwrap();
                let steps = statement.reset_status(rusqlite::StatementStatus::VmStep);
                assert!(steps < 500, "{order:?} after {after:?}: {steps} steps");
            }
        }
    }

    #[test]
    fn expired_items_are_swept_away() {
        let directory = tempfile::tempdir().unwrap();
        let store = sqlite(directory.path());
        let expiring = |sort: &str, at| {
            let key = Key::new("p", sort);
            Write::Put {
                key,
                body: "x".into(),
                expect: Expect::Any,
                expires_at: Some(Timestamp::from_ms(at)),
            }
        };
        let writes = [expiring("a", 10), expiring("b", 20), expiring("c", 30)];
        futures::executor::block_on(store.commit(&writes)).unwrap();
        let connection = lock(&store.connection);
        let mut place = Default::default();
        let mut sweep =
            |most| sweep(&connection, &store.sql, Timestamp::from_ms(20), &mut place, most).unwrap();
        assert_eq!([sweep(0), sweep(0), sweep(0)], [1, 1, 0], "item by item, to the end");
        assert_eq!([sweep(10), sweep(10)], [0, 0], "and again from the beginning");
    }
}
