//! The statements by which the writer keeps dead letters: what could not be done, and why.

use rusqlite::{Connection, OptionalExtension, params};
use switchboard_core::{Failure, TimerFired, Timestamp};

/// What could not be done.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) listener: i64,
    pub(crate) position: Option<i64>,
    pub(crate) effect: Option<i64>,
    pub(crate) timer: Option<&'a TimerFired>,
    pub(crate) first: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) failure: &'a Failure,
}

pub(crate) fn insert(db: &Connection, letter: &DeadLetter<'_>, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO dead_letters (listener, position, effect, at, first, attempts, kind, reason, timer, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        letter.listener,
        letter.position,
        letter.effect,
        now.ms(),
        letter.first.ms(),
        letter.attempts,
        letter.failure.kind(),
        letter.failure.to_string(),
        letter.timer.map(|timer| timer.key.as_str()),
        letter.timer.map(|timer| timer.body.as_str())
    ])?;
    Ok(())
}

/// What a dead letter is about.
pub(crate) struct Buried {
    pub(crate) listener: i64,
    pub(crate) position: Option<i64>,
    pub(crate) effect: Option<i64>,
    pub(crate) timer: Option<TimerFired>,
}

pub(crate) fn find(db: &Connection, id: i64) -> rusqlite::Result<Option<Buried>> {
    db.prepare_cached(
        "SELECT listener, position, effect, timer, first, body FROM dead_letters WHERE id = ?1",
    )?
    .query_row([id], |row| {
        let key: Option<String> = row.get(3)?;
        let timer = match key {
            Some(key) => {
                let due = Timestamp::from_ms(row.get(4)?);
                Some(TimerFired { key, due, body: row.get(5)? })
            }
            None => None,
        };
        Ok(Buried { listener: row.get(0)?, position: row.get(1)?, effect: row.get(2)?, timer })
    })
    .optional()
}

pub(crate) fn remove(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM dead_letters WHERE id = ?1")?.execute([id])?;
    Ok(())
}
