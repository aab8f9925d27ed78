//! What the table says of one arrival: what was decided, and where its effects have got to.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard_core::{ArrivalId, Effect, Failure, Reply, Report, Timestamp, store};

use crate::store::{Row, Step, Table, flag, key, number, read_flag, read_number, read_text, text, ttl};

/// How long records are kept: longer than the archive keeps what could be replayed.
pub(crate) const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Most bytes of events in one row of a record.
const MAX_ROW_BYTES: usize = 380 * 1024;

/// Which arrival, and where it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) listener: String,
    pub(crate) arrival: ArrivalId,
}

impl Origin {
    pub(super) fn partition(&self) -> String {
        format!("r#{}#{}", self.listener, self.arrival)
    }
}

/// The whole record of an arrival. Empty: there is none.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) parts: Vec<Part>,
    pub(super) effects: Vec<EffectRow>,
    pub(super) waiting: Option<Waiting>,
}

/// One part of what was decided.
#[derive(Debug, Default, Clone, Serialize, Deserialize, PartialEq)]
pub(super) struct Part {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<Reply>,
    /// Timers that were set, each with its time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) timers: Vec<(String, Timestamp)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    /// Encoded; in rows of their own where there are too many bytes of them.
    #[serde(skip)]
    pub(super) events: Vec<String>,
}

/// A delivery that could not be decided yet, or not at all. Its row stays when it has been decided, and then means
/// nothing any more.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) attempts: u32,
    pub(super) first: Timestamp,
    pub(super) due: Timestamp,
    /// Given up; told once its letter is in the queue.
    pub(super) dead: Option<Letterhead>,
}

/// What a dead letter says of a failure, until it has been sent.
#[derive(Debug, Clone)]
pub(super) struct Letterhead {
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) told: bool,
}

/// How far an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Trying,
    Answered,
    Done,
    Dead,
}

/// One effect.
#[derive(Debug, Clone)]
pub(super) struct EffectRow {
    pub(super) sort: String,
    pub(super) effect: Effect,
    pub(super) state: State,
    pub(super) attempts: u32,
    pub(super) unsure: bool,
    /// Not before this; while trying, when the attempt is over.
    pub(super) due: Timestamp,
    /// Since when it may have been attempted: what may have happened is looked for from there.
    pub(super) first: Timestamp,
    /// Since when it is tried, as the delivery policy counts: a redrive begins anew.
    pub(super) anew: Timestamp,
    /// Grows with each change: of two who would change it one wins.
    pub(super) version: u64,
    pub(super) report: Option<Report>,
    pub(super) dead: Option<Letterhead>,
    /// What its end made known.
    pub(super) events: Vec<String>,
    /// Timers that its end set.
    pub(super) timers: Vec<(String, Timestamp)>,
    /// Not in the table: the transaction of its end has moved its lane on.
    pub(super) moved_lane: bool,
}

impl EffectRow {
    pub(super) fn new(sort: String, effect: Effect, now: Timestamp) -> Self {
        let due = effect.not_before.unwrap_or_default();
        Self {
            sort,
            effect,
            state: State::Waiting,
            attempts: 0,
            unsure: false,
            due,
            first: now,
            anew: now,
            version: 0,
            report: None,
            dead: None,
            events: Vec::new(),
            timers: Vec::new(),
            moved_lane: false,
        }
    }

    /// Something is left to be done of it: what was given up is open until its letter is in the queue.
    pub(super) fn is_open(&self) -> bool {
        match self.state {
            State::Done => false,
            State::Dead => self.dead.as_ref().is_some_and(|head| !head.told),
            State::Waiting | State::Trying | State::Answered => true,
        }
    }

    /// Writes the row as it is, if nobody has changed it since it was read.
    pub(super) fn save(&mut self, table: &Table, origin: &Origin, now: Timestamp) -> Result<Step, Failure> {
        let read = self.version;
        self.version += 1;
        let values = Row::from([(":v".to_owned(), number(read))]);
        let condition = if read == 0 { "attribute_not_exists(pk)" } else { "ver = :v" };
        let values = if read == 0 { Row::new() } else { values };
        Ok(Step::put(table, self.row(origin, now)?, Some(condition), values))
    }

    pub(super) fn row(&self, origin: &Origin, now: Timestamp) -> Result<Row, Failure> {
        let mut row = key(&origin.partition(), &self.sort);
        let state = match self.state {
            State::Waiting => "waiting",
            State::Trying => "trying",
            State::Answered => "answered",
            State::Done => "done",
            State::Dead => "dead",
        };
        let mut set = |name: &str, value| row.insert(name.to_owned(), value);
        set("dest", text(&self.effect.destination));
        set("body", text(&self.effect.body));
        set("st", text(state));
        set("att", number(self.attempts));
        set("unsure", flag(self.unsure));
        set("due", number(self.due.ms()));
        set("fst", number(self.first.ms()));
        set("anew", number(self.anew.ms()));
        set("ver", number(self.version));
        set("ttl_s", ttl(now.plus(KEPT)));
        if let Some(report) = &self.report {
            set("report", text(&report.0));
        }
        if let Some(dead) = &self.dead {
            dead.write(&mut set);
        }
        if !self.events.is_empty() {
            set("evs", text(self.events.join("\n")));
        }
        if !self.timers.is_empty() {
            set("timers", text(store::to_json(&self.timers)?));
        }
        Ok(row)
    }

    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let state = match read_text(row, "st").as_str() {
            "waiting" => State::Waiting,
            "trying" => State::Trying,
            "answered" => State::Answered,
            "done" => State::Done,
            "dead" => State::Dead,
            other => return Err(Failure::bug(format!("an effect is {other:?}"))),
        };
        let timers = read_text(row, "timers");
        let first = Timestamp::from_ms(read_number(row, "fst").unwrap_or_default());
        Ok(Self {
            sort: read_text(row, "sk"),
            effect: Effect {
                destination: read_text(row, "dest"),
                body: read_text(row, "body"),
                not_before: None,
            },
            state,
            attempts: read_number(row, "att").unwrap_or_default(),
            unsure: read_flag(row, "unsure"),
            due: Timestamp::from_ms(read_number(row, "due").unwrap_or_default()),
            first,
            anew: read_number(row, "anew").map_or(first, Timestamp::from_ms),
            version: read_number(row, "ver").unwrap_or_default(),
            report: row.contains_key("report").then(|| Report(read_text(row, "report"))),
            dead: Letterhead::read(row),
            events: lines(row),
            timers: if timers.is_empty() { Vec::new() } else { store::from_json(&timers)? },
            moved_lane: false,
        })
    }
}

impl Letterhead {
    pub(super) fn of(failure: &Failure) -> Self {
        Self { kind: failure.kind().to_owned(), reason: failure.to_string(), told: false }
    }

    fn write(
        &self,
        set: &mut impl FnMut(
            &str,
            aws_sdk_dynamodb::types::AttributeValue,
        ) -> Option<aws_sdk_dynamodb::types::AttributeValue>,
    ) {
        set("dead", text(&self.kind));
        set("why", text(&self.reason));
        set("told", flag(self.told));
    }

    fn read(row: &Row) -> Option<Self> {
        let (kind, reason) = (read_text(row, "dead"), read_text(row, "why"));
        (!kind.is_empty()).then(|| Self { kind, reason, told: read_flag(row, "told") })
    }
}

impl Waiting {
    /// Writes that a delivery waits.
    pub(super) fn save(&self, table: &Table, origin: &Origin, now: Timestamp) -> Step {
        Step::replace(table, self.row(origin, now))
    }

    pub(super) fn row(&self, origin: &Origin, now: Timestamp) -> Row {
        let mut row = key(&origin.partition(), "w");
        let mut set = |name: &str, value| row.insert(name.to_owned(), value);
        set("att", number(self.attempts));
        set("fst", number(self.first.ms()));
        set("due", number(self.due.ms()));
        set("ttl_s", ttl(now.plus(KEPT)));
        if let Some(dead) = &self.dead {
            dead.write(&mut set);
        }
        row
    }

    pub(super) fn read(row: &Row) -> Self {
        Self {
            attempts: read_number(row, "att").unwrap_or_default(),
            first: Timestamp::from_ms(read_number(row, "fst").unwrap_or_default()),
            due: Timestamp::from_ms(read_number(row, "due").unwrap_or_default()),
            dead: Letterhead::read(row),
        }
    }
}

impl Part {
    /// Nothing that would have to be known later.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The rows of the part of this number: the first one is made only where there is none.
    pub(super) fn steps(
        &self,
        table: &Table,
        origin: &Origin,
        number: usize,
        now: Timestamp,
    ) -> Result<Vec<Step>, Failure> {
        let mut steps = Vec::new();
        for (chunk, events) in chunks(&self.events).into_iter().enumerate() {
            let sort =
                if chunk == 0 { format!("o#{number:03}") } else { format!("o#{number:03}#{chunk:02}") };
            let mut row = key(&origin.partition(), &sort);
            if chunk == 0 {
                row.insert("part".to_owned(), text(store::to_json(self)?));
            }
            if !events.is_empty() {
                row.insert("evs".to_owned(), text(events.join("\n")));
            }
            row.insert("ttl_s".to_owned(), ttl(now.plus(KEPT)));
            steps.push(if chunk == 0 { Step::create(table, row) } else { Step::replace(table, row) });
        }
        Ok(steps)
    }
}

/// Events in as few rows as hold them; at least one.
fn chunks(events: &[String]) -> Vec<&[String]> {
    let mut chunks = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (index, event) in events.iter().enumerate() {
        if bytes + event.len() + 1 > MAX_ROW_BYTES && index > from {
            chunks.push(&events[from..index]);
            (from, bytes) = (index, 0);
        }
        bytes += event.len() + 1;
    }
    chunks.push(&events[from..]);
    chunks
}

fn lines(row: &Row) -> Vec<String> {
    read_text(row, "evs").lines().map(str::to_owned).collect()
}

impl Record {
    /// Everything that the table says of an arrival.
    pub(super) async fn load(table: &Table, origin: &Origin) -> Result<Self, Failure> {
        Self::of(table.rows(&origin.partition()).await?)
    }

    /// The same from its rows, in their order.
    pub(super) fn of(rows: Vec<Row>) -> Result<Self, Failure> {
        let mut record = Self::default();
        for row in rows {
            let sort = read_text(&row, "sk");
            if sort == "w" {
                record.waiting = Some(Waiting::read(&row));
            } else if sort.starts_with("e#") {
                record.effects.push(EffectRow::read(&row)?);
            } else if row.contains_key("part") {
                let part: Part = store::from_json(&read_text(&row, "part"))?;
                record.parts.push(Part { events: lines(&row), ..part });
            } else if let Some(part) = record.parts.last_mut() {
                part.events.extend(lines(&row));
            }
        }
        if record.parts.last().is_some_and(|part| part.next.is_none()) {
            record.waiting = None;
        }
        Ok(record)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.waiting.is_none()
    }

    /// Where deciding goes on; `None` when all is decided.
    pub(super) fn next_part(&self) -> Option<Option<&str>> {
        match self.parts.last() {
            None => Some(None),
            Some(part) => part.next.as_deref().map(Some),
        }
    }

    /// All that was said, in order.
    pub(super) fn events(&self) -> Vec<&str> {
        let of_parts = self.parts.iter().flat_map(|part| &part.events);
        of_parts.chain(self.effects.iter().flat_map(|row| &row.events)).map(String::as_str).collect()
    }

    /// All timers that were set.
    pub(super) fn timers(&self) -> Vec<(String, Timestamp)> {
        let of_parts = self.parts.iter().flat_map(|part| &part.timers);
        of_parts.chain(self.effects.iter().flat_map(|row| &row.timers)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_in_rows_that_the_store_can_hold() {
        let event = |bytes: usize| "x".repeat(bytes);
        let sizes = |events: &[String]| chunks(events).iter().map(|chunk| chunk.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), [0], "a record without events is a row too");
        assert_eq!(sizes(&[event(10), event(10)]), [2]);
        let large = 200 * 1024;
        assert_eq!(sizes(&[event(large), event(large), event(10)]), [1, 2]);
    }
}
