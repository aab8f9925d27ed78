//! Finding what was said in a room: SQLite's FTS5 over what the room shows.
//!
//! Like the trace index it is a projection with a file of its own, `search.sqlite3`: brought up to date from the
//! archive when somebody searches, so that no message pays for it, and every hour, before the archive removes what is
//! old. When it is deleted, older than what the archive still has, or newer than a store that was put back, it is made
//! again of the chat's own history, which is whole however little the archive keeps.
//!
//! Rows have the position of their message's posting as number, so that the newest come first without sorting; what
//! was taken from the history has numbers below all positions, in the order of each room.

mod files;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use async_trait::async_trait;
pub(crate) use files::Standing;
use futures::FutureExt;
use rusqlite::{Connection, OptionalExtension, params};
use switchboard_core::event::{Change, RoomChanged};
use switchboard_core::socket::found_by;
use switchboard_core::{BlobId, Bridge, Detail, Event, Failure, RoomName, Search, Timestamp, Told};
use words::{TOKENIZE, pattern, spaced};

use crate::bus::archive::Archive;
use crate::bus::readers::Readers;

/// Events read at a time while catching up.
const STEP: usize = 2000;
/// Grows when the index is made in another way: one of an older layout is made again.
const LAYOUT_VERSION: i64 = 5;
/// The progress of an index with nothing in it.
const NOTHING: i64 = -1;
/// What was taken from the history is numbered from here: far below every position.
const FIRST_OF_HISTORY: i64 = i64::MIN / 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct SearchIndex {
    path: PathBuf,
    archive: Archive,
    history: History,
    /// One catches up at a time.
    db: Mutex<Option<Connection>>,
    /// It is being made again of the history, which may take minutes.
    making: AtomicBool,
}

/// Where the chat's own history is.
pub(crate) struct History {
    /// The bridge that has sockets.
    pub(crate) bridge: Arc<dyn Bridge>,
    /// Its rooms.
    pub(crate) rooms: Vec<RoomName>,
    /// Its store.
    pub(crate) readers: Arc<Readers>,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("History").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}

impl SearchIndex {
    /// The index in this file, of this archive and history.
    pub(crate) fn new(path: &Path, archive: Archive, history: History) -> Self {
        Self { path: path.to_owned(), archive, history, db: Mutex::new(None), making: AtomicBool::new(false) }
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

    /// How these files stand, as far as the last keeping up knows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn standing(&self, files: &[BlobId]) -> Result<HashMap<BlobId, Standing>> {
        let mut open = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let db = match open.take() {
            Some(db) => db,
            None => self.open()?,
        };
        let standing = files::standing(&db, files)?;
        *open = Some(db);
        Ok(standing)
    }

    /// These files are removed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn forget_files(&self, files: &[BlobId]) -> Result<()> {
        let mut open = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let db = match open.take() {
            Some(db) => db,
            None => self.open()?,
        };
        files::forget(&db, files)?;
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
        let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != LAYOUT_VERSION {
            db.execute_batch(
                "DROP TABLE IF EXISTS said; DROP TABLE IF EXISTS messages; DROP TABLE IF EXISTS progress; \
                 DROP TABLE IF EXISTS files;",
            )?;
        }
        db.execute_batch(&format!(
            "CREATE VIRTUAL TABLE IF NOT EXISTS said USING fts5 (text, tokenize = '{TOKENIZE}');
             CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, room TEXT NOT NULL, seq INTEGER NOT NULL,
                 message TEXT NOT NULL UNIQUE) STRICT;
             CREATE UNIQUE INDEX IF NOT EXISTS messages_of_room ON messages (room, seq);
             CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, event BLOB) STRICT;
             INSERT OR IGNORE INTO progress VALUES (1, {NOTHING}, NULL);"
        ))?;
        db.execute_batch(files::TABLES)?;
        db.pragma_update(None, "user_version", LAYOUT_VERSION)?;
        Ok(db)
    }

    fn catch_up(&self, db: &mut Connection) -> Result<()> {
        if !self.follows(db)? {
            // What the history's listener has not heard yet is not in the history.
            let heard = self.archive.heard_by_all()?;
            self.making.store(true, Ordering::Relaxed);
            let made = self.make(db, heard);
            self.making.store(false, Ordering::Relaxed);
            made?;
        }
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
            reached(&transaction, *newest, self.archive.id_at(*newest)?)?;
            transaction.commit()?;
        }
    }
}

impl SearchIndex {
    /// Whether what the archive has now follows what is in the index. After a power cut, or with a store that was put
    /// back, there may be another event at the position that it has reached.
    fn follows(&self, db: &Connection) -> Result<bool> {
        let (last, event): (i64, Option<Vec<u8>>) =
            db.query_row("SELECT position, event FROM progress", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let there = match last {
            NOTHING => return Ok(false),
            // An archive without events has no id, and the next event is the first.
            0 => return Ok(self.archive.first_position()? <= 1),
            last => self.archive.id_at(last)?,
        };
        match there {
            Some(id) => Ok(event == Some(id)),
            None => Ok(last < self.archive.last_position()? && last + 1 >= self.archive.first_position()?),
        }
    }

    /// Makes it of the history, which says all that was published up to the position, and may say more: what came
    /// after is learnt again, in its order, and ends as the history says it.
    fn make(&self, db: &mut Connection, position: i64) -> Result<()> {
        db.execute_batch("DELETE FROM said; DELETE FROM messages; DELETE FROM files;")?;
        reached(db, NOTHING, None)?;
        let mut id = FIRST_OF_HISTORY;
        for room in &self.history.rooms {
            let mut after = 0;
            loop {
                let told = self.history.told(room, after)?;
                let transaction = db.transaction()?;
                for one in &told.messages {
                    insert(&transaction, id, room, one.seq, one.message_id.as_str(), &one.found_by)?;
                    files::show(&transaction, &one.message_id, one.time, one.files.iter())?;
                    id += 1;
                }
                transaction.commit()?;
                match told.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        reached(db, position, self.archive.id_at(position)?)?;
        tracing::info!(messages = id - FIRST_OF_HISTORY, "the search was made of the rooms' history");
        Ok(())
    }
}

impl History {
    fn told(&self, room: &RoomName, after: u64) -> Result<Told> {
        let name = self.bridge.declaration().name;
        let told = self.readers.read_here(name, (self.clock)(), |view| {
            let sockets = self.bridge.sockets().ok_or_else(|| Failure::bug("a bridge without sockets"))?;
            let told = sockets.told(room, after, view).now_or_never();
            told.unwrap_or_else(|| Err(Failure::bug("the history waits for something")))
        })?;
        Ok(told)
    }
}

/// All up to this position is in the index; the event there has this id.
fn reached(db: &Connection, position: i64, event: Option<Vec<u8>>) -> Result<()> {
    db.execute("UPDATE progress SET position = ?1, event = ?2", params![position, event])?;
    Ok(())
}

fn insert(db: &Connection, id: i64, room: &RoomName, seq: u64, message: &str, found_by: &str) -> Result<()> {
    db.prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        id,
        room.as_str(),
        seq,
        message
    ])?;
    db.prepare_cached("INSERT INTO said (rowid, text) VALUES (?1, ?2)")?
        .execute(params![id, spaced(found_by)])?;
    Ok(())
}

fn learn(db: &Connection, position: i64, changed: &RoomChanged) -> Result<()> {
    let message = &changed.message;
    let known: Option<i64> = db
        .prepare_cached("SELECT id FROM messages WHERE message = ?1")?
        .query_row([message.id.as_str()], |row| row.get(0))
        .optional()?;
    match changed.change {
        Change::Posted | Change::Edited => {
            let shown = message.attachments.iter().filter_map(|file| file.blob.as_ref());
            files::show(db, &message.id, message.time, shown)?;
        }
        Change::Deleted | Change::Retracted => files::gone(db, &message.id)?,
        Change::Reacted => {}
    }
    match (changed.change, known) {
        (Change::Posted, None) => {
            insert(db, position, &message.room, changed.seq, message.id.as_str(), &words_of(changed))?;
        }
        (Change::Edited, Some(id)) => {
            db.prepare_cached("UPDATE said SET text = ?2 WHERE rowid = ?1")?
                .execute(params![id, spaced(&words_of(changed))])?;
        }
        (Change::Deleted | Change::Retracted, Some(id)) => {
            db.prepare_cached("DELETE FROM said WHERE rowid = ?1")?.execute([id])?;
        }
        _ => {}
    }
    Ok(())
}

fn words_of(changed: &RoomChanged) -> String {
    let message = &changed.message;
    found_by(&message.text, &message.sender.name, &message.attachments)
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
        if self.making.load(Ordering::Relaxed) {
            let reason = "the search is being made again: try in a moment";
            return Err(Failure::retry_after(reason, std::time::Duration::from_secs(10)));
        }
        self.find_now(room, words, before, limit)
            .map_err(|error| Failure::retry(format!("the search does not answer: {error}")))
    }
}

/// The index, shared.
pub(crate) type Shared = Arc<SearchIndex>;
