//! Many named patterns, compiled once and matched together: bytes in, indices out.
//!
//! How an event is read and which rules are looked at is `engine`'s affair; what a pattern means is `evaluate`'s, and
//! the two agree on every event.

use crate::{
    EventError, Pattern, RuleError, ValidEvent,
    engine::Engine,
    evaluate::{self, Event},
};
use std::sync::Arc;

/// A set of named patterns. Cheap to clone, and shared freely between threads.
#[derive(Debug, Clone)]
pub struct Rules {
    compiled: Arc<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    rules: Vec<(String, Pattern)>,
    engine: Engine,
}

impl Rules {
    /// Compiles every pattern, or says which rule is at fault and why.
    pub fn compile<N, P>(rules: impl IntoIterator<Item = (N, P)>) -> Result<Self, RuleError>
    where
        N: Into<String>,
        P: AsRef<str>,
    {
        let compiled = rules.into_iter().map(|(name, pattern)| {
            let name = name.into();
            match Pattern::parse(pattern.as_ref()) {
                Ok(pattern) => Ok((name, pattern)),
                Err(source) => Err(RuleError { name, source }),
            }
        });
        compiled.collect::<Result<_, _>>().map(Rules::of)
    }

    pub(crate) fn of(rules: Vec<(String, Pattern)>) -> Self {
        let engine = Engine::new(rules.iter().map(|(_, pattern)| &pattern.compiled));
        Rules { compiled: Arc::new(Compiled { rules, engine }) }
    }

    /// The indices of the rules that `event` (the bytes of one JSON object) matches, in the order they were given.
    ///
    /// All of the event is validated first. Where that was done before, [`Rules::matching_valid`] saves it.
    pub fn matching(&self, event: &[u8]) -> Result<Vec<usize>, EventError> {
        self.matching_valid(ValidEvent::check(event)?)
    }

    /// As [`Rules::matching`], for an event that was validated: only what rules look at is read.
    ///
    /// An error remains for an event that repeats keys around arrays in more ways than can be tried.
    pub fn matching_valid(&self, event: ValidEvent<'_>) -> Result<Vec<usize>, EventError> {
        let patterns = |index: usize| &self.compiled.rules[index].1.compiled;
        match self.compiled.engine.matching(event.as_str(), patterns) {
            Some(matching) => matching,
            None => self.matching_one_by_one(event.as_str()),
        }
    }

    /// Looks at every rule by itself. So is done with what is not valid after all, to say why.
    fn matching_one_by_one(&self, event: &str) -> Result<Vec<usize>, EventError> {
        let event = Event::read(event.as_bytes())?;
        let mut matching = Vec::new();
        for (index, (_, pattern)) in self.compiled.rules.iter().enumerate() {
            if evaluate::matches(&pattern.compiled, &event)? {
                matching.push(index);
            }
        }
        Ok(matching)
    }

    /// The name of the rule at `index`, as it was given; empty when there is no such rule.
    pub fn name(&self, index: usize) -> &str {
        self.compiled.rules.get(index).map_or("", |(name, _)| name)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.compiled.rules.len()
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.compiled.rules.is_empty()
    }
}
