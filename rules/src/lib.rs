//! To be written.

mod error;
mod pattern;
mod rules;
pub mod wiring;

pub use error::{EventError, PatternError, RuleError};
pub use pattern::Pattern;
pub use rules::Rules;
