//! The statements by which the writer keeps dead letters: what could not be done, and why.

use rusqlite::{Connection, OptionalExtension, params};
use switchboard_core::{Failure, Timestamp};

/// What could not be done.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) listener: i64,
    pub(crate) position: Option<i64>,
    pub(crate) effect: Option<i64>,
    pub(crate) first: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) failure: &'a Failure,
}

pub(crate) fn insert(db: &Connection, letter: &DeadLetter<'_>, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO dead_letters (listener, position, effect, at, first, attempts, kind, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        letter.listener,
        letter.position,
        letter.effect,
        now.ms(),
        letter.first.ms(),
        letter.attempts,
        letter.failure.kind(),
        letter.failure.to_string()
    ])?;
    Ok(())
}

/// What a dead letter was about.
pub(crate) struct Buried {
    pub(crate) listener: i64,
    pub(crate) position: Option<i64>,
    pub(crate) effect: Option<i64>,
}

/// Takes a dead letter out.
pub(crate) fn take(db: &Connection, id: i64) -> rusqlite::Result<Option<Buried>> {
    db.prepare_cached("DELETE FROM dead_letters WHERE id = ?1 RETURNING listener, position, effect")?
        .query_row([id], |row| {
            Ok(Buried { listener: row.get(0)?, position: row.get(1)?, effect: row.get(2)? })
        })
        .optional()
}
