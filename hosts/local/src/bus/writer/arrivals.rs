//! What comes in from outside: requests at doors, timers that are due.

use std::time::Duration;

use switchboard_core::{ArrivalId, Failure, Reply, What};
use tracing::error;

use super::{Fatal, For, TIMERS_A_TURN, Writer};
use crate::bus::inbox::{Asked, DoorJob};
use crate::bus::letters::{self, DeadLetter};
use crate::bus::rows;
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
                        timer: Some(&timer),
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
}
