//! Finding what was said in a room: SQLite's FTS5 over the archive's `RoomChanged`.
//!
//! Like the trace index it is a projection with a file of its own, `search.sqlite3`: brought up to date when
//! somebody searches, so that no message pays for it, and every hour, before the archive removes what is old. When it
//! is deleted, it is made again of what the archive still has. Rows have the position of their message's posting as
//! number, so that the newest come first without sorting.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use switchboard_core::event::{Change, RoomChanged};
use switchboard_core::{Detail, Event, Failure, RoomName, Search};

use crate::bus::archive::Archive;

/// Events read at a time while catching up.
const STEP: usize = 2000;
/// Most words of a search.
const MAX_WORDS: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct SearchIndex {
    path: PathBuf,
    archive: Archive,
    /// One catches up at a time.
    db: Mutex<Option<Connection>>,
}

impl SearchIndex {
    /// The index in this file, of this archive.
    pub(crate) fn new(path: &Path, archive: Archive) -> Self {
        Self { path: path.to_owned(), archive, db: Mutex::new(None) }
    }

    /// Takes in what is new, though nobody searches: before the archive removes it.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(crate) fn keep_up(&self) -> Result<()> {
        let mut open = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let mut db = match open.take() {
            Some(db) => db,
            None => self.open()?,
        };
        self.catch_up(&mut db)?;
        *open = Some(db);
        Ok(())
    }

    fn find_now(&self, room: &RoomName, words: &str, before: Option<u64>, limit: usize) -> Result<Vec<u64>> {
        let wanted = pattern(words);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut open = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let mut db = match open.take() {
            Some(db) => db,
            None => self.open()?,
        };
        self.catch_up(&mut db)?;
        let bound: i64 = match before {
            None => i64::MAX,
            Some(before) => db
                .prepare_cached("SELECT id FROM messages WHERE room = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1")?
                .query_row(params![room.as_str(), before], |row| row.get(0))
                .optional()?
                .unwrap_or(i64::MAX),
        };
        let found = db
            .prepare_cached(
                "SELECT messages.seq FROM said JOIN messages ON messages.id = said.rowid \
                 WHERE said MATCH ?1 AND said.rowid < ?2 AND messages.room = ?3 ORDER BY said.rowid DESC LIMIT ?4",
            )?
            .query_map(params![wanted, bound, room.as_str(), limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        *open = Some(db);
        Ok(found)
    }

    fn open(&self) -> Result<Connection> {
        let db = Connection::open(&self.path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // Losing the index costs a rebuild, nothing else.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute_batch(
            "CREATE VIRTUAL TABLE IF NOT EXISTS said USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
             CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, room TEXT NOT NULL, seq INTEGER NOT NULL,
                 message TEXT NOT NULL UNIQUE) STRICT;
             CREATE UNIQUE INDEX IF NOT EXISTS messages_of_room ON messages (room, seq);
             CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL) STRICT;
             INSERT OR IGNORE INTO progress VALUES (1, 0);",
        )?;
        Ok(db)
    }

    fn catch_up(&self, db: &mut Connection) -> Result<()> {
        loop {
            let last: i64 = db.query_row("SELECT position FROM progress", [], |row| row.get(0))?;
            let events = self.archive.events_after(last, STEP)?;
            let Some((newest, _)) = events.last() else { return Ok(()) };
            let transaction = db.transaction()?;
            for (position, body) in &events {
                if let Ok(Event { detail: Detail::RoomChanged(changed), .. }) = Event::decode(body) {
                    learn(&transaction, *position, &changed)?;
                }
            }
            transaction.execute("UPDATE progress SET position = ?1", [newest])?;
            transaction.commit()?;
        }
    }
}

fn learn(db: &Connection, position: i64, changed: &RoomChanged) -> Result<()> {
    let message = &changed.message;
    let known: Option<i64> = db
        .prepare_cached("SELECT id FROM messages WHERE message = ?1")?
        .query_row([message.id.as_str()], |row| row.get(0))
        .optional()?;
    match (changed.change, known) {
        (Change::Posted, None) => {
            db.prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                position,
                message.room.as_str(),
                changed.seq,
                message.id.as_str()
            ])?;
            db.prepare_cached("INSERT INTO said (rowid, text) VALUES (?1, ?2)")?
                .execute(params![position, words_of(changed)])?;
        }
        (Change::Edited, Some(id)) => {
            db.prepare_cached("UPDATE said SET text = ?2 WHERE rowid = ?1")?
                .execute(params![id, words_of(changed)])?;
        }
        (Change::Deleted | Change::Retracted, Some(id)) => {
            db.prepare_cached("DELETE FROM said WHERE rowid = ?1")?.execute([id])?;
        }
        _ => {}
    }
    Ok(())
}

/// What a message is found by: its text, who said it, and the names of its files.
fn words_of(changed: &RoomChanged) -> String {
    let message = &changed.message;
    let files = message.attachments.iter().map(|file| file.name.as_str());
    [message.text.as_str(), message.sender.name.as_str()]
        .into_iter()
        .chain(files)
        .collect::<Vec<_>>()
        .join("\n")
}

/// FTS5's expression for all these words, the last as a beginning; whatever signs are among them mean nothing.
fn pattern(words: &str) -> String {
    let quoted: Vec<String> = words
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(MAX_WORDS)
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    if quoted.is_empty() { String::new() } else { format!("{}*", quoted.join(" ")) }
}

#[async_trait]
impl Search for SearchIndex {
    async fn find(
        &self,
        room: &RoomName,
        words: &str,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, Failure> {
        self.find_now(room, words, before, limit)
            .map_err(|error| Failure::retry(format!("the search does not answer: {error}")))
    }
}

/// The index, shared.
pub(crate) type Shared = Arc<SearchIndex>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_in_a_search_mean_nothing() {
        assert_eq!(pattern("Ann said"), "\"Ann\" \"said\"*");
        assert_eq!(pattern("a\"b OR -c*"), "\"a\"\"b\" \"OR\" \"-c*\"*");
        assert_eq!(pattern(" * \" "), "");
    }
}
