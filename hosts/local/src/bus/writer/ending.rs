//! The two ends of a commit: the rows that a turn has changed are written before it, what has ended leaves the memory
//! after it.

use super::{Fatal, Writer};
use crate::bus::deliveries;
use crate::bus::log::Sealed;
use crate::bus::queue::DeliveryState;
use crate::bus::rows::{self, EffectState};
use crate::bus::view::lock;

impl Writer {
    /// After the commit: what has ended leaves the memory.
    pub(super) fn committed(&mut self) -> Sealed {
        let batch = std::mem::take(&mut self.batch);
        for (listener, position) in batch.deliveries {
            let queue = &mut self.listeners[listener].queue;
            if queue.deliveries.get(&position).is_some_and(|delivery| delivery.state > DeliveryState::Acting)
            {
                queue.forget(position);
            }
        }
        for id in batch.effects {
            if self.effects.get(&id).is_some_and(|row| row.state > EffectState::Answered) {
                self.effects.remove(&id);
            }
        }
        let metrics = &self.parts.metrics;
        metrics.commits.inc();
        metrics.writable.set(1);
        for listener in &self.listeners {
            let open = listener.queue.open;
            metrics
                .open_deliveries
                .with_label_values(&[&listener.name])
                .set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        batch.sealed
    }

    /// Before the commit: writes the rows that the turn has changed.
    pub(super) fn save_rows(&mut self) -> Fatal<()> {
        let now = self.batch.now;
        let db = lock(&self.db);
        for (index, position) in &self.batch.deliveries {
            let listener = &mut self.listeners[*index];
            let Some(delivery) = listener.queue.deliveries.get_mut(position) else { continue };
            let well = delivery.state == DeliveryState::Done && delivery.attempts == 0;
            match (well, delivery.stored) {
                (true, false) => {}
                (true, true) => deliveries::delete(&db, listener.id, *position)?,
                (false, _) => deliveries::save(&db, listener.id, *position, delivery, now)?,
            }
            delivery.stored = !well;
        }
        for id in &self.batch.effects {
            if let Some(row) = self.effects.get_mut(id) {
                rows::save_effect(&db, *id, self.listeners[row.listener].id, row, now)?;
                row.new = false;
            }
        }
        Ok(())
    }
}
