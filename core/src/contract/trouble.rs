//! What may go wrong on the way to a topic or to a device, and what its sender has to be told then.

use std::time::Duration;

use crate::failure::Failure;

/// What goes wrong with the next thing that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens.
    NobodyThere,
    /// It is taken, and the connection ends without an answer.
    NoAnswer,
    /// The answer is: too much at once.
    TooMuch,
    /// The answer is: not with these credentials.
    Credentials,
}

impl Trouble {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::NobodyThere, Self::NoAnswer, Self::TooMuch, Self::Credentials];

    /// The failure that says it.
    pub fn failure(self) -> Failure {
        match self {
            Self::NobodyThere => Failure::retry("nobody listens"),
            Self::NoAnswer => Failure::unsure("no answer"),
            Self::TooMuch => Failure::retry("too much at once"),
            Self::Credentials => Failure::credentials("not with these credentials", Duration::from_secs(60)),
        }
    }

    /// Demands that what came of it says what its sender is to do.
    pub(super) fn demand<T: std::fmt::Debug>(self, came: Result<T, Failure>) {
        let said = match (self, &came) {
            (Self::NobodyThere | Self::TooMuch, Err(Failure::Retry { credentials, .. })) => !credentials,
            (Self::NoAnswer, Err(Failure::Unsure { .. })) => true,
            (Self::Credentials, Err(Failure::Retry { credentials, after, .. })) => {
                *credentials && after.is_some()
            }
            _ => false,
        };
        assert!(said, "{self:?}: {came:?}");
    }
}
