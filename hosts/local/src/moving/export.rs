//! From the database into the file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, Row};
use serde_json::value::RawValue;
use switchboard_core::{BlobId, Blobs, Event, Timestamp};
use switchboard_hosts::handover::{
    Cause, Decided, Effect, File, Header, Item, Kept, Lane, Line, State, Timer, Waiting, Why, Writer,
};

use crate::bus::database::id_text;
use crate::outside::FileBlobs;

/// Writes everything; gives the number of lines.
pub(super) async fn run<W: Write>(db: &Connection, blobs: &Path, to: W) -> Result<(u64, W)> {
    let id = hex::encode(rand::random::<[u8; 16]>());
    let mut to = Writer::begin(to, &Header::new(id, "local", crate::hub::now()))?;
    events(db, &mut to)?;
    items(db, &mut to)?;
    timers(db, &mut to)?;
    arrivals(db, &mut to)?;
    deliveries(db, &mut to)?;
    effects(db, &mut to)?;
    files(blobs, &mut to).await?;
    Ok(to.end()?)
}

/// Runs a query and writes what each row gives.
fn each<W: Write>(
    db: &Connection,
    sql: &str,
    to: &mut Writer<W>,
    line: impl Fn(&Row<'_>) -> Result<Vec<Line>>,
) -> Result<()> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for line in line(row)? {
            to.write(&line)?;
        }
    }
    Ok(())
}

fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp::from_ms)
}

fn events<W: Write>(db: &Connection, to: &mut Writer<W>) -> Result<()> {
    each(db, "SELECT body FROM events ORDER BY position", to, |row| {
        let body: Vec<u8> = row.get(0)?;
        let envelope = RawValue::from_string(String::from_utf8(body)?)?;
        Ok(vec![Line::Event(Kept { envelope })])
    })
}

fn items<W: Write>(db: &Connection, to: &mut Writer<W>) -> Result<()> {
    let names: Vec<String> = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'items_*' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for name in names {
        let sql = format!("SELECT partition, sort, body, version, count, expires FROM {name}");
        let bridge = name.trim_start_matches("items_");
        each(db, &sql, to, |row| {
            Ok(vec![Line::Item(Item {
                bridge: bridge.to_owned(),
                partition: row.get(0)?,
                sort: row.get(1)?,
                body: row.get(2)?,
                version: row.get(3)?,
                count: row.get(4)?,
                expires: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_ms),
            })])
        })?;
    }
    Ok(())
}

/// What is set; and what was given up, so that it is tried again where it comes to. A key has one timer: of those that
/// were given up the last, if none is set since.
fn timers<W: Write>(db: &Connection, to: &mut Writer<W>) -> Result<()> {
    let sql = "SELECT bridge, key, due, body FROM timers UNION ALL \
               SELECT l.name, w.timer, w.first, w.body FROM dead_letters w JOIN listeners l ON l.id = w.listener \
               WHERE w.id IN (SELECT MAX(id) FROM dead_letters WHERE timer IS NOT NULL GROUP BY listener, timer) \
               AND NOT EXISTS (SELECT 1 FROM timers t WHERE t.bridge = l.name AND t.key = w.timer)";
    each(db, sql, to, |row| {
        Ok(vec![Line::Timer(Timer {
            bridge: row.get(0)?,
            key: row.get(1)?,
            due: time(row, 2)?,
            body: row.get(3)?,
        })])
    })
}

fn arrivals<W: Write>(db: &Connection, to: &mut Writer<W>) -> Result<()> {
    let sql = "SELECT l.name, a.id, a.at, a.reply FROM arrivals a JOIN listeners l ON l.id = a.door";
    each(db, sql, to, |row| {
        let reply: Option<String> = row.get(3)?;
        Ok(vec![Line::Decided(Decided {
            listener: row.get(0)?,
            cause: Cause::Arrival(id_text("arr", row.get(1)?)),
            at: time(row, 2)?,
            reply: reply.map(|json| serde_json::from_str(&json)).transpose()?,
            next: None,
        })])
    })
}

/// How far a listener is in a lane, while its deliveries are gone through.
#[derive(Default)]
struct Reached {
    /// The greatest number that has ended.
    done: u64,
    /// The greatest that was taken up.
    started: u64,
    /// The least that has not ended.
    open: Option<u64>,
}

fn deliveries<W: Write>(db: &Connection, to: &mut Writer<W>) -> Result<()> {
    // Who heard an event and has no row of it has ended with it.
    let sql = "SELECT l.name, e.body, COALESCE(d.state, 2), COALESCE(d.attempts, 0), COALESCE(d.due, 0), \
               COALESCE(d.first, e.at), COALESCE(d.changed, e.at), d.part, w.kind, w.reason \
               FROM listeners l CROSS JOIN events e \
               LEFT JOIN deliveries d ON d.listener = l.id AND d.position = e.position \
               LEFT JOIN dead_letters w ON w.listener = d.listener AND w.position = d.position AND w.effect IS NULL \
               WHERE d.listener IS NOT NULL OR instr(' ' || e.heard || ' ', ' ' || l.id || ' ') > 0 \
               ORDER BY l.id, e.position";
    let mut lanes: BTreeMap<(String, String), Reached> = BTreeMap::new();
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (listener, body): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let (state, part): (i64, Option<String>) = (row.get(2)?, row.get(7)?);
        // One that cannot be read any more will be a dead letter where it is.
        let event =
            Event::decode(&body).map_err(|failure| anyhow::anyhow!("a delivery's event: {failure}"))?;
        if let Some(lane) = event.lane() {
            let reached = lanes.entry((listener.clone(), lane.name)).or_default();
            if state >= 2 {
                reached.done = reached.done.max(lane.seq);
            } else {
                reached.open = Some(reached.open.map_or(lane.seq, |open| open.min(lane.seq)));
            }
            if state >= 1 || part.is_some() {
                reached.started = reached.started.max(lane.seq);
            }
        }
        let id = event.id.as_str().to_owned();
        let why = row.get::<_, Option<String>>(8)?.zip(row.get(9)?);
        let dead = why.map(|(kind, reason)| Why { kind, reason });
        if state == 0 || (state == 3 && dead.is_some()) {
            to.write(&Line::Waiting(Waiting {
                listener: listener.clone(),
                event: id.clone(),
                attempts: row.get(3)?,
                due: time(row, 4)?,
                first: time(row, 5)?,
                dead,
            }))?;
            if part.is_none() {
                continue;
            }
        }
        to.write(&Line::Decided(Decided {
            listener,
            cause: Cause::Event(id),
            at: time(row, 6)?,
            reply: None,
            next: part,
        }))?;
    }
    for ((listener, name), reached) in lanes {
        // What is open before others that have ended was taken up again by hand, outside its lane.
        let done = match reached.open {
            Some(open) if open > reached.done => reached.done.max(open - 1),
            _ => reached.done,
        };
        let started = reached.started.max(done);
        to.write(&Line::Lane(Lane { listener, name, done, started }))?;
    }
    Ok(())
}

fn effects<W: Write>(db: &Connection, to: &mut Writer<W>) -> Result<()> {
    let sql = "SELECT f.id, l.name, e.id, f.origin, f.destination, f.body, f.state, f.attempts, f.unsure, f.due, \
               f.first, f.report, w.kind, w.reason FROM effects f JOIN listeners l ON l.id = f.listener \
               LEFT JOIN events e ON e.position = f.origin LEFT JOIN dead_letters w ON w.effect = f.id \
               GROUP BY f.id ORDER BY f.id";
    each(db, sql, to, |row| {
        let (id, event): (i64, Option<Vec<u8>>) = (row.get(0)?, row.get(2)?);
        let cause = match event {
            Some(event) => Cause::Event(id_text("ev", event)),
            // Its event has been removed: nothing can come again for which it would count.
            None if row.get::<_, i64>(3)? > 0 => return Ok(Vec::new()),
            None => Cause::Arrival(format!("moved_{id}")),
        };
        let why = row.get::<_, Option<String>>(12)?.zip(row.get(13)?);
        Ok(vec![Line::Effect(Effect {
            listener: row.get(1)?,
            cause,
            sort: format!("e#000#{id}"),
            destination: row.get(4)?,
            body: row.get(5)?,
            state: match row.get::<_, i64>(6)? {
                0 => State::Waiting,
                1 => State::Trying,
                2 => State::Answered,
                3 => State::Done,
                _ => State::Dead,
            },
            attempts: row.get(7)?,
            unsure: row.get(8)?,
            due: time(row, 9)?,
            first: time(row, 10)?,
            report: row.get(11)?,
            dead: why.map(|(kind, reason)| Why { kind, reason }),
        })])
    })
}

async fn files<W: Write>(directory: &Path, to: &mut Writer<W>) -> Result<()> {
    let store = FileBlobs::new(directory.to_owned());
    for folder in entries(directory)? {
        for path in entries(&folder)? {
            let Some(digits) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let id = BlobId::from_text(format!("blob_{digits}"));
            let blob =
                store.get(&id).await.map_err(|failure| anyhow::anyhow!("{}: {failure}", path.display()))?;
            // What is no file of ours, such as one that was half written, has no such id.
            let Some(blob) = blob else { continue };
            let bytes = STANDARD.encode(&blob.bytes);
            let file = File { id: id.as_str().to_owned(), content_type: blob.content_type, bytes };
            to.write(&Line::Blob(file))?;
        }
    }
    Ok(())
}

/// What is in a directory, in order; nothing where it is not there.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let found = match std::fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", directory.display())),
    };
    let mut paths: Vec<PathBuf> = found.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
