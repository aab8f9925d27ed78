//! The life of an effect: permitted, recorded as *trying*, attempted; how it ends is in `ending`. The same as on one
//! machine, but each step is a conditional write, since another invocation may be at the same effect.

use futures::StreamExt;
use switchboard_core::{Failure, Permit, Permitted, Settlement, Timestamp};
use switchboard_hosts::again::try_again;
use switchboard_hosts::attempt::{self, Attempted, Ground, TRYING};
use switchboard_hosts::limits::guarded_later;
use tracing::info;

use super::deciding::Beside;
use super::record::{EffectRow, Origin, Record, State};
use super::{Settler, Went, conflicts};
use crate::store::{NotCommitted, Step};

/// Most attempts of one delivery that are under way at once.
const MAX_AT_ONCE: usize = 8;

/// What an effect belongs to.
pub(super) struct Of<'a> {
    pub(super) origin: &'a Origin,
    /// The event, for the dead letter.
    pub(super) event: Option<&'a str>,
    /// Moves the lane on, where this effect is all that is left.
    pub(super) finish: Option<Beside>,
}

/// What changing an effect's row came to.
pub(super) enum Moved {
    Written,
    /// Somebody else was faster: read it again.
    Overtaken,
    /// The bridge's own items have changed: ask it again.
    Conflict,
    /// The lane has been moved on already.
    Late,
}

impl Settler {
    /// Carries out what is open of a record, effects that follow from effects included.
    pub(super) async fn carry_out(
        &self,
        origin: &Origin,
        event: Option<&str>,
        record: &mut Record,
        finish: impl Fn() -> Option<Beside> + Sync,
    ) -> Result<Went, Failure> {
        let mut went = Went::Ended;
        let mut open: Vec<EffectRow> = record.effects.extract_if(.., |row| row.is_open()).collect();
        while !open.is_empty() {
            let later = record.effects.iter().any(EffectRow::is_open);
            let alone = open.len() == 1 && !later && record.next_part().is_none();
            let attempts = open.drain(..).map(|mut row| {
                let of = Of { origin, event, finish: if alone { finish() } else { None } };
                async move {
                    let ended = Box::pin(self.effect(&of, &mut row)).await;
                    (row, ended)
                }
            });
            let mut ended = futures::stream::iter(attempts).buffer_unordered(MAX_AT_ONCE);
            let mut failed = None;
            let mut followed = Vec::new();
            while let Some((row, result)) = ended.next().await {
                record.effects.push(row);
                match result {
                    Ok((this, follow)) => {
                        went = went.and(this);
                        followed.extend(follow);
                    }
                    Err(failure) => failed = Some(failure),
                }
            }
            drop(ended);
            if let Some(failure) = failed {
                return Err(failure);
            }
            open.extend(followed);
        }
        Ok(went)
    }

    /// One effect, as far as it goes now. Gives the effects that follow from its end.
    async fn effect(&self, of: &Of<'_>, row: &mut EffectRow) -> Result<(Went, Vec<EffectRow>), Failure> {
        loop {
            let now = crate::now();
            let report = match row.state {
                State::Done | State::Dead => {
                    self.tell_the_dead(of, row).await?;
                    return Ok((Went::Ended, Vec::new()));
                }
                _ if row.due > now => {
                    if row.state != State::Trying && self.wait_until(row.due, now).await {
                        continue;
                    }
                    return Ok((Went::Later(row.due), Vec::new()));
                }
                State::Trying => {
                    // Its time is over: whoever was at it is gone, and what became of it is unknown.
                    row.unsure = true;
                    row.state = State::Waiting;
                    None
                }
                State::Waiting => None,
                State::Answered => row.report.clone(),
            };
            let end = match report {
                Some(report) => Settlement::Done(report),
                None => match self.attempt(of, row).await? {
                    Some(end) => end,
                    None => continue,
                },
            };
            if let Some(followed) = self.settle(of, row, end).await? {
                self.tell_the_dead(of, row).await?;
                return Ok((Went::Ended, followed));
            }
        }
    }

    /// Permit, *trying*, attempt. `None`: it is to be looked at again.
    async fn attempt(&self, of: &Of<'_>, row: &mut EffectRow) -> Result<Option<Settlement>, Failure> {
        if !self.has_time_for_an_attempt() {
            // Another invocation has; it is reminded at once.
            return self.put_off(of, row, crate::now().plus(super::WAITED_FOR * 2)).await;
        }
        let mut conflicts = self.conflicts();
        let permitted = loop {
            let now = crate::now();
            let view = self.view(now);
            let permit = match guarded_later(self.bridge.permit(&row.effect, now, &view)).await {
                Ok(permit) => permit,
                Err(failure) => return self.failed(of, row, failure).await,
            };
            let mut next = row.clone();
            let wanted = !matches!(permit.permit, Permit::Needless(_));
            let permit = if row.unsure && !wanted { Permitted::go() } else { permit };
            match &permit.permit {
                Permit::Go => (next.state, next.due) = (State::Trying, now.plus(TRYING)),
                Permit::NotBefore(due) => (next.state, next.due) = (State::Waiting, *due),
                Permit::Settled(report) | Permit::Needless(report) => {
                    (next.state, next.due, next.report) = (State::Answered, now, Some(report.clone()));
                }
            }
            match self.save(of, row, next, permit.writes, Vec::new(), now).await? {
                Moved::Written => break Some((permit.permit, wanted)),
                Moved::Overtaken => return Ok(None),
                Moved::Conflict | Moved::Late if conflicts.again().await => {}
                Moved::Conflict | Moved::Late => break None,
            }
        };
        drop(conflicts);
        match permitted {
            None => self.failed(of, row, conflicts::overtaken()).await,
            Some((Permit::NotBefore(_), _)) => Ok(None),
            Some((Permit::Settled(report) | Permit::Needless(report), _)) => {
                Ok(Some(Settlement::Done(report)))
            }
            Some((Permit::Go, wanted)) => self.go(of, row, wanted).await,
        }
    }

    /// One attempt. Not `wanted`: it is only looked for.
    async fn go(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        wanted: bool,
    ) -> Result<Option<Settlement>, Failure> {
        let ground = Ground {
            http: &self.http,
            blobs: &self.blobs,
            notices: &self.notices,
            devices: &self.devices,
            clock: &crate::now,
        };
        let look_since = row.unsure.then_some(row.first);
        let (attempted, exchanges) =
            attempt::carry_out(&*self.bridge, &row.effect, look_since, &ground).await;
        info!(listener = of.origin.listener, arrival = %of.origin.arrival, destination = row.effect.destination,
              exchanges = exchanges.join(","), "an attempt has ended");
        if matches!(attempted, Attempted::Acted(Ok(_)) | Attempted::Looked(Ok(_))) {
            self.credentials.worked(&of.origin.listener);
        }
        match attempted {
            Attempted::Acted(Ok(report)) | Attempted::Looked(Ok(Some(report))) => {
                Ok(Some(Settlement::Done(report)))
            }
            Attempted::Acted(Err(failure)) => self.failed(of, row, failure).await,
            Attempted::Looked(Ok(None)) => {
                // The provider knows nothing of it: do it (again). This is the window that its API leaves open.
                if wanted {
                    info!(
                        listener = of.origin.listener,
                        metric = "effects_tried_again_unsure",
                        "tried again unsure"
                    );
                }
                let mut next = row.clone();
                (next.unsure, next.state, next.due) = (false, State::Waiting, crate::now());
                self.save_plain(of, row, next).await
            }
            Attempted::Looked(Err(failure)) => {
                // Whatever became of the asking, what became of the effect is as unknown as before.
                let failure = match failure {
                    Failure::Unsure { reason } => Failure::retry(reason),
                    other => other,
                };
                self.failed(of, row, failure).await
            }
        }
    }

    /// An attempt failed: later, or never.
    async fn failed(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        failure: Failure,
    ) -> Result<Option<Settlement>, Failure> {
        let now = crate::now();
        let mut next = row.clone();
        self.credentials.failed(&of.origin.listener, &failure);
        next.unsure |= matches!(failure, Failure::Unsure { .. });
        let again = try_again(&failure, &mut next.attempts, row.anew, &self.policy, now, rand::random());
        info!(listener = of.origin.listener, kind = failure.kind(), reason = %failure, "an attempt failed");
        match again {
            Some(due) => {
                (next.state, next.due) = (State::Waiting, due);
                self.save_plain(of, row, next).await
            }
            None => {
                row.attempts = next.attempts;
                Ok(Some(Settlement::GaveUp(failure)))
            }
        }
    }

    async fn put_off(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        due: Timestamp,
    ) -> Result<Option<Settlement>, Failure> {
        let mut next = row.clone();
        (next.state, next.due) = (State::Waiting, due);
        self.save_plain(of, row, next).await
    }

    /// Changes only the effect's own row.
    pub(super) async fn save_plain(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        next: EffectRow,
    ) -> Result<Option<Settlement>, Failure> {
        match self.save(of, row, next, Vec::new(), Vec::new(), crate::now()).await? {
            Moved::Written | Moved::Overtaken => Ok(None),
            Moved::Conflict | Moved::Late => Err(Failure::bug("a conflict over nothing")),
        }
    }

    /// Writes the row as `next` with what goes with it. Overtaken: `row` is read again.
    pub(super) async fn save(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        mut next: EffectRow,
        writes: Vec<switchboard_core::Write>,
        beside: Vec<Step>,
        now: Timestamp,
    ) -> Result<Moved, Failure> {
        let mut steps = vec![next.save(&self.table, of.origin, now)?];
        steps.extend(beside);
        match self.table.commit(&steps, &writes, now).await {
            Ok(()) => {
                *row = next;
                Ok(Moved::Written)
            }
            Err(NotCommitted::Own(0)) => {
                let record = Record::load(&self.table, of.origin).await?;
                let found = record.effects.into_iter().find(|found| found.sort == row.sort);
                *row = found.ok_or_else(|| Failure::bug("an effect's row is gone"))?;
                Ok(Moved::Overtaken)
            }
            Err(NotCommitted::Own(_)) => Ok(Moved::Late),
            Err(NotCommitted::Conflict) => Ok(Moved::Conflict),
            Err(NotCommitted::Failed(failure)) => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests;
