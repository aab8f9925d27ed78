//! An event that was validated.

use crate::{EventError, evaluate, json};

/// The text of one JSON object, validated once so that [`Rules::matching_valid`](crate::Rules::matching_valid) can
/// pass over what no rule looks at.
///
/// ```
/// # use switchboard_rules::{Rules, ValidEvent};
/// let rules = Rules::compile([("lobby", r#"{"room": ["lobby"]}"#)])?;
/// let event = ValidEvent::check(br#"{"room": "lobby", "text": "hello"}"#)?;
/// assert_eq!(rules.matching_valid(event)?, [0]);
/// assert!(ValidEvent::check(br#"{"room": "lobby", "text": "hell"#).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ValidEvent<'a>(&'a str);

impl<'a> ValidEvent<'a> {
    /// Reads all of `bytes`, or says what is wrong with them and where.
    pub fn check(bytes: &'a [u8]) -> Result<Self, EventError> {
        match json::checked_object(bytes) {
            Some(text) => Ok(ValidEvent(text)),
            None => Err(evaluate::fault(bytes)),
        }
    }

    /// Takes the caller's word that `text` passed [`ValidEvent::check`] before: that it comes from a store that only
    /// holds what did.
    ///
    /// Of a text that did not, parts that no rule looks at may be broken and go unnoticed. Nothing worse comes of it:
    /// no panic, and what is broken where a rule looks is an error.
    pub fn checked_before(text: &'a str) -> Self {
        ValidEvent(text)
    }

    /// Its text, as it was given.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}
