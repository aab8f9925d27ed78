//! Any bytes as an event: the engine and the reference evaluator find the same, or refuse it in the same words.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use switchboard_rules::{EventError, Pattern, Rules, ValidEvent};

/// Each kind of look-up, and fields that have to agree.
const RULES: [&str; 12] = [
    r#"{"a": ["x", 1, null, true]}"#,
    r#"{"a": [{"prefix": "x"}, {"suffix": {"equals-ignore-case": "ß"}}]}"#,
    r#"{"a": {"b": [{"numeric": [">", -1, "<=", 300]}, {"cidr": "10.0.0.0/8"}]}}"#,
    r#"{"a": [{"anything-but": {"wildcard": "*x*y"}}], "b": [{"exists": false}]}"#,
    r#"{"a.b": [{"wildcard": "*x*"}, "::1"]}"#,
    r#"{"l": {"a": [1], "b": [2], "c": [{"exists": false}]}}"#,
    r#"{"l": {"l": {"a": [1]}, "b": [{"anything-but": [3]}]}}"#,
    r#"{"$or": [{"a": [1]}, {"l": {"a": ["y"]}, "b": [{"exists": true}]}]}"#,
    r#"{"": ["x"], "é": [{"equals-ignore-case": "É"}]}"#,
    r#"{"b": [1e30, 0.1234567, -0]}"#,
    r#"{"a": {"b": {"c": {"d": [{"exists": true}]}}}}"#,
    r#"{"b": [{"exists": false}]}"#,
];

static COMPILED: LazyLock<(Rules, Vec<Pattern>)> = LazyLock::new(|| {
    let patterns = RULES.iter().map(|rule| Pattern::parse(rule).expect("it is valid")).collect();
    (Rules::compile(RULES.iter().map(|rule| ("", rule))).expect("they are valid"), patterns)
});

fuzz_target!(|bytes: &[u8]| {
    let (rules, patterns) = &*COMPILED;
    let alone: Result<Vec<bool>, EventError> =
        patterns.iter().map(|pattern| pattern.matches(bytes)).collect();
    let alone = alone.map(|matches| (0..patterns.len()).filter(|rule| matches[*rule]).collect::<Vec<_>>());
    if let Err(error) = &alone {
        assert!(error.offset() <= bytes.len());
    }
    // Of what takes too many steps the engine may still find the answer by another way.
    let gave_up = alone.as_ref().is_err_and(|error| error.problem().contains("repeats keys"));
    assert!(gave_up || rules.matching(bytes) == alone);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let unchecked = rules.matching_valid(ValidEvent::checked_before(text));
        assert!(alone.is_err() || unchecked == alone);
    }
});
