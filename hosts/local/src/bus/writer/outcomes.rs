//! Calling into the bridges, and writing what they decide into the batch.

use std::cmp::Reverse;
use std::sync::Arc;

use futures::FutureExt;
use switchboard_core::{Arrival, ArrivalId, Effect, Event, Failure, Outcome, Permit, TimerChange, What};
use switchboard_hosts::limits::{guarded, prepare};
use tracing::error;

use super::{Fatal, For, MAX_CONFLICTS, Writer};
use crate::bus::deliveries;
use crate::bus::queue::Place;
use crate::bus::rows::{self, EffectRow, EffectState};
use crate::bus::view::{self, SqlView, lock};

impl Writer {
    pub(super) fn permit(&mut self, to: For, effect: &Effect) -> Fatal<Result<Permit, Failure>> {
        let now = self.batch.now;
        let mut last = Failure::bug("no permit was asked for");
        for _ in 0..MAX_CONFLICTS {
            let (bridge, sql) = &self.bridges[self.listeners[to.listener].bridge];
            let view = SqlView { connection: &self.db, sql, now };
            let permitted = guarded(|| bridge.permit(effect, now, &view).now_or_never());
            match permitted {
                Err(failure) => return Ok(Err(failure)),
                Ok(permitted) if permitted.writes.is_empty() => return Ok(Ok(permitted.permit)),
                Ok(permitted) => {
                    let outcome = Outcome { writes: permitted.writes, ..Outcome::default() };
                    match self.apply(to, outcome)? {
                        Ok(_) => return Ok(Ok(permitted.permit)),
                        Err(failure) => last = failure,
                    }
                }
            }
        }
        Ok(Err(last))
    }

    /// Decides and applies. An expectation that does not hold has it decided again.
    pub(super) fn decide(
        &mut self,
        to: For,
        id: &ArrivalId,
        what: What<'_>,
    ) -> Fatal<Result<Outcome, Failure>> {
        let now = self.batch.now;
        let mut last = Failure::bug("nothing was decided");
        for _ in 0..MAX_CONFLICTS {
            let listener = &self.listeners[to.listener];
            let (bridge, sql) = &self.bridges[listener.bridge];
            let view = SqlView { connection: &self.db, sql, now };
            let arrival = Arrival { listener: &listener.name, id, now, what };
            let decided = guarded(|| bridge.decide(&arrival, &view).now_or_never());
            match decided {
                Err(failure) => return Ok(Err(failure)),
                Ok(outcome) => match self.apply(to, outcome)? {
                    Ok(rest) => return Ok(Ok(rest)),
                    Err(Failure::Retry { reason, after: None, .. }) => last = Failure::retry(reason),
                    Err(failure) => return Ok(Err(failure)),
                },
            }
        }
        Ok(Err(last))
    }

    /// Writes an outcome into the batch: all of it, or nothing and why. Gives back the reply and the next part.
    pub(super) fn apply(&mut self, to: For, outcome: Outcome) -> Fatal<Result<Outcome, Failure>> {
        let encoded = match prepare(&outcome) {
            Ok(encoded) => encoded,
            Err(failure) => return Ok(Err(failure)),
        };
        let now = self.batch.now;
        let bridge = self.listeners[to.listener].bridge;
        if !outcome.writes.is_empty() {
            let db = lock(&self.db);
            let sql = &self.bridges[bridge].1;
            if !view::write(&db, sql, &outcome.writes, now)? {
                self.parts.metrics.conflicts.inc();
                return Ok(Err(Failure::retry("somebody else wrote first")));
            }
        }
        for (event, bytes) in outcome.events.into_iter().zip(encoded) {
            self.publish(event, bytes, to.origin.is_none())?;
        }
        for change in outcome.timers {
            let name = self.bridges[bridge].0.declaration().name;
            match change {
                TimerChange::Set { key, due, body } => {
                    rows::set_timer(&lock(&self.db), name, &key, due, &body)?;
                    self.next_timer = Some(self.next_timer.map_or(due.ms(), |next| next.min(due.ms())));
                }
                TimerChange::Clear { key } => rows::clear_timer(&lock(&self.db), name, &key)?,
            }
        }
        for effect in outcome.effects {
            self.add_effect(to, effect);
        }
        self.batch.sealed.pushes.extend(outcome.pushes);
        Ok(Ok(Outcome { reply: outcome.reply, next_part: outcome.next_part, ..Outcome::default() }))
    }

    pub(super) fn add_effect(&mut self, to: For, effect: Effect) {
        let id = self.next_effect;
        self.next_effect += 1;
        let now = self.batch.now;
        let due = effect.not_before.unwrap_or_default();
        let row = EffectRow {
            listener: to.listener,
            origin: to.origin,
            effect,
            state: EffectState::Waiting,
            attempts: 0,
            unsure: false,
            due,
            first: now,
            redriven: None,
            report: None,
            reason: None,
            exchanges: Vec::new(),
            new: true,
        };
        self.effects.insert(id, row);
        self.batch.effects.insert(id);
        if due > now {
            self.sleeping.push(Reverse((due.ms(), id)));
        } else {
            self.listeners[to.listener].startable.push_back(id);
        }
        if let Some(position) = to.origin
            && let Some(delivery) = self.listeners[to.listener].queue.deliveries.get_mut(&position)
        {
            delivery.open_effects += 1;
        }
    }

    pub(super) fn publish(&mut self, event: Event, bytes: Vec<u8>, outside: bool) -> Fatal<()> {
        let now = self.batch.now;
        let position = self.next_position;
        let matching = match self.hearing.rules.matching(&bytes) {
            Ok(matching) => matching,
            Err(failed) => {
                error!(event = %event.id, error = %failed, "an event of ours could not be matched");
                Vec::new()
            }
        };
        let listeners: Vec<usize> = matching.into_iter().map(|rule| self.hearing.listener[rule]).collect();
        let ids: Vec<String> = listeners.iter().map(|index| self.listeners[*index].id.to_string()).collect();
        if !rows::insert_event(&lock(&self.db), position, &event, outside, &bytes, &ids.join(" "), now)? {
            self.parts.metrics.repeated_events.inc();
            return Ok(());
        }
        self.next_position += 1;
        self.parts.metrics.events.with_label_values(&[event.detail.kind()]).inc();
        let (event, size) = (Arc::new(event), bytes.len());
        for index in listeners {
            let delivery = self.new_delivery(Arc::clone(&event), size);
            let listener = &mut self.listeners[index];
            listener.queue.open += 1;
            // What has not been looked at comes first.
            let place =
                if listener.queue.behind { Place::Later } else { listener.queue.place(&event, position) };
            match place {
                Place::Memory => {
                    listener.queue.push(position, delivery, false);
                    self.batch.deliveries.insert((index, position));
                }
                Place::Parked(lane) => {
                    deliveries::insert_bare(&lock(&self.db), listener.id, position, Some(&lane), now)?;
                    listener.queue.park(&lane, position);
                }
                Place::Later => {
                    deliveries::insert_bare(&lock(&self.db), listener.id, position, None, now)?;
                    listener.queue.behind = true;
                }
            }
        }
        if self.parts.outlet.shown.receiver_count() > 0 {
            self.batch.sealed.shown.push((position, bytes.into()));
        }
        Ok(())
    }
}
