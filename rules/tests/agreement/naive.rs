//! The meaning of patterns written down as plainly as can be: every combination is tried.
//!
//! It shares nothing with the crate, not even a reading of JSON: both are made from the same values.

use std::{collections::BTreeMap, fmt, net::IpAddr};

#[derive(Debug, Clone)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// So many halves, in one of four spellings.
    Number {
        halves: i64,
        spelling: u8,
    },
    /// A number that does not compare, as it is written.
    Odd(&'static str),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Object(Vec<(String, Pattern)>),
    /// Alternatives, which replace the key that they stand under.
    Or(Vec<Pattern>),
    Field(Vec<Condition>),
}

#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Exactly(Json),
    Exists(bool),
    Is(Test),
    But(Vec<Test>),
    ButNumbers(Vec<i64>),
    Number(&'static str, i64),
    /// More than one and at most the other, in halves.
    Range(i64, i64),
    /// `10.0.0.n/bits`.
    Block(u8, u32),
}

#[derive(Debug, Clone)]
pub(crate) enum Test {
    Equals(String),
    Prefix(String),
    Suffix(String),
    EqualsIgnoringCase(String),
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    Wildcard(String),
}

/// A leaf of an event: its path, its value, and for each array around it the element it is in.
struct Leaf<'e> {
    path: String,
    value: &'e Json,
    elements: Elements,
}

type Elements = BTreeMap<usize, usize>;

impl Pattern {
    pub(crate) fn matches(&self, event: &Json) -> bool {
        let (mut leaves, mut arrays) = (Vec::new(), 0);
        collect(event, &mut Vec::new(), &Elements::new(), &mut arrays, &mut leaves);
        let mut alternatives = vec![BTreeMap::new()];
        self.flatten(&mut Vec::new(), &mut alternatives);
        alternatives.iter().any(|fields| {
            let fields: Vec<_> = fields.iter().collect();
            meet(&fields, &Elements::new(), &leaves)
        })
    }

    fn flatten<'p>(
        &'p self,
        path: &mut Vec<&'p str>,
        alternatives: &mut Vec<BTreeMap<String, &'p Vec<Condition>>>,
    ) {
        match self {
            Pattern::Field(conditions) => {
                for alternative in alternatives {
                    alternative.insert(path.join("."), conditions);
                }
            }
            Pattern::Object(members) => {
                for (key, member) in members {
                    let steps = usize::from(!matches!(member, Pattern::Or(_)));
                    path.extend([key.as_str()].into_iter().take(steps));
                    member.flatten(path, alternatives);
                    path.truncate(path.len() - steps);
                }
            }
            Pattern::Or(branches) => {
                let before = std::mem::take(alternatives);
                for branch in branches {
                    let mut after = before.clone();
                    branch.flatten(path, &mut after);
                    alternatives.append(&mut after);
                }
            }
        }
    }
}

/// Tries every leaf for the first field, and every way to meet the others after it.
fn meet(fields: &[(&String, &&Vec<Condition>)], chosen: &Elements, leaves: &[Leaf<'_>]) -> bool {
    let Some(((path, conditions), others)) = fields.split_first() else { return true };
    let mut left = leaves.iter().filter(|leaf| {
        leaf.path == **path
            && leaf
                .elements
                .iter()
                .all(|(array, element)| chosen.get(array).is_none_or(|chosen| chosen == element))
    });
    let absent =
        left.clone().next().is_none() && conditions.iter().any(|it| matches!(it, Condition::Exists(false)));
    absent && meet(others, chosen, leaves)
        || left.any(|leaf| {
            let mut chosen = chosen.clone();
            chosen.extend(&leaf.elements);
            conditions.iter().any(|condition| condition.holds(leaf.value)) && meet(others, &chosen, leaves)
        })
}

fn collect<'e>(
    value: &'e Json,
    path: &mut Vec<&'e str>,
    elements: &Elements,
    arrays: &mut usize,
    leaves: &mut Vec<Leaf<'e>>,
) {
    match value {
        Json::Object(members) => {
            for (key, member) in members {
                path.push(key);
                collect(member, path, elements, arrays, leaves);
                path.pop();
            }
        }
        Json::Array(members) => {
            let array = *arrays;
            *arrays += 1;
            for (index, member) in members.iter().enumerate() {
                let mut elements = elements.clone();
                if matches!(member, Json::Array(_) | Json::Object(_)) {
                    elements.insert(array, index);
                }
                collect(member, path, &elements, arrays, leaves);
            }
        }
        value => leaves.push(Leaf { path: path.join("."), value, elements: elements.clone() }),
    }
}

impl Condition {
    /// `anything-but` takes texts of one kind: as many as are of the first one's.
    pub(crate) fn but_same_kind(mut tests: Vec<Test>) -> Self {
        let kind = std::mem::discriminant(&tests[0]);
        tests.retain(|test| std::mem::discriminant(test) == kind);
        Condition::But(tests)
    }

    fn holds(&self, value: &Json) -> bool {
        match (self, value) {
            (Condition::Exists(wanted), _) => *wanted,
            (Condition::Exactly(Json::Null), Json::Null) => true,
            (Condition::Exactly(Json::Bool(wanted)), Json::Bool(found)) => wanted == found,
            (Condition::Exactly(Json::Text(wanted)), Json::Text(found)) => {
                let [one, other] = [wanted, found].map(|text| text.parse::<IpAddr>().ok());
                wanted == found || one.is_some() && one == other
            }
            (Condition::Exactly(Json::Odd(wanted)), Json::Odd(found)) => wanted == found,
            (Condition::Exactly(Json::Number { halves: wanted, .. }), Json::Number { halves: found, .. }) => {
                wanted == found
            }
            (Condition::Is(test), Json::Text(found)) => test.holds(found),
            (Condition::But(tests), Json::Text(found)) => !tests.iter().any(|test| test.holds(found)),
            (Condition::ButNumbers(numbers), Json::Number { halves, .. }) => !numbers.contains(halves),
            (Condition::But(_) | Condition::ButNumbers(_), _) => true,
            (Condition::Number(op, wanted), Json::Number { halves: found, .. }) => match *op {
                "=" => found == wanted,
                "<" => found < wanted,
                "<=" => found <= wanted,
                ">" => found > wanted,
                _ => found >= wanted,
            },
            (Condition::Range(low, high), Json::Number { halves, .. }) => low < halves && halves <= high,
            (Condition::Block(last, bits), Json::Text(found)) => {
                let found = found.strip_prefix("10.0.0.").and_then(|last| last.parse::<u8>().ok());
                found.is_some_and(|found| found >> (32 - bits) == last >> (32 - bits))
            }
            _ => false,
        }
    }
}

impl Test {
    fn holds(&self, text: &str) -> bool {
        match self {
            Test::Equals(wanted) => text == wanted,
            Test::Prefix(prefix) => text.starts_with(prefix),
            Test::Suffix(suffix) => text.ends_with(suffix),
            Test::EqualsIgnoringCase(wanted) => spellings(wanted).iter().any(|spelling| spelling == text),
            Test::PrefixIgnoringCase(prefix) => {
                spellings(prefix).iter().any(|spelling| text.starts_with(spelling))
            }
            Test::SuffixIgnoringCase(suffix) => {
                spellings(suffix).iter().any(|spelling| text.ends_with(spelling))
            }
            Test::Wildcard(wildcard) => like(wildcard.as_bytes(), text.as_bytes()),
        }
    }
}

/// Every way to write a text in lower and upper case letters.
fn spellings(text: &str) -> Vec<String> {
    text.chars().fold(vec![String::new()], |spellings, character| {
        let longer = |form: String| spellings.iter().map(move |start| format!("{start}{form}"));
        let lower = character.to_lowercase().to_string();
        let upper = character.to_uppercase().to_string();
        longer(lower).chain(longer(upper)).chain(longer(character.to_string())).collect()
    })
}

fn like(wildcard: &[u8], text: &[u8]) -> bool {
    match (wildcard, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|at| like(rest, &text[at..])),
        ([wanted, rest @ ..], [found, after @ ..]) => wanted == found && like(rest, after),
        (_, []) => false,
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => write!(f, "null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number { halves, spelling: 0 } if halves % 2 == 0 => write!(f, "{}", halves / 2),
            Json::Number { halves, spelling: 1 } => write!(f, "{}e-1", halves * 5),
            Json::Number { halves, spelling: 2 } => write!(f, "{:.3}E+0", *halves as f64 / 2.0),
            Json::Number { halves, .. } => write!(f, "{:.1}", *halves as f64 / 2.0),
            Json::Odd(number) => write!(f, "{number}"),
            Json::Text(text) => write!(f, "{}", quoted(text)),
            Json::Array(members) => write!(f, "[{}]", joined(members.iter())),
            Json::Object(members) => {
                write!(
                    f,
                    "{{{}}}",
                    joined(members.iter().map(|(key, value)| format!("{}: {value}", quoted(key))))
                )
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Field(conditions) => write!(f, "[{}]", joined(conditions.iter())),
            Pattern::Or(branches) => write!(f, "[{}]", joined(branches.iter())),
            Pattern::Object(members) => {
                let members = members.iter().map(|(key, member)| match member {
                    Pattern::Or(_) => format!("\"$or\": {member}"),
                    _ => format!("{}: {member}", quoted(key)),
                });
                write!(f, "{{{}}}", joined(members))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let halves = |halves: &i64| format!("{:.1}", *halves as f64 / 2.0);
        match self {
            Condition::Exactly(value) => write!(f, "{value}"),
            Condition::Exists(exists) => write!(f, "{{\"exists\": {exists}}}"),
            Condition::Is(Test::Equals(text)) => write!(f, "{{\"exactly\": {}}}", quoted(text)),
            Condition::Is(Test::PrefixIgnoringCase(text)) => {
                write!(f, "{{\"prefix\": {{\"equals-ignore-case\": {}}}}}", quoted(text))
            }
            Condition::Is(Test::SuffixIgnoringCase(text)) => {
                write!(f, "{{\"suffix\": {{\"equals-ignore-case\": {}}}}}", quoted(text))
            }
            Condition::Is(test) => write!(f, "{{\"{}\": {}}}", test.operator(), quoted(test.text())),
            Condition::But(tests) => {
                let texts = joined(tests.iter().map(|test| quoted(test.text())));
                match &tests[0] {
                    Test::Equals(_) => write!(f, "{{\"anything-but\": [{texts}]}}"),
                    test => write!(f, "{{\"anything-but\": {{\"{}\": [{texts}]}}}}", test.operator()),
                }
            }
            Condition::ButNumbers(numbers) => {
                write!(f, "{{\"anything-but\": [{}]}}", joined(numbers.iter().map(halves)))
            }
            Condition::Range(low, high) => {
                write!(f, "{{\"numeric\": [\">\", {}, \"<=\", {}]}}", halves(low), halves(high))
            }
            Condition::Block(last, bits) => write!(f, "{{\"cidr\": \"10.0.0.{last}/{bits}\"}}"),
            Condition::Number(op, number) => write!(f, "{{\"numeric\": [\"{op}\", {}]}}", halves(number)),
        }
    }
}

impl Test {
    fn operator(&self) -> &'static str {
        match self {
            Test::Equals(_) => "exactly",
            Test::Prefix(_) | Test::PrefixIgnoringCase(_) => "prefix",
            Test::Suffix(_) | Test::SuffixIgnoringCase(_) => "suffix",
            Test::EqualsIgnoringCase(_) => "equals-ignore-case",
            Test::Wildcard(_) => "wildcard",
        }
    }

    fn text(&self) -> &str {
        match self {
            Test::Equals(text)
            | Test::Prefix(text)
            | Test::Suffix(text)
            | Test::EqualsIgnoringCase(text)
            | Test::PrefixIgnoringCase(text)
            | Test::SuffixIgnoringCase(text)
            | Test::Wildcard(text) => text,
        }
    }
}

fn joined(items: impl Iterator<Item = impl fmt::Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// In double quotes, as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
