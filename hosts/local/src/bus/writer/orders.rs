//! An operator's orders: a dead letter is tried again, or given up.
//!
//! A dead letter goes only when what it says is open again, in the same transaction. One that cannot be tried again
//! stays, and the answer says why.

use switchboard_core::{Failure, TimerFired};
use tracing::info;

use super::{Fatal, Writer};
use crate::bus::deliveries;
use crate::bus::inbox::{Obeyed, Order};
use crate::bus::letters::{self, Buried};
use crate::bus::queue::Delivery;
use crate::bus::rows::{self, EffectState};
use crate::bus::view::lock;

fn cannot(reason: &str) -> Failure {
    Failure::refuse(409, reason)
}

impl Writer {
    pub(super) fn obey(&mut self, order: Order) -> Fatal<()> {
        let (id, answer, redrive) = match order {
            Order::Discard(id, answer) => (id, answer, false),
            Order::Redrive(id, answer) => (id, answer, true),
        };
        let found = letters::find(&lock(&self.db), id)?;
        let obeyed = match found {
            None => Err(Failure::refuse(404, "no such dead letter")),
            Some(buried) if redrive => self.redrive(buried)?,
            Some(_) => Ok(()),
        };
        match &obeyed {
            Ok(()) => {
                letters::remove(&lock(&self.db), id)?;
                info!(dead_letter = id, redrive, "a dead letter is tried again or discarded");
            }
            Err(reason) => info!(dead_letter = id, redrive, %reason, "nothing is done with a dead letter"),
        }
        self.batch.sealed.orders.push((answer, obeyed));
        Ok(())
    }

    fn redrive(&mut self, buried: Buried) -> Fatal<Obeyed> {
        let Some(index) = self.listeners.iter().position(|known| known.id == buried.listener) else {
            return Ok(Err(cannot("this hub has no such listener any more")));
        };
        match buried {
            Buried { effect: Some(effect), .. } => self.redrive_effect(index, effect),
            Buried { position: Some(position), .. } => self.redrive_delivery(index, position),
            Buried { timer: Some(timer), .. } => self.redrive_timer(index, &timer),
            Buried { .. } => {
                Ok(Err(cannot("an earlier version wrote it, and did not keep what its timer said")))
            }
        }
    }

    fn redrive_timer(&mut self, index: usize, timer: &TimerFired) -> Fatal<Obeyed> {
        let db = lock(&self.db);
        let bridge = &self.listeners[index].name;
        if rows::timer_is_set(&db, bridge, &timer.key)? {
            return Ok(Err(cannot("a timer of the same key is set and has not fired yet")));
        }
        let due = self.batch.now;
        rows::set_timer(&db, bridge, &timer.key, due, &timer.body)?;
        self.next_timer = Some(self.next_timer.map_or(due.ms(), |next| next.min(due.ms())));
        Ok(Ok(()))
    }

    fn redrive_delivery(&mut self, index: usize, position: i64) -> Fatal<Obeyed> {
        if self.listeners[index].queue.deliveries.contains_key(&position) {
            return Ok(Err(cannot("it is being tried already")));
        }
        let Some((event, size)) = rows::event_at(&lock(&self.db), position)? else {
            return Ok(Err(cannot("its event is not there any more, or cannot be read")));
        };
        // What was decided of it is done, and not decided again.
        let part = deliveries::part(&lock(&self.db), self.listeners[index].id, position)?;
        let delivery = Delivery { stored: true, part, ..self.new_delivery(event, size) };
        self.listeners[index].queue.open += 1;
        self.listeners[index].queue.push(position, delivery, true);
        self.batch.deliveries.insert((index, position));
        Ok(Ok(()))
    }

    fn redrive_effect(&mut self, index: usize, id: i64) -> Fatal<Obeyed> {
        if self.effects.contains_key(&id) {
            return Ok(Err(cannot("it is being tried already")));
        }
        let Some(mut stored) = rows::effect(&lock(&self.db), id)? else {
            return Ok(Err(cannot("what was to be done is not kept any more")));
        };
        // What the provider has answered already is only to be settled.
        stored.row.state = match (stored.row.state, &stored.row.report) {
            (_, Some(_)) => EffectState::Answered,
            // A second letter of the same effect.
            (EffectState::Done, None) => return Ok(Err(cannot("it has been done since"))),
            (_, None) => EffectState::Waiting,
        };
        // Its delivery has been closed, and its lane has gone on; or others of it are still open, and then it is one
        // of those again.
        if let Some(position) = stored.row.origin
            && let Some(delivery) = self.listeners[index].queue.deliveries.get_mut(&position)
        {
            delivery.open_effects += 1;
        }
        stored.row.listener = index;
        stored.row.due = self.batch.now;
        stored.row.attempts = 0;
        stored.row.redriven = Some(self.batch.now);
        self.effects.insert(id, stored.row);
        self.listeners[index].startable.push_back(id);
        self.batch.effects.insert(id);
        Ok(Ok(()))
    }
}
