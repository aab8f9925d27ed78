//! Requests at doors, timers, and the effects that they ask for.

use switchboard_core::{ArrivalId, Failure, Reply, TimerFired, Timestamp, What};
use switchboard_hosts::again::{DOOR_POLICY, try_again};
use tracing::warn;

use super::deciding::{Beside, Decided, Refused, TIMERS};
use super::record::{Letterhead, Origin, Record};
use super::{Settler, Went, needed, timer_row};
use crate::queue::{Letter, Reminder, Timer};
use crate::store::{NotCommitted, Row, Step, key, number, read_number, read_text};

/// How often a request may find that another invocation was faster.
const MAX_ROUNDS: usize = 3;

impl Settler {
    /// Decides a request or a frame that was let in, and gives its answer once all that follows is stored and published.
    pub(crate) async fn answer(&self, origin: &Origin, what: What<'_>) -> Result<Reply, Failure> {
        let mut record = Record::default();
        match self.decide(origin, what, &mut record, |_| Vec::new()).await {
            Ok(Decided::Written) => {}
            Ok(Decided::Refused(_)) => record = Record::load(&self.table, origin).await?,
            Err(failure) => {
                // What it says now may differ from what was said the first time, and that is what holds.
                record = Record::load(&self.table, origin).await?;
                if record.is_empty() {
                    return Err(failure);
                }
            }
        }
        self.tell(&record.events(), &record.timers()).await?;
        if record.effects.iter().any(super::record::EffectRow::is_open) {
            self.remind(origin, None, crate::now()).await?;
        }
        let reply = record.parts.into_iter().next().and_then(|part| part.reply);
        Ok(reply.unwrap_or_else(Reply::empty))
    }

    /// Goes on with the effects that a door or a timer asked for.
    pub(crate) async fn errand(&self, origin: &Origin, publish: bool) -> Result<(), Failure> {
        let mut record = Record::load(&self.table, origin).await?;
        if publish {
            self.tell(&record.events(), &record.timers()).await?;
        }
        match self.carry_out(origin, None, &mut record, || None).await? {
            Went::Ended => Ok(()),
            Went::Later(due) => self.remind(origin, None, due).await,
        }
    }

    /// What was given up of a door's or a timer's effects begins anew.
    pub(crate) async fn redrive(&self, origin: &Origin) -> Result<(), Failure> {
        let mut record = Record::load(&self.table, origin).await?;
        self.revive_effects(origin, &mut record).await?;
        self.errand(origin, true).await
    }

    /// A timer that was given up is to fire after all, unless it has been set anew since.
    pub(crate) async fn redrive_timer(&self, timer: &Timer) -> Result<(), Failure> {
        if Record::load(&self.table, &self.origin_of_timer(&timer.key, timer.due)).await?.is_empty() {
            let row = Step::create(&self.table, timer_row(&timer.key, timer.due, &timer.body));
            match self.table.commit(&[row], &[], crate::now()).await {
                Ok(()) | Err(NotCommitted::Own(_)) => {}
                Err(other) => return Err(other.failure()),
            }
        }
        self.timer(&timer.key, timer.due, None, true).await
    }

    fn origin_of_timer(&self, name: &str, due: Timestamp) -> Origin {
        let bridge = self.bridge.declaration().name;
        let arrival = ArrivalId::from_cause(&["timer", bridge, name, &due.ms().to_string()]);
        Origin { listener: bridge.to_owned(), arrival }
    }

    /// A timer's reminder has come; `tried`: how often it could not be decided, and since when.
    pub(crate) async fn timer(
        &self,
        name: &str,
        due: Timestamp,
        tried: Option<(u32, Timestamp)>,
        publish: bool,
    ) -> Result<(), Failure> {
        let bridge = self.bridge.declaration().name;
        let now = crate::now();
        if due > now && !self.wait_until(due, now).await {
            let reminder = Reminder::Timer { key: name.to_owned(), due, tried };
            return needed(self.errands.as_ref(), "queue of errands")?.remind(reminder, due, now).await;
        }
        let origin = self.origin_of_timer(name, due);
        for _ in 0..MAX_ROUNDS {
            let row = self.table.row(TIMERS, name).await?;
            let Some(row) = row.filter(|row| read_number(row, "due") == Some(due.ms())) else {
                // It was cleared or set anew, or it has fired: then what followed goes on.
                return self.errand(&origin, publish).await;
            };
            let fired = TimerFired { key: name.to_owned(), due, body: read_text(&row, "body") };
            let mut record = Record::default();
            let values = Row::from([(":due".to_owned(), number(due.ms()))]);
            let take = |outcome: &switchboard_core::Outcome| {
                // Where the outcome itself sets or clears this timer, that is the write of its row.
                let itself = outcome.timers.iter().any(|change| match change {
                    switchboard_core::TimerChange::Set { key, .. }
                    | switchboard_core::TimerChange::Clear { key } => key == name,
                });
                let step = Step::delete(&self.table, key(TIMERS, name), Some("due = :due"), values.clone());
                if itself { Vec::new() } else { vec![Beside { step, refused: Refused::NotDue }] }
            };
            match self.decide(&origin, What::Timer(&fired), &mut record, take).await {
                Ok(Decided::Written) => {
                    self.tell(&record.events(), &record.timers()).await?;
                    return match self.carry_out(&origin, None, &mut record, || None).await? {
                        Went::Ended => Ok(()),
                        Went::Later(due) => self.remind(&origin, None, due).await,
                    };
                }
                Ok(Decided::Refused(_)) => {}
                Err(failure) => {
                    let (mut attempts, first) = tried.unwrap_or((0, now));
                    let random = rand::random();
                    if let Some(later) = try_again(&failure, &mut attempts, first, &DOOR_POLICY, now, random)
                    {
                        // The same timer, later: its row stays as it is.
                        warn!(bridge, attempts, reason = %failure, "a timer could not be decided yet");
                        let tried = Some((attempts, first));
                        let reminder = Reminder::Timer { key: name.to_owned(), due, tried };
                        return needed(self.errands.as_ref(), "queue of errands")?
                            .remind(reminder, later, now)
                            .await;
                    }
                    let letter = Letter {
                        arrival: None,
                        timer: Some(Timer { key: fired.key, due, body: fired.body }),
                        ..self.letter(&origin, None, &Letterhead::of(&failure), first, attempts)?
                    };
                    self.bury(letter).await?;
                    let gone = Step::delete(&self.table, key(TIMERS, name), Some("due = :due"), values);
                    return match self.table.commit(&[gone], &[], crate::now()).await {
                        // Whoever set it anew in the meantime keeps it.
                        Ok(()) | Err(NotCommitted::Own(_)) => Ok(()),
                        Err(other) => Err(other.failure()),
                    };
                }
            }
        }
        Err(Failure::retry("others are at the same timer"))
    }
}
