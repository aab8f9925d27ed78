//! The one database file: what is in it, and why it looks so.
//!
//! # Constraints
//! A door is answered only when what follows from its request is on disk, and there may be thousands of requests
//! a second. So one writer thread commits the outcomes of many arrivals in one transaction: one fsync a batch.
//! After `kill -9` or a power cut the file alone must say what is still to be done.
//!
//! # Layout
//! ```text
//!   arrivals      (door, arrival id) → the answer given       what was accepted; a repeat finds it
//!   events        position → envelope, who heard it            the archive, and the journal that `trace` reads
//!   deliveries    (listener, position) → state, lane           what is open, what failed once, what is dead
//!   effects       id → listener, origin, destination, state    one row for each thing to do outside
//!   timers        (bridge, key) → due, body
//!   dead_letters  id → what could not be done, and why
//!   items_<bridge>  (partition, sort) → body, version, count   each bridge's own store
//! ```
//! What comes from outside (a door, a timer) may come twice under two arrival ids and is known by its event id:
//! hence the one unique index. What a listener says comes from its delivery, which is decided once; an index
//! over random ids would cost a page of the log for each event.
//!
//! `position` grows by one with each event and is the order of publication. Since the gate numbers a room's
//! changes in the transaction that publishes them, the order of positions within a lane is the order of `seq`.
//!
//! # Operation
//! WAL with `synchronous = NORMAL`: SQLite brings the log to the disk before it copies it into the main file, and
//! `log` does so after every commit, before anything of it is let out. A delivery has a row only as long as there is
//! something to say of it: one that a batch both makes and settles has none, and the event's `heard` tells of it.
//! That table and the partial index of effects stay small however large the archive grows. A delivery names its lane
//! only while it is parked, that is in no memory (see `lanes`): so the index by lane costs nothing where nobody waits.
//!
//! # Recovery
//! The open deliveries and effects are read back in order of position. An effect found *trying* was under way
//! when the process died: when its time is over the provider is asked (`find`) before it is tried again.
//!
//! # Rejected
//! A file a bridge (no transaction spans files, so an outcome and its events could part); a log of our own
//! (SQLite's is better tested than ours would ever be); in-memory queues beside the file (they would lose what
//! was accepted).

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::Connection;

/// Grows when the layout changes in a way that an older binary cannot read.
const LAYOUT_VERSION: i64 = 3;

/// What brings a file of layout 1 up to 2: there each delivery kept its row.
const FROM_1_TO_2: &str = "
BEGIN;
ALTER TABLE events ADD COLUMN heard TEXT;
DROP INDEX open_deliveries;
PRAGMA user_version = 2;
COMMIT;
";

/// What brings a file of layout 2 up to 3: there a redriven effect had forgotten when it was
/// first asked for, a dead letter what its timer had said, and no delivery was parked.
const FROM_2_TO_3: &str = "
BEGIN;
ALTER TABLE effects ADD COLUMN redriven INTEGER;
ALTER TABLE deliveries ADD COLUMN lane TEXT;
ALTER TABLE dead_letters ADD COLUMN timer TEXT;
ALTER TABLE dead_letters ADD COLUMN body TEXT;
PRAGMA user_version = 3;
COMMIT;
";

/// Most memory for pages that are read again and again, in KiB. It fills only under load: an idle hub stays small.
/// More would cost more than it gives: balancing a tree uses a page number beyond the end of the file for a
/// moment, and at the next commit SQLite then looks at every page of its cache for others beyond the end.
const CACHE_KIB: i64 = 16_384;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS listeners (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS arrivals (
    door INTEGER NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL, reply TEXT,
    PRIMARY KEY (door, id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY, id BLOB NOT NULL, outside INTEGER NOT NULL, at INTEGER NOT NULL,
    body BLOB NOT NULL, heard TEXT) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS events_from_outside ON events (id) WHERE outside = 1;
CREATE TABLE IF NOT EXISTS deliveries (
    listener INTEGER NOT NULL, position INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL,
    due INTEGER NOT NULL, first INTEGER NOT NULL, changed INTEGER NOT NULL, part TEXT, reason TEXT, lane TEXT,
    PRIMARY KEY (listener, position)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parked_deliveries ON deliveries (listener, lane, position) WHERE lane IS NOT NULL;
CREATE TABLE IF NOT EXISTS effects (
    id INTEGER PRIMARY KEY, listener INTEGER NOT NULL, origin INTEGER NOT NULL, destination TEXT NOT NULL,
    body TEXT NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, unsure INTEGER NOT NULL,
    due INTEGER NOT NULL, first INTEGER NOT NULL, changed INTEGER NOT NULL, report TEXT, reason TEXT, exchanges TEXT,
    redriven INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS open_effects ON effects (id) WHERE state < 3;
CREATE INDEX IF NOT EXISTS effects_of_delivery ON effects (origin, listener) WHERE origin > 0;
CREATE TABLE IF NOT EXISTS timers (
    bridge TEXT NOT NULL, key TEXT NOT NULL, due INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (bridge, key)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS timers_by_due ON timers (due);
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, listener INTEGER NOT NULL, position INTEGER, effect INTEGER,
    at INTEGER NOT NULL, first INTEGER NOT NULL, attempts INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
    timer TEXT, body TEXT) STRICT;
";

/// Opens the file for the writer, makes what is missing, and refuses a layout that it does not know.
///
/// # Errors
/// When the file cannot be opened or is not ours.
pub(crate) fn open_for_writing(path: &Path, bridges: &[&str]) -> Result<Connection> {
    let connection = open(path)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > LAYOUT_VERSION {
        anyhow::bail!("{} was written by a later version of switchboard (layout {version})", path.display());
    }
    if version == 1 {
        connection.execute_batch(FROM_1_TO_2)?;
    }
    if (1..=2).contains(&version) {
        connection.execute_batch(FROM_2_TO_3)?;
    }
    connection.execute_batch(TABLES)?;
    for bridge in bridges {
        make_items(&connection, bridge)?;
    }
    connection.pragma_update(None, "user_version", LAYOUT_VERSION)?;
    Ok(connection)
}

/// Makes a bridge's table where there is none.
pub(crate) fn make_items(connection: &Connection, bridge: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS items_{bridge} (
            partition TEXT NOT NULL, sort TEXT NOT NULL, body TEXT NOT NULL, version INTEGER NOT NULL,
            count INTEGER NOT NULL, expires INTEGER, PRIMARY KEY (partition, sort)) STRICT, WITHOUT ROWID;"
    ))
}

/// Opens the file for reading beside the writer: a reader sees what is committed and holds nobody up.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection> {
    let connection = open(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens the file for copying its log into it.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn open_for_copying(path: &Path) -> Result<Connection> {
    open(path)
}

fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// Writes something that changes nothing, so that a disk that cannot be written to says so.
pub(crate) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", LAYOUT_VERSION)
}

/// An id as it is stored: the 16 bytes of one of ours, or the text of another.
pub(crate) fn id_bytes(id: &str) -> Vec<u8> {
    id.split_once('_')
        .and_then(|(_, digits)| (digits.len() == 32).then(|| hex::decode(digits).ok()).flatten())
        .unwrap_or_else(|| id.as_bytes().to_vec())
}

/// The id that [`id_bytes`] made this of: `prefix` stands before what was one of ours.
pub(crate) fn id_text(prefix: &str, stored: Vec<u8>) -> String {
    if stored.len() == 16 {
        return format!("{prefix}_{}", hex::encode(stored));
    }
    String::from_utf8(stored).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_written_in_order_and_the_fsync_of_a_commit_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_for_writing(&directory.path().join("hub.sqlite3"), &["sms"]).unwrap();
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 1), "see `log` for the fsync of each commit");
    }

    #[test]
    fn a_file_of_the_first_layout_is_brought_up_to_date_also_where_the_process_died_between_two() {
        for died_between in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("hub.sqlite3");
            let first = open(&path).unwrap();
            let tables = TABLES.replace(", heard TEXT", "").replace(",\n    redriven INTEGER", "");
            let tables = tables.replace(",\n    timer TEXT, body TEXT", "").replace(", lane TEXT", "");
            let tables = tables.lines().filter(|line| !line.contains("parked")).collect::<String>();
            let index = "CREATE INDEX open_deliveries ON deliveries (listener, position) WHERE state < 2;";
            first.execute_batch(&format!("{tables}{index} PRAGMA user_version = 1;")).unwrap();
            first.execute("INSERT INTO events VALUES (1, x'01', 0, 5, x'7b7d')", []).unwrap();
            if died_between {
                first.execute_batch(FROM_1_TO_2).unwrap();
            }
            drop(first);
            for _ in ["once", "and again"] {
                let later = open_for_writing(&path, &[]).unwrap();
                let heard: Option<String> =
                    later.query_row("SELECT heard FROM events", [], |row| row.get(0)).unwrap();
                assert_eq!(heard, None, "who heard it, its deliveries say");
                later.prepare("SELECT redriven, timer, lane FROM effects, dead_letters, deliveries").unwrap();
            }
        }
    }

    #[test]
    fn a_file_of_a_later_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.sqlite3");
        open(&path).unwrap().pragma_update(None, "user_version", LAYOUT_VERSION + 1).unwrap();
        let error = open_for_writing(&path, &[]).unwrap_err().to_string();
        assert!(error.contains("later version"), "{error}");
    }
}
