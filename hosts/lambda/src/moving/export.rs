//! From the tables into the file: each is read from one end to the other, row by row.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use switchboard_core::{Blobs, Event, Failure, Timestamp};
use switchboard_hosts::handover::{Cause, File, Header, Item, Kept, Lane, Line, Timer, Writer};
use switchboard_rules::wiring::Wiring;

use super::{Places, files};
use crate::settle::{KEPT, decided_line, effect_line, parts_end, waiting_line};
use crate::store::{Pages, Row, Table, read_number, read_text};

/// How long after its arrival a door's event might still be unpublished: providers try again for less than that.
const MAY_BE_UNTOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a bus that is short of something is asked to take one.
const TELLING: Duration = Duration::from_secs(60);

/// Writes everything; gives the number of lines.
pub(super) async fn run<W: Write>(places: &Places<'_>, to: W) -> Result<(u64, W)> {
    let id = rand::random::<[u64; 2]>().map(|word| format!("{word:016x}")).concat();
    let mut to = Writer::begin(to, &Header::new(id, "aws", crate::now()))?;
    journal(places, &mut to).await?;
    let wiring = Wiring::embedded()?;
    let mut untold = 0;
    for (bridge, table) in &places.tables {
        let mut export = Export { places, bridge, table, wiring: &wiring, lane: None, untold: 0 };
        export.run(&mut to).await.with_context(|| format!("the table {}", table.name()))?;
        untold += export.untold;
    }
    if untold > 0 {
        bail!(
            "{untold} events were stored and had not been published; they are now — to mend it: switchboard-aws \
             resume until the queues are empty, pause again and export again"
        );
    }
    if let Some((name, bucket)) = &places.media {
        let mut after: Option<String> = None;
        loop {
            let (ids, next) = files::page(places.clients, name, after.as_deref()).await?;
            for id in ids {
                let Some(blob) = bucket.get(&id).await? else { continue };
                let bytes = STANDARD.encode(&blob.bytes);
                let file = File { id: id.as_str().to_owned(), content_type: blob.content_type, bytes };
                to.write(&Line::Blob(file))?;
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(to.end()?)
}

async fn journal<W: Write>(places: &Places<'_>, to: &mut Writer<W>) -> Result<()> {
    let mut pages = Pages::of(&places.clients.tables, &places.journal);
    while let Some(rows) = pages.next().await? {
        for row in rows.iter().filter(|row| read_text(row, "sk") == "e") {
            // As one machine writes it: EventBridge's id and account mean nothing elsewhere.
            let event = Event::decode(read_text(row, "event").as_bytes())?;
            let envelope = RawValue::from_string(String::from_utf8(event.encode()?)?)?;
            to.write(&Line::Event(Kept { envelope }))?;
        }
    }
    Ok(())
}

/// Going through one bridge's table.
struct Export<'a> {
    places: &'a Places<'a>,
    bridge: &'a str,
    table: &'a Table,
    wiring: &'a Wiring,
    /// The last lane that was looked at, and how far it is.
    lane: Option<(String, u64)>,
    /// Events that nobody had been told.
    untold: usize,
}

impl Export<'_> {
    async fn run<W: Write>(&mut self, to: &mut Writer<W>) -> Result<()> {
        let mut pages = Pages::of(&self.places.clients.tables, self.table.name());
        while let Some(rows) = pages.next().await? {
            for row in rows {
                if let Some(line) = self.line(&row).await? {
                    to.write(&line)?;
                }
            }
        }
        Ok(())
    }

    async fn line(&mut self, row: &Row) -> Result<Option<Line>> {
        let (partition, sort) = (read_text(row, "pk"), read_text(row, "sk"));
        let Some((kind, rest)) = partition.split_once('#') else { return Ok(None) };
        let time = |name: &str| Timestamp::from_ms(read_number(row, name).unwrap_or_default());
        Ok(match kind {
            "i" => Some(Line::Item(Item {
                bridge: self.bridge.to_owned(),
                partition: rest.to_owned(),
                sort,
                body: read_text(row, "body"),
                version: read_number(row, "v").unwrap_or_default(),
                count: read_number(row, "n").unwrap_or_default(),
                expires: read_number(row, "x").map(Timestamp::from_ms),
            })),
            "t" => Some(Line::Timer(Timer {
                bridge: self.bridge.to_owned(),
                key: sort,
                due: time("due"),
                body: read_text(row, "body"),
            })),
            "l" => {
                let Some((listener, lane)) = rest.split_once('#') else { return Ok(None) };
                self.of_lane(row, &partition, &sort, listener, lane).await?
            }
            "r" => {
                let Some((listener, arrival)) = rest.split_once('#') else { return Ok(None) };
                self.of_record(row, &partition, &sort, listener, arrival).await?
            }
            // Connections end with their host.
            "s" => None,
            other => bail!("a row {other}# is not known — to mend it: use the version that is deployed"),
        })
    }

    async fn of_lane(
        &mut self,
        row: &Row,
        partition: &str,
        sort: &str,
        listener: &str,
        lane: &str,
    ) -> Result<Option<Line>> {
        if sort == "at" {
            let done = read_number(row, "done").unwrap_or_default();
            self.lane = Some((partition.to_owned(), done));
            let started = read_number(row, "started").unwrap_or_default();
            let (listener, name) = (listener.to_owned(), lane.to_owned());
            return Ok(Some(Line::Lane(Lane { listener, name, done, started })));
        }
        if sort.starts_with("s#") || sort.starts_with("t#") {
            // Numbers that never came. One that comes on the way is lost to the lane anyhow.
            return Ok(None);
        }
        // Parked before its turn. One that has had its turn since stays until it expires.
        let seq: u64 = sort.trim_start_matches("p#").parse().context("a parked event's number")?;
        if self.lane.as_ref().is_none_or(|(of, _)| of != partition) {
            let at = self.table.row(partition, "at").await?;
            let done = at.and_then(|at| read_number(&at, "done")).unwrap_or_default();
            self.lane = Some((partition.to_owned(), done));
        }
        let done = self.lane.as_ref().map_or(0, |(_, done)| *done);
        let event = Event::decode(read_text(row, "event").as_bytes())?;
        let id = event.id.as_str();
        let decided = self.table.row(&format!("r#{listener}#{id}"), "o#000").await?.is_some();
        Ok((seq > done && !decided).then(|| waiting_line(listener, id, &Row::new(), crate::now())))
    }

    async fn of_record(
        &mut self,
        row: &Row,
        partition: &str,
        sort: &str,
        listener: &str,
        arrival: &str,
    ) -> Result<Option<Line>> {
        let heard = self.wiring.rule(listener).is_some();
        let cause = || {
            if heard { Cause::Event(arrival.to_owned()) } else { Cause::Arrival(arrival.to_owned()) }
        };
        if !heard && read_number::<i64>(row, "ttl_s").is_some_and(|secs| is_young(secs, crate::now())) {
            self.tell(row).await?;
        }
        if let Some(part) = sort.strip_prefix("o#") {
            // Of several parts the first is written, with where the last ends.
            let next =
                if part == "000" { parts_end(self.table, partition, row).await? } else { return Ok(None) };
            return Ok(Some(decided_line(listener, cause(), row, next)?));
        }
        if sort.starts_with("e#") {
            return Ok(Some(effect_line(listener, cause(), row)?));
        }
        if sort == "w" {
            // Its row stays when it has been decided, and then means nothing any more.
            let first = self.table.row(partition, "o#000").await?;
            let open = match &first {
                None => true,
                Some(first) => parts_end(self.table, partition, first).await?.is_some(),
            };
            return Ok(open.then(|| waiting_line(listener, arrival, row, crate::now())));
        }
        bail!("a row {sort} of a record is not known — to mend it: use the version that is deployed")
    }

    /// Publishes what a door or a timer stored and could not publish: no queue brings that again.
    async fn tell(&mut self, row: &Row) -> Result<(), Failure> {
        let events = read_text(row, "evs");
        for event in events.lines() {
            let id = Event::decode(event.as_bytes())?.id;
            let known = Table::new(self.places.clients.tables.clone(), &self.places.journal);
            if known.row(&format!("e#{id}"), "e").await?.is_none() {
                self.places.bus.publish(&[event], Instant::now() + TELLING).await?;
                self.untold += 1;
            }
        }
        Ok(())
    }
}

/// Whether a record of this expiry was written a short time ago.
fn is_young(ttl_secs: i64, now: Timestamp) -> bool {
    let written = Timestamp::from_ms(ttl_secs.saturating_mul(1000)).minus(KEPT);
    now.since(written) < MAY_BE_UNTOLD
}
