//! Reading back what is open: at the start, and after a commit that failed.

use std::cmp::Reverse;

use switchboard_core::Failure;
use tracing::{error, warn};

use super::{Batch, Fatal, UnderWay, Writer};
use crate::bus::deliveries;
use crate::bus::queue::Queue;
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
            let db = lock(&self.db);
            listener.queue.open = deliveries::count_open(&db, listener.id)?;
            if ordered {
                for (lane, from) in deliveries::parked_lanes(&db, listener.id)? {
                    listener.queue.park(&lane, from);
                }
            }
            listener.startable.clear();
        }
        let without = rows::open_effects_without_delivery(&lock(&self.db))?;
        for stored in without {
            self.take_back(stored);
        }
        self.refill()
    }

    /// Takes an open effect into memory again.
    pub(super) fn take_back(&mut self, stored: StoredEffect) {
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
}
