//! Phone numbers in E.164 form: `+`, a calling code that exists, at most fifteen digits.
//!
//! Which calling codes exist is read from the library `phonenumber` (Google's metadata) when this is built. A number
//! is not refused for lying in a range that no carrier has been given: ranges change, and drama numbers are used in
//! tests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A phone number in E.164 form. Prints redacted; [`PhoneNumber::as_str`] gives the digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// The text is not a phone number in international form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in international form, such as +14155550100")]
pub struct BadPhoneNumber;

impl PhoneNumber {
    /// `+` and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The calling code, such as 1 or 44: what limits by country go by.
    pub fn calling_code(&self) -> u16 {
        calling_code(&self.0[1..]).unwrap_or(0)
    }
}

/// In ascending order.
const CALLING_CODES: &[u16] = include!(concat!(env!("OUT_DIR"), "/calling_codes.rs"));

/// The code that these digits begin with: no code begins with another, or with 0.
fn calling_code(digits: &str) -> Option<u16> {
    if digits.starts_with('0') {
        return None;
    }
    (1..=3).find_map(|length| {
        let code = digits.get(..length)?.parse().ok()?;
        CALLING_CODES.binary_search(&code).is_ok().then_some(code)
    })
}

impl FromStr for PhoneNumber {
    type Err = BadPhoneNumber;

    /// Accepts `+` and digits, with the spaces, dots, hyphens and parentheses that people write.
    fn from_str(text: &str) -> Result<Self, BadPhoneNumber> {
        let text = text.trim();
        if text.len() > 32 || !text.starts_with('+') {
            return Err(BadPhoneNumber);
        }
        let mut compact = String::with_capacity(16);
        compact.push('+');
        for character in text[1..].chars() {
            match character {
                '0'..='9' => compact.push(character),
                ' ' | '-' | '.' | '(' | ')' => {}
                _ => return Err(BadPhoneNumber),
            }
        }
        // E.164: at most 15 digits; the shortest national number in use with its code has 7.
        if !(8..=16).contains(&compact.len()) {
            return Err(BadPhoneNumber);
        }
        calling_code(&compact[1..]).ok_or(BadPhoneNumber)?;
        Ok(Self(compact))
    }
}

impl fmt::Display for PhoneNumber {
    /// Redacted, so that no log can hold a number: `+…13`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+…{}", &self.0[self.0.len() - 2..])
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Reads a number that we wrote: its form is checked, and not again which countries there are. What people and
/// providers write goes through [`FromStr`].
impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let digits = text.strip_prefix('+').unwrap_or_default();
        if (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.into_owned()))
        } else {
            Err(serde::de::Error::custom(BadPhoneNumber))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_the_forms_people_write() {
        for text in ["+14155550100", "+1 (415) 555-0100", " +1.415.555.0100 "] {
            assert_eq!(text.parse::<PhoneNumber>().unwrap().as_str(), "+14155550100", "{text}");
        }
        assert_eq!("+447700900513".parse::<PhoneNumber>().unwrap().calling_code(), 44);
        assert_eq!("+353861234567".parse::<PhoneNumber>().unwrap().calling_code(), 353);
        assert_eq!("+881612345678".parse::<PhoneNumber>().unwrap().calling_code(), 881, "a satellite");
    }

    #[test]
    fn what_is_no_international_number_is_refused() {
        for text in [
            "",
            "+",
            "4155550100",
            "+999123456789",
            "+014155550100",
            "+2101234567",
            "+1415555010012345678",
            "+1415<script>",
            "TWILIO",
            "+١٤١٥٥٥٥٠١٠٠",
        ] {
            assert!(text.parse::<PhoneNumber>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_prints_redacted() {
        let number: PhoneNumber = "+14155550113".parse().unwrap();
        assert_eq!(format!("{number} {number:?}"), "+…13 +…13");
        assert_eq!(serde_json::to_string(&number).unwrap(), "\"+14155550113\"");
    }
}
