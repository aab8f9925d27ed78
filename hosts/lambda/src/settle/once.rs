//! Requests that no other request ever is: a sign-in, a ticket. Nothing of them is remembered but what they change, so
//! that no answer with a secret in it lies in the table.

use switchboard_core::{Arrival, Failure, Reply, What};
use switchboard_hosts::limits::{guarded_later, prepare};

use super::record::Origin;
use super::{Settler, conflicts};
use crate::store::NotCommitted;

impl Settler {
    /// Decides it and commits what it changes; gives its answer.
    pub(crate) async fn answer_once(&self, origin: &Origin, what: What<'_>) -> Result<Reply, Failure> {
        let mut conflicts = self.conflicts();
        loop {
            let now = crate::now();
            let view = self.view(now);
            let arrival = Arrival { listener: &origin.listener, id: &origin.arrival, now, what };
            let outcome = guarded_later(self.bridge.decide(&arrival, &view)).await?;
            prepare(&outcome)?;
            let more =
                !outcome.events.is_empty() || !outcome.timers.is_empty() || !outcome.effects.is_empty();
            if more || outcome.next_part.is_some() {
                return Err(Failure::bug("what follows from it has to be remembered"));
            }
            match self.table.commit(&[], &outcome.writes, now).await {
                Ok(()) => {
                    self.show(outcome.pushes);
                    return Ok(outcome.reply.unwrap_or_else(Reply::empty));
                }
                Err(NotCommitted::Failed(failure)) => return Err(failure),
                Err(_) if conflicts.again().await => {}
                Err(_) => return Err(conflicts::overtaken()),
            }
        }
    }
}
