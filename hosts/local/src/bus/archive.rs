//! Reading beside the writer: the archive of events, what became of each, and the dead letters.
//!
//! Readers have connections of their own, see what is committed, and hold nobody up. Numbers and texts are in
//! the events; whoever asks here has been let in by `web::access`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::value::RawValue;
use switchboard_core::Timestamp;

use super::database;
use crate::outside::collect_files;

/// Opens a connection for each reading: they are rare, and an idle hub holds none.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    path: PathBuf,
}

/// One dead letter.
#[derive(Debug, Serialize)]
pub(crate) struct DeadLetter {
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) first_tried: Timestamp,
    pub(crate) listener: String,
    pub(crate) attempts: u32,
    /// What its receiver could do: `retry` (attempts ran out), `refuse`, `bug`, `unsure`.
    pub(crate) kind: String,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<String>,
    /// The event, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Box<RawValue>>,
    /// What was to be done outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effect: Option<Box<RawValue>>,
    /// The timer that had fired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<BuriedTimer>,
}

/// What a timer was set with.
#[derive(Debug, Serialize)]
pub(crate) struct BuriedTimer {
    pub(crate) key: String,
    pub(crate) body: String,
}

/// One event with what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Traced {
    pub(crate) position: i64,
    pub(crate) at: Timestamp,
    pub(crate) event: Box<RawValue>,
    pub(crate) deliveries: Vec<TracedDelivery>,
}

/// What became of one delivery.
#[derive(Debug, Serialize)]
pub(crate) struct TracedDelivery {
    pub(crate) listener: String,
    pub(crate) state: &'static str,
    /// Attempts that failed.
    pub(crate) attempts: u32,
    /// When it last changed; `None` where it has ended at the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) effects: Vec<TracedEffect>,
}

/// What became of one effect.
#[derive(Debug, Serialize)]
pub(crate) struct TracedEffect {
    pub(crate) destination: String,
    pub(crate) state: &'static str,
    pub(crate) attempts: u32,
    pub(crate) changed: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exchanges: Option<Box<RawValue>>,
}

impl Archive {
    /// The archive in this database.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn open(&self) -> Result<Connection> {
        database::open_for_reading(&self.path)
    }

    /// Events after a position, in order: (position, envelope).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn events_after(&self, position: i64, most: usize) -> Result<Vec<(i64, Vec<u8>)>> {
        let db = self.open()?;
        let mut statement =
            db.prepare("SELECT position, body FROM events WHERE position > ?1 ORDER BY position LIMIT ?2")?;
        let rows = statement.query_map(params![position, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last event's position; 0 when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn last_position(&self) -> Result<i64> {
        Ok(self.open()?.query_row("SELECT COALESCE(MAX(position), 0) FROM events", [], |row| row.get(0))?)
    }

    /// The oldest event's position; 0 when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn first_position(&self) -> Result<i64> {
        Ok(self.open()?.query_row("SELECT COALESCE(MIN(position), 0) FROM events", [], |row| row.get(0))?)
    }

    /// The position up to which every listener has heard everything.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn heard_by_all(&self) -> Result<i64> {
        let sql = "SELECT COALESCE((SELECT MIN(position) - 1 FROM deliveries WHERE state < 2), \
                   (SELECT MAX(position) FROM events), 0)";
        Ok(self.open()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// The id of the event at a position, as it is stored; `None` where there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn id_at(&self, position: i64) -> Result<Option<Vec<u8>>> {
        let db = self.open()?;
        let mut statement = db.prepare("SELECT id FROM events WHERE position = ?1")?;
        Ok(statement.query_row([position], |row| row.get(0)).optional()?)
    }

    /// Dead letters, oldest first, after an id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn dead_letters(&self, after: i64, most: usize) -> Result<Vec<DeadLetter>> {
        let db = self.open()?;
        let mut statement = db.prepare(&format!("{DEAD_LETTERS} WHERE d.id > ?1 ORDER BY d.id LIMIT ?2"))?;
        let rows = statement.query_map(params![after, most], dead_letter)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn dead_letter(&self, id: i64) -> Result<Option<DeadLetter>> {
        let db = self.open()?;
        let found = db.query_row(&format!("{DEAD_LETTERS} WHERE d.id = ?1"), [id], dead_letter).optional()?;
        Ok(found)
    }

    /// How many dead letters there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn dead_letter_count(&self) -> Result<i64> {
        Ok(self.open()?.query_row("SELECT COUNT(*) FROM dead_letters", [], |row| row.get(0))?)
    }

    /// The events at these positions, with what became of each.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn trace(&self, positions: &[i64]) -> Result<Vec<Traced>> {
        let db = self.open()?;
        let mut traced = Vec::new();
        for position in positions {
            let found: Option<(i64, Vec<u8>)> = db
                .prepare_cached("SELECT at, body FROM events WHERE position = ?1")?
                .query_row([position], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((at, body)) = found else { continue };
            traced.push(Traced {
                position: *position,
                at: Timestamp::from_ms(at),
                event: RawValue::from_string(String::from_utf8(body)?)?,
                deliveries: deliveries_of(&db, *position)?,
            });
        }
        Ok(traced)
    }
}

/// Texts that may name a file which is still needed: of what is to be done, and of what somebody may redrive.
const STILL_NEEDED: [&str; 4] = [
    "SELECT body FROM effects WHERE state < 3",
    "SELECT f.body FROM dead_letters d JOIN effects f ON f.id = d.effect",
    "SELECT e.body FROM dead_letters d JOIN events e ON e.position = d.position",
    "SELECT e.body FROM deliveries d JOIN events e ON e.position = d.position WHERE d.state < 2",
];

impl Archive {
    /// The files that are named by what is open, by dead letters, and by what these bridges keep.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) fn files_that_are_named(&self, bridges: &[&str]) -> Result<HashSet<String>> {
        let db = self.open()?;
        let of_bridges = bridges
            .iter()
            .map(|name| format!("SELECT body FROM items_{name} WHERE instr(body, 'blob_') > 0"));
        let mut named = HashSet::new();
        for sql in STILL_NEEDED.into_iter().map(str::to_owned).chain(of_bridges) {
            let mut statement = db.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let body = row.get_ref(0)?.as_bytes()?;
                collect_files(&String::from_utf8_lossy(body), &mut named);
            }
        }
        Ok(named)
    }
}

const DEAD_LETTERS: &str = "SELECT d.id, d.at, d.first, l.name, d.attempts, d.kind, d.reason, f.destination, e.body, \
     f.body, d.timer, d.body FROM dead_letters d JOIN listeners l ON l.id = d.listener LEFT JOIN events e ON e.position = d.position \
     LEFT JOIN effects f ON f.id = d.effect";

fn dead_letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let event: Option<Vec<u8>> = row.get(8)?;
    let effect: Option<String> = row.get(9)?;
    let timer: Option<String> = row.get(10)?;
    let raw = |text: String| RawValue::from_string(text).ok();
    Ok(DeadLetter {
        id: row.get(0)?,
        at: Timestamp::from_ms(row.get(1)?),
        first_tried: Timestamp::from_ms(row.get(2)?),
        listener: row.get(3)?,
        attempts: row.get(4)?,
        kind: row.get(5)?,
        reason: row.get(6)?,
        destination: row.get(7)?,
        event: event.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(raw),
        effect: effect.and_then(raw),
        timer: timer.zip(row.get(11)?).map(|(key, body)| BuriedTimer { key, body }),
    })
}

fn deliveries_of(db: &Connection, position: i64) -> Result<Vec<TracedDelivery>> {
    // Deliveries are keyed by listener first: there are few listeners, so asking for each is cheap. Who heard the
    // event and has no row has ended well.
    let mut statement = db.prepare_cached(
        "SELECT l.id, l.name, d.state, COALESCE(d.attempts, 0), d.changed, d.reason FROM listeners l \
         JOIN events e ON e.position = ?1 LEFT JOIN deliveries d ON d.listener = l.id AND d.position = ?1 \
         WHERE d.listener IS NOT NULL OR instr(' ' || e.heard || ' ', ' ' || l.id || ' ') > 0 ORDER BY l.name",
    )?;
    let mut rows = statement.query([position])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        let listener: i64 = row.get(0)?;
        deliveries.push(TracedDelivery {
            listener: row.get(1)?,
            state: match row.get::<_, Option<i64>>(2)? {
                Some(0) => "waiting",
                Some(1) => "acting",
                None | Some(2) => "done",
                _ => "dead",
            },
            attempts: row.get(3)?,
            changed: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_ms),
            reason: row.get(5)?,
            effects: effects_of(db, listener, position)?,
        });
    }
    Ok(deliveries)
}

fn effects_of(db: &Connection, listener: i64, position: i64) -> Result<Vec<TracedEffect>> {
    let mut statement = db.prepare_cached(
        "SELECT destination, state, attempts, changed, reason, exchanges FROM effects \
         WHERE origin = ?1 AND listener = ?2 AND origin > 0 ORDER BY id",
    )?;
    let rows = statement.query_map([position, listener], |row| {
        let exchanges: Option<String> = row.get(5)?;
        Ok(TracedEffect {
            destination: row.get(0)?,
            state: match row.get::<_, i64>(1)? {
                0 => "waiting",
                1 => "trying",
                2 => "answered",
                3 => "done",
                _ => "dead",
            },
            attempts: row.get(2)?,
            changed: Timestamp::from_ms(row.get(3)?),
            reason: row.get(4)?,
            exchanges: exchanges.and_then(|json| RawValue::from_string(json).ok()),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
