//! The life of an effect: permitted, recorded as *trying*, started, answered or not, settled.
//!
//! ```text
//!   waiting ── permit ──▶ trying ── report ──▶ settle ──▶ done
//!      ▲                    │ failed: attempts left? ──▶ waiting (backoff)   no ──▶ dead letter, settle
//!      └── nothing known ◀──┘ end unknown ──▶ waiting, then `find` instead of `act`
//! ```

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use switchboard_core::{Failure, Permit, Settlement, Timestamp};
use switchboard_hosts::again::try_again;
use switchboard_hosts::attempt::{Attempted as Ended, TRYING};
use switchboard_hosts::limits::guarded;
use tracing::{error, warn};

use super::{Fatal, For, MAX_CONFLICTS, UnderWay, Writer};
use crate::bus::inbox::Attempted;
use crate::bus::letters::{self, DeadLetter};
use crate::bus::log::Start;
use crate::bus::rows::EffectState;
use crate::bus::view::{SqlView, lock};

impl Writer {
    /// Asks for the permit, records *trying*, and has the attempt started after the commit.
    pub(super) fn attempt(&mut self, id: i64) -> Fatal<()> {
        let now = self.batch.now;
        let Some(row) = self.effects.get(&id) else { return Ok(()) };
        if row.due > now || row.state > EffectState::Answered || self.in_flight.contains_key(&id) {
            return Ok(());
        }
        if let Some(report) = row.report.clone().filter(|_| row.state == EffectState::Answered) {
            return self.settle(id, Settlement::Done(report));
        }
        let (listener, unsure, effect) = (row.listener, row.unsure, row.effect.clone());
        let permit = self.permit(For { listener, origin: row.origin }, &effect)?;
        self.batch.effects.insert(id);
        let wanted = match permit {
            Ok(Permit::Go) => true,
            Ok(Permit::Needless(_)) if unsure => false,
            Ok(Permit::NotBefore(due)) => {
                self.sleep(id, due);
                return Ok(());
            }
            Ok(Permit::Settled(report) | Permit::Needless(report)) => {
                return self.settle(id, Settlement::Done(report));
            }
            Err(failure) => return self.effect_failed(id, failure),
        };
        let bridge = Arc::clone(&self.bridges[self.listeners[listener].bridge].0);
        self.listeners[listener].acting += 1;
        self.in_flight.insert(id, UnderWay { listener, wanted });
        let Some(row) = self.effects.get_mut(&id) else { return Ok(()) };
        row.state = EffectState::Trying;
        row.due = now.plus(TRYING);
        let look_since = unsure.then_some(row.first);
        self.batch.sealed.starts.push(Start { id, bridge, effect, look_since });
        Ok(())
    }

    pub(super) fn sleep(&mut self, id: i64, due: Timestamp) {
        if let Some(row) = self.effects.get_mut(&id) {
            row.state = EffectState::Waiting;
            row.due = due;
            self.sleeping.push(Reverse((due.ms(), id)));
            self.batch.effects.insert(id);
        }
    }

    pub(super) fn take_attempted(&mut self, attempted: Attempted) -> Fatal<()> {
        let Attempted { effect: id, result, exchanges } = attempted;
        let under_way = self.in_flight.remove(&id);
        if let Some(UnderWay { listener, .. }) = under_way {
            self.listeners[listener].acting -= 1;
            let answered = matches!(result, Ended::Acted(Ok(_)) | Ended::Looked(Ok(_)));
            if answered && self.listeners[listener].credentials.worked(&self.listeners[listener].name) {
                let name = &self.listeners[listener].name;
                self.parts.metrics.credentials_refused.with_label_values(&[name]).set(0);
            }
        }
        let Some(row) = self.effects.get_mut(&id) else { return Ok(()) };
        row.exchanges.extend(exchanges);
        self.batch.effects.insert(id);
        match result {
            Ended::Acted(Ok(report)) | Ended::Looked(Ok(Some(report))) => {
                self.settle(id, Settlement::Done(report))
            }
            Ended::Acted(Err(failure)) => self.effect_failed(id, failure),
            Ended::Looked(Ok(None)) => {
                // The provider knows nothing of it: do it (again). This is the window that its API leaves open.
                row.unsure = false;
                row.state = EffectState::Waiting;
                row.due = self.batch.now;
                let listener = row.listener;
                if under_way.is_some_and(|under_way| under_way.wanted) {
                    let name = &self.listeners[listener].name;
                    self.parts.metrics.tried_again_unsure.with_label_values(&[name]).inc();
                }
                self.listeners[listener].startable.push_front(id);
                Ok(())
            }
            Ended::Looked(Err(failure)) => {
                // Whatever became of the asking, what became of the effect is as unknown as before.
                let failure = match failure {
                    Failure::Unsure { reason } => Failure::retry(reason),
                    other => other,
                };
                self.effect_failed(id, failure)
            }
        }
    }

    pub(super) fn effect_failed(&mut self, id: i64, failure: Failure) -> Fatal<()> {
        let now = self.batch.now;
        let random = (self.parts.random)();
        let Some(row) = self.effects.get_mut(&id) else { return Ok(()) };
        row.reason = Some(failure.to_string());
        row.unsure |= matches!(failure, Failure::Unsure { .. });
        let listener = &self.listeners[row.listener];
        self.parts.metrics.failed_attempts.with_label_values(&[&listener.name, failure.kind()]).inc();
        if listener.credentials.failed(&listener.name, &failure) {
            self.parts.metrics.credentials_refused.with_label_values(&[&listener.name]).set(1);
        }
        let since = row.redriven.unwrap_or(row.first);
        match try_again(&failure, &mut row.attempts, since, &listener.policy, now, random) {
            Some(due) => {
                self.sleep(id, due);
                Ok(())
            }
            None => {
                let (name, attempts) = (listener.name.as_str(), row.attempts);
                let destination = row.effect.destination.as_str();
                match &failure {
                    Failure::Bug { reason } => {
                        error!(
                            listener = name,
                            destination, attempts, reason, "an effect became a dead letter"
                        );
                    }
                    _ => {
                        warn!(listener = name, destination, attempts, reason = %failure, "an effect became a dead letter");
                    }
                }
                let letter = DeadLetter {
                    listener: listener.id,
                    position: row.origin,
                    effect: Some(id),
                    timer: None,
                    first: row.first,
                    attempts: row.attempts,
                    failure: &failure,
                };
                letters::insert(&lock(&self.db), &letter, now)?;
                self.parts.metrics.dead_letters.with_label_values(&[&listener.name]).inc();
                self.settle(id, Settlement::GaveUp(failure))
            }
        }
    }

    /// Lets the bridge say what an effect's end means, and closes the effect.
    pub(super) fn settle(&mut self, id: i64, settlement: Settlement) -> Fatal<()> {
        let now = self.batch.now;
        let Some(row) = self.effects.get(&id) else { return Ok(()) };
        let (to, effect) = (For { listener: row.listener, origin: row.origin }, row.effect.clone());
        let mut failed = None;
        for _ in 0..MAX_CONFLICTS {
            let (bridge, sql) = &self.bridges[self.listeners[to.listener].bridge];
            let view = SqlView { connection: &self.db, sql, now };
            let outcome = guarded(|| bridge.settle(&effect, &settlement, now, &view).now_or_never());
            let applied = match outcome {
                Ok(outcome) => self.apply(to, outcome)?.map(|_| ()),
                Err(failure) => Err(failure),
            };
            match applied {
                Ok(()) => {
                    failed = None;
                    break;
                }
                Err(failure) => failed = Some(failure),
            }
        }
        let gave_up = matches!(settlement, Settlement::GaveUp(_));
        let mut unsettled = None;
        match failed {
            Some(Failure::Retry { reason, after, .. }) if !gave_up => {
                // Keep the answer, and settle it later.
                if let (Some(row), Settlement::Done(report)) = (self.effects.get_mut(&id), settlement) {
                    row.state = EffectState::Answered;
                    row.report = Some(report);
                    row.reason = Some(reason);
                    row.due = now.plus(after.unwrap_or(Duration::from_secs(1)));
                    self.sleeping.push(Reverse((row.due.ms(), id)));
                    self.batch.effects.insert(id);
                }
                return Ok(());
            }
            Some(Failure::Unsure { reason }) if !gave_up => {
                // The answer turned out to be somebody else's: the effect is still to be done.
                if let Some(row) = self.effects.get_mut(&id) {
                    row.unsure = false;
                    row.reason = Some(reason);
                }
                self.sleep(id, now);
                return Ok(());
            }
            Some(failure) => {
                error!(listener = self.listeners[to.listener].name, reason = %failure, "an effect's end could not be settled");
                let letter = DeadLetter {
                    listener: self.listeners[to.listener].id,
                    position: to.origin,
                    effect: Some(id),
                    timer: None,
                    first: now,
                    attempts: 1,
                    failure: &failure,
                };
                letters::insert(&lock(&self.db), &letter, now)?;
                let name = &self.listeners[to.listener].name;
                self.parts.metrics.dead_letters.with_label_values(&[name]).inc();
                // Whoever redrives it settles this answer: the effect itself has happened.
                if let Settlement::Done(report) = settlement {
                    unsettled = Some(report);
                }
            }
            None => {}
        }
        if let Some(row) = self.effects.get_mut(&id) {
            row.state = if gave_up { EffectState::Dead } else { EffectState::Done };
            row.report = unsettled;
            self.batch.effects.insert(id);
            if !gave_up {
                self.parts.metrics.effects.with_label_values(&[&self.listeners[to.listener].name]).inc();
            }
        }
        if let Some(position) = to.origin {
            if let Some(delivery) = self.listeners[to.listener].queue.deliveries.get_mut(&position) {
                delivery.open_effects = delivery.open_effects.saturating_sub(1);
            }
            self.close_if_settled(to.listener, position);
        }
        Ok(())
    }
}
