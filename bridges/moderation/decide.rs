//! The life of a message, as the gate sees it.
//!
//! ```text
//!                    ┌── allowed ──> Shown ──edit──> Shown (or MessageBlocked, and the last revision stands)
//!   MessagePosted ───┼── held ─────> Held ──release─> Shown      Shown ──retract──> Blocked
//!                    └── blocked ──> Blocked <──block── Held     Shown, Held ──delete──> Deleted
//!
//!   MessageEdited before it ──> Parked ──MessagePosted──> as above, with the edited text
//!   MessageDeleted before it ─> Parked ──MessagePosted──> Deleted: nothing is shown
//! ```
//!
//! Who may change a message: its sender, known by surface and address. Slack is believed about Slack's own
//! messages whoever is named, because Slack has checked it (an administrator may delete, and its event does
//! not say who did). Nobody changes a message of another surface; a moderator takes it back, and so does whoever
//! may ask the gate's door.

use std::time::Duration;

use switchboard_core::event::{
    Change, MessageDeleted, MessageJudged, MessageSaid, Reaction, ReactionChanged,
};
use switchboard_core::{
    Detail, Expect, Failure, Message, MessageId, Outcome, Revision, TimerChange, Timestamp,
};

use super::gate::{Gate, because, may_change, timer_key};
use super::policy::Decision;
use super::store::{self, MAX_REACTIONS, MAX_WITHDRAWALS, Record, Seen, Status};

/// For so long a reaction waits for its message, which a bus without order may deliver second.
const REACTION_WAITS_S: u64 = 30;
/// How often it looks.
const REACTION_LOOKS_EVERY_S: u64 = 2;
/// Longest name of a reaction, in bytes. Slack's custom names have at most 100 characters.
const MAX_REACTION_BYTES: usize = 128;

/// Is nothing known of a message but what came before it?
fn not_come(record: Option<&Record>) -> bool {
    record.is_none_or(|record| record.status == Status::Parked)
}

/// What is known of a message; if nothing is and a room shows it, it was forgotten, and is what the room shows.
fn forgotten(known: Option<Record>, shown: Option<&Message>) -> Option<Record> {
    match shown {
        Some(shown) if not_come(known.as_ref()) => Some(Record::of(Status::Shown, shown)),
        _ => known,
    }
}

impl Gate<'_> {
    /// Somebody said something.
    pub(super) async fn posted(&self, message: &Message) -> Result<Outcome, Failure> {
        let seen = store::message(self.view, &message.id).await?;
        let mut outcome = Outcome::nothing();
        let mut waiting_edit = None;
        match &seen.value {
            None => {}
            Some(Record { status: Status::Parked, message: edit, withdrawn_by, .. }) => {
                if edit.is_some() {
                    outcome.timers.push(TimerChange::Clear { key: timer_key(&message.id) });
                }
                if withdrawn_by.iter().any(|who| may_change(&message.sender, who)) {
                    let gone = Record::gone(Status::Deleted, message.revision);
                    self.remember(&mut outcome, &gone, message, seen.expect)?;
                    return Ok(outcome);
                }
                waiting_edit = edit.as_ref();
            }
            // It was said before.
            Some(_) => return Ok(outcome),
        }
        let mut judged = message.revision;
        if let Some(edit) = waiting_edit.filter(|edit| edit.revision > message.revision) {
            if let Some(reasons) = self.objection(message, edit) {
                self.block(&mut outcome, edit, reasons);
                return self.first(message, judged, seen.expect, outcome).await;
            }
            let (verdict, pace) = self.judge(edit).await?;
            if verdict.decision == Decision::Allow {
                let edited = Message { sender: message.sender.clone(), ..edit.clone() };
                outcome.writes.extend(pace);
                self.remember(&mut outcome, &Record::of(Status::Shown, &edited), &edited, seen.expect)?;
                self.show(&mut outcome, Change::Posted, edited, Some(&edit.sender), None).await?;
                return Ok(outcome);
            }
            // The edit does not pass, but what was said first may; the pace is taken for that.
            self.block(&mut outcome, edit, verdict.reasons);
            judged = edit.revision;
        }
        self.first(message, judged, seen.expect, outcome).await
    }

    /// A message that is new to the gate, or that was held and is another now. Revisions up to `judged` have
    /// been seen.
    async fn first(
        &self,
        message: &Message,
        judged: Revision,
        expect: Expect,
        mut outcome: Outcome,
    ) -> Result<Outcome, Failure> {
        let (verdict, pace) = self.judge(message).await?;
        outcome.writes.extend(pace);
        let record = |status| Record { revision: judged, ..Record::of(status, message) };
        match verdict.decision {
            Decision::Allow => {
                self.remember(&mut outcome, &record(Status::Shown), message, expect)?;
                self.show(&mut outcome, Change::Posted, message.clone(), None, None).await?;
            }
            Decision::Hold => {
                self.remember(&mut outcome, &record(Status::Held), message, expect)?;
                let held = MessageJudged { message: message.clone(), reasons: verdict.reasons };
                self.say(&mut outcome, Detail::MessageHeld(held), message.revision);
            }
            Decision::Block => {
                self.remember(&mut outcome, &Record::gone(Status::Blocked, judged), message, expect)?;
                self.block(&mut outcome, message, verdict.reasons);
            }
        }
        Ok(outcome)
    }

    /// Somebody changed what they had said.
    pub(super) async fn edited(&self, said: &MessageSaid) -> Result<Outcome, Failure> {
        let edit = &said.message;
        let Seen { value, expect } = store::message(self.view, &edit.id).await?;
        if said.kept && not_come(value.as_ref()) {
            return self.edited_long_after(edit, expect).await;
        }
        let mut outcome = Outcome::nothing();
        let Some(mut record) = value else {
            self.park(&mut outcome, edit, Vec::new(), expect)?;
            return Ok(outcome);
        };
        if record.revision >= edit.revision {
            return Ok(outcome);
        }
        match (record.status, record.message.take()) {
            (Status::Parked, _) if record.withdrawn_by.iter().any(|who| may_change(&edit.sender, who)) => {}
            // Who of the two is the sender is not known yet; the first is kept.
            (Status::Parked, Some(other)) if !may_change(&other.sender, &edit.sender) => {
                self.block(&mut outcome, edit, because("not_sender", "an edit after somebody else's"));
            }
            (Status::Parked, _) => self.park(&mut outcome, edit, record.withdrawn_by, expect)?,
            (Status::Shown, Some(shown)) => {
                if let Some(reasons) = self.objection(&shown, edit) {
                    // Not remembered: it must not stand in the way of the sender's own next edit.
                    self.block(&mut outcome, edit, reasons);
                    return Ok(outcome);
                }
                let (verdict, pace) = self.judge(edit).await?;
                outcome.writes.extend(pace);
                record.revision = edit.revision;
                if verdict.decision == Decision::Allow {
                    let edited = Message { sender: shown.sender, ..edit.clone() };
                    record.message = Some(edited.clone());
                    self.remember(&mut outcome, &record, edit, expect)?;
                    self.show(&mut outcome, Change::Edited, edited, Some(&edit.sender), None).await?;
                } else {
                    record.message = Some(shown);
                    self.remember(&mut outcome, &record, edit, expect)?;
                    self.block(&mut outcome, edit, verdict.reasons);
                }
            }
            (Status::Held, Some(held)) => {
                if let Some(reasons) = self.objection(&held, edit) {
                    self.block(&mut outcome, edit, reasons);
                    return Ok(outcome);
                }
                let edited = Message { sender: held.sender, ..edit.clone() };
                return self.first(&edited, edit.revision, expect, outcome).await;
            }
            (Status::Deleted, _) => {}
            (Status::Blocked | Status::Shown | Status::Held, _) => {
                record.revision = edit.revision;
                self.remember(&mut outcome, &record, edit, expect)?;
                self.block(
                    &mut outcome,
                    edit,
                    because("not_shown", "an edit of a message that is not shown"),
                );
            }
        }
        Ok(outcome)
    }

    /// An edit of what the room shows and the gate has forgotten.
    async fn edited_long_after(&self, edit: &Message, expect: Expect) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::nothing();
        let (verdict, pace) = self.judge(edit).await?;
        outcome.writes.extend(pace);
        if verdict.decision == Decision::Allow {
            self.remember(&mut outcome, &Record::of(Status::Shown, edit), edit, expect)?;
            self.show(&mut outcome, Change::Edited, edit.clone(), None, None).await?;
        } else {
            // What stands is not known here, so nothing is remembered.
            self.block(&mut outcome, edit, verdict.reasons);
        }
        Ok(outcome)
    }

    /// Somebody withdrew what they had said.
    pub(super) async fn deleted(&self, deleted: &MessageDeleted) -> Result<Outcome, Failure> {
        let Seen { value, expect } = store::message(self.view, &deleted.message_id).await?;
        let mut outcome = Outcome::nothing();
        // Nothing that is less than any revision: it has not come.
        let mut record = forgotten(value, deleted.shown.as_ref())
            .unwrap_or_else(|| Record::gone(Status::Parked, Revision(0)));
        let tombstone = Record::gone(Status::Deleted, record.revision);
        let who = &deleted.sender;
        match (record.status, record.message.take()) {
            (Status::Parked, edit) => {
                let known = record.withdrawn_by.len() >= MAX_WITHDRAWALS || record.withdrawn_by.contains(who);
                if known {
                    return Ok(outcome);
                }
                record.withdrawn_by.push(who.clone());
                if edit.as_ref().is_some_and(|edit| may_change(&edit.sender, who)) {
                    outcome.timers.push(TimerChange::Clear { key: timer_key(&deleted.message_id) });
                } else {
                    record.message = edit;
                }
                outcome.writes.push(self.put(&deleted.message_id, &record, expect)?);
            }
            (Status::Shown, Some(message)) if deleted.moderator && !may_change(&message.sender, who) => {
                let gone = Record::gone(Status::Blocked, record.revision);
                self.remember(&mut outcome, &gone, &message, expect)?;
                self.show(&mut outcome, Change::Retracted, message, Some(who), None).await?;
            }
            (Status::Held, Some(message)) if deleted.moderator && !may_change(&message.sender, who) => {
                let gone = Record::gone(Status::Blocked, record.revision);
                self.remember(&mut outcome, &gone, &message, expect)?;
                self.block(&mut outcome, &message, because("moderator", "removed by a moderator"));
            }
            (Status::Shown | Status::Held, Some(message)) if !may_change(&message.sender, who) => {
                self.block(&mut outcome, &message, because("not_sender", "a deletion by somebody else"));
            }
            (Status::Shown, Some(message)) => {
                self.remember(&mut outcome, &tombstone, &message, expect)?;
                self.show(&mut outcome, Change::Deleted, message, Some(who), None).await?;
            }
            (Status::Held, Some(message)) => self.remember(&mut outcome, &tombstone, &message, expect)?,
            // It is not shown, and will not be.
            (_, _) => {}
        }
        Ok(outcome)
    }

    /// Somebody put a reaction to a message, or took it away.
    pub(super) async fn reacted(
        &self,
        reaction: &ReactionChanged,
        happened: Timestamp,
    ) -> Result<Outcome, Failure> {
        let Seen { value, expect } = store::message(self.view, &reaction.message_id).await?;
        let mut outcome = Outcome::nothing();
        let was_forgotten = reaction.shown.is_some() && not_come(value.as_ref());
        let mut record = match forgotten(value, reaction.shown.as_ref()) {
            Some(record) if record.status == Status::Shown => record,
            None | Some(Record { status: Status::Parked, .. })
                if self.now.since(happened).as_secs() < REACTION_WAITS_S =>
            {
                return Err(Failure::retry_after(
                    "the message of this reaction has not come yet",
                    Duration::from_secs(REACTION_LOOKS_EVERY_S),
                ));
            }
            _ => return Ok(outcome),
        };
        let Some(message) = record.message.clone() else { return Ok(outcome) };
        if reaction.reaction.is_empty() || reaction.reaction.len() > MAX_REACTION_BYTES {
            return Ok(outcome);
        }
        let mark = format!("{}/{}", reaction.reaction, store::sender_hash(&reaction.sender));
        let there = record.reactions.iter().position(|kept| *kept == mark);
        match (reaction.added, there) {
            (true, None) if record.reactions.len() < MAX_REACTIONS => record.reactions.push(mark),
            (false, Some(place)) => drop(record.reactions.remove(place)),
            // Put there before the gate forgot the message.
            (false, None) if was_forgotten => {}
            _ => return Ok(outcome),
        }
        self.remember(&mut outcome, &record, &message, expect)?;
        let shown = Reaction { name: reaction.reaction.clone(), added: reaction.added };
        self.show(&mut outcome, Change::Reacted, message, Some(&reaction.sender), Some(shown)).await?;
        Ok(outcome)
    }

    /// A parked edit's time is up, and its message has not come. That is said, so that nothing is lost in
    /// silence; the edit stays where it is, because a message that comes after all must not show older words.
    pub(super) async fn parked_too_long(&self, message_id: &str) -> Result<Outcome, Failure> {
        let id = MessageId::from_text(message_id);
        let Seen { value, expect } = store::message(self.view, &id).await?;
        let mut outcome = Outcome::nothing();
        if let Some(Record { status: Status::Parked, message: Some(edit), .. }) = value {
            outcome.writes.push(store::check_message(&id, expect));
            self.block(&mut outcome, &edit, because("no_message", "an edit whose message has not come"));
        }
        Ok(outcome)
    }
}
