//! Patterns and the wiring. What follows is the crate's README, whose example is a test.
//!
#![doc = include_str!("../README.md")]

mod event;
mod pattern;
mod rules;
pub mod wiring;

pub mod cases;
mod explain;

mod compile;
mod condition;
mod engine;
mod evaluate;

mod address;
mod fold;
mod json;
mod number;
mod wildcard;

mod error;

pub use error::{EventError, PatternError, RuleError};
pub use event::ValidEvent;
pub use explain::explain;
pub use pattern::Pattern;
pub use rules::Rules;
