//! The operator's policy. To be filled in: so far everything is allowed.

use switchboard_core::Message;
use switchboard_core::event::Reason;

/// What may be shown. Ordered: of two rules the stricter one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Decision {
    /// It is shown.
    #[default]
    Allow,
    /// It waits for an operator.
    Hold,
    /// It is not shown.
    Block,
}

/// A decision with its reasons; none for what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The strictest of the rules that found something.
    pub decision: Decision,
    /// What they found.
    pub reasons: Vec<Reason>,
}

/// The compiled policy.
#[derive(Debug, Default)]
pub struct Policy {}

impl Policy {
    /// What the rules say of a message.
    pub fn judge(&self, _message: &Message) -> Verdict {
        Verdict::default()
    }
}
