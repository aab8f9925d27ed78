//! From the file into the database.
//!
//! Events are gathered first, and get their positions when the last of them has come: a host that has none gives
//! them by time, and here the positions within a lane are the order of its numbers. All that refers to an event comes
//! after that.

use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OptionalExtension, params};
use switchboard_core::{Blob, BlobId, Blobs, Event};
use switchboard_hosts::handover::{
    Cause, Decided, Effect, File, Header, Item, Kept, Line, Reader, State, Timer, Waiting, Why,
};

use crate::bus::database::id_bytes;
use crate::hub::CannotStart;
use crate::outside::FileBlobs;

/// Lines of one transaction.
const LINES_AT_ONCE: u64 = 2000;

const BEGIN: &str = "
CREATE TABLE IF NOT EXISTS moving (
    id TEXT NOT NULL, line INTEGER NOT NULL, placed INTEGER NOT NULL, done INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS moving_events (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, at INTEGER NOT NULL, lane TEXT, seq INTEGER, body BLOB NOT NULL
) STRICT;
";

/// Gives every event its position: by time, and in each lane its own places in the order of its numbers.
const PLACE: &str = "
CREATE TEMP TABLE ranked AS SELECT number, lane, seq, ROW_NUMBER() OVER (ORDER BY at, number) AS place FROM moving_events;
INSERT INTO events (position, id, outside, at, body)
    SELECT r.place, e.id, 1, e.at, e.body FROM ranked r JOIN moving_events e USING (number) WHERE r.lane IS NULL;
INSERT INTO events (position, id, outside, at, body)
    SELECT p.place, e.id, 1, e.at, e.body
    FROM (SELECT number, lane, ROW_NUMBER() OVER (PARTITION BY lane ORDER BY seq, number) AS turn
          FROM ranked WHERE lane IS NOT NULL) s
    JOIN (SELECT place, lane, ROW_NUMBER() OVER (PARTITION BY lane ORDER BY place) AS turn
          FROM ranked WHERE lane IS NOT NULL) p USING (lane, turn)
    JOIN moving_events e USING (number);
DROP TABLE ranked;
DROP TABLE moving_events;
CREATE INDEX moving_ids ON events (id);
UPDATE moving SET placed = 1;
";

/// A delivery that is decided and has open effects is being acted on; of those that have ended the event tells.
const FINISH: &str = "
UPDATE deliveries SET state = 1 WHERE state = 2 AND EXISTS (
    SELECT 1 FROM effects f WHERE f.origin = deliveries.position AND f.listener = deliveries.listener
    AND f.origin > 0 AND f.state < 3);
UPDATE events SET heard = h.ids
    FROM (SELECT position, group_concat(listener, ' ') AS ids FROM deliveries GROUP BY position) h
    WHERE h.position = events.position;
DELETE FROM deliveries WHERE state = 2 AND attempts = 0;
DROP INDEX moving_ids;
UPDATE moving SET done = 1;
";

/// Takes the file; gives the number of its lines.
pub(super) async fn run(db: &Connection, data: &Path, from: impl BufRead) -> Result<u64> {
    let (header, mut reader) = Reader::begin(from)?;
    let Some((taken, mut placed)) = begin(db, &header, data)? else {
        // All of it is there; what is left is to see that this is a whole file too.
        let mut lines = 0;
        while let Some((number, _)) = reader.next_line()? {
            lines = number;
        }
        return Ok(lines);
    };
    let blobs = FileBlobs::new(data.join("blobs"));
    let (mut last, mut since) = (0, 0);
    db.execute_batch("BEGIN")?;
    while let Some((number, line)) = reader.next_line()? {
        last = number;
        if number <= taken {
            continue;
        }
        if !placed && !matches!(line, Line::Event(_)) {
            db.execute_batch(PLACE)?;
            placed = true;
        }
        take(db, &blobs, placed, line).await.with_context(|| format!("line {}", number + 1))?;
        since += 1;
        if since == LINES_AT_ONCE {
            db.execute("UPDATE moving SET line = ?1", [number])?;
            db.execute_batch("COMMIT; BEGIN")?;
            since = 0;
        }
    }
    if !placed {
        db.execute_batch(PLACE)?;
    }
    db.execute("UPDATE moving SET line = ?1", [last])?;
    db.execute_batch(FINISH)?;
    db.execute_batch("COMMIT")?;
    Ok(last)
}

/// How many lines are there, and whether the events have their places; `None` when all of it is there.
fn begin(db: &Connection, header: &Header, data: &Path) -> Result<Option<(u64, bool)>> {
    db.execute_batch(BEGIN)?;
    let going_on: Option<(String, u64, bool, bool)> = db
        .query_row("SELECT id, line, placed, done FROM moving", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let other = |what: &str| {
        let data = data.display();
        CannotStart(format!("{data} {what} — to mend it: choose an empty directory with --data"))
    };
    match going_on {
        Some((id, line, placed, done)) if id == header.id => Ok((!done).then_some((line, placed))),
        Some(_) => Err(other("has taken another import").into()),
        None => {
            if holds_anything(db)? {
                return Err(other("holds a hub already").into());
            }
            db.execute("INSERT INTO moving (id, line, placed, done) VALUES (?1, 0, 0, 0)", [&header.id])?;
            Ok(Some((0, false)))
        }
    }
}

fn holds_anything(db: &Connection) -> rusqlite::Result<bool> {
    let mut tables: Vec<String> = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'items_*'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    tables.extend(["events", "arrivals", "effects", "timers", "dead_letters"].map(str::to_owned));
    for table in tables {
        if db.prepare(&format!("SELECT 1 FROM {table} LIMIT 1"))?.exists([])? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn take(db: &Connection, blobs: &FileBlobs, placed: bool, line: Line) -> Result<()> {
    match line {
        Line::Event(_) if placed => bail!("an event comes after what is not one"),
        Line::Event(event) => take_event(db, &event),
        Line::Item(item) => take_item(db, &item),
        Line::Timer(timer) => take_timer(db, &timer),
        Line::Decided(decided) => take_decided(db, &decided),
        Line::Effect(effect) => take_effect(db, &effect),
        Line::Waiting(waiting) => take_waiting(db, &waiting),
        // Positions say how far a lane is.
        Line::Lane(_) | Line::End(_) => Ok(()),
        Line::Blob(file) => take_file(blobs, file).await,
    }
}

fn take_event(db: &Connection, kept: &Kept) -> Result<()> {
    let event =
        Event::decode(kept.envelope.get().as_bytes()).map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let (lane, seq) = event.lane().map(|lane| (lane.name, lane.seq)).unzip();
    db.prepare_cached(
        "INSERT OR IGNORE INTO moving_events (id, at, lane, seq, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        id_bytes(event.id.as_str()),
        event.time.ms(),
        lane,
        seq,
        kept.envelope.get().as_bytes()
    ])?;
    Ok(())
}

fn take_item(db: &Connection, item: &Item) -> Result<()> {
    let bridge = &item.bridge;
    if bridge.is_empty() || !bridge.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        bail!("{bridge:?} is no bridge's name");
    }
    let there = format!("items_{bridge}");
    if !db.prepare_cached("SELECT 1 FROM sqlite_master WHERE name = ?1")?.exists([&there])? {
        crate::bus::database::make_items(db, bridge)?;
    }
    db.prepare_cached(&format!(
        "INSERT INTO items_{bridge} (partition, sort, body, version, count, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    ))?
    .execute(params![
        item.partition,
        item.sort,
        item.body,
        item.version,
        item.count,
        item.expires.map(switchboard_core::Timestamp::ms)
    ])?;
    Ok(())
}

fn take_timer(db: &Connection, timer: &Timer) -> Result<()> {
    db.prepare_cached("INSERT INTO timers (bridge, key, due, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![timer.bridge, timer.key, timer.due.ms(), timer.body])?;
    Ok(())
}

/// The number of a listener, which is made where it is new.
fn listener(db: &Connection, name: &str) -> Result<i64> {
    db.prepare_cached("INSERT OR IGNORE INTO listeners (name) VALUES (?1)")?.execute([name])?;
    Ok(db.prepare_cached("SELECT id FROM listeners WHERE name = ?1")?.query_row([name], |row| row.get(0))?)
}

/// Where an event is; `None` for one that the journal did not have.
fn position(db: &Connection, event: &str) -> Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT position FROM events WHERE id = ?1")?;
    Ok(statement.query_row([id_bytes(event)], |row| row.get(0)).optional()?)
}

fn take_decided(db: &Connection, decided: &Decided) -> Result<()> {
    let listener = listener(db, &decided.listener)?;
    match &decided.cause {
        Cause::Arrival(id) => {
            let reply = decided.reply.as_ref().map(serde_json::to_string).transpose()?;
            db.prepare_cached(
                "INSERT OR REPLACE INTO arrivals (door, id, at, reply) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![listener, id_bytes(id), decided.at.ms(), reply])?;
        }
        Cause::Event(id) => {
            // An event that has been forgotten cannot come again.
            let Some(position) = position(db, id)? else { return Ok(()) };
            let state = if decided.next.is_some() { 0 } else { 2 };
            // What is said of its waiting holds for a delivery that is not decided to its end.
            db.prepare_cached(
                "INSERT INTO deliveries (listener, position, state, attempts, due, first, changed, part) \
                 VALUES (?1, ?2, ?3, 0, 0, ?4, ?4, ?5) ON CONFLICT (listener, position) DO UPDATE SET part = ?5",
            )?
            .execute(params![listener, position, state, decided.at.ms(), decided.next])?;
        }
    }
    Ok(())
}

fn take_waiting(db: &Connection, waiting: &Waiting) -> Result<()> {
    let listener = listener(db, &waiting.listener)?;
    let Some(position) = position(db, &waiting.event)? else {
        bail!("{} waits for the event {}, which is not in the file", waiting.listener, waiting.event)
    };
    let state = if waiting.dead.is_some() { 3 } else { 0 };
    db.prepare_cached(
        "INSERT INTO deliveries (listener, position, state, attempts, due, first, changed, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7) ON CONFLICT (listener, position) DO UPDATE SET \
         state = ?3, attempts = ?4, due = ?5, first = ?6, reason = ?7",
    )?
    .execute(params![
        listener,
        position,
        state,
        waiting.attempts,
        waiting.due.ms(),
        waiting.first.ms(),
        waiting.dead.as_ref().map(|dead| &dead.reason)
    ])?;
    if let Some(why) = &waiting.dead {
        bury(db, listener, Some(position), None, waiting.first.ms(), waiting.attempts, why)?;
    }
    Ok(())
}

fn take_effect(db: &Connection, effect: &Effect) -> Result<()> {
    let listener = listener(db, &effect.listener)?;
    let origin = match &effect.cause {
        Cause::Arrival(_) => 0,
        Cause::Event(id) => match position(db, id)? {
            Some(position) => position,
            None if matches!(effect.state, State::Done | State::Dead) => return Ok(()),
            None => bail!("an effect belongs to the event {id}, which is not in the file"),
        },
    };
    let state = match effect.state {
        State::Waiting => 0,
        State::Trying => 1,
        State::Answered => 2,
        State::Done => 3,
        State::Dead => 4,
    };
    db.prepare_cached(
        "INSERT INTO effects (listener, origin, destination, body, state, attempts, unsure, due, first, changed, report, \
         reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11)",
    )?
    .execute(params![
        listener,
        origin,
        effect.destination,
        effect.body,
        state,
        effect.attempts,
        effect.unsure,
        effect.due.ms(),
        effect.first.ms(),
        effect.report,
        effect.dead.as_ref().map(|dead| &dead.reason)
    ])?;
    let id = db.last_insert_rowid();
    // Also of one that has happened: its answer could not be settled.
    if let Some(why) = &effect.dead {
        let position = (origin > 0).then_some(origin);
        bury(db, listener, position, Some(id), effect.first.ms(), effect.attempts, why)?;
    }
    Ok(())
}

fn bury(
    db: &Connection,
    listener: i64,
    position: Option<i64>,
    effect: Option<i64>,
    first: i64,
    attempts: u32,
    why: &Why,
) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO dead_letters (listener, position, effect, at, first, attempts, kind, reason) \
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![listener, position, effect, first, attempts, why.kind, why.reason])?;
    Ok(())
}

async fn take_file(blobs: &FileBlobs, file: File) -> Result<()> {
    let blob = Blob { content_type: file.content_type, bytes: STANDARD.decode(file.bytes)?.into() };
    let id = BlobId::from_text(file.id);
    blobs.put(&id, &blob).await.map_err(|failure| anyhow::anyhow!("a file: {failure}"))
}
