//! What `switchboard match` does, so that the command is a thin shell over it.
//!
//! [`check`] is `--pattern FILE --event FILE`, [`count`] is `--rules FILE --events FILE`, and [`run`] is
//! `--cases FILE`, whose lines are also this crate's corpus of tests:
//!
//! ```json
//! {"name": "…", "pattern": {…}, "event": {…}, "expect": "match", "why": "…"}
//! ```
//!
//! `expect` is `match`, `nomatch` or `invalid`; pattern and event are JSON, or a string of what need not be JSON;
//! `why` is for readers. Opening files, the clock and exit codes other than [`Answer::exit_code`] are the command's.

use crate::{EventError, Pattern, PatternError, RuleError, Rules, explain};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{
    fmt,
    io::{self, BufRead, Write},
};

/// Whether an event matches a pattern, or which of the two is faulty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It matches.
    Match,
    /// It does not match.
    NoMatch,
    /// The pattern is one that EventBridge refuses.
    BadPattern(PatternError),
    /// The event is not one.
    BadEvent(EventError),
}

impl Answer {
    /// 0 for a match, 1 for none, 2 when a side is faulty.
    pub fn exit_code(&self) -> u8 {
        match self {
            Answer::Match => 0,
            Answer::NoMatch => 1,
            Answer::BadPattern(_) | Answer::BadEvent(_) => 2,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Match => write!(f, "match"),
            Answer::NoMatch => write!(f, "nomatch"),
            Answer::BadPattern(error) => write!(f, "invalid pattern, {error}"),
            Answer::BadEvent(error) => write!(f, "invalid event, {error}"),
        }
    }
}

/// Whether `event` matches `pattern`.
pub fn check(pattern: &str, event: &[u8]) -> Answer {
    match Pattern::parse(pattern).map(|pattern| pattern.matches(event)) {
        Ok(Ok(true)) => Answer::Match,
        Ok(Ok(false)) => Answer::NoMatch,
        Ok(Err(error)) => Answer::BadEvent(error),
        Err(error) => Answer::BadPattern(error),
    }
}

/// As [`check`], with the reason: [`explain()`] for valid ones, the error for others.
pub fn check_and_explain(pattern: &str, event: &[u8]) -> (Answer, String) {
    let answer = check(pattern, event);
    let reason = match (&answer, Pattern::parse(pattern)) {
        (Answer::Match | Answer::NoMatch, Ok(pattern)) => explain(&pattern, event),
        _ => answer.to_string(),
    };
    (answer, reason)
}

/// A file of rules, `{name: pattern, …}`, compiled in the file's order.
pub fn read_rules(text: &str) -> Result<Rules, RulesFileError> {
    let NamedPatterns(rules) = serde_json::from_str(text).map_err(RulesFileError::NotAMap)?;
    let mut names: Vec<&str> = rules.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(RulesFileError::Twice(twice[0].into()));
    }
    Rules::compile(rules.iter().map(|(name, pattern)| (name.as_str(), pattern.get())))
        .map_err(RulesFileError::Rule)
}

/// Why a file of rules is refused.
#[derive(Debug, thiserror::Error)]
pub enum RulesFileError {
    /// It is not an object of patterns.
    #[error("the rules are not {{\"name\": pattern, …}}: {0}")]
    NotAMap(#[source] serde_json::Error),
    /// Two rules have one name.
    #[error("two rules have the name {0:?}; rename one")]
    Twice(String),
    /// A pattern is refused.
    #[error("{0}")]
    Rule(#[source] RuleError),
}

/// How many events each rule matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Events read.
    pub events: u64,
    /// For each rule, in the order of the rules, how many of them it matched.
    pub matched: Vec<u64>,
}

/// Why counting stopped.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The events cannot be read.
    #[error("the events cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is not an event.
    #[error("line {line}: {source}")]
    Event {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        source: EventError,
    },
}

/// Matches every line of `events` against all rules. Empty lines are passed over; the first that is not an event
/// stops the count.
pub fn count(rules: &Rules, mut events: impl BufRead) -> Result<Counts, CountError> {
    let mut counts = Counts { events: 0, matched: vec![0; rules.len()] };
    let (mut line, mut number) = (Vec::new(), 0);
    while next_line(&mut events, &mut line, &mut number)? {
        for index in rules.matching(&line).map_err(|source| CountError::Event { line: number, source })? {
            counts.matched[index] += 1;
        }
        counts.events += 1;
    }
    Ok(counts)
}

impl Counts {
    /// Writes `name count`, one rule a line, in the order of the rules.
    pub fn write(&self, rules: &Rules, mut writer: impl Write) -> io::Result<()> {
        for (index, count) in self.matched.iter().enumerate() {
            writeln!(writer, "{} {count}", rules.name(index))?;
        }
        writer.flush()
    }
}

/// How many cases held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Those that came out as expected.
    pub passed: u64,
    /// Those that did not, and lines that are no case.
    pub failed: u64,
}

/// Runs the cases in `reader`, one a line. Writes a line for each that differs, then `N passed, N failed`.
pub fn run(mut reader: impl BufRead, mut writer: impl Write) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let (mut line, mut number) = (Vec::new(), 0);
    while next_line(&mut reader, &mut line, &mut number)? {
        match serde_json::from_slice::<Case<'_>>(&line) {
            Err(error) => writeln!(writer, "line {number} is not a case: {error}")?,
            Ok(case) => match case.differs() {
                None => {
                    tally.passed += 1;
                    continue;
                }
                Some(found) => {
                    let name = case.name.unwrap_or_default();
                    writeln!(writer, "line {number} {name:?}: expected {}, found {found}", case.expect)?;
                }
            },
        }
        tally.failed += 1;
    }
    writeln!(writer, "{} passed, {} failed", tally.passed, tally.failed)?;
    writer.flush()?;
    Ok(tally)
}

/// Reads the next line that has something on it, and counts all.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>, number: &mut u64) -> io::Result<bool> {
    loop {
        line.clear();
        if reader.read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        *number += 1;
        if !line.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

#[derive(Deserialize)]
struct Case<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(borrow)]
    pattern: &'a RawValue,
    #[serde(borrow)]
    event: &'a RawValue,
    expect: Expected,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Match,
    NoMatch,
    Invalid,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Match => "match",
            Expected::NoMatch => "nomatch",
            Expected::Invalid => "invalid",
        })
    }
}

impl Case<'_> {
    /// What came out, if it is not what was expected.
    fn differs(&self) -> Option<String> {
        let (pattern, event) = match (text(self.pattern), text(self.event)) {
            (Ok(pattern), Ok(event)) => (pattern, event),
            (Err(error), _) | (_, Err(error)) => {
                return Some(format!("a string that cannot be read: {error}"));
            }
        };
        let as_expected = match check(&pattern, event.as_bytes()) {
            Answer::Match => self.expect == Expected::Match,
            Answer::NoMatch => self.expect == Expected::NoMatch,
            Answer::BadPattern(_) | Answer::BadEvent(_) => self.expect == Expected::Invalid,
        };
        (!as_expected).then(|| check_and_explain(&pattern, event.as_bytes()).1)
    }
}

/// The text of a value: itself, or what is in it if it is a string.
fn text(value: &RawValue) -> serde_json::Result<String> {
    if value.get().starts_with('"') { serde_json::from_str(value.get()) } else { Ok(value.get().to_owned()) }
}

/// An object of patterns, in order.
struct NamedPatterns(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for NamedPatterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = NamedPatterns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of patterns")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<NamedPatterns, M::Error> {
                let mut rules = Vec::new();
                while let Some(rule) = map.next_entry()? {
                    rules.push(rule);
                }
                Ok(NamedPatterns(rules))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
