//! How an effect ends: the bridge says what its end means, its row is closed, and who was given up has a letter.

use switchboard_core::{Failure, Outcome, Settlement, Timestamp};
use switchboard_hosts::again;
use switchboard_hosts::limits::{guarded_later, prepare};
use tracing::{error, warn};

use super::deciding::{Beside, texts, timer_steps};
use super::effects::{Moved, Of};
use super::record::{EffectRow, Letterhead, Origin, Record, State};
use super::{Settler, conflicts};
use crate::queue::Letter;
use crate::store::NotCommitted;

/// What closing an effect came to.
enum Closed {
    Written(Vec<EffectRow>),
    Overtaken,
    Conflict,
    Late,
}

impl Settler {
    /// Lets the bridge say what an effect's end means, and closes the effect. `None`: it is to be looked at again.
    pub(super) async fn settle(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        end: Settlement,
    ) -> Result<Option<Vec<EffectRow>>, Failure> {
        let mut finish = of.finish.as_ref();
        let mut conflicts = self.conflicts();
        let last = loop {
            let now = crate::now();
            let view = self.view(now);
            let outcome = match guarded_later(self.bridge.settle(&row.effect, &end, now, &view)).await {
                Ok(outcome) => outcome,
                Err(failure) => break failure,
            };
            match self.close(of, row, &end, outcome, finish, now).await {
                Ok(Closed::Written(followed)) => {
                    drop(conflicts);
                    self.tell(&row.events, &row.timers).await?;
                    return Ok(Some(followed));
                }
                Ok(Closed::Overtaken) => return Ok(None),
                Ok(Closed::Late) if finish.is_some() => finish = None,
                Ok(Closed::Conflict | Closed::Late) if conflicts.again().await => {}
                Ok(Closed::Conflict | Closed::Late) => break conflicts::overtaken(),
                Err(failure @ Failure::Bug { .. }) => break failure,
                Err(failure) => return Err(failure),
            }
        };
        drop(conflicts);
        self.unsettled(of, row, end, last).await
    }

    async fn close(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        end: &Settlement,
        outcome: Outcome,
        finish: Option<&Beside>,
        now: Timestamp,
    ) -> Result<Closed, Failure> {
        let mut next = row.clone();
        next.events = texts(prepare(&outcome)?)?;
        let (mut beside, timers) = timer_steps(self, &outcome.timers);
        next.timers = timers;
        next.report = None;
        match end {
            Settlement::Done(_) => next.state = State::Done,
            Settlement::GaveUp(failure) => {
                next.state = State::Dead;
                next.dead = Some(Letterhead::of(failure));
            }
        }
        let mut followed: Vec<EffectRow> = outcome
            .effects
            .into_iter()
            .enumerate()
            .map(|(index, effect)| EffectRow::new(format!("{}#{index:03}", row.sort), effect, now))
            .collect();
        for row in &mut followed {
            beside.push(row.save(&self.table, of.origin, now)?);
        }
        if let (Some(finish), true) = (finish, followed.is_empty()) {
            beside.push(finish.step.clone());
            next.moved_lane = true;
        }
        Ok(match self.save(of, row, next, outcome.writes, beside, now).await? {
            Moved::Written => Closed::Written(followed),
            Moved::Overtaken => Closed::Overtaken,
            Moved::Conflict => Closed::Conflict,
            Moved::Late => Closed::Late,
        })
    }

    /// The end of an effect could not be settled.
    async fn unsettled(
        &self,
        of: &Of<'_>,
        row: &mut EffectRow,
        end: Settlement,
        failure: Failure,
    ) -> Result<Option<Vec<EffectRow>>, Failure> {
        let now = crate::now();
        let mut next = row.clone();
        match (failure, end) {
            (Failure::Retry { after, reason, .. }, Settlement::Done(report)) => {
                // Keep the answer, and settle it later: what has happened is never given up.
                warn!(listener = of.origin.listener, reason, "an effect's end is to be settled later");
                (next.state, next.report) = (State::Answered, Some(report));
                next.attempts += 1;
                next.due = now.plus(after.unwrap_or_else(|| again::wait(next.attempts, rand::random())));
                self.save_plain(of, row, next).await?;
                Ok(None)
            }
            (Failure::Unsure { .. }, Settlement::Done(_)) => {
                // The answer turned out to be somebody else's: the effect is still to be done.
                (next.unsure, next.state, next.due) = (false, State::Waiting, now);
                self.save_plain(of, row, next).await?;
                Ok(None)
            }
            (failure, end) => {
                error!(listener = of.origin.listener, reason = %failure, "an effect's end could not be settled");
                next.state = State::Dead;
                match end {
                    // Whoever redrives it settles this answer: the effect itself has happened.
                    Settlement::Done(report) => {
                        (next.report, next.dead) = (Some(report), Some(Letterhead::of(&failure)));
                    }
                    Settlement::GaveUp(why) => next.dead = Some(Letterhead::of(&why)),
                }
                self.save_plain(of, row, next).await?;
                Ok(if row.is_open() { None } else { Some(Vec::new()) })
            }
        }
    }

    /// Sends the letter of an effect that was given up, once.
    pub(super) async fn tell_the_dead(&self, of: &Of<'_>, row: &mut EffectRow) -> Result<(), Failure> {
        let Some(head) = row.dead.clone().filter(|head| !head.told) else { return Ok(()) };
        let letter = Letter {
            destination: Some(row.effect.destination.clone()),
            ..self.letter(of.origin, of.event, &head, row.first, row.attempts)?
        };
        self.bury(letter).await?;
        let mut next = row.clone();
        next.dead = Some(Letterhead { told: true, ..head });
        self.save_plain(of, row, next).await?;
        Ok(())
    }

    /// Effects that were given up are to be done after all.
    pub(super) async fn revive_effects(&self, origin: &Origin, record: &mut Record) -> Result<(), Failure> {
        let now = crate::now();
        for row in record.effects.iter_mut().filter(|row| row.state == State::Dead) {
            // What the provider has answered already is only to be settled.
            row.state = if row.report.is_some() { State::Answered } else { State::Waiting };
            (row.attempts, row.anew, row.due, row.dead) = (0, now, now, None);
            row.events.clear();
            let step = row.save(&self.table, origin, now)?;
            self.table.commit(&[step], &[], now).await.map_err(NotCommitted::failure)?;
        }
        Ok(())
    }

    pub(super) fn letter(
        &self,
        origin: &Origin,
        event: Option<&str>,
        head: &Letterhead,
        first_tried: Timestamp,
        attempts: u32,
    ) -> Result<Letter, Failure> {
        Ok(Letter {
            listener: origin.listener.clone(),
            at: crate::now(),
            first_tried,
            attempts,
            kind: head.kind.clone(),
            reason: head.reason.clone(),
            destination: None,
            arrival: event.is_none().then(|| origin.arrival.as_str().to_owned()),
            event: event.map(super::raw).transpose()?,
            message: None,
            timer: None,
        })
    }
}
