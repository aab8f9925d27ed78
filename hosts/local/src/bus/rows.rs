//! The statements by which the writer keeps arrivals, events, effects and timers.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use switchboard_core::{ArrivalId, Effect, Event, Reply, Report, TimerFired, Timestamp};

use super::database::id_bytes;

/// An effect that has not ended, or ended in this batch.
#[derive(Debug, Clone)]
pub(crate) struct EffectRow {
    /// Index of the listener (or door, or bridge) that asked for it.
    pub(crate) listener: usize,
    /// The delivery that it belongs to; `None` for a door's or a timer's.
    pub(crate) origin: Option<i64>,
    pub(crate) effect: Effect,
    pub(crate) state: EffectState,
    pub(crate) attempts: u32,
    /// An attempt's end is unknown: ask before trying again.
    pub(crate) unsure: bool,
    pub(crate) due: Timestamp,
    /// When it was asked for: no attempt of it is older.
    pub(crate) first: Timestamp,
    /// When it was last redriven; its age, for the policy, counts from then.
    pub(crate) redriven: Option<Timestamp>,
    /// What the provider answered, until that is settled.
    pub(crate) report: Option<Report>,
    pub(crate) reason: Option<String>,
    pub(crate) exchanges: Vec<String>,
    /// Not in the database yet.
    pub(crate) new: bool,
}

/// As stored in `effects.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EffectState {
    /// To be tried when due.
    Waiting = 0,
    /// Under way until `due`.
    Trying = 1,
    /// The provider has answered, and the bridge has still to settle that.
    Answered = 2,
    Done = 3,
    Dead = 4,
}

/// Most exchanges that are kept of one effect: the latest.
const MAX_EXCHANGES: usize = 20;

pub(crate) fn find_arrival(
    db: &Connection,
    door: i64,
    id: &ArrivalId,
) -> rusqlite::Result<Option<Option<Reply>>> {
    let mut statement = db.prepare_cached("SELECT reply FROM arrivals WHERE door = ?1 AND id = ?2")?;
    let found: Option<Option<String>> =
        statement.query_row(params![door, id_bytes(id.as_str())], |row| row.get(0)).optional()?;
    Ok(found.map(|reply| reply.and_then(|json| serde_json::from_str(&json).ok())))
}

pub(crate) fn insert_arrival(
    db: &Connection,
    door: i64,
    id: &ArrivalId,
    now: Timestamp,
    reply: Option<&Reply>,
) -> rusqlite::Result<()> {
    let reply = reply.and_then(|reply| serde_json::to_string(reply).ok());
    db.prepare_cached("INSERT INTO arrivals (door, id, at, reply) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![door, id_bytes(id.as_str()), now.ms(), reply])?;
    Ok(())
}

/// Writes an event into the archive, with the listeners that hear it. `false`: it came from outside before, and is
/// not published again.
pub(crate) fn insert_event(
    db: &Connection,
    position: i64,
    event: &Event,
    outside: bool,
    bytes: &[u8],
    heard: &str,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let rows = db
        .prepare_cached(
            "INSERT INTO events (position, id, outside, at, body, heard) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) WHERE outside = 1 DO NOTHING",
        )?
        .execute(params![position, id_bytes(event.id.as_str()), outside, now.ms(), bytes, heard])?;
    Ok(rows == 1)
}

/// An event of the archive, decoded.
pub(crate) fn event_at(db: &Connection, position: i64) -> rusqlite::Result<Option<(Arc<Event>, usize)>> {
    let mut statement = db.prepare_cached("SELECT body FROM events WHERE position = ?1")?;
    let body: Option<Vec<u8>> = statement.query_row([position], |row| row.get(0)).optional()?;
    Ok(body.and_then(|body| Event::decode(&body).ok().map(|event| (Arc::new(event), body.len()))))
}

pub(crate) fn save_effect(
    db: &Connection,
    id: i64,
    listener: i64,
    row: &EffectRow,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let report = row.report.as_ref().map(|report| report.0.as_str());
    let redriven = row.redriven.map(Timestamp::ms);
    let kept = row.exchanges.len().saturating_sub(MAX_EXCHANGES);
    let exchanges = (!row.exchanges.is_empty()).then(|| format!("[{}]", row.exchanges[kept..].join(",")));
    if row.new {
        db.prepare_cached(
            "INSERT INTO effects (id, listener, origin, destination, body, state, attempts, unsure, due, first, \
             changed, report, reason, exchanges, redriven) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            id,
            listener,
            row.origin.unwrap_or(0),
            row.effect.destination,
            row.effect.body,
            row.state as i64,
            row.attempts,
            row.unsure,
            row.due.ms(),
            row.first.ms(),
            now.ms(),
            report,
            row.reason,
            exchanges,
            redriven
        ])?;
    } else {
        db.prepare_cached(
            "UPDATE effects SET state = ?2, attempts = ?3, unsure = ?4, due = ?5, changed = ?6, report = ?7, \
             reason = ?8, exchanges = ?9, redriven = ?10 WHERE id = ?1",
        )?
        .execute(params![
            id,
            row.state as i64,
            row.attempts,
            row.unsure,
            row.due.ms(),
            now.ms(),
            report,
            row.reason,
            exchanges,
            redriven
        ])?;
    }
    Ok(())
}

/// An effect as stored, with the id of its listener instead of the index.
pub(crate) struct StoredEffect {
    pub(crate) id: i64,
    pub(crate) listener: i64,
    pub(crate) row: EffectRow,
}

const EFFECT_COLUMNS: &str = "id, listener, origin, destination, body, state, attempts, unsure, due, first, report, \
     reason, exchanges, redriven";

fn stored_effect(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredEffect> {
    let origin: i64 = row.get(2)?;
    let exchanges: Option<String> = row.get(12)?;
    let exchanges: Vec<Box<serde_json::value::RawValue>> =
        exchanges.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    Ok(StoredEffect {
        id: row.get(0)?,
        listener: row.get(1)?,
        row: EffectRow {
            listener: 0,
            origin: (origin > 0).then_some(origin),
            effect: Effect { destination: row.get(3)?, body: row.get(4)?, not_before: None },
            state: match row.get::<_, i64>(5)? {
                1 => EffectState::Trying,
                2 => EffectState::Answered,
                3 => EffectState::Done,
                4 => EffectState::Dead,
                _ => EffectState::Waiting,
            },
            attempts: row.get(6)?,
            unsure: row.get(7)?,
            due: Timestamp::from_ms(row.get(8)?),
            first: Timestamp::from_ms(row.get(9)?),
            redriven: row.get::<_, Option<i64>>(13)?.map(Timestamp::from_ms),
            report: row.get::<_, Option<String>>(10)?.map(Report),
            reason: row.get(11)?,
            exchanges: exchanges.iter().map(|raw| raw.get().to_owned()).collect(),
            new: false,
        },
    })
}

/// The open effects of a delivery.
pub(crate) fn open_effects_of(
    db: &Connection,
    listener: i64,
    origin: i64,
) -> rusqlite::Result<Vec<StoredEffect>> {
    db.prepare_cached(&format!(
        "SELECT {EFFECT_COLUMNS} FROM effects WHERE origin = ?1 AND listener = ?2 AND origin > 0 AND state < 3"
    ))?
    .query_map([origin, listener], stored_effect)?
    .collect()
}

/// The open effects that no open delivery waits for: doors' and timers', and redriven ones.
pub(crate) fn open_effects_without_delivery(db: &Connection) -> rusqlite::Result<Vec<StoredEffect>> {
    db.prepare_cached(&format!(
        "SELECT {EFFECT_COLUMNS} FROM effects WHERE state < 3 AND NOT EXISTS (SELECT 1 FROM deliveries d \
         WHERE d.listener = effects.listener AND d.position = effects.origin AND d.state < 2) ORDER BY id"
    ))?
    .query_map([], stored_effect)?
    .collect()
}

pub(crate) fn effect(db: &Connection, id: i64) -> rusqlite::Result<Option<StoredEffect>> {
    db.prepare_cached(&format!("SELECT {EFFECT_COLUMNS} FROM effects WHERE id = ?1"))?
        .query_row([id], stored_effect)
        .optional()
}

pub(crate) fn set_timer(
    db: &Connection,
    bridge: &str,
    key: &str,
    due: Timestamp,
    body: &str,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO timers (bridge, key, due, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (bridge, key) DO UPDATE SET due = ?3, body = ?4",
    )?
    .execute(params![bridge, key, due.ms(), body])?;
    Ok(())
}

pub(crate) fn timer_is_set(db: &Connection, bridge: &str, key: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM timers WHERE bridge = ?1 AND key = ?2")?.exists([bridge, key])
}

pub(crate) fn clear_timer(db: &Connection, bridge: &str, key: &str) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM timers WHERE bridge = ?1 AND key = ?2")?.execute([bridge, key])?;
    Ok(())
}

/// Takes a timer out to fire it. `false`: it is not there any more, or has another time.
pub(crate) fn take_timer(db: &Connection, bridge: &str, timer: &TimerFired) -> rusqlite::Result<bool> {
    let rows = db
        .prepare_cached("DELETE FROM timers WHERE bridge = ?1 AND key = ?2 AND due = ?3")?
        .execute(params![bridge, timer.key, timer.due.ms()])?;
    Ok(rows == 1)
}

/// Timers that are due, earliest first.
pub(crate) fn due_timers(
    db: &Connection,
    now: Timestamp,
    most: usize,
) -> rusqlite::Result<Vec<(String, TimerFired)>> {
    db.prepare_cached("SELECT bridge, key, due, body FROM timers WHERE due <= ?1 ORDER BY due LIMIT ?2")?
        .query_map(params![now.ms(), most], |row| {
            let fired =
                TimerFired { key: row.get(1)?, due: Timestamp::from_ms(row.get(2)?), body: row.get(3)? };
            Ok((row.get(0)?, fired))
        })?
        .collect()
}

pub(crate) fn next_timer(db: &Connection) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT MIN(due) FROM timers")?.query_row([], |row| row.get(0))
}
