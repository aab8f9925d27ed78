//! From the file into the tables; and then whoever has something to do is reminded.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use switchboard_core::{Blob, BlobId, Blobs, Event};
use switchboard_hosts::archive::Archive;
use switchboard_hosts::handover::{Cause, Effect, Header, Line, Reader, State, Waiting};

use super::Places;
use crate::functions::bridge_of;
use crate::journal;
use crate::queue::{Letter, Reminder};
use crate::settle::{decided_row, effect_row, lane_row, timer_row, waiting_row};
use crate::stack::{Deployed, configured};
use crate::store::{Pages, Row, Table, flag, key, number, put_all, read_flag, read_number, read_text, text};

/// Lines between two notes of how far the import is.
const LINES_AT_ONCE: u64 = 1000;
/// Rows of one table that are gathered before they are written.
const ROWS_AT_ONCE: usize = 100;

/// The last number that has ended, by listener and lane.
type Lanes = BTreeMap<(String, String), u64>;

/// How far an import is.
struct Progress {
    id: String,
    /// Lines whose rows are written.
    line: u64,
    /// All rows are.
    rows: bool,
    /// Lines whose reminders have been sent.
    woken: u64,
    /// All reminders have.
    done: bool,
}

/// Takes the file; gives the number of its lines.
pub(super) async fn run<R: BufRead>(places: &Places<'_>, open: impl Fn() -> Result<R>) -> Result<u64> {
    let (header, reader) = Reader::begin(open()?)?;
    let mut progress = begin(places, &header).await?;
    let (lines, lanes) = Import::new(places).await?.rows(reader, &mut progress).await?;
    let (_, reader) = Reader::begin(open()?)?;
    wake(places, reader, &lanes, &mut progress).await?;
    Ok(lines)
}

impl Progress {
    const PARTITION: &str = "m#";
    const SORT: &str = "import";

    async fn save(&self, places: &Places<'_>) -> Result<()> {
        let mut row = key(Self::PARTITION, Self::SORT);
        row.extend([("id".to_owned(), text(&self.id)), ("line".to_owned(), number(self.line))]);
        row.extend([("rows".to_owned(), flag(self.rows)), ("woken".to_owned(), number(self.woken))]);
        row.insert("done".to_owned(), flag(self.done));
        Ok(put_all(&places.clients.tables, &places.journal, vec![row]).await?)
    }
}

/// Begins, or finds how far it is.
async fn begin(places: &Places<'_>, header: &Header) -> Result<Progress> {
    let journal = Table::new(places.clients.tables.clone(), &places.journal);
    if let Some(row) = journal.row(Progress::PARTITION, Progress::SORT).await? {
        let number = |name: &str| read_number(&row, name).unwrap_or_default();
        let found = Progress {
            id: read_text(&row, "id"),
            line: number("line"),
            rows: read_flag(&row, "rows"),
            woken: number("woken"),
            done: read_flag(&row, "done"),
        };
        if found.id != header.id {
            bail!("the stack has taken another import — to mend it: import into a new stack (STACK=…)");
        }
        return Ok(found);
    }
    for table in places.tables.values().map(Table::name).chain([places.journal.as_str()]) {
        let mut pages = Pages::of(&places.clients.tables, table);
        while let Some(rows) = pages.next().await? {
            if !rows.is_empty() {
                bail!(
                    "the table {table} is not empty — to mend it: import into a new stack (STACK=…), before any \
                     provider sends to it"
                );
            }
        }
    }
    let progress = Progress { id: header.id.clone(), line: 0, rows: false, woken: 0, done: false };
    progress.save(places).await?;
    Ok(progress)
}

/// Rows that are gathered, by table and key: a request may name a key only once.
struct Import<'a> {
    places: &'a Places<'a>,
    /// How long the stack keeps events.
    keep: Option<Duration>,
    gathered: BTreeMap<String, BTreeMap<(String, String), Row>>,
}

impl<'a> Import<'a> {
    async fn new(places: &'a Places<'a>) -> Result<Self> {
        let of_journal = |function: &&Deployed| function.handler == "journal";
        let journal = places.functions.iter().find(of_journal).context("the stack has no journal")?;
        let settings = configured(places.clients, journal).await?;
        Ok(Self { places, keep: Archive::read(&settings.document)?.events, gathered: BTreeMap::new() })
    }

    /// Writes every row that is not written yet. Goes through the whole file in any case: it may be cut short.
    async fn rows<R: BufRead>(
        mut self,
        mut reader: Reader<R>,
        progress: &mut Progress,
    ) -> Result<(u64, Lanes)> {
        let (mut last, mut lanes) = (0, Lanes::new());
        while let Some((number, line)) = reader.next_line()? {
            last = number;
            if let Line::Lane(lane) = &line {
                lanes.insert((lane.listener.clone(), lane.name.clone()), lane.done);
            }
            if progress.rows || number <= progress.line {
                continue;
            }
            self.take(line).await.with_context(|| format!("line {}", number + 1))?;
            if number % LINES_AT_ONCE == 0 {
                self.flush(0).await?;
                progress.line = number;
                progress.save(self.places).await?;
            }
        }
        if !progress.rows {
            self.flush(0).await?;
            (progress.line, progress.rows) = (last, true);
            progress.save(self.places).await?;
        }
        Ok((last, lanes))
    }

    async fn take(&mut self, line: Line) -> Result<()> {
        let now = crate::now();
        match line {
            Line::Event(kept) => {
                let envelope = kept.envelope.get();
                let event = Event::decode(envelope.as_bytes())?;
                for row in journal::rows(&event, envelope, self.keep) {
                    self.gather(&self.places.journal.clone(), row);
                }
            }
            Line::Item(item) => self.gather_for(&item.bridge, Table::item(&item))?,
            Line::Timer(timer) => {
                self.gather_for(&timer.bridge, timer_row(&timer.key, timer.due, &timer.body))?
            }
            Line::Decided(decided) => self.gather_for(&decided.listener, decided_row(&decided, now)?)?,
            Line::Effect(effect) => self.gather_for(&effect.listener, effect_row(&effect, now)?)?,
            Line::Waiting(waiting) => self.gather_for(&waiting.listener, waiting_row(&waiting, now))?,
            Line::Lane(lane) => self.gather_for(&lane.listener, lane_row(&lane))?,
            Line::Blob(file) => {
                let Some((_, bucket)) = &self.places.media else {
                    bail!("the stack has no bucket for files")
                };
                let bytes = STANDARD.decode(file.bytes)?.into();
                let blob = Blob { content_type: file.content_type, bytes };
                bucket.put(&BlobId::from_text(file.id), &blob).await?;
            }
            Line::End(_) => {}
        }
        self.flush(ROWS_AT_ONCE).await
    }

    fn gather_for(&mut self, handler: &str, row: Row) -> Result<()> {
        let table = self.places.table(handler)?.name().to_owned();
        self.gather(&table, row);
        Ok(())
    }

    fn gather(&mut self, table: &str, row: Row) {
        let place = (read_text(&row, "pk"), read_text(&row, "sk"));
        self.gathered.entry(table.to_owned()).or_default().insert(place, row);
    }

    /// Writes what is gathered for tables that have at least so many rows.
    async fn flush(&mut self, at_least: usize) -> Result<()> {
        for (table, rows) in &mut self.gathered {
            if rows.len() >= at_least {
                let rows = std::mem::take(rows).into_values().collect();
                put_all(&self.places.clients.tables, table, rows).await?;
            }
        }
        Ok(())
    }
}

/// Reminds of everything that is open: once more does no harm, since what is to be done stands in the tables.
async fn wake<R: BufRead>(
    places: &Places<'_>,
    mut reader: Reader<R>,
    lanes: &Lanes,
    progress: &mut Progress,
) -> Result<()> {
    if progress.done {
        return Ok(());
    }
    // Of a cause with many effects one reminder is enough.
    let mut last: Option<(String, Cause)> = None;
    while let Some((number, line)) = reader.next_line()? {
        match line {
            _ if number <= progress.woken => continue,
            Line::Timer(timer) => {
                let (key, due) = (timer.key, timer.due);
                let queue = places.queue(&timer.bridge)?;
                queue.remind(Reminder::Timer { key, due, tried: None }, due, crate::now()).await?;
            }
            Line::Decided(decided) if decided.next.is_some() => {
                again(places, &decided.listener, &decided.cause).await?;
            }
            Line::Effect(effect) if is_open(&effect) => {
                let this = Some((effect.listener.clone(), effect.cause.clone()));
                if this != last {
                    again(places, &effect.listener, &effect.cause).await?;
                    last = this;
                }
            }
            Line::Waiting(waiting) => wake_delivery(places, &waiting, lanes).await?,
            _ => {}
        }
        if number % LINES_AT_ONCE == 0 {
            progress.woken = number;
            progress.save(places).await?;
        }
    }
    progress.done = true;
    progress.save(places).await
}

/// Open as the receiving host sees it: what was given up has still to become a dead letter here.
fn is_open(effect: &Effect) -> bool {
    match effect.state {
        State::Done => false,
        State::Dead => effect.dead.is_some(),
        State::Waiting | State::Trying | State::Answered => true,
    }
}

async fn again(places: &Places<'_>, listener: &str, cause: &Cause) -> Result<()> {
    let (handler, reminder) = match cause {
        Cause::Event(id) => (listener, Reminder::Again { event: event(places, id).await? }),
        Cause::Arrival(id) => {
            let reminder = Reminder::Effects { listener: listener.to_owned(), arrival: id.clone() };
            (bridge_of(listener).unwrap_or(listener), reminder)
        }
    };
    let now = crate::now();
    Ok(places.queue(handler)?.remind(reminder, now, now).await?)
}

async fn wake_delivery(places: &Places<'_>, waiting: &Waiting, lanes: &Lanes) -> Result<()> {
    let event = event(places, &waiting.event).await?;
    let lane = Event::decode(event.get().as_bytes())?.lane();
    let passed = lane.is_some_and(|lane| {
        lanes.get(&(waiting.listener.clone(), lane.name)).is_some_and(|done| lane.seq <= *done)
    });
    let now = crate::now();
    let reminder = if passed && waiting.dead.is_none() {
        // Its lane has gone on without it: somebody had it tried again by hand, and so it goes on here.
        Reminder::DeadLetter(Box::new(Letter {
            listener: waiting.listener.clone(),
            at: now,
            first_tried: waiting.first,
            attempts: waiting.attempts,
            kind: "retry".to_owned(),
            reason: "it was being tried again when its hub moved".to_owned(),
            destination: None,
            arrival: None,
            event: Some(event),
            message: None,
            timer: None,
        }))
    } else {
        Reminder::Again { event }
    };
    Ok(places.queue(&waiting.listener)?.remind(reminder, now, now).await?)
}

/// An event of the journal.
async fn event(places: &Places<'_>, id: &str) -> Result<Box<RawValue>> {
    let journal = Table::new(places.clients.tables.clone(), &places.journal);
    let row = journal.row(&format!("e#{id}"), "e").await?;
    let row = row.with_context(|| format!("something waits for the event {id}, which is not in the file"))?;
    Ok(RawValue::from_string(read_text(&row, "event"))?)
}
