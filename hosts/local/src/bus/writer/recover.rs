//! Reading back what is open: at the start, after a commit that failed, and window by window as room is made.

use std::cmp::Reverse;

use switchboard_core::Failure;
use tracing::{error, warn};

use super::{Batch, Fatal, REFILL, UnderWay, Writer};
use crate::bus::letters::{self, DeadLetter};
use crate::bus::queue::{DeliveryState, Queue, WINDOW};
use crate::bus::rows::{self, EffectState, StoredEffect};
use crate::bus::view::lock;

impl Writer {
    /// After a failed commit: nothing of the turn happened, so what is in memory is read again.
    pub(super) fn give_up_turn(&mut self) {
        self.parts.metrics.writable.set(0);
        let Batch { sealed, attempted, .. } = std::mem::take(&mut self.batch);
        self.parts.inbox.put_back(attempted);
        for start in sealed.starts {
            // It was never started: its place is free again.
            if let Some(UnderWay { listener, .. }) = self.in_flight.remove(&start.id) {
                self.listeners[listener].acting -= 1;
            }
        }
        for (answer, _) in sealed.answers {
            answer.send(Err(Failure::retry("what followed could not be stored")));
        }
        drop(sealed.orders);
        if let Err(failed) = lock(&self.db).execute_batch("ROLLBACK") {
            // Some errors have rolled back by themselves.
            warn!(error = %failed, "nothing to roll back");
        }
        if let Err(failed) = self.recover() {
            error!(error = %failed, "the open work could not be read back; it is tried again");
        }
    }

    /// Reads everything open from the file.
    pub(super) fn recover(&mut self) -> Fatal<()> {
        self.effects.clear();
        self.sleeping.clear();
        {
            let db = lock(&self.db);
            self.next_position =
                db.query_row("SELECT COALESCE(MAX(position), 0) + 1 FROM events", [], |row| row.get(0))?;
            self.next_effect =
                db.query_row("SELECT COALESCE(MAX(id), 0) + 1 FROM effects", [], |row| row.get(0))?;
            self.next_timer = rows::next_timer(&db)?;
        }
        for listener in &mut self.listeners {
            // Effects that are under way now keep their places.
            let ordered = listener.queue.is_ordered();
            listener.queue = Queue::new(ordered);
            listener.queue.behind = true;
            listener.startable.clear();
        }
        let without = rows::open_effects_without_delivery(&lock(&self.db))?;
        for stored in without {
            self.take_back(stored);
        }
        self.refill()
    }

    /// A delivery whose event cannot be read any more is a dead letter that says so.
    fn bury_unreadable(&mut self, index: usize, position: i64, failure: &Failure) -> Fatal<()> {
        let listener = &mut self.listeners[index];
        error!(listener = listener.name, position, reason = %failure, "a stored event cannot be read");
        listener.queue.loaded = listener.queue.loaded.max(position);
        let letter = DeadLetter {
            listener: listener.id,
            position: Some(position),
            effect: None,
            timer: None,
            first: self.batch.now,
            attempts: 0,
            failure,
        };
        let db = lock(&self.db);
        letters::insert(&db, &letter, self.batch.now)?;
        rows::close_delivery(&db, listener.id, position, self.batch.now)?;
        self.parts.metrics.dead_letters.with_label_values(&[&listener.name]).inc();
        Ok(())
    }

    /// Takes an open effect into memory again.
    fn take_back(&mut self, stored: StoredEffect) {
        let StoredEffect { id, listener, mut row } = stored;
        let Some(index) = self.listeners.iter().position(|known| known.id == listener) else { return };
        row.listener = index;
        match row.state {
            EffectState::Trying if self.in_flight.contains_key(&id) => {}
            EffectState::Trying => {
                // The process died in the middle of it: when its time is over, ask.
                row.unsure = true;
                row.attempts += 1;
                self.sleeping.push(Reverse((row.due.ms(), id)));
            }
            EffectState::Waiting | EffectState::Answered => {
                self.sleeping.push(Reverse((row.due.ms(), id)));
            }
            EffectState::Done | EffectState::Dead => return,
        }
        self.effects.insert(id, row);
    }

    /// Reads deliveries into the windows that have room.
    pub(super) fn refill(&mut self) -> Fatal<()> {
        for index in 0..self.listeners.len() {
            let listener = &self.listeners[index];
            if !listener.queue.behind || listener.queue.deliveries.len() > WINDOW / 2 {
                continue;
            }
            let most = REFILL;
            let (id, after) = (listener.id, listener.queue.loaded);
            let found = rows::open_deliveries(&lock(&self.db), id, after, most)?;
            self.listeners[index].queue.behind = found.len() == most;
            for (position, delivery) in found {
                let mut delivery = match delivery {
                    Ok(delivery) => delivery,
                    Err(failure) => {
                        self.bury_unreadable(index, position, &failure)?;
                        continue;
                    }
                };
                if !self.listeners[index].queue.has_room() {
                    self.listeners[index].queue.behind = true;
                    break;
                }
                if delivery.state == DeliveryState::Acting || delivery.part.is_some() {
                    let open = rows::open_effects_of(&lock(&self.db), id, position)?;
                    delivery.open_effects = open.len();
                    for stored in open {
                        self.take_back(stored);
                    }
                }
                if delivery.state == DeliveryState::Acting {
                    self.listeners[index].queue.push_acting(position, delivery);
                } else {
                    self.listeners[index].queue.push(position, delivery, false);
                }
            }
        }
        Ok(())
    }
}
