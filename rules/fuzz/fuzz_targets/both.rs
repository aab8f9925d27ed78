//! Patterns and an event, one a line, the event last: the engine and the reference evaluator find the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_rules::{EventError, Pattern, Rules, ValidEvent, explain};

fuzz_target!(|text: &str| {
    let Some((patterns, event)) = text.rsplit_once('\n') else { return };
    let patterns: Vec<(&str, Pattern)> =
        patterns.lines().filter_map(|line| Some((line, Pattern::parse(line).ok()?))).collect();
    if patterns.is_empty() {
        return;
    }
    let alone: Result<Vec<bool>, EventError> =
        patterns.iter().map(|(_, pattern)| pattern.matches(event.as_bytes())).collect();
    let alone = alone.map(|matches| (0..patterns.len()).filter(|rule| matches[*rule]).collect::<Vec<_>>());
    let rules = Rules::compile(patterns.iter().map(|(text, _)| ("", text))).expect("each of them is valid");
    let together = rules.matching(event.as_bytes());
    // Of what takes too many steps the engine may still find the answer by another way.
    let gave_up = alone.as_ref().is_err_and(|error| error.problem().contains("repeats keys"));
    assert!(gave_up || together == alone, "{together:?}, {alone:?}");
    let unchecked = rules.matching_valid(ValidEvent::checked_before(event));
    assert!(alone.is_err() || unchecked == alone);
    assert!(!explain(&patterns[0].1, event.as_bytes()).is_empty());
});
