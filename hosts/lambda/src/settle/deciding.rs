//! Asking a bridge what an arrival means, and writing its outcome with the record of it.

use switchboard_core::{Arrival, Failure, Outcome, TimerChange, Timestamp, What};
use switchboard_hosts::limits::{guarded_later, prepare};

use super::record::{EffectRow, Origin, Part, Record};
use super::{Settler, conflicts, needed};
use crate::queue::Reminder;
use crate::store::{NotCommitted, Row, Step, key, number, text};

/// The partition of a bridge's timers.
pub(super) const TIMERS: &str = "t#";

/// A step beside the record itself, and what it means that its condition does not hold.
pub(super) struct Beside {
    pub(super) step: Step,
    pub(super) refused: Refused,
}

/// What a condition was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The arrival has been decided before.
    Repeat,
    /// Another event of its lane comes first, or it has had its turn.
    NotItsTurn,
    /// The timer was cleared, or set anew.
    NotDue,
}

/// What came of deciding.
pub(super) enum Decided {
    /// It is written, and belongs to the record now.
    Written,
    Refused(Refused),
}

impl Settler {
    /// Decides the next part of an arrival and commits what follows. `beside` gives the steps that go with it; it
    /// is told whether anything is left to be done afterwards.
    pub(super) async fn decide(
        &self,
        origin: &Origin,
        what: What<'_>,
        record: &mut Record,
        beside: impl Fn(&Outcome) -> Vec<Beside>,
    ) -> Result<Decided, Failure> {
        let mut conflicts = self.conflicts();
        loop {
            let now = crate::now();
            let view = self.view(now);
            let arrival = Arrival { listener: &origin.listener, id: &origin.arrival, now, what };
            let outcome = guarded_later(self.bridge.decide(&arrival, &view)).await?;
            let beside = beside(&outcome);
            match self.write(origin, outcome, record, beside, now).await {
                Ok(()) => return Ok(Decided::Written),
                Err(Unwritten::Refused(refused)) => return Ok(Decided::Refused(refused)),
                Err(Unwritten::Conflict) if conflicts.again().await => {}
                Err(Unwritten::Conflict) => return Err(conflicts::overtaken()),
                Err(Unwritten::Failed(failure)) => return Err(failure),
            }
        }
    }

    async fn write(
        &self,
        origin: &Origin,
        mut outcome: Outcome,
        record: &mut Record,
        beside: Vec<Beside>,
        now: Timestamp,
    ) -> Result<(), Unwritten> {
        let number = record.parts.len();
        let events = texts(prepare(&outcome)?)?;
        let (timer_steps, timers) = timer_steps(self, &outcome.timers);
        let part = Part { reply: outcome.reply, timers, next: outcome.next_part, events };
        let mut rows: Vec<EffectRow> = outcome
            .effects
            .into_iter()
            .enumerate()
            .map(|(index, effect)| EffectRow::new(format!("e#{number:03}#{index:03}"), effect, now))
            .collect();

        let nothing = part.is_nothing() && outcome.writes.is_empty() && rows.is_empty();
        let keep = !nothing || number > 0 || record.waiting.is_some();
        let mut steps = Vec::new();
        let mut meanings = Vec::new();
        if keep {
            for step in part.steps(&self.table, origin, number, now)? {
                steps.push(step);
                meanings.push(Refused::Repeat);
            }
        }
        for Beside { step, refused } in beside {
            steps.push(step);
            meanings.push(refused);
        }
        for row in &mut rows {
            steps.push(row.save(&self.table, origin, now)?);
            meanings.push(Refused::Repeat);
        }
        steps.extend(timer_steps);
        match self.table.commit(&steps, &outcome.writes, now).await {
            Ok(()) => {
                record.parts.push(part);
                record.effects.extend(rows);
                record.waiting = None;
                self.show(std::mem::take(&mut outcome.pushes));
                Ok(())
            }
            Err(NotCommitted::Own(index)) => {
                Err(Unwritten::Refused(meanings.get(index).copied().unwrap_or(Refused::Repeat)))
            }
            Err(NotCommitted::Conflict) => Err(Unwritten::Conflict),
            Err(NotCommitted::Failed(failure)) => Err(Unwritten::Failed(failure)),
        }
    }

    /// Publishes what these events say, and has the timers fire.
    pub(super) async fn tell<T: AsRef<str>>(
        &self,
        events: &[T],
        timers: &[(String, Timestamp)],
    ) -> Result<(), Failure> {
        if !events.is_empty() {
            self.bus.publish(events, self.until).await?;
        }
        for (key, due) in timers {
            let reminder = Reminder::Timer { key: key.clone(), due: *due, tried: None };
            needed(self.errands.as_ref(), "queue of errands")?.remind(reminder, *due, crate::now()).await?;
        }
        Ok(())
    }
}

/// Why an outcome was not written.
pub(super) enum Unwritten {
    Refused(Refused),
    Conflict,
    Failed(Failure),
}

impl From<Failure> for Unwritten {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Encoded events as text: they are JSON.
pub(super) fn texts(encoded: Vec<Vec<u8>>) -> Result<Vec<String>, Failure> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| Failure::bug("an event is not text"));
    encoded.into_iter().map(text).collect()
}

pub(crate) fn timer_row(name: &str, due: Timestamp, body: &str) -> Row {
    let mut row = key(TIMERS, name);
    row.insert("due".to_owned(), number(due.ms()));
    row.insert("body".to_owned(), text(body));
    row
}

/// The rows of timers that are set or cleared, and when each that is set is due.
pub(super) fn timer_steps(
    settler: &Settler,
    changes: &[TimerChange],
) -> (Vec<Step>, Vec<(String, Timestamp)>) {
    let (mut steps, mut set) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            TimerChange::Set { key: name, due, body } => {
                steps.push(Step::replace(&settler.table, timer_row(name, *due, body)));
                set.push((name.clone(), *due));
            }
            TimerChange::Clear { key: name } => {
                steps.push(Step::delete(&settler.table, key(TIMERS, name), None, Row::new()));
            }
        }
    }
    (steps, set)
}
