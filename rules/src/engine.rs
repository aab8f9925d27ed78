//! All rules at once: an event is read once, and only the rules that it may concern are looked at.
//!
//! # How
//!
//! A pattern is alternatives of fields (`compile`). Each distinct path over all rules is a *field* here, with a
//! number, and each distinct set of conditions on a field a *clause*. For one event:
//!
//! ```text
//! walk      keys -> leaves     {"source": "a", "detail": {"room": "lobby", "text": "…"}}
//!                              into "detail", over "text"; leaves: source = a, detail.room = lobby
//! look up   leaf -> candidates an alternative is entered under one field only, the one that holds most seldom:
//!                              {"source": ["a"], "detail": {"room": ["lobby"]}} under detail.room = lobby
//! judge     candidate -> rule  its other clauses are looked at, each at most once an event, as many share them
//! ```
//!
//! So ten thousand rules on one source cost what the few cost that are about the event's room. Nothing is allocated
//! for an event but the list of what matched: the working memory belongs to the thread, and is never cleared, as what
//! was noted for an earlier event carries an earlier number.
//!
//! # Why it is exact
//!
//! A look-up may find too much but never too little, and what a clause says of a value is asked of the very
//! `Condition` that `evaluate` asks. A field is met if one of its leaves meets it, or if it has none and may be absent,
//! wherever keys are repeated or have dots in them. Arrays bind fields together only where two fields or more have
//! leaves inside their elements; such a rule is handed to `evaluate`. That happens after all its fields were met one
//! by one, so it is rare, and the reading of the event that it needs is made at most once.
//!
//! # What was rejected
//!
//! One automaton over all values, as event-ruler and quamina have: wildcards and case make its states multiply, its
//! size must be bounded, and every field of a rule is a step of it, also the source that all rules share. Counting the
//! fields met for each rule: the shared source counts ten thousand times.

mod access;
mod hash;
mod judge;
mod keys;
mod lookup;
mod seen;
mod skim;
mod walk;

use crate::{
    EventError,
    compile::{Compiled, Field},
    condition::Condition,
};
use access::{Candidate, Shares};
use judge::Memory;
use keys::Keys;
use lookup::Lookup;
use std::{cell::RefCell, collections::HashMap, ops::Range, sync::Arc};

/// Rules, compiled together.
#[derive(Debug)]
pub(crate) struct Engine {
    keys: Keys,
    /// For each field, how its values find alternatives, if any are entered there.
    lookups: Vec<Option<Box<Lookup>>>,
    clauses: Vec<Clause>,
    alternatives: Vec<Alternative>,
    /// The clauses of all alternatives, one after another.
    parts: Vec<u32>,
    /// Alternatives that may hold without any value, and are looked at for every event.
    unfindable: Vec<u32>,
    rules: usize,
}

/// A field and its conditions, of which one must hold.
#[derive(Debug)]
struct Clause {
    field: u32,
    conditions: Arc<[Condition]>,
    may_be_absent: bool,
}

#[derive(Debug)]
struct Alternative {
    rule: u32,
    /// The clause that finds it.
    access: Option<u32>,
    parts: Range<u32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Engine {
    pub(crate) fn new<'c>(rules: impl Iterator<Item = &'c Compiled>) -> Self {
        let mut building = Building::default();
        for rule in rules {
            building.add(rule);
        }
        building.finish()
    }

    /// The indices of the rules that match, in order. `None` if the text turns out not to be valid.
    ///
    /// `patterns` are the rules that the engine was made of.
    pub(crate) fn matching<'c>(
        &self,
        text: &str,
        patterns: impl Fn(usize) -> &'c Compiled,
    ) -> Option<Result<Vec<usize>, EventError>> {
        let mut result = None;
        let in_memory = MEMORY.try_with(|memory| {
            if let Ok(mut memory) = memory.try_borrow_mut() {
                result = Some(judge::matching(self, text, &patterns, &mut memory));
            }
        });
        // Only while the thread ends is its memory gone.
        match (in_memory, result) {
            (Ok(()), Some(result)) => result,
            _ => judge::matching(self, text, &patterns, &mut Memory::default()),
        }
    }
}

#[derive(Default)]
struct Building {
    fields: HashMap<String, u32>,
    known: HashMap<(u32, Arc<[Condition]>), u32>,
    clauses: Vec<Clause>,
    alternatives: Vec<Alternative>,
    parts: Vec<u32>,
    rules: u32,
}

impl Building {
    fn add(&mut self, rule: &Compiled) {
        let clauses: Vec<u32> = rule.fields.iter().map(|field| self.clause(field)).collect();
        for alternative in &rule.alternatives {
            let start = self.parts.len() as u32;
            self.parts.extend(alternative.iter().map(|field| clauses[*field as usize]));
            let parts = start..self.parts.len() as u32;
            self.alternatives.push(Alternative { rule: self.rules, access: None, parts });
        }
        self.rules += 1;
    }

    fn clause(&mut self, field: &Field) -> u32 {
        let next = self.fields.len() as u32;
        let number = match self.fields.get(&field.path) {
            Some(number) => *number,
            None => *self.fields.entry(field.path.clone()).or_insert(next),
        };
        *self.known.entry((number, field.conditions.clone())).or_insert_with(|| {
            self.clauses.push(Clause {
                field: number,
                conditions: field.conditions.clone(),
                may_be_absent: field.may_be_absent,
            });
            self.clauses.len() as u32 - 1
        })
    }

    fn finish(mut self) -> Engine {
        let mut keys = Keys::new();
        for (path, field) in &self.fields {
            keys.add(path, *field);
        }
        keys.finish();
        self.choose();
        let mut lookups: Vec<Option<Box<Lookup>>> = Vec::new();
        lookups.resize_with(self.fields.len(), || None);
        let mut unfindable = Vec::new();
        for (number, alternative) in self.alternatives.iter().enumerate() {
            let Some(access) = alternative.access else {
                unfindable.push(number as u32);
                continue;
            };
            let clause = &self.clauses[access as usize];
            let lookup = lookups[clause.field as usize].get_or_insert_default();
            for condition in clause.conditions.iter() {
                lookup.add(condition, number as u32);
            }
        }
        for lookup in lookups.iter_mut().flatten() {
            lookup.finish();
        }
        Engine {
            keys,
            lookups,
            clauses: self.clauses,
            alternatives: self.alternatives,
            parts: self.parts,
            unfindable,
            rules: self.rules as usize,
        }
    }

    /// Chooses for each alternative the clause that finds it, and puts its clauses in the order in which they are
    /// best looked at.
    fn choose(&mut self) {
        let clauses = &self.clauses;
        let candidate = |clause: u32| {
            let Clause { field, conditions, .. } = &clauses[clause as usize];
            Candidate { field: *field, conditions }
        };
        let mut shares = Shares::default();
        for clause in &self.parts {
            shares.count(candidate(*clause));
        }
        let costs: Vec<Option<u64>> =
            (0..clauses.len() as u32).map(|clause| shares.cost(candidate(clause))).collect();
        for alternative in &mut self.alternatives {
            let parts = &mut self.parts[alternative.parts.start as usize..alternative.parts.end as usize];
            let cost = |clause: &u32| costs[*clause as usize];
            parts.sort_by_key(|clause| cost(clause).unwrap_or(u64::MAX));
            alternative.access = parts.first().copied().filter(|first| cost(first).is_some());
        }
    }
}
