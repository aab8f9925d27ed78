//! One event to one listener, from its coming to its end, and then those of its lane that waited for it.

use switchboard_core::{ArrivalId, Audience, Detail, Event, Failure, Outcome, Push, What};
use switchboard_hosts::again::try_again;
use tracing::info;

use super::deciding::{Beside, Decided, Refused};
use super::lanes::{DESERTED, Place};
use super::record::{Letterhead, Origin, Record, Waiting};
use super::{Settler, Went, needed, raw};
use crate::queue::Reminder;
use crate::store::{NotCommitted, Step};

/// How often a delivery may find that another invocation was faster before it goes back to the queue.
const MAX_ROUNDS: usize = 8;

/// How an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// From the bus, and as far as the queue knows for the first time.
    First,
    /// From the queue once more: what was decided may not have been published.
    Repeated,
    /// By a reminder of our own: what was decided is published.
    Reminded,
    /// By the reminder of a parked event; repeated, what was decided then may not have been published.
    ForGap {
        repeated: bool,
        /// As the reminder says.
        still: u32,
    },
    /// Out of the queue of dead letters: it is tried again, outside its lane.
    Redriven,
}

/// Whether a delivery's lane may go on.
enum Ended {
    Yes,
    No,
}

/// What a refusal or a failure of a decision leads to.
enum Then {
    Look,
    /// Decide it outside its lane, which has gone on without it.
    Outside,
    Stop(Ended),
}

impl Settler {
    /// Delivers an event, and what was parked behind it. When it returns, the message that brought it may go. Gives the
    /// number up to which its lane needs no second look by this invocation; 0 where that is not known.
    pub(crate) async fn deliver(&self, listener: &str, event: &str, came: Came) -> Result<u64, Failure> {
        let (mut json, mut came, mut through) = (event.to_owned(), came, 0);
        loop {
            let event = match Event::decode(json.as_bytes()) {
                Ok(event) => event,
                Err(failure) => {
                    self.bury_message(listener, &json, failure.to_string()).await?;
                    return Ok(through);
                }
            };
            let lane = if self.ordered && came != Came::Redriven { event.lane() } else { None };
            let place = lane.map(|lane| Place::new(listener, event.id.clone(), lane));
            let arrival = ArrivalId::from_text(event.id.as_str());
            let mut delivery = Delivery {
                settler: self,
                origin: Origin { listener: listener.to_owned(), arrival },
                event,
                json: &json,
                place: place.as_ref(),
                came,
            };
            // On the heap: the futures of AWS's clients are deep and large.
            let ended = Box::pin(delivery.run()).await?;
            let (Some(place), Ended::Yes) = (&place, ended) else { return Ok(through) };
            through = place.lane.seq;
            let Some(next) = self.parked_after(place, through).await? else { return Ok(through) };
            if !self.has_time_for_an_attempt() {
                let (reminder, now) = (Reminder::Next { event: raw(&next)? }, crate::now());
                needed(self.queue.as_ref(), "queue")?.remind(reminder, now, now).await?;
                return Ok(through);
            }
            (json, came) = (next, Came::First);
        }
    }
}

struct Delivery<'a> {
    settler: &'a Settler,
    origin: Origin,
    event: Event,
    json: &'a str,
    place: Option<&'a Place>,
    came: Came,
}

impl Delivery<'_> {
    async fn run(&mut self) -> Result<Ended, Failure> {
        let mut record = match self.came {
            Came::First => Record::default(),
            Came::ForGap { repeated: false, .. } => {
                if let Some(place) = self.place
                    && self.settler.progress(place).await?.done >= place.lane.seq
                {
                    return Ok(Ended::No);
                }
                Record::default()
            }
            came => self.load(came != Came::Reminded).await?,
        };
        if self.came == Came::Redriven {
            self.revive(&mut record).await?;
        }
        let mut moved = false;
        for _ in 0..MAX_ROUNDS {
            let Some(part) = record.next_part() else {
                let finish = || Some(self.settler.turn(self.place?, true));
                let settler = self.settler;
                let went = settler.carry_out(&self.origin, Some(self.json), &mut record, finish).await?;
                return match went {
                    Went::Ended => self.end(&record, moved).await,
                    Went::Later(due) => {
                        settler.remind(&self.origin, Some(self.json), due).await?;
                        Ok(Ended::No)
                    }
                };
            };
            if let Some(waiting) = &record.waiting {
                if waiting.dead.is_some() {
                    self.tell_the_dead(waiting.clone()).await?;
                    return self.end(&record, moved).await;
                }
                let (due, now) = (waiting.due, crate::now());
                if due > now && !self.settler.wait_until(due, now).await {
                    self.settler.remind(&self.origin, Some(self.json), due).await?;
                    return Ok(Ended::No);
                }
            }
            let part = part.map(str::to_owned);
            let what = What::Event { event: &self.event, part: part.as_deref() };
            let first = record.effects.is_empty();
            let beside = |outcome: &Outcome| self.turn(outcome, first);
            let then = match self.settler.decide(&self.origin, what, &mut record, beside).await {
                Ok(Decided::Written) => {
                    moved = record.effects.is_empty() && record.next_part().is_none();
                    if let Some(part) = record.parts.last() {
                        self.settler.tell(&part.events, &part.timers).await?;
                    }
                    Then::Look
                }
                Ok(Decided::Refused(Refused::NotItsTurn)) => self.not_its_turn(&mut record).await?,
                Ok(Decided::Refused(_)) => {
                    record = self.load(true).await?;
                    Then::Look
                }
                Err(failure) => self.undecided(&mut record, failure).await?,
            };
            match then {
                Then::Look => {}
                Then::Outside => self.place = None,
                Then::Stop(ended) => return Ok(ended),
            }
        }
        Err(Failure::retry("others are at the same delivery"))
    }

    /// Reads what was done before, and where it may not have been published, publishes it.
    async fn load(&self, publish: bool) -> Result<Record, Failure> {
        let record = Record::load(&self.settler.table, &self.origin).await?;
        if publish && !record.is_empty() {
            info!(listener = self.origin.listener, event = %self.event.id, "a repeat: its outcome is published again");
            self.settler.tell(&record.events(), &record.timers()).await?;
            self.show_again();
        }
        Ok(record)
    }

    /// What was decided may not have been shown either. Whoever has heard it hears it once all the same: it has its
    /// number in the room, and is read from what is stored.
    fn show_again(&self) {
        if let Detail::RoomChanged(changed) = &self.event.detail {
            let push = Push::new(Audience::Room(changed.message.room.clone()), String::new());
            self.settler.show([Push { seq: Some(changed.seq), ..push }]);
        }
    }

    /// The step of an ordered listener's lane.
    fn turn(&self, outcome: &Outcome, nothing_open: bool) -> Vec<Beside> {
        let finishes = nothing_open && outcome.effects.is_empty() && outcome.next_part.is_none();
        self.place.map(|place| self.settler.turn(place, finishes)).into_iter().collect()
    }

    /// Everything of it has ended: its lane goes on, unless a transaction before has moved it.
    async fn end(&self, record: &Record, moved: bool) -> Result<Ended, Failure> {
        let moved = moved || record.effects.iter().any(|row| row.moved_lane);
        if let (Some(place), false) = (self.place, moved) {
            self.settler.finish(place).await?;
        }
        Ok(Ended::Yes)
    }

    async fn not_its_turn(&self, record: &mut Record) -> Result<Then, Failure> {
        let Some(place) = self.place else { return Ok(Then::Look) };
        let settler = self.settler;
        let seq = place.lane.seq;
        let progress = settler.progress(place).await?;
        if progress.done >= seq {
            // It has had its turn. Whoever took it may have been killed before it said so.
            *record = self.load(true).await?;
            if record.is_empty() && settler.was_skipped(place).await? {
                return self.too_late(place).await;
            }
            if record.waiting.as_ref().is_some_and(|waiting| waiting.dead.is_none()) {
                // It was given up, its lane went on, and then somebody had it tried again.
                return Ok(Then::Outside);
            }
            let open = record.effects.iter().any(super::record::EffectRow::is_open);
            let undecided = record.next_part().is_some_and(|part| part.is_some());
            return Ok(if open || undecided { Then::Look } else { Then::Stop(Ended::Yes) });
        }
        if progress.done + 1 == seq {
            return Ok(Then::Look);
        }
        let mut still = 0;
        if let Came::ForGap { still: before, .. } = self.came {
            if settler.skip_gap(place, &progress).await? {
                return Ok(Then::Look);
            }
            if settler.is_deserted(&self.origin.listener, &progress).await? {
                still = before + 1;
                if still >= DESERTED && settler.skip_deserted(place, &progress).await? {
                    return Ok(Then::Look);
                }
            }
        } else {
            settler.park(place, self.json).await?;
            if settler.progress(place).await?.done + 1 >= seq {
                return Ok(Then::Look);
            }
        }
        settler.look_after(place, self.json, &progress, still).await?;
        Ok(Then::Stop(Ended::No))
    }

    /// Its lane had waited long enough, and has gone on: shown now it would be out of order.
    async fn too_late(&self, place: &Place) -> Result<Then, Failure> {
        let head = Letterhead {
            kind: "retry".to_owned(),
            reason: "it came after its lane had gone on without it".to_owned(),
            told: false,
        };
        let letter = self.settler.letter(&self.origin, Some(self.json), &head, crate::now(), 0)?;
        self.settler.bury(letter).await?;
        self.settler.tell_skipped(place).await?;
        Ok(Then::Stop(Ended::Yes))
    }

    /// A decision failed: later, or never.
    async fn undecided(&self, record: &mut Record, failure: Failure) -> Result<Then, Failure> {
        let now = crate::now();
        let settler = self.settler;
        let before = record.waiting.clone();
        let (mut attempts, first) = before.map_or((0, now), |waiting| (waiting.attempts, waiting.first));
        let again = try_again(&failure, &mut attempts, first, &settler.policy, now, rand::random());
        info!(listener = self.origin.listener, event = %self.event.id, kind = failure.kind(), reason = %failure, "a delivery could not be decided");
        let waiting = Waiting {
            attempts,
            first,
            due: again.unwrap_or(now),
            dead: again.is_none().then(|| Letterhead::of(&failure)),
        };
        let mut steps = vec![waiting.save(&settler.table, &self.origin, now)];
        steps.extend(self.place.map(|place| settler.turn(place, again.is_none()).step));
        match settler.table.commit(&steps, &[], now).await {
            Ok(()) => {
                record.waiting = Some(waiting);
                Ok(Then::Look)
            }
            Err(NotCommitted::Own(_)) => self.not_its_turn(record).await,
            Err(other) => Err(other.failure()),
        }
    }

    async fn tell_the_dead(&self, mut waiting: Waiting) -> Result<(), Failure> {
        let Some(head) = waiting.dead.clone().filter(|head| !head.told) else { return Ok(()) };
        let settler = self.settler;
        let letter = settler.letter(&self.origin, Some(self.json), &head, waiting.first, waiting.attempts)?;
        settler.bury(letter).await?;
        waiting.dead = Some(Letterhead { told: true, ..head });
        self.write_waiting(&waiting).await
    }

    async fn write_waiting(&self, waiting: &Waiting) -> Result<(), Failure> {
        let now = crate::now();
        let step: Step = waiting.save(&self.settler.table, &self.origin, now);
        self.settler.table.commit(&[step], &[], now).await.map_err(NotCommitted::failure)
    }

    /// What was given up begins anew; what has ended well stays so.
    async fn revive(&self, record: &mut Record) -> Result<(), Failure> {
        self.settler.revive_effects(&self.origin, record).await?;
        if record.waiting.as_ref().is_some_and(|waiting| waiting.dead.is_some()) {
            let now = crate::now();
            let waiting = Waiting { attempts: 0, first: now, due: now, dead: None };
            self.write_waiting(&waiting).await?;
            record.waiting = Some(waiting);
        }
        Ok(())
    }
}
