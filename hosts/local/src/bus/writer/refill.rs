//! Taking into memory what waits in the file: by position what a listener has not looked at yet, and of each lane more
//! when it is hungry.
//!
//! At the start, and after an import or an update, nothing is known of what is open: it is gone through once, in
//! order, and what finds no room is parked with its lane. From then on only the lanes read, each its own.

use switchboard_core::Failure;
use tracing::error;

use super::{Fatal, REFILL, Writer};
use crate::bus::deliveries;
use crate::bus::letters::{self, DeadLetter};
use crate::bus::queue::{Delivery, DeliveryState, Place};
use crate::bus::rows;
use crate::bus::view::lock;

impl Writer {
    pub(super) fn refill(&mut self) -> Fatal<()> {
        for index in 0..self.listeners.len() {
            if self.listeners[index].queue.reads_on() {
                self.read_on(index)?;
            }
            self.feed(index)?;
        }
        Ok(())
    }

    /// Goes through what has not been looked at.
    fn read_on(&mut self, index: usize) -> Fatal<()> {
        let listener = &self.listeners[index];
        let (id, after, ordered) = (listener.id, listener.queue.loaded, listener.queue.is_ordered());
        let found = deliveries::open_after(&lock(&self.db), id, after, !ordered, REFILL)?;
        self.listeners[index].queue.behind = found.len() == REFILL;
        for (position, delivery) in found {
            if self.listeners[index].queue.deliveries.contains_key(&position) {
                // It was redriven before this was reached.
                self.listeners[index].queue.loaded = position;
                continue;
            }
            let delivery = match delivery {
                Ok(delivery) => delivery,
                Err(failure) => {
                    self.bury_unreadable(index, position, &failure)?;
                    continue;
                }
            };
            let queue = &mut self.listeners[index].queue;
            match queue.place(&delivery.event, position) {
                // What is being acted on holds its lane, room or not.
                _ if delivery.state == DeliveryState::Acting => {
                    self.take_delivery(index, position, delivery)?
                }
                Place::Memory => self.take_delivery(index, position, delivery)?,
                Place::Parked(lane) => {
                    deliveries::park(&lock(&self.db), id, position, &lane)?;
                    queue.park(&lane, position);
                    queue.loaded = position;
                }
                Place::Later => {
                    queue.behind = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads more of the lanes that are hungry.
    fn feed(&mut self, index: usize) -> Fatal<()> {
        let (id, mut taken) = (self.listeners[index].id, 0);
        while taken < REFILL
            && let Some((lane, from, most)) = self.listeners[index].queue.next_hungry()
        {
            let found = deliveries::parked(&lock(&self.db), id, &lane, from, most)?;
            let mut rest = found.last().filter(|_| found.len() == most).map(|(last, _)| last + 1);
            // A look costs something too.
            taken += 1;
            let mut up_to = from - 1;
            for (position, delivery) in found {
                match delivery {
                    Err(failure) => self.bury_unreadable(index, position, &failure)?,
                    Ok(delivery) if self.listeners[index].queue.has_room_in(&lane) => {
                        self.take_delivery(index, position, delivery)?;
                    }
                    Ok(_) => {
                        rest = Some(position);
                        break;
                    }
                }
                up_to = position;
                taken += 1;
            }
            deliveries::unpark(&lock(&self.db), id, &lane, up_to)?;
            self.listeners[index].queue.fed(&lane, rest);
        }
        Ok(())
    }

    fn take_delivery(&mut self, index: usize, position: i64, mut delivery: Delivery) -> Fatal<()> {
        if delivery.state == DeliveryState::Acting || delivery.part.is_some() {
            let open = rows::open_effects_of(&lock(&self.db), self.listeners[index].id, position)?;
            delivery.open_effects = open.len();
            for stored in open {
                self.take_back(stored);
            }
        }
        let queue = &mut self.listeners[index].queue;
        if delivery.state == DeliveryState::Acting {
            queue.push_acting(position, delivery);
        } else {
            queue.push(position, delivery, false);
        }
        Ok(())
    }

    /// A delivery whose event cannot be read any more is a dead letter that says so.
    fn bury_unreadable(&mut self, index: usize, position: i64, failure: &Failure) -> Fatal<()> {
        let listener = &mut self.listeners[index];
        error!(listener = listener.name, position, reason = %failure, "a stored event cannot be read");
        listener.queue.loaded = listener.queue.loaded.max(position);
        listener.queue.open -= 1;
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
        deliveries::close(&db, listener.id, position, self.batch.now)?;
        self.parts.metrics.dead_letters.with_label_values(&[&listener.name]).inc();
        Ok(())
    }
}
