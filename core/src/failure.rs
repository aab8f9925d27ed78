//! What goes wrong, named for what its receiver does next.
//!
//! - [`Failure::Refuse`]: the sender's fault, and trying again would not help. A door answers with the status;
//!   an effect ends as a dead letter at once.
//! - [`Failure::Retry`]: try the same again later. With `after`, not before that, and it does not count as an
//!   attempt (a provider that says when is no failure).
//! - [`Failure::Unsure`]: an effect may or may not have happened: ask the provider (`find`) before trying again.
//! - [`Failure::Bug`]: ours. Dead letter at once, and somebody is told.
//!
//! Provider replies are mapped to these in one place per provider, its `act.rs`. Bridges, rules and core use
//! this type; only the hosts use `anyhow`.

use std::time::Duration;

/// What went wrong and what to do next. The texts are for operators: no numbers, bodies or tokens in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The sender's fault; no retry.
    #[error("{reason}")]
    Refuse {
        /// The HTTP status for a door's answer.
        status: u16,
        /// One word for programs, where the protocol has one; otherwise empty.
        code: &'static str,
        /// Why, for the log and for who sent it.
        reason: String,
    },
    /// Try again.
    #[error("{reason}")]
    Retry {
        /// Why.
        reason: String,
        /// Not before this has passed. Then it does not count as an attempt.
        after: Option<Duration>,
        /// Ours are refused: a host that reads them by reference reads them again, since they may have been replaced.
        credentials: bool,
    },
    /// It may have happened: ask before trying again.
    #[error("{reason}")]
    Unsure {
        /// Why.
        reason: String,
    },
    /// Our fault; no retry.
    #[error("{reason}")]
    Bug {
        /// What, for who mends it.
        reason: String,
    },
}

impl Failure {
    /// The sender's fault.
    pub fn refuse(status: u16, reason: impl Into<String>) -> Self {
        Self::Refuse { status, code: "", reason: reason.into() }
    }

    /// The same, with the protocol's own word for it.
    pub fn refuse_as(status: u16, code: &'static str, reason: impl Into<String>) -> Self {
        Self::Refuse { status, code, reason: reason.into() }
    }

    /// Try again with backoff.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None, credentials: false }
    }

    /// Try again when `after` has passed.
    pub fn retry_after(reason: impl Into<String>, after: Duration) -> Self {
        Self::Retry { reason: reason.into(), after: Some(after), credentials: false }
    }

    /// The provider refuses our credentials: try again when `after` has passed, with those that hold then.
    pub fn credentials(reason: impl Into<String>, after: Duration) -> Self {
        Self::Retry { reason: reason.into(), after: Some(after), credentials: true }
    }

    /// It may have happened.
    pub fn unsure(reason: impl Into<String>) -> Self {
        Self::Unsure { reason: reason.into() }
    }

    /// Our fault.
    pub fn bug(reason: impl Into<String>) -> Self {
        Self::Bug { reason: reason.into() }
    }

    /// One word for metrics and dead letters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refuse { .. } => "refuse",
            Self::Retry { .. } => "retry",
            Self::Unsure { .. } => "unsure",
            Self::Bug { .. } => "bug",
        }
    }
}
