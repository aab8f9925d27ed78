//! Handing events to listeners: in lanes, in turns, again after a failure, and at last as a dead letter.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_core::{ArrivalId, Event, Failure, Timestamp, What};
use switchboard_hosts::again::try_again;
use tracing::{error, warn};

use super::{Fatal, For, SHORT_TURN, TURN, Writer};
use crate::bus::letters::{self, DeadLetter};
use crate::bus::queue::{Delivery, DeliveryState};

use crate::bus::view::lock;

impl Writer {
    pub(super) fn wake(&mut self) {
        let now = self.batch.now;
        for listener in &mut self.listeners {
            listener.queue.wake(now);
        }
        while let Some(Reverse((due, id))) = self.sleeping.peek().copied() {
            if due > now.ms() {
                break;
            }
            self.sleeping.pop();
            if let Some(row) = self.effects.get(&id) {
                self.listeners[row.listener].startable.push_back(id);
            }
        }
    }

    /// Hands out what is ready, listener by listener in turns, until nothing is or the turn has lasted enough:
    /// while somebody waits at a door, as long as `taking_in` took.
    pub(super) fn pump(&mut self, taking_in: Duration) -> Fatal<()> {
        const A_GO: usize = 8;
        let began = Instant::now();
        loop {
            let mut moved = false;
            for index in 0..self.listeners.len() {
                for _ in 0..A_GO {
                    let listener = &mut self.listeners[index];
                    if listener.acting >= listener.policy.concurrency as usize {
                        break;
                    }
                    if let Some(id) = listener.startable.pop_front() {
                        self.attempt(id)?;
                    } else if let Some(position) = listener.queue.next() {
                        self.deliver(index, position)?;
                    } else {
                        break;
                    }
                    moved = true;
                }
                let pressed = self.parts.inbox.waiting() > 0;
                if began.elapsed() > if pressed { taking_in.max(SHORT_TURN) } else { TURN } {
                    return Ok(());
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }

    pub(super) fn deliver(&mut self, index: usize, position: i64) -> Fatal<()> {
        let Some(delivery) = self.listeners[index].queue.deliveries.get_mut(&position) else { return Ok(()) };
        let (event, part) = (Arc::clone(&delivery.event), delivery.part.take());
        let id = ArrivalId::from_text(event.id.as_str());
        let to = For { listener: index, origin: Some(position) };
        let decided = self.decide(to, &id, What::Event { event: &event, part: part.as_deref() })?;
        self.batch.deliveries.insert((index, position));
        match decided {
            Ok(outcome) => {
                let queue = &mut self.listeners[index].queue;
                let Some(delivery) = queue.deliveries.get_mut(&position) else { return Ok(()) };
                if outcome.next_part.is_some() {
                    delivery.part = outcome.next_part;
                    queue.again(position);
                } else {
                    delivery.state = DeliveryState::Acting;
                    self.close_if_settled(index, position);
                }
            }
            Err(failure) => self.delivery_failed(index, position, part, failure)?,
        }
        Ok(())
    }

    /// A delivery whose effects have all ended is done, and its lane goes on.
    pub(super) fn close_if_settled(&mut self, index: usize, position: i64) {
        let queue = &mut self.listeners[index].queue;
        let Some(delivery) = queue.deliveries.get_mut(&position) else { return };
        if delivery.state == DeliveryState::Acting && delivery.open_effects == 0 {
            delivery.state = DeliveryState::Done;
            self.batch.deliveries.insert((index, position));
            queue.finish(position);
        }
    }

    pub(super) fn delivery_failed(
        &mut self,
        index: usize,
        position: i64,
        part: Option<String>,
        failure: Failure,
    ) -> Fatal<()> {
        let now = self.batch.now;
        let random = (self.parts.random)();
        let listener = &mut self.listeners[index];
        let Some(delivery) = listener.queue.deliveries.get_mut(&position) else { return Ok(()) };
        delivery.part = part;
        delivery.reason = Some(failure.to_string());
        match try_again(&failure, &mut delivery.attempts, delivery.first, &listener.policy, now, random) {
            Some(due) => listener.queue.put_off(position, due),
            None => {
                let (name, event, attempts) = (&listener.name, &delivery.event.id, delivery.attempts);
                match &failure {
                    Failure::Bug { reason } => {
                        error!(listener = name, %event, attempts, reason, "a delivery became a dead letter");
                    }
                    _ => {
                        warn!(listener = name, %event, attempts, reason = %failure, "a delivery became a dead letter");
                    }
                }
                delivery.state = DeliveryState::Dead;
                let letter = DeadLetter {
                    listener: listener.id,
                    position: Some(position),
                    effect: None,
                    timer: None,
                    first: delivery.first,
                    attempts: delivery.attempts,
                    failure: &failure,
                };
                letters::insert(&lock(&self.db), &letter, now)?;
                self.parts.metrics.dead_letters.with_label_values(&[&listener.name]).inc();
                listener.queue.finish(position);
            }
        }
        Ok(())
    }

    pub(super) fn new_delivery(&self, event: Arc<Event>, size: usize) -> Delivery {
        Delivery {
            event,
            size,
            attempts: 0,
            first: self.batch.now,
            due: Timestamp::default(),
            part: None,
            reason: None,
            open_effects: 0,
            state: DeliveryState::Open,
            stored: false,
        }
    }
}
