//! What every decision of the gate has at hand: judging a message by the policy, and what follows for the room: shown
//! as its next change, blocked with reasons, parked, remembered.

use switchboard_core::event::{Change, MAX_EVENT_BYTES, MessageJudged, Reaction, Reason, RoomChanged};
use switchboard_core::{
    Detail, Event, EventId, Expect, Failure, Message, MessageId, Outcome, Revision, Sender, Surface,
    TimerChange, Timestamp, View, Write,
};

use super::policy::{Decision, Verdict};
use super::store::{self, Record, Status};
use super::{Moderation, pace};

/// One decision: the rules, what caused it, and what it can see.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    rules: &'a Moderation,
    cause: &'a str,
    pub(super) now: Timestamp,
    pub(super) view: &'a dyn View,
}

impl Moderation {
    pub(super) fn at<'a>(&'a self, cause: &'a str, now: Timestamp, view: &'a dyn View) -> Gate<'a> {
        Gate { rules: self, cause, now, view }
    }
}

/// May `who` change a message of `sender`?
pub(super) fn may_change(sender: &Sender, who: &Sender) -> bool {
    sender.surface == who.surface && (sender.surface == Surface::Slack || sender.address == who.address)
}

pub(super) fn because(rule: &str, found: &str) -> Vec<Reason> {
    vec![Reason { rule: rule.to_owned(), found: found.to_owned() }]
}

impl Gate<'_> {
    /// Why this edit is not one of that message, if it is not.
    pub(super) fn objection(&self, message: &Message, edit: &Message) -> Option<Vec<Reason>> {
        if !may_change(&message.sender, &edit.sender) {
            Some(because("not_sender", "an edit by somebody else"))
        } else if message.room != edit.room {
            Some(because("other_room", "an edit in another room"))
        } else {
            None
        }
    }

    /// What the policy says; with the sender's pace to be written, where one is set.
    pub(super) async fn judge(&self, message: &Message) -> Result<(Verdict, Option<Write>), Failure> {
        let policy = &self.rules.policy;
        let (mut verdict, read) = policy.judge_reading(message);
        if !fits_on_the_bus(message) {
            let found = "too large for the bus with the room's number".to_owned();
            verdict.add(Decision::Block, Reason { rule: "size".to_owned(), found });
        }
        // What is blocked anyway need not be counted.
        if verdict.decision == Decision::Block || !policy.limits.any() || policy.trusts(&message.sender) {
            return Ok((verdict, None));
        }
        let seen = store::pace(self.view, &message.sender).await?;
        let (pace, paced) = policy.limits.take(seen.value, pace::text_number(&read), self.now);
        let write = store::put_pace(&message.sender, &pace, seen.expect, self.now, policy.limits.memory())?;
        Ok((verdict.and(paced), Some(write)))
    }

    pub(super) fn park(
        &self,
        outcome: &mut Outcome,
        edit: &Message,
        withdrawn_by: Vec<Sender>,
        expect: Expect,
    ) -> Result<(), Failure> {
        let parked = Record { withdrawn_by, ..Record::of(Status::Parked, edit) };
        self.remember(outcome, &parked, edit, expect)?;
        outcome.timers.push(TimerChange::Set {
            key: timer_key(&edit.id),
            due: self.now.plus(self.rules.park),
            body: edit.id.as_str().to_owned(),
        });
        Ok(())
    }

    pub(super) fn block(&self, outcome: &mut Outcome, message: &Message, reasons: Vec<Reason>) {
        let mut message = message.clone();
        if !fits_on_the_bus(&message) {
            message.text = "[too large to be passed on]".to_owned();
        }
        let revision = message.revision;
        let blocked = MessageJudged { message, reasons };
        self.say(outcome, Detail::MessageBlocked(blocked), revision);
    }

    pub(super) fn say(&self, outcome: &mut Outcome, detail: Detail, revision: Revision) {
        let id = EventId::from_cause(&[self.cause, detail.kind(), &revision.0.to_string()]);
        outcome.events.push(Event::new(id, "moderation", self.now, detail));
    }

    /// Shows a change to the room, as its next one.
    pub(super) async fn show(
        &self,
        outcome: &mut Outcome,
        change: Change,
        message: Message,
        by: Option<&Sender>,
        reaction: Option<Reaction>,
    ) -> Result<u64, Failure> {
        let (seq, write) = store::next_seq(self.view, &message.room).await?;
        outcome.writes.push(write);
        let same =
            |who: &Sender| who.surface == message.sender.surface && who.address == message.sender.address;
        let by = by.filter(|who| !same(who)).cloned();
        let lane = message.room.as_str().to_owned();
        let detail = Detail::RoomChanged(RoomChanged { lane, seq, change, message, by, reaction });
        let id = EventId::from_cause(&[self.cause, detail.kind()]);
        outcome.events.push(Event::new(id, "moderation", self.now, detail));
        Ok(seq)
    }

    pub(super) fn remember(
        &self,
        outcome: &mut Outcome,
        record: &Record,
        message: &Message,
        expect: Expect,
    ) -> Result<(), Failure> {
        outcome.writes.push(self.put(&message.id, record, expect)?);
        Ok(())
    }

    pub(super) fn put(&self, id: &MessageId, record: &Record, expect: Expect) -> Result<Write, Failure> {
        store::put_message(id, record, expect, self.now.plus(self.rules.keep))
    }
}

/// Is there room in an event for this message and what the gate adds to it?
fn fits_on_the_bus(message: &Message) -> bool {
    /// Lane, number, change, who, reaction, reasons and the envelope.
    const ADDED_BYTES: usize = 8 * 1024;
    /// No character takes more in JSON (`\u0000`); so a small text needs no measuring.
    const BYTES_PER_BYTE: usize = 6;
    message.text.len() * BYTES_PER_BYTE <= MAX_EVENT_BYTES / 2
        || switchboard_core::store::to_json(message)
            .is_ok_and(|json| json.len() + ADDED_BYTES <= MAX_EVENT_BYTES)
}

pub(super) fn timer_key(message: &MessageId) -> String {
    format!("parked/{message}")
}
