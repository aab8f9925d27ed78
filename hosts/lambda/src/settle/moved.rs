//! The rows of records, timers and lanes as lines of a hand-over file, and back.

use switchboard_core::{ArrivalId, Effect, Failure, Report, Timestamp, store};
use switchboard_hosts::handover::{self, Cause, Why};

use super::lanes::lane_partition;
use super::record::{EffectRow, KEPT, Letterhead, Origin, Part, Record, State, Waiting};
use crate::store::{Row, Table, key, number, read_number, text, ttl};

fn origin(listener: &str, arrival: &str) -> Origin {
    Origin { listener: listener.to_owned(), arrival: ArrivalId::from_text(arrival) }
}

fn part_of(row: &Row) -> Result<Part, Failure> {
    store::from_json(&crate::store::read_text(row, "part"))
}

fn why(head: Option<Letterhead>) -> Option<Why> {
    head.map(|head| Why { kind: head.kind, reason: head.reason })
}

/// A letter that has still to be sent here.
fn head(why: &Option<Why>) -> Option<Letterhead> {
    let why = why.as_ref()?;
    Some(Letterhead { kind: why.kind.clone(), reason: why.reason.clone(), told: false })
}

/// Where deciding goes on after the last part of a record, whose first is this row.
pub(crate) async fn parts_end(
    table: &Table,
    partition: &str,
    first: &Row,
) -> Result<Option<String>, Failure> {
    if part_of(first)?.next.is_none() {
        return Ok(None);
    }
    let record = Record::of(table.rows(partition).await?)?;
    Ok(record.parts.last().and_then(|part| part.next.clone()))
}

/// The row of a record's first part.
pub(crate) fn decided_line(
    listener: &str,
    cause: Cause,
    row: &Row,
    next: Option<String>,
) -> Result<handover::Line, Failure> {
    let expires = read_number::<i64>(row, "ttl_s").unwrap_or_default();
    Ok(handover::Line::Decided(handover::Decided {
        listener: listener.to_owned(),
        cause,
        at: Timestamp::from_ms(expires.saturating_mul(1000)).minus(KEPT),
        reply: part_of(row)?.reply,
        next,
    }))
}

/// What was said has been heard before it moved: a record that moved has no events to publish again.
pub(crate) fn decided_row(decided: &handover::Decided, now: Timestamp) -> Result<Row, Failure> {
    let part = Part { reply: decided.reply.clone(), next: decided.next.clone(), ..Part::default() };
    let mut row = key(&origin(&decided.listener, decided.cause.id()).partition(), "o#000");
    row.insert("part".to_owned(), text(store::to_json(&part)?));
    row.insert("ttl_s".to_owned(), ttl(now.plus(KEPT)));
    Ok(row)
}

pub(crate) fn effect_line(listener: &str, cause: Cause, row: &Row) -> Result<handover::Line, Failure> {
    let row = EffectRow::read(row)?;
    Ok(handover::Line::Effect(handover::Effect {
        listener: listener.to_owned(),
        cause,
        sort: row.sort,
        destination: row.effect.destination,
        body: row.effect.body,
        state: match row.state {
            State::Waiting => handover::State::Waiting,
            State::Trying => handover::State::Trying,
            State::Answered => handover::State::Answered,
            State::Done => handover::State::Done,
            State::Dead => handover::State::Dead,
        },
        attempts: row.attempts,
        unsure: row.unsure,
        due: row.due,
        first: row.first,
        report: row.report.map(|report| report.0),
        dead: why(row.dead),
    }))
}

pub(crate) fn effect_row(effect: &handover::Effect, now: Timestamp) -> Result<Row, Failure> {
    let asked =
        Effect { destination: effect.destination.clone(), body: effect.body.clone(), not_before: None };
    let mut row = EffectRow::new(effect.sort.clone(), asked, effect.first);
    row.state = match effect.state {
        handover::State::Waiting => State::Waiting,
        handover::State::Trying => State::Trying,
        handover::State::Answered => State::Answered,
        handover::State::Done => State::Done,
        handover::State::Dead => State::Dead,
    };
    (row.attempts, row.unsure, row.due, row.version) = (effect.attempts, effect.unsure, effect.due, 1);
    row.report = effect.report.clone().map(Report);
    row.dead = head(&effect.dead);
    row.row(&origin(&effect.listener, effect.cause.id()), now)
}

/// What waits for a listener; of a parked event nothing is known but that.
pub(crate) fn waiting_line(listener: &str, event: &str, row: &Row, now: Timestamp) -> handover::Line {
    let waiting = Waiting::read(row);
    handover::Line::Waiting(handover::Waiting {
        listener: listener.to_owned(),
        event: event.to_owned(),
        attempts: waiting.attempts,
        due: waiting.due,
        first: if row.is_empty() { now } else { waiting.first },
        dead: why(waiting.dead),
    })
}

pub(crate) fn waiting_row(waiting: &handover::Waiting, now: Timestamp) -> Row {
    let kept = Waiting {
        attempts: waiting.attempts,
        first: waiting.first,
        due: waiting.due,
        dead: head(&waiting.dead),
    };
    kept.row(&origin(&waiting.listener, &waiting.event), now)
}

pub(crate) fn lane_row(lane: &handover::Lane) -> Row {
    let mut row = key(&lane_partition(&lane.listener, &lane.name), "at");
    row.insert("done".to_owned(), number(lane.done));
    row.insert("started".to_owned(), number(lane.started));
    row
}
