//! Many named patterns, compiled once and matched together.
//!
//! The interface is bytes in, indices out: it says nothing of how an event is read, so that an automaton over all
//! rules can take the place of the loop below.

use crate::{
    EventError, Pattern, RuleError,
    evaluate::{self, Event},
};
use std::sync::Arc;

/// A set of named patterns. Cheap to clone, and shared freely between threads.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Arc<[(String, Pattern)]>,
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
        Rules { rules: rules.into() }
    }

    /// The indices of the rules that `event` (the bytes of one JSON object) matches, in the order they were given.
    pub fn matching(&self, event: &[u8]) -> Result<Vec<usize>, EventError> {
        let event = Event::read(event)?;
        let mut matching = Vec::new();
        for (index, (_, pattern)) in self.rules.iter().enumerate() {
            if evaluate::matches(&pattern.compiled, &event)? {
                matching.push(index);
            }
        }
        Ok(matching)
    }

    /// The name of the rule at `index`, as it was given; empty when there is no such rule.
    pub fn name(&self, index: usize) -> &str {
        self.rules.get(index).map_or("", |(name, _)| name)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}
