//! One pattern.

use crate::{
    EventError, PatternError,
    compile::{self, Compiled},
    evaluate::{self, Event},
};

/// An EventBridge pattern, compiled. Shared freely between threads.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(crate) compiled: Compiled,
}

impl Pattern {
    /// Compiles a pattern, or says what EventBridge would refuse about it, where, and what would be right.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Ok(Pattern { compiled: compile::compile(text)? })
    }

    /// Whether `event`, the bytes of one JSON object, matches.
    pub fn matches(&self, event: &[u8]) -> Result<bool, EventError> {
        evaluate::matches(&self.compiled, &Event::read(event)?)
    }
}
