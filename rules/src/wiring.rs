//! Who hears what: `rules/wiring/<listener>.json`, one rule a file.
//!
//! The set in this repository is compiled in; `--wiring DIR` replaces all of it. Here the files are read and
//! checked, so that a fault stops the start and names the file, what is wrong and the mend. Handing events out
//! is the host's; that `template.yaml` carries the same patterns is a test's.

use crate::{Pattern, PatternError, Rules};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A listener is retried this often at most: SQS counts receives up to 1,000 before it redrives.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
pub const MAX_ATTEMPTS: u32 = 1_000;

/// A delivery is kept for at most 14 days, as long as SQS keeps a message.
pub const MAX_AGE_S: u64 = 14 * 24 * 60 * 60;

/// Deliveries at once to one listener: Lambda takes at most 1,000 from one queue.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
pub const MAX_CONCURRENCY: u32 = 1_000;

/// The files of `rules/wiring/`, as they were when this was built: (file name, content), by name.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/wiring_files.rs"));

/// The whole wiring: one rule for each listener, by listener name.
#[derive(Debug, Clone)]
pub struct Wiring {
    rules: Vec<Rule>,
    /// Of the same order, with the listeners' names.
    patterns: Vec<(String, Pattern)>,
}

/// What one listener hears, and how it is delivered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `<bridge>.<role>`, or one word: the file's name without `.json`.
    pub listener: String,
    /// The EventBridge pattern, as it was written.
    pub pattern: Box<RawValue>,
    /// Whether `n` of a lane is handed out only after `n - 1`.
    #[serde(default)]
    pub ordered: bool,
    /// How hard delivery is tried.
    pub delivery: Delivery,
}

/// Our delivery policy for one listener, the same in both hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Attempts before a delivery becomes a dead letter, the first included.
    pub attempts: u32,
    /// Seconds after which a delivery becomes a dead letter even if attempts are left.
    pub max_age_s: u64,
    /// Deliveries to this listener under way at once.
    pub concurrency: u32,
}

/// A wiring that must not start: which file, what is wrong, and the mend.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct WiringError {
    file: PathBuf,
    problem: Problem,
}

impl WiringError {
    /// The file (or, when there is none to read, the directory) that is at fault.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("cannot be read: {0}; check that it exists and that this user may read it")]
    Unreadable(#[source] io::Error),
    #[error("holds no .json file, so nobody would hear anything; add <listener>.json or leave out --wiring")]
    Empty,
    #[error(
        "is not a rule: {0}; write {{\"listener\", \"pattern\", \"ordered\", \"delivery\"}} and nothing else"
    )]
    NotARule(#[source] serde_json::Error),
    #[error(
        "says listener \"{listener}\", but a rule's file is named for its listener; rename one so that they agree"
    )]
    OtherName { listener: String },
    #[error(
        "\"{listener}\" is not a listener's name; use lower-case letters, digits and _, with dots between words"
    )]
    BadName { listener: String },
    #[error("delivery.{field} is {value}; it must be from 1 to {max}")]
    OutOfRange { field: &'static str, value: u64, max: u64 },
    #[error("has a pattern that is refused, {0}")]
    Pattern(#[source] PatternError),
}

impl Wiring {
    /// The wiring of this repository, compiled in.
    ///
    /// A test reads it, so the error is for those who change a file and do not run the tests.
    pub fn embedded() -> Result<Self, WiringError> {
        Self::from_files(EMBEDDED.iter().map(|(name, text)| (PathBuf::from(name), *text)))
    }

    /// The wiring in `dir`: every `*.json` there, and nothing else of it. A file whose name starts with a dot is
    /// an editor's and not read.
    pub fn load(dir: &Path) -> Result<Self, WiringError> {
        let unreadable =
            |file: &Path, error| WiringError { file: file.into(), problem: Problem::Unreadable(error) };
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
            let file = entry.map_err(|error| unreadable(dir, error))?.path();
            let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && file.extension().is_some_and(|extension| extension == "json") {
                let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
                files.push((file, text));
            }
        }
        if files.is_empty() {
            return Err(WiringError { file: dir.into(), problem: Problem::Empty });
        }
        // So that of several faults the same one is told each time.
        files.sort();
        Self::from_files(files)
    }

    fn from_files<T: AsRef<str>>(files: impl IntoIterator<Item = (PathBuf, T)>) -> Result<Self, WiringError> {
        let mut read = Vec::new();
        for (file, text) in files {
            let rule = Rule::read(&file, text.as_ref());
            let with_pattern = |rule: Rule| match Pattern::parse(rule.pattern.get()) {
                Ok(pattern) => Ok((rule, pattern)),
                Err(error) => Err(Problem::Pattern(error)),
            };
            match rule.and_then(with_pattern) {
                Ok(rule_and_pattern) => read.push(rule_and_pattern),
                Err(problem) => return Err(WiringError { file, problem }),
            }
        }
        read.sort_by(|(one, _), (other, _)| one.listener.cmp(&other.listener));
        let named = |(rule, pattern): (Rule, Pattern)| ((rule.listener.clone(), pattern), rule);
        let (patterns, rules) = read.into_iter().map(named).unzip();
        Ok(Wiring { rules, patterns })
    }

    /// The rules, by listener name.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of one listener.
    pub fn rule(&self, listener: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.listener == listener)
    }

    /// The rules' patterns: index `i` here is index `i` of [`Wiring::rules`]. Compiled now, so that whoever matches
    /// nothing, such as a function on AWS, needs neither the time nor the code.
    pub fn compile(&self) -> Rules {
        Rules::of(self.patterns.clone())
    }
}

impl Rule {
    /// The rule of one listener in the wiring of this repository, for whoever is handed what it hears and does not ask
    /// what that is: its pattern is taken as it stands. `None` where there is no such listener.
    pub fn embedded(listener: &str) -> Result<Option<Self>, WiringError> {
        let file = format!("{listener}.json");
        let found = EMBEDDED.iter().find(|(name, _)| *name == file);
        found.map(|(name, text)| Self::alone(Path::new(name), text)).transpose()
    }

    /// The same in the wiring in `dir`.
    pub fn load(dir: &Path, listener: &str) -> Result<Option<Self>, WiringError> {
        let file = dir.join(format!("{listener}.json"));
        match fs::read_to_string(&file) {
            Ok(text) => Self::alone(&file, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(WiringError { file, problem: Problem::Unreadable(error) }),
        }
    }

    fn alone(file: &Path, text: &str) -> Result<Self, WiringError> {
        Self::read(file, text).map_err(|problem| WiringError { file: file.into(), problem })
    }

    fn read(file: &Path, text: &str) -> Result<Self, Problem> {
        let rule: Rule = serde_json::from_str(text).map_err(Problem::NotARule)?;
        if !is_listener_name(&rule.listener) {
            return Err(Problem::BadName { listener: rule.listener });
        }
        if file.file_stem().and_then(|stem| stem.to_str()) != Some(&rule.listener) {
            return Err(Problem::OtherName { listener: rule.listener });
        }
        let Delivery { attempts, max_age_s, concurrency } = rule.delivery;
        for (field, value, max) in [
            ("attempts", u64::from(attempts), u64::from(MAX_ATTEMPTS)),
            ("max_age_s", max_age_s, MAX_AGE_S),
            ("concurrency", u64::from(concurrency), u64::from(MAX_CONCURRENCY)),
        ] {
            if value < 1 || value > max {
                return Err(Problem::OutOfRange { field, value, max });
            }
        }
        Ok(rule)
    }
}

fn is_listener_name(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    name.split('.').all(is_word)
}
