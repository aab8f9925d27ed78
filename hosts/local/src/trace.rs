//! Finding every event that speaks of a message, a provider's id or a phone.
//!
//! The index is a projection of the archive with a file of its own, `trace.sqlite3`: it is brought up to date
//! when somebody asks, so that no message pays for it, and it can be deleted at any time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use rusqlite::{Connection, params};
use switchboard_core::Event;

use crate::bus::archive::Archive;

/// Events read at a time while catching up.
const STEP: usize = 2000;
/// How many events the archive must have removed before they are taken out here.
const FORGET_AT_ONCE: i64 = 5000;
/// Most events of one story.
const MAX_FOUND: usize = 500;

/// See the module.
#[derive(Debug)]
pub(crate) struct TraceIndex {
    path: PathBuf,
    archive: Archive,
    /// One catches up at a time.
    turn: Mutex<()>,
}

impl TraceIndex {
    /// The index in this file, of this archive.
    pub(crate) fn new(path: &Path, archive: Archive) -> Self {
        Self { path: path.to_owned(), archive, turn: Mutex::new(()) }
    }

    /// The positions of the events that speak of `id`, and of those that speak of the messages that these are
    /// about: the whole story, in order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn find(&self, id: &str) -> Result<Vec<i64>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut db = self.open()?;
        self.catch_up(&mut db)?;
        self.forget(&db)?;
        let mut found: BTreeSet<i64> = BTreeSet::new();
        let mut stories = BTreeSet::new();
        for (position, story) in mentions(&db, id)? {
            found.insert(position);
            stories.extend(story);
        }
        for story in stories {
            found.extend(mentions(&db, &story)?.into_iter().map(|(position, _)| position));
        }
        Ok(found.into_iter().take(MAX_FOUND).collect())
    }

    fn open(&self) -> Result<Connection> {
        let db = Connection::open(&self.path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // Losing the index costs a rebuild, nothing else.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS mentions (word TEXT NOT NULL, position INTEGER NOT NULL, story TEXT,
                 PRIMARY KEY (word, position)) STRICT, WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL) STRICT;
             INSERT OR IGNORE INTO progress VALUES (1, 0);
             CREATE TABLE IF NOT EXISTS forgotten (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL) STRICT;
             INSERT OR IGNORE INTO forgotten VALUES (1, 0);",
        )?;
        Ok(db)
    }

    /// Forgets what the archive has removed: not each time, since it takes a walk through the whole index.
    fn forget(&self, db: &Connection) -> Result<()> {
        let forgotten: i64 = db.query_row("SELECT position FROM forgotten", [], |row| row.get(0))?;
        let first = self.archive.first_position()?;
        if first >= forgotten + FORGET_AT_ONCE {
            db.execute("DELETE FROM mentions WHERE position < ?1", [first])?;
            db.execute("UPDATE forgotten SET position = ?1", [first])?;
        }
        Ok(())
    }

    fn catch_up(&self, db: &mut Connection) -> Result<()> {
        loop {
            let last: i64 = db.query_row("SELECT position FROM progress", [], |row| row.get(0))?;
            let events = self.archive.events_after(last, STEP)?;
            let Some((newest, _)) = events.last() else { return Ok(()) };
            let newest = *newest;
            let transaction = db.transaction()?;
            {
                let mut insert = transaction.prepare("INSERT OR IGNORE INTO mentions VALUES (?1, ?2, ?3)")?;
                for (position, body) in &events {
                    let Ok(event) = Event::decode(body) else { continue };
                    let story = event.message_id().map(|id| id.as_str().to_owned());
                    for word in event.words() {
                        insert.execute(params![word, position, story])?;
                    }
                }
                transaction.execute("UPDATE progress SET position = ?1", [newest])?;
            }
            transaction.commit()?;
        }
    }
}

fn mentions(db: &Connection, word: &str) -> Result<Vec<(i64, Option<String>)>> {
    let mut statement = db.prepare_cached(
        "SELECT position, story FROM mentions WHERE word = ?1 ORDER BY position DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![word, MAX_FOUND], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
