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

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Positions, in order.
    pub(crate) positions: Vec<i64>,
    /// There are more, before these.
    pub(crate) earlier: bool,
}

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
    /// about: the whole story, in order, or the newest of it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn find(&self, id: &str) -> Result<Found> {
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
        let earlier = found.len().saturating_sub(MAX_FOUND);
        Ok(Found { positions: found.into_iter().skip(earlier).collect(), earlier: earlier > 0 })
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

/// The newest events that speak of a word; one more than a story has, so that it is seen where there are more.
fn mentions(db: &Connection, word: &str) -> Result<Vec<(i64, Option<String>)>> {
    let mut statement = db.prepare_cached(
        "SELECT position, story FROM mentions WHERE word = ?1 ORDER BY position DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![word, MAX_FOUND + 1], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use switchboard_core::event::{Change, Detail, RoomChanged};
    use switchboard_core::{Address, EventId, Message, MessageId, Revision, Sender, Surface, Timestamp};

    use super::*;
    use crate::bus::database;

    const PHONE: &str = "+14155550100";

    /// The `seq`th change of a room, published at the same position.
    fn said(seq: u64) -> Event {
        let number = seq.to_string();
        let message = Message {
            id: MessageId::from_cause(&[&number]),
            revision: Revision::FIRST,
            room: "lobby".parse().unwrap(),
            sender: Sender { surface: Surface::Sms, address: Address::new(PHONE), name: "Ann".into() },
            text: number.clone(),
            attachments: Vec::new(),
            thread_parent: None,
            provider_id: None,
            time: Timestamp::default(),
            hops: 0,
        };
        let lane = "lobby".to_owned();
        let changed = RoomChanged { lane, seq, change: Change::Posted, message, by: None, reaction: None };
        let id = EventId::from_cause(&[&number]);
        Event::new(id, "moderation", Timestamp::default(), Detail::RoomChanged(changed))
    }

    #[test]
    fn of_a_long_story_the_newest_is_told_and_that_there_is_more_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.sqlite3");
        let db = database::open_for_writing(&path, &[]).unwrap();
        let index = TraceIndex::new(&directory.path().join("trace.sqlite3"), Archive::new(&path));
        let mut seq = 0;
        let mut grow_to = |last: u64| {
            while seq < last {
                seq += 1;
                let event = said(seq);
                let row = params![seq, database::id_bytes(event.id.as_str()), event.encode().unwrap()];
                db.execute(
                    "INSERT INTO events (position, id, outside, at, body) VALUES (?1, ?2, 0, 0, ?3)",
                    row,
                )
                .unwrap();
            }
        };
        let most = u64::try_from(MAX_FOUND).unwrap();
        for (events, first, earlier) in [(most, 1, false), (most + 1, 2, true), (most + 70, 71, true)] {
            grow_to(events);
            let found = index.find(PHONE).unwrap();
            let ends = found.positions.first().copied().zip(found.positions.last().copied());
            assert_eq!(ends, Some((first, i64::try_from(events).unwrap())), "of {events}");
            assert_eq!((found.positions.len(), found.earlier), (MAX_FOUND, earlier), "of {events}");
        }
    }
}
