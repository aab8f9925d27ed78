//! What comes in from outside: requests at doors, timers that are due, an operator's orders.

use std::time::Duration;

use switchboard_core::{ArrivalId, Failure, Reply, What};
use tracing::{error, info};

use super::{Fatal, For, TIMERS_A_TURN, Writer};
use crate::bus::inbox::{Asked, DoorJob, Order};
use crate::bus::letters::{self, Buried, DeadLetter};
use crate::bus::queue::Delivery;
use crate::bus::rows::{self, EffectState};
use crate::bus::view::lock;

impl Writer {
    pub(super) fn knock(&mut self, job: DoorJob) -> Fatal<()> {
        let Some(index) = self.by_name.get(job.door).copied() else {
            self.batch.sealed.answers.push((job.answer, Err(Failure::bug(format!("no door {}", job.door)))));
            return Ok(());
        };
        let door = self.listeners[index].id;
        if !job.once
            && let Some(reply) = rows::find_arrival(&lock(&self.db), door, &job.arrival)?
        {
            self.parts.metrics.repeated_arrivals.inc();
            self.batch.sealed.answers.push((job.answer, Ok(reply.unwrap_or_else(Reply::empty))));
            return Ok(());
        }
        let to = For { listener: index, origin: None };
        let what = match &job.asked {
            Asked::Request(request) => What::Request(request),
            Asked::Frame(frame) => What::Frame(frame),
        };
        let decided = self.decide(to, &job.arrival, what)?;
        let result = match decided {
            Ok(mut outcome) => {
                let reply = outcome.reply.take();
                if !job.once {
                    rows::insert_arrival(
                        &lock(&self.db),
                        door,
                        &job.arrival,
                        self.batch.now,
                        reply.as_ref(),
                    )?;
                }
                Ok(reply.unwrap_or_else(Reply::empty))
            }
            Err(failure) => Err(failure),
        };
        self.batch.sealed.answers.push((job.answer, result));
        Ok(())
    }

    pub(super) fn fire_timers(&mut self) -> Fatal<()> {
        let now = self.batch.now;
        if self.next_timer.is_none_or(|due| due > now.ms()) {
            return Ok(());
        }
        let due = rows::due_timers(&lock(&self.db), now, TIMERS_A_TURN)?;
        for (bridge, timer) in due {
            // An earlier one of this turn may have cleared it, or set it anew.
            if !rows::take_timer(&lock(&self.db), &bridge, &timer)? {
                continue;
            }
            let Some(index) = self.by_name.get(&bridge).copied() else { continue };
            let id = ArrivalId::from_cause(&["timer", &bridge, &timer.key, &timer.due.ms().to_string()]);
            let to = For { listener: index, origin: None };
            match self.decide(to, &id, What::Timer(&timer))? {
                Ok(_) => {}
                Err(Failure::Retry { after, .. }) => {
                    let due = now.plus(after.unwrap_or(Duration::from_secs(1)));
                    rows::set_timer(&lock(&self.db), &bridge, &timer.key, due, &timer.body)?;
                }
                Err(failure) => {
                    error!(bridge, key = timer.key, reason = %failure, "a timer could not be decided");
                    let letter = DeadLetter {
                        listener: self.listeners[index].id,
                        position: None,
                        effect: None,
                        first: timer.due,
                        attempts: 1,
                        failure: &failure,
                    };
                    letters::insert(&lock(&self.db), &letter, now)?;
                    self.parts.metrics.dead_letters.with_label_values(&[&bridge]).inc();
                }
            }
        }
        self.next_timer = rows::next_timer(&lock(&self.db))?;
        Ok(())
    }

    pub(super) fn obey(&mut self, order: Order) -> Fatal<()> {
        match order {
            Order::Discard(id, answer) => {
                let taken = letters::take(&lock(&self.db), id)?;
                info!(dead_letter = id, found = taken.is_some(), "a dead letter is discarded");
                self.batch.sealed.orders.push((answer, taken.is_some()));
            }
            Order::Redrive(id, answer) => {
                let taken = letters::take(&lock(&self.db), id)?;
                let found = match taken {
                    None => false,
                    Some(Buried { effect: Some(effect), .. }) => self.redrive_effect(effect)?,
                    Some(Buried { listener, position: Some(position), .. }) => {
                        self.redrive_delivery(listener, position)?
                    }
                    Some(Buried { .. }) => false,
                };
                info!(dead_letter = id, found, "a dead letter is tried again");
                self.batch.sealed.orders.push((answer, found));
            }
        }
        Ok(())
    }

    pub(super) fn redrive_delivery(&mut self, listener: i64, position: i64) -> Fatal<bool> {
        let Some(index) = self.listeners.iter().position(|known| known.id == listener) else {
            return Ok(false);
        };
        let Some((event, size)) = rows::event_at(&lock(&self.db), position)? else { return Ok(false) };
        let delivery = Delivery { stored: true, ..self.new_delivery(event, size) };
        self.listeners[index].queue.push(position, delivery, true);
        self.batch.deliveries.insert((index, position));
        Ok(true)
    }

    pub(super) fn redrive_effect(&mut self, id: i64) -> Fatal<bool> {
        let Some(mut stored) = rows::effect(&lock(&self.db), id)? else { return Ok(false) };
        let Some(index) = self.listeners.iter().position(|known| known.id == stored.listener) else {
            return Ok(false);
        };
        // Its delivery has been closed, and its lane has gone on.
        stored.row.listener = index;
        // What the provider has answered already is only to be settled.
        stored.row.state =
            if stored.row.report.is_some() { EffectState::Answered } else { EffectState::Waiting };
        stored.row.due = self.batch.now;
        stored.row.attempts = 0;
        stored.row.redriven = Some(self.batch.now);
        self.effects.insert(id, stored.row);
        self.listeners[index].startable.push_back(id);
        self.batch.effects.insert(id);
        Ok(true)
    }
}
