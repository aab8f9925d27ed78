//! What can be wrong with a pattern, an event or a set of rules, and where.
//!
//! All of these are the writer's fault and none is worth a retry: a host answers a door with 4xx, or refuses to
//! start. Each carries the path to the fault and its byte offset, and says what would be right.

/// A pattern that EventBridge would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem} (byte {offset}): {mend}", at(.path))]
pub struct PatternError {
    pub(crate) path: String,
    pub(crate) offset: usize,
    pub(crate) problem: String,
    pub(crate) mend: String,
}

impl PatternError {
    /// Where in the pattern the fault is, as `detail.room[1]`; empty for the whole pattern.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The byte of the pattern's text at which the fault is.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What would be right.
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

/// An event that is not one: not JSON, not an object, beyond a stated limit, or with keys around arrays repeated so
/// often that nobody could say in time whether it matches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem} (byte {offset})", at(.path))]
pub struct EventError {
    pub(crate) path: String,
    pub(crate) offset: usize,
    pub(crate) problem: String,
}

impl EventError {
    /// Where in the event the fault is, as `detail.files[2].name`; empty for the whole event.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The byte of the event at which the fault is.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

/// A rule whose pattern would be refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {name}: {source}")]
pub struct RuleError {
    pub(crate) name: String,
    pub(crate) source: PatternError,
}

impl RuleError {
    /// The rule's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with its pattern.
    pub fn pattern_error(&self) -> &PatternError {
        &self.source
    }
}

fn at(path: &str) -> &str {
    if path.is_empty() { "at the top" } else { path }
}
