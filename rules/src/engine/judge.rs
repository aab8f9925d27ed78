//! From what an event holds to the rules that it matches.

use super::{
    Alternative, Engine,
    lookup::Hit,
    seen::{Kind, Seen},
    walk::{self, Open},
};
use crate::{
    EventError,
    compile::Compiled,
    evaluate::{self, Event},
};

/// A thread's working memory, for whichever rules it matches. What was noted for an event carries its number, so
/// nothing has to be cleared.
#[derive(Default)]
pub(super) struct Memory {
    stack: Vec<Open>,
    seen: Seen,
    notes: Notes,
}

#[derive(Default)]
struct Notes {
    /// For each clause twice the number of the event, and one more if it is met.
    clauses: Vec<u64>,
    /// For each alternative the last event that it was looked at for.
    tried: Vec<u64>,
    /// For each rule the last event that it was decided for.
    decided: Vec<u64>,
}

/// As [`Engine::matching`].
pub(super) fn matching<'c>(
    engine: &Engine,
    text: &str,
    patterns: &dyn Fn(usize) -> &'c Compiled,
    memory: &mut Memory,
) -> Option<Result<Vec<usize>, EventError>> {
    let Memory { stack, seen, notes } = memory;
    seen.start(engine.lookups.len());
    notes.fit(engine);
    walk::walk(text, &engine.keys, stack, seen)?;
    let mut judge =
        Judge { engine, text, patterns, seen, notes, event: None, matching: Vec::new(), outcome: Ok(()) };
    for leaf in &seen.leaves {
        if let Some(lookup) = &engine.lookups[leaf.field as usize] {
            lookup.find(text, leaf.raw, &mut |hits| hits.iter().for_each(|hit| judge.consider(*hit)))?;
        }
    }
    for alternative in &engine.unfindable {
        judge.consider(Hit { alternative: *alternative, is_sure: false });
    }
    let mut matching = judge.matching;
    match judge.outcome {
        Ok(()) => {
            matching.sort_unstable();
            Some(Ok(matching))
        }
        Err(Stop::Unreadable) => None,
        Err(Stop::Error(error)) => Some(Err(error)),
    }
}

/// Why judging ends before its end.
enum Stop {
    Unreadable,
    Error(EventError),
}

struct Judge<'j, 'c> {
    engine: &'j Engine,
    text: &'j str,
    patterns: &'j dyn Fn(usize) -> &'c Compiled,
    seen: &'j Seen,
    notes: &'j mut Notes,
    /// The event, read in full, once a rule needed that.
    event: Option<Event<'j>>,
    matching: Vec<usize>,
    outcome: Result<(), Stop>,
}

/// What is known of an alternative.
enum Verdict {
    Fails,
    Holds,
    /// Fields have leaves in elements of arrays, and must agree on the element.
    Agree,
}

impl Judge<'_, '_> {
    fn consider(&mut self, hit: Hit) {
        let event = self.seen.event;
        let tried = &mut self.notes.tried[hit.alternative as usize];
        if std::mem::replace(tried, event) == event {
            return;
        }
        let alternative = &self.engine.alternatives[hit.alternative as usize];
        let rule = alternative.rule as usize;
        if self.notes.decided[rule] == event || self.outcome.is_err() {
            return;
        }
        let verdict = match self.verdict(alternative, hit.is_sure) {
            Ok(Verdict::Fails) => return,
            Ok(Verdict::Holds) => Ok(true),
            Ok(Verdict::Agree) => self.in_full(rule),
            Err(stop) => Err(stop),
        };
        self.notes.decided[rule] = event;
        match verdict {
            Ok(true) => self.matching.push(rule),
            Ok(false) => {}
            Err(stop) => self.outcome = Err(stop),
        }
    }

    fn verdict(&mut self, alternative: &Alternative, access_is_met: bool) -> Result<Verdict, Stop> {
        let (mut in_elements, mut all_suffice) = (0, true);
        for clause in &self.engine.parts[alternative.parts.start as usize..alternative.parts.end as usize] {
            let field = self.engine.clauses[*clause as usize].field;
            let may_be_absent = self.engine.clauses[*clause as usize].may_be_absent;
            let in_element = self.seen.is_in_element(field);
            let is_met = access_is_met && alternative.access == Some(*clause) || self.is_met(*clause)?;
            let suffices = is_met || may_be_absent && !self.seen.is_present(field);
            if !(suffices || may_be_absent && in_element) {
                return Ok(Verdict::Fails);
            }
            in_elements += usize::from(in_element);
            all_suffice &= suffices;
        }
        // A field that is alone in elements agrees with itself, if a leaf meets it.
        Ok(match in_elements {
            0 | 1 if all_suffice => Verdict::Holds,
            0 | 1 => Verdict::Fails,
            _ => Verdict::Agree,
        })
    }

    /// Whether a leaf meets the clause. Asked once an event, however many rules share the clause.
    fn is_met(&mut self, number: u32) -> Result<bool, Stop> {
        let note = &mut self.notes.clauses[number as usize];
        if *note >> 1 == self.seen.event {
            return Ok(*note & 1 != 0);
        }
        let clause = &self.engine.clauses[number as usize];
        let mut is_met = false;
        for leaf in self.seen.of(clause.field) {
            let mut conditions = clause.conditions.iter();
            let is_met_here = match leaf.raw.kind {
                Kind::Decimal(number) => conditions.any(|condition| condition.holds_decimal(number)),
                _ => {
                    let value = leaf.raw.value(self.text).ok_or(Stop::Unreadable)?;
                    conditions.any(|condition| condition.holds(&value))
                }
            };
            if is_met_here {
                is_met = true;
                break;
            }
        }
        *note = self.seen.event << 1 | u64::from(is_met);
        Ok(is_met)
    }

    fn in_full(&mut self, rule: usize) -> Result<bool, Stop> {
        let event = match &mut self.event {
            Some(event) => event,
            none => none.insert(Event::read(self.text.as_bytes()).map_err(Stop::Error)?),
        };
        evaluate::matches((self.patterns)(rule), event).map_err(Stop::Error)
    }
}

impl Notes {
    fn fit(&mut self, engine: &Engine) {
        let fit = |notes: &mut Vec<u64>, length: usize| {
            if notes.len() < length {
                notes.resize(length, 0);
            }
        };
        fit(&mut self.clauses, engine.clauses.len());
        fit(&mut self.tried, engine.alternatives.len());
        fit(&mut self.decided, engine.rules);
    }
}
