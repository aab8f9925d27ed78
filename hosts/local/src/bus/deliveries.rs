//! The statements by which the writer keeps deliveries. One that names its lane is *parked*: it is not in memory.
//! `INDEXED BY` has a statement refused rather than look at every delivery of its listener.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use switchboard_core::{Event, Failure, Timestamp};

use super::queue::{Delivery, DeliveryState};

/// A delivery at its position; an error where its event cannot be read.
pub(crate) type Stored = (i64, Result<Delivery, Failure>);

/// Writes a delivery that is in memory.
pub(crate) fn save(
    db: &Connection,
    listener: i64,
    position: i64,
    delivery: &Delivery,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO deliveries (listener, position, state, attempts, due, first, changed, part, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (listener, position) DO UPDATE SET \
         state = ?3, attempts = ?4, due = ?5, first = ?6, changed = ?7, part = ?8, reason = ?9, lane = NULL",
    )?
    .execute(params![
        listener,
        position,
        delivery.state as i64,
        delivery.attempts,
        delivery.due.ms(),
        delivery.first.ms(),
        now.ms(),
        delivery.part,
        delivery.reason
    ])?;
    Ok(())
}

/// Of a delivery that has ended well nothing is left to say: the event says who heard it.
pub(crate) fn delete(db: &Connection, listener: i64, position: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM deliveries WHERE listener = ?1 AND position = ?2")?
        .execute([listener, position])?;
    Ok(())
}

/// A delivery that finds no room in memory; parked where it has a lane.
pub(crate) fn insert_bare(
    db: &Connection,
    listener: i64,
    position: i64,
    lane: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO deliveries (listener, position, state, attempts, due, first, changed, lane) \
         VALUES (?1, ?2, 0, 0, 0, ?3, ?3, ?4)",
    )?
    .execute(params![listener, position, now.ms(), lane])?;
    Ok(())
}

/// Parks one that was found in the file.
pub(crate) fn park(db: &Connection, listener: i64, position: i64, lane: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE deliveries SET lane = ?3 WHERE listener = ?1 AND position = ?2")?
        .execute(params![listener, position, lane])?;
    Ok(())
}

/// What is parked of a lane up to here has been taken into memory.
pub(crate) fn unpark(db: &Connection, listener: i64, lane: &str, up_to: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries INDEXED BY parked_deliveries SET lane = NULL \
         WHERE listener = ?1 AND lane = ?2 AND position <= ?3",
    )?
    .execute(params![listener, lane, up_to])?;
    Ok(())
}

/// Marks a delivery dead that was never taken into memory.
pub(crate) fn close(db: &Connection, listener: i64, position: i64, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries SET state = ?3, changed = ?4, lane = NULL WHERE listener = ?1 AND position = ?2",
    )?
    .execute(params![listener, position, DeliveryState::Dead as i64, now.ms()])?;
    Ok(())
}

/// Where the deciding of a delivery goes on; `None` at its beginning.
pub(crate) fn part(db: &Connection, listener: i64, position: i64) -> rusqlite::Result<Option<String>> {
    let mut statement =
        db.prepare_cached("SELECT part FROM deliveries WHERE listener = ?1 AND position = ?2")?;
    Ok(statement.query_row([listener, position], |row| row.get(0)).optional()?.flatten())
}

/// How many of a listener are open.
pub(crate) fn count_open(db: &Connection, listener: i64) -> rusqlite::Result<usize> {
    db.prepare_cached("SELECT COUNT(*) FROM deliveries WHERE listener = ?1 AND state < 2")?
        .query_row([listener], |row| row.get(0))
}

/// The lanes of which something is parked, each with the first that is.
pub(crate) fn parked_lanes(db: &Connection, listener: i64) -> rusqlite::Result<Vec<(String, i64)>> {
    db.prepare_cached(
        "SELECT lane, MIN(position) FROM deliveries INDEXED BY parked_deliveries \
         WHERE listener = ?1 AND lane IS NOT NULL GROUP BY lane",
    )?
    .query_map([listener], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Open deliveries of a listener after a position, in order; without those that are parked, if so asked.
pub(crate) fn open_after(
    db: &Connection,
    listener: i64,
    after: i64,
    with_parked: bool,
    most: usize,
) -> rusqlite::Result<Vec<Stored>> {
    db.prepare_cached(&format!(
        "SELECT {STORED} FROM deliveries d JOIN events e ON e.position = d.position \
         WHERE d.listener = ?1 AND d.position > ?2 AND d.state < 2 AND (?3 OR d.lane IS NULL) \
         ORDER BY d.position LIMIT ?4"
    ))?
    .query_map(params![listener, after, with_parked, most], stored)?
    .collect()
}

/// What is parked of a lane from a position on, in order.
pub(crate) fn parked(
    db: &Connection,
    listener: i64,
    lane: &str,
    from: i64,
    most: usize,
) -> rusqlite::Result<Vec<Stored>> {
    db.prepare_cached(&format!(
        "SELECT {STORED} FROM deliveries d INDEXED BY parked_deliveries JOIN events e ON e.position = d.position \
         WHERE d.listener = ?1 AND d.lane = ?2 AND d.position >= ?3 ORDER BY d.position LIMIT ?4"
    ))?
    .query_map(params![listener, lane, from, most], stored)?
    .collect()
}

const STORED: &str = "d.position, d.attempts, d.due, d.first, d.part, d.reason, e.body, d.state";

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let body: Vec<u8> = row.get(6)?;
    let event = match Event::decode(&body) {
        Ok(event) => event,
        Err(failure) => return Ok((row.get(0)?, Err(failure))),
    };
    let delivery = Delivery {
        event: Arc::new(event),
        size: body.len(),
        attempts: row.get(1)?,
        due: Timestamp::from_ms(row.get(2)?),
        first: Timestamp::from_ms(row.get(3)?),
        part: row.get(4)?,
        reason: row.get(5)?,
        open_effects: 0,
        stored: true,
        state: if row.get::<_, i64>(7)? == 1 { DeliveryState::Acting } else { DeliveryState::Open },
    };
    Ok((row.get(0)?, Ok(delivery)))
}
