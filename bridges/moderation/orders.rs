//! What operators want done with a message: take it back, release it, block it. Asked at the gate's door.

use switchboard_core::event::Change;
use switchboard_core::{Failure, Outcome, Reply};

use super::gate::{Gate, because};
use super::store::{self, Record, Seen, Status};
use super::wire::{Done, Order, Verb};

impl Gate<'_> {
    /// An operator wants something done.
    pub(super) async fn ordered(&self, order: &Order) -> Result<Outcome, Failure> {
        let Seen { value, expect } = store::message(self.view, &order.message).await?;
        let Some(mut record) = value else { return Err(unknown()) };
        let mut outcome = Outcome::nothing();
        let seq = match (order.verb, record.status, record.message.take()) {
            (Verb::Retract, Status::Shown, Some(message)) => {
                let gone = Record::gone(Status::Blocked, record.revision);
                self.remember(&mut outcome, &gone, &message, expect)?;
                Some(self.show(&mut outcome, Change::Retracted, message, None, None).await?)
            }
            (Verb::Release, Status::Held, Some(message)) => {
                let shown = Record { revision: record.revision, ..Record::of(Status::Shown, &message) };
                self.remember(&mut outcome, &shown, &message, expect)?;
                Some(self.show(&mut outcome, Change::Posted, message, None, None).await?)
            }
            (Verb::Block, Status::Held, Some(message)) => {
                let gone = Record::gone(Status::Blocked, record.revision);
                self.remember(&mut outcome, &gone, &message, expect)?;
                self.block(&mut outcome, &message, because("operator", "blocked by hand"));
                None
            }
            (_, Status::Parked, _) => return Err(unknown()),
            (_, status, _) => {
                let state = match status {
                    Status::Shown => "shown",
                    Status::Held => "held",
                    Status::Deleted => "deleted",
                    Status::Blocked | Status::Parked => "blocked",
                };
                return Err(Failure::refuse(409, format!("the message is {state}")));
            }
        };
        outcome.reply = Some(Reply::json(&Done { message_id: &order.message, seq })?);
        Ok(outcome)
    }
}

fn unknown() -> Failure {
    Failure::refuse(
        404,
        "no such message, or one older than [moderation] keep_days: a moderator removes it in the chat",
    )
}
