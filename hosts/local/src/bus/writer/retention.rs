//! Removing what is old: expired items of the bridges, and what is settled and older than the archive keeps.
//!
//! A little at a time, between other work, so that no door waits for it. An event stays as long as somebody still
//! has to hear it, an effect of it is open, or a dead letter names it. Effects are kept twice as long as their
//! events, so that a replay of the oldest event still finds that its text was sent. The newest event always stays:
//! positions never begin again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};
use switchboard_core::Timestamp;

use super::{Fatal, Writer};
use crate::bus::view::{self, lock};

/// How often old things are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The same while there is more to remove.
const SWEEP_SOON: Duration = Duration::from_millis(200);
/// How many items of each bridge, and arrivals, are looked at in a sweep.
const SWEPT_AT_ONCE: usize = 2000;
/// How many events, or effects, are looked at in one step.
const STEP: i64 = 200;
/// How long a sweep may hold the others up.
const SWEEP: Duration = Duration::from_millis(10);
/// How often what had to stay is looked at again.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// How far the sweeping has come.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    pub(super) next: Timestamp,
    items: Vec<(String, String)>,
    arrivals: (i64, Vec<u8>),
    events: i64,
    effects: i64,
    from_the_start: Timestamp,
}

impl Writer {
    pub(super) fn sweep(&mut self) -> Fatal<()> {
        let now = self.batch.now;
        if now < self.sweeping.next {
            return Ok(());
        }
        self.sweeping.items.resize(self.bridges.len(), Default::default());
        for (index, (_, sql)) in self.bridges.iter().enumerate() {
            view::sweep(&lock(&self.db), sql, now, &mut self.sweeping.items[index], SWEPT_AT_ONCE)?;
        }
        let more = match self.keep {
            Some(keep) => self.forget_before(now.minus(keep), now.minus(keep * 2))?,
            None => false,
        };
        self.sweeping.next = now.plus(if more { SWEEP_SOON } else { SWEEP_EVERY });
        Ok(())
    }

    /// Removes what is settled and older; `true` when there is more to remove.
    fn forget_before(&mut self, before: Timestamp, effects_before: Timestamp) -> Fatal<bool> {
        let began = Instant::now();
        if self.batch.now >= self.sweeping.from_the_start {
            self.sweeping.from_the_start = self.batch.now.plus(AGAIN_AFTER);
            (self.sweeping.events, self.sweeping.effects) = (0, 0);
        }
        self.forget_arrivals(before)?;
        loop {
            let more_events = self.forget_events(before)?;
            let more_effects = self.forget_effects(effects_before)?;
            if !(more_events || more_effects) {
                return Ok(false);
            }
            if began.elapsed() > SWEEP {
                return Ok(true);
            }
        }
    }

    fn forget_events(&mut self, before: Timestamp) -> Fatal<bool> {
        let db = lock(&self.db);
        let from = self.sweeping.events;
        // Positions grow with time: the first that is young ends the step.
        let next: Vec<(i64, i64)> = db
            .prepare_cached(
                "SELECT position, at FROM events WHERE position > ?1 AND position < ?2 ORDER BY position LIMIT ?3",
            )?
            .query_map(params![from, self.next_position - 1, STEP], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let is_old = |(_, at): &&(i64, i64)| *at < before.ms();
        let old: Vec<i64> = next.iter().take_while(is_old).map(|(position, _)| *position).collect();
        let Some(last) = old.last().copied() else { return Ok(false) };
        let mut held = BTreeSet::new();
        let mut hold = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Fatal<()> {
            let mut statement = db.prepare_cached(sql)?;
            for position in statement.query_map(values, |row| row.get::<_, i64>(0))? {
                held.insert(position?);
            }
            Ok(())
        };
        for listener in &self.listeners {
            hold(
                "SELECT position FROM deliveries WHERE listener = ?1 AND position BETWEEN ?2 AND ?3 AND state < 2",
                params![listener.id, from, last],
            )?;
        }
        hold(
            "SELECT origin FROM effects WHERE origin BETWEEN ?1 AND ?2 AND origin > 0 AND state < 3",
            params![from, last],
        )?;
        hold("SELECT position FROM dead_letters WHERE position BETWEEN ?1 AND ?2", params![from, last])?;
        for position in old.iter().filter(|position| !held.contains(position)) {
            db.prepare_cached("DELETE FROM events WHERE position = ?1")?.execute([position])?;
            for listener in &self.listeners {
                db.prepare_cached("DELETE FROM deliveries WHERE listener = ?1 AND position = ?2")?
                    .execute([listener.id, *position])?;
            }
        }
        self.sweeping.events = last;
        Ok(true)
    }

    fn forget_effects(&mut self, before: Timestamp) -> Fatal<bool> {
        let db = lock(&self.db);
        let next: Vec<(i64, i64, bool)> = db
            .prepare_cached(
                "SELECT id, changed, state < 3 OR EXISTS (SELECT 1 FROM dead_letters d WHERE d.effect = e.id) \
                 FROM effects e WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
            )?
            .query_map(params![self.sweeping.effects, self.next_effect - 1, STEP], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut moved = false;
        for (id, _, held) in next.iter().take_while(|(_, changed, held)| *held || *changed < before.ms()) {
            moved = true;
            self.sweeping.effects = *id;
            if !held {
                db.prepare_cached("DELETE FROM effects WHERE id = ?1")?.execute([id])?;
            }
        }
        Ok(moved)
    }

    /// Arrivals lie in the order of their ids, which is none: some are looked at in each sweep, round and round.
    fn forget_arrivals(&mut self, before: Timestamp) -> Fatal<()> {
        let db = lock(&self.db);
        let (door, id) = std::mem::take(&mut self.sweeping.arrivals);
        let end: Option<(i64, Vec<u8>)> = db
            .prepare_cached(
                "SELECT door, id FROM arrivals WHERE (door, id) > (?1, ?2) ORDER BY door, id LIMIT 1 OFFSET ?3",
            )?
            .query_row(params![door, id, SWEPT_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let until = end.clone().unwrap_or((i64::MAX, Vec::new()));
        db.prepare_cached(
            "DELETE FROM arrivals WHERE (door, id) > (?1, ?2) AND (door, id) <= (?3, ?4) AND at < ?5",
        )?
        .execute(params![door, id, until.0, until.1, before.ms()])?;
        self.sweeping.arrivals = end.unwrap_or_default();
        Ok(())
    }
}
