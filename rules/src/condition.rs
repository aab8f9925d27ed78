//! One condition on one value: an entry of a field's array in a pattern.
//!
//! What each operator means is fixed by EventBridge's open-source matcher, <https://github.com/aws/event-ruler>;
//! where AWS's documentation says otherwise, the matcher counts. How conditions are read is in `compile`; that a
//! field is there at all, and in which element of an array, is `evaluate`'s affair.

use crate::{
    address::{self, Network},
    fold::Folded,
    json::{Value, shorten},
    number::{Decimal, Interval},
    wildcard::Wildcard,
};
use std::{fmt, net::IpAddr};

/// Exact strings are found by binary search when there are more of them than this.
pub(crate) const FEW_TEXTS: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Condition {
    Null,
    Bool(bool),
    /// Equal as decimals, or, when one of them is beyond what compares, equal as text.
    Number {
        decimal: Option<Decimal>,
        text: String,
    },
    Text(String),
    /// One of many strings, sorted.
    Texts(Vec<String>),
    /// A string that is an IP address: its other spellings count as well.
    Address {
        address: IpAddr,
        text: String,
    },
    Prefix(String),
    Suffix(String),
    EqualsIgnoreCase(Folded),
    PrefixIgnoreCase(Folded),
    SuffixIgnoreCase(Folded),
    Wildcard(Wildcard),
    Numeric(Interval),
    Cidr(Network),
    Exists,
    /// `exists: false`. No value meets it; only the field's absence does.
    Absent,
    AnythingBut(Excluded),
}

/// What `anything-but` rules out. A value of another kind than the list's (a number against strings, `null`
/// against anything) is not in the list, so it matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Excluded {
    /// Sorted.
    Texts(Vec<String>),
    Numbers(Vec<Decimal>, String),
    Prefixes(Vec<String>),
    Suffixes(Vec<String>),
    IgnoreCase(Vec<Folded>),
    Wildcards(Vec<Wildcard>),
}

impl Condition {
    /// Whether a leaf of the event meets this. `value` is neither an array nor an object.
    pub(crate) fn holds(&self, value: &Value<'_>) -> bool {
        use Condition as C;
        match (self, value) {
            (C::Exists, _) => true,
            (condition, Value::Number(found)) => match Decimal::parse(found) {
                Some(number) => condition.holds_decimal(number),
                None => condition.holds_odd_number(found),
            },
            (C::AnythingBut(excluded), value) => !excluded.contains(value),
            (C::Null, Value::Null) => true,
            (C::Bool(wanted), Value::Bool(found)) => wanted == found,
            (C::Text(wanted), Value::String(found)) => wanted == found,
            (C::Texts(wanted), Value::String(found)) => is_among(wanted, found),
            (C::Address { address, text }, Value::String(found)) => {
                text == found || address::parse(found) == Some(*address)
            }
            (C::Prefix(prefix), Value::String(found)) => found.starts_with(prefix.as_str()),
            (C::Suffix(suffix), Value::String(found)) => found.ends_with(suffix.as_str()),
            (C::EqualsIgnoreCase(folded), Value::String(found)) => folded.equals(found),
            (C::PrefixIgnoreCase(folded), Value::String(found)) => folded.starts(found),
            (C::SuffixIgnoreCase(folded), Value::String(found)) => folded.ends(found),
            (C::Wildcard(wildcard), Value::String(found)) => wildcard.matches(found),
            (C::Cidr(network), Value::String(found)) => {
                address::parse(found).is_some_and(|address| network.contains(address))
            }
            _ => false,
        }
    }

    /// Whether a number that compares meets this.
    pub(crate) fn holds_decimal(&self, number: Decimal) -> bool {
        match self {
            Condition::Exists => true,
            Condition::Number { decimal, .. } => *decimal == Some(number),
            Condition::Numeric(interval) => interval.contains(number),
            Condition::AnythingBut(Excluded::Numbers(numbers, _)) => !numbers.contains(&number),
            Condition::AnythingBut(_) => true,
            _ => false,
        }
    }

    /// Whether a number that does not compare meets this: as text, or by being none of those that do.
    fn holds_odd_number(&self, found: &str) -> bool {
        match self {
            Condition::Exists | Condition::AnythingBut(_) => true,
            Condition::Number { text, .. } => text == found,
            _ => false,
        }
    }
}

impl Excluded {
    fn contains(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Excluded::Texts(texts), Value::String(found)) => is_among(texts, found),
            (Excluded::Prefixes(prefixes), Value::String(found)) => {
                prefixes.iter().any(|prefix| found.starts_with(prefix.as_str()))
            }
            (Excluded::Suffixes(suffixes), Value::String(found)) => {
                suffixes.iter().any(|suffix| found.ends_with(suffix.as_str()))
            }
            (Excluded::IgnoreCase(texts), Value::String(found)) => {
                texts.iter().any(|text| text.equals(found))
            }
            (Excluded::Wildcards(wildcards), Value::String(found)) => {
                wildcards.iter().any(|wildcard| wildcard.matches(found))
            }
            _ => false,
        }
    }
}

fn is_among(sorted: &[String], found: &str) -> bool {
    sorted.binary_search_by(|text| text.as_str().cmp(found)).is_ok()
}

/// As a phrase that follows "the rule wants".
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Null => write!(f, "null"),
            Condition::Bool(value) => write!(f, "{value}"),
            Condition::Number { text, .. } => write!(f, "{}", shorten(text, 40)),
            Condition::Text(text) | Condition::Address { text, .. } => write!(f, "{}", quoted(text)),
            Condition::Texts(texts) => write!(f, "one of {}", list(texts.iter().map(quoted))),
            Condition::Prefix(text) => write!(f, "text that starts with {}", quoted(text)),
            Condition::Suffix(text) => write!(f, "text that ends with {}", quoted(text)),
            Condition::EqualsIgnoreCase(text) => write!(f, "{} in any case", quoted(&text.wording)),
            Condition::PrefixIgnoreCase(text) => {
                write!(f, "text that starts with {} in any case", quoted(&text.wording))
            }
            Condition::SuffixIgnoreCase(text) => {
                write!(f, "text that ends with {} in any case", quoted(&text.wording))
            }
            Condition::Wildcard(text) => write!(f, "text like {}", quoted(&text.wording)),
            Condition::Numeric(interval) => write!(f, "a number {}", interval.wording),
            Condition::Cidr(network) => write!(f, "an address in {}", network.wording),
            Condition::Exists => write!(f, "any value"),
            Condition::Absent => write!(f, "no value at all"),
            Condition::AnythingBut(excluded) => write!(f, "anything but {excluded}"),
        }
    }
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excluded::Texts(texts) => write!(f, "{}", list(texts.iter().map(quoted))),
            Excluded::Numbers(_, wording) => write!(f, "{}", shorten(wording, 200)),
            Excluded::Prefixes(texts) => {
                write!(f, "text that starts with {}", list(texts.iter().map(quoted)))
            }
            Excluded::Suffixes(texts) => write!(f, "text that ends with {}", list(texts.iter().map(quoted))),
            Excluded::IgnoreCase(texts) => {
                write!(f, "{} in any case", list(texts.iter().map(|text| quoted(&text.wording))))
            }
            Excluded::Wildcards(texts) => {
                write!(f, "text like {}", list(texts.iter().map(|text| quoted(&text.wording))))
            }
        }
    }
}

/// A text in quotes, its middle left out when it is long.
pub(crate) fn quoted(text: impl AsRef<str>) -> String {
    format!("\"{}\"", shorten(text.as_ref(), 80).escape_debug())
}

/// The first few, with commas, and how many more there are.
pub(crate) fn list(items: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let items: Vec<String> = items.collect();
    match items.len().saturating_sub(SHOWN) {
        0 => items.join(", "),
        more => format!("{} and {more} more", items[..SHOWN].join(", ")),
    }
}
