//! What is wrong with the configuration, told without the values: a token or a phone's number may stand anywhere,
//! and what the start prints ends in logs.

use std::fmt;
use std::ops::Range;

/// What stands between a fault and its mend. A value's own type, read by serde, may name its mend after this too.
pub(crate) const MEND: &str = " — to mend it: ";

/// What is wrong with the configuration: where, what, and the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: Option<String>,
    message: String,
    mend: Option<String>,
}

impl ConfigError {
    /// A fault.
    pub fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), mend: None }
    }

    /// With what would be right.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// With its place: the file and, from the byte range, the line. No file has no name.
    #[must_use]
    pub fn at(mut self, file: &str, text: &str, span: Option<Range<usize>>) -> Self {
        let line = span.map(|span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
        let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        self.place = (!file.is_empty()).then_some(place);
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(mend) = &self.mend {
            write!(f, "{MEND}{mend}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A text of the configuration as a fault may quote it: `…` where it might be a number or a token.
pub fn shown(text: &str) -> &str {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_harmless = digits < 7 && text.len() <= 40 && !text.chars().any(char::is_control);
    if is_harmless { text } else { "…" }
}

/// What serde says of a value, and the mend.
pub(super) fn told(message: &str) -> (String, String) {
    let message = message.trim();
    // The last one: a value may say anything, what is expected says no such thing.
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let choices = expected.trim_start_matches("one of ");
    if let Some(found) = message.strip_prefix("invalid type: ") {
        (format!("{} does not belong here", kind(found)), format!("write {}", belongs(expected)))
    } else if message.starts_with("invalid value: ") {
        ("a value that cannot be".to_owned(), format!("write {}", belongs(expected)))
    } else if message.starts_with("unknown field ") {
        ("unknown key".to_owned(), format!("known are {}", choices.replace('`', "")))
    } else if message.starts_with("unknown variant ") {
        ("no such choice".to_owned(), format!("write one of {}", choices.replace('`', "\"")))
    } else if let Some(field) = message.strip_prefix("missing field ") {
        let field = field.replace('`', "");
        (format!("{field} is missing"), format!("add {field}"))
    } else if message == "wanted string or table" {
        ("no text".to_owned(), format!("write {}", belongs("a string")))
    } else {
        let (what, mend) = message.split_once(MEND).unwrap_or((message, "correct it, or leave it out"));
        (what.to_owned(), mend.to_owned())
    }
}

/// What stands there, as serde names it before the value itself.
fn kind(found: &str) -> &'static str {
    match found.split([' ', ',']).next() {
        Some("string" | "character") => "a text",
        Some("integer" | "floating") => "a number",
        Some("boolean") => "true or false",
        Some("sequence") => "a list",
        Some("map") => "a table",
        _ => "this",
    }
}

/// What belongs there, in a person's words: serde names types.
fn belongs(expected: &str) -> &str {
    match expected {
        "a string" | "a borrowed string" => "it as a text in quotes",
        "a boolean" => "true or false, without quotes",
        "a sequence" => "a list in brackets",
        "f32" | "f64" => "a number, without quotes",
        "u8" => "a whole number from 0 to 255, without quotes",
        "u16" => "a whole number from 0 to 65535, without quotes",
        "u32" => "a whole number from 0 to 4294967295, without quotes",
        "u64" | "usize" => "a whole number, 0 or more, without quotes",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, without quotes",
        _ if expected == "a map" || expected.starts_with("struct ") => "a table: keys with their values",
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_might_be_a_number_or_a_token_is_not_shown() {
        for harmless in ["No Room", "slak_channel", "C024BE91L", "*.com"] {
            assert_eq!(shown(harmless), harmless);
        }
        for telling in ["+14155550123", "415 555 01 23", &"x".repeat(41), "a\u{1b}[2J"] {
            assert_eq!(shown(telling), "…");
        }
    }
}
