//! What no sane writer sends gets an error that says where, in time that grows with its length: no panic, no
//! exhausted stack, no wrong match.

use std::{
    thread,
    time::{Duration, Instant},
};
use switchboard_rules::{EventError, Pattern, PatternError, Rules, ValidEvent, explain};

/// Ample for a megabyte read once, even unoptimised on a busy machine; far too short for a quadratic reading.
const AMPLE: Duration = Duration::from_secs(10);

const ANY: &str = r#"{"a": {"b": [1], "c": [{"exists": false}]}}"#;

fn any_pattern() -> Pattern {
    Pattern::parse(ANY).expect("it is valid")
}

fn any_rules() -> Rules {
    Rules::compile([("any", ANY), ("other", r#"{"z": [1]}"#)]).expect("they are valid")
}

#[track_caller]
fn event_error(event: &[u8]) -> EventError {
    let error = event_error_of(&any_pattern(), event);
    let started = Instant::now();
    assert_eq!(any_rules().matching(event), Err(error.clone()));
    // Who gives their word and breaks it gets some answer.
    let _ = any_rules().matching_valid(ValidEvent::checked_before(&String::from_utf8_lossy(event)));
    assert!(started.elapsed() < AMPLE, "it took {:?}", started.elapsed());
    error
}

#[track_caller]
fn event_error_of(pattern: &Pattern, event: &[u8]) -> EventError {
    let started = Instant::now();
    let error = pattern.matches(event).expect_err("the event should be refused");
    assert!(started.elapsed() < AMPLE, "it took {:?}", started.elapsed());
    assert!(explain(pattern, event).starts_with("not a valid event"));
    error
}

#[track_caller]
fn pattern_error(pattern: &str) -> PatternError {
    let started = Instant::now();
    let error = Pattern::parse(pattern).expect_err("the pattern should be refused");
    assert!(started.elapsed() < AMPLE, "it took {:?}", started.elapsed());
    assert!(!error.mend().is_empty() && !error.problem().is_empty());
    error
}

/// Runs on a stack as small as any thread's is likely to be.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(512 << 10).spawn(run).expect("a thread starts");
    thread.join().expect("it does not panic");
}

#[test]
fn ten_thousand_levels_are_too_deep() {
    on_a_small_stack(|| {
        let event = format!("{{\"a\":{}", "[".repeat(10_000));
        let error = event_error(event.as_bytes());
        assert_eq!(error.offset(), 5 + 999);
        assert!(error.path().starts_with("a[0][0]") && error.path().len() < 200, "{}", error.path());

        let pattern = format!("{}[1]{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        let error = pattern_error(&pattern);
        assert_eq!(error.offset(), 5 * 1_000);
        assert!(error.path().starts_with("a.a.a") && error.path().len() < 200, "{}", error.path());
    });
}

#[test]
fn the_deepest_that_is_allowed_is_read_and_matched() {
    on_a_small_stack(|| {
        let nested = |leaf: &str| format!("{}{leaf}{}", "{\"a\":".repeat(999), "}".repeat(999));
        let pattern = Pattern::parse(&nested("[1]")).expect("it is valid");
        assert_eq!(pattern.matches(nested("1").as_bytes()), Ok(true));
        assert_eq!(pattern.matches(nested("2").as_bytes()), Ok(false));
        assert!(explain(&pattern, nested("2").as_bytes()).contains("was 2, the rule wants 1"));

        let or = |inner: String| format!(r#"{{"$or": [{inner}, {{"b": [2]}}]}}"#);
        let pattern = (0..333).fold(r#"{"c": [3]}"#.to_owned(), |inner, _| or(inner));
        assert!(Pattern::parse(&pattern).is_ok());
    });
}

#[test]
fn a_megabyte_of_stars_is_refused() {
    let megabyte = 1 << 20;
    let error = pattern_error(&format!(r#"{{"a": [{{"wildcard": "{}"}}]}}"#, "*".repeat(megabyte)));
    assert_eq!((error.path(), error.offset()), ("a[0].wildcard", 20));
    let error = pattern_error(&format!(r#"{{"a": [{{"wildcard": "{}"}}]}}"#, "*a".repeat(megabyte / 2)));
    assert!(error.problem().contains("10 is the limit"), "{error}");
    let error = pattern_error(&format!(r#"{{"a": [{{"wildcard": "*{}"}}]}}"#, "ab".repeat(megabyte / 2)));
    assert!(error.problem().contains("too complex"), "{error}");
    let error = pattern_error(&format!(r#"{{"a": [{{"wildcard": "{}*"}}]}}"#, "ab".repeat(megabyte / 2)));
    assert!(error.problem().contains("too complex"), "{error}");
    assert!(pattern_error(&"*".repeat(megabyte)).problem().contains("cannot be read"));
}

#[test]
fn the_worst_wildcard_reads_the_worst_text_quickly() {
    let pattern = format!(r#"{{"a": [{{"wildcard": "{}b"}}]}}"#, "*a".repeat(4));
    let pattern = Pattern::parse(&pattern).expect("it is valid");
    let event = format!(r#"{{"a": "{}"}}"#, "a".repeat(1 << 20));
    let started = Instant::now();
    assert_eq!(pattern.matches(event.as_bytes()), Ok(false));
    assert!(started.elapsed() < AMPLE);
}

#[test]
fn an_endless_number_is_refused() {
    let error = event_error(format!(r#"{{"a": {{"b": {}}}}}"#, "1".repeat(10_000)).as_bytes());
    assert_eq!((error.path(), error.offset()), ("a.b", 12));
    let error = pattern_error(&format!(r#"{{"a": [1, -0.{}]}}"#, "0".repeat(10_000)));
    assert_eq!((error.path(), error.offset()), ("a[1]", 10));
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_stand() {
    let error = event_error(b"{\"a\": {\"b\": \"x\xff\"}}");
    assert_eq!((error.path(), error.offset()), ("a.b", 14));
    let error = event_error(b"{\"a\": [1, \"\xed\xa0\x80\"]}");
    assert_eq!((error.path(), error.offset()), ("a[1]", 11));
    let error = event_error(b"{\"a\": 1}\xc3");
    assert_eq!(error.offset(), 8);
    let error = event_error(b"{\"a\" 1, \"\xff\"}");
    assert_eq!(error.offset(), 5, "the earlier fault is told");
    assert_eq!(event_error(br#"{"a": {"b": "x\ud800"}}"#).offset(), 14);
}

#[test]
fn an_event_cut_anywhere_is_refused_at_its_end() {
    let event = r#" {"a": {"b": [1.5e3, "x\u00e9\n", null, true], "": {}}, "c": -0 }"#;
    assert!(any_pattern().matches(event.as_bytes()).is_ok());
    for length in 0..event.len() {
        let error = event_error(&event.as_bytes()[..length]);
        assert!(error.offset() <= length, "{error}");
        assert!(error.offset() + 12 > length, "cut at {length}: {error}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for event in ["[]", "null", "1", "\"x\"", "true"] {
        assert_eq!(event_error(event.as_bytes()).problem(), "an event is a JSON object");
    }
}

#[test]
fn an_or_that_multiplies_without_end_is_refused() {
    let ors: Vec<String> =
        (0..64).map(|n| format!(r#""k{n}": {{"$or": [{{"a": [1]}}, {{"b": [2]}}]}}"#)).collect();
    let error = pattern_error(&format!("{{{}}}", ors.join(",")));
    assert!(error.problem().contains("1000 combinations"), "{error}");
}

#[test]
fn many_fields_of_many_elements_are_matched_quickly() {
    let pattern = Pattern::parse(r#"{"l": {"a": [1], "b": [2], "c": [3], "k": {"d": [4], "e": [5]}}}"#)
        .expect("it is valid");
    let element = r#"{"a": 1, "b": 2, "c": 3, "k": [{"d": 4}, {"d": 4}, {"e": 5}]}"#;
    let last = r#"{"a": 1, "b": 2, "c": 3, "k": [{"d": 4}, {"d": 4, "e": 5}]}"#;
    let event = |last: &str| format!(r#"{{"l": [{}{last}]}}"#, format!("{element},").repeat(10_000));
    let started = Instant::now();
    assert_eq!(pattern.matches(event(element).as_bytes()), Ok(false));
    assert_eq!(pattern.matches(event(last).as_bytes()), Ok(true));
    assert!(started.elapsed() < AMPLE, "it took {:?}", started.elapsed());
}

/// Sets in which one value leads to everything.
#[test]
fn many_rules_that_begin_alike_are_matched_quickly() {
    let rule = |length: usize| match length % 4 {
        0 => format!(r#"{{"a": [{{"prefix": "{}"}}]}}"#, "a".repeat(length)),
        1 => format!(r#"{{"a": [{{"suffix": "{}"}}]}}"#, "a".repeat(length)),
        2 => format!(r#"{{"a": [{{"wildcard": "*{}*"}}]}}"#, "ba".repeat(1 + length % 5)),
        _ => format!(r#"{{"a": [{{"prefix": {{"equals-ignore-case": "{}"}}}}]}}"#, "A".repeat(length)),
    };
    let rules = Rules::compile((1..400).map(|length| ("", rule(length)))).expect("they are valid");
    let started = Instant::now();
    let event = format!(r#"{{"a": ["{}", "{}"]}}"#, "a".repeat(1 << 20), "ba".repeat(1 << 18));
    let matching = rules.matching(event.as_bytes()).expect("it is valid");
    assert_eq!(matching.len(), 399);
    let event = format!(r#"{{"a": [{}1]}}"#, r#""aab", "#.repeat(50_000));
    assert_eq!(rules.matching(event.as_bytes()), Ok(vec![]));
    assert!(started.elapsed() < AMPLE, "it took {:?}", started.elapsed());
}

#[test]
fn fields_of_arrays_side_by_side_are_not_multiplied() {
    let names: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    let pattern: Vec<String> = names.iter().map(|name| format!(r#""{name}": {{"a": [1]}}"#)).collect();
    let pattern = format!(r#"{{{}, "z": {{"a": [1], "b": [1]}}}}"#, pattern.join(", "));
    let list = format!("[{}]", vec![r#"{"a": 1}"#; 500].join(", "));
    let event: Vec<String> = names.iter().map(|name| format!(r#""{name}": {list}"#)).collect();
    let event = format!(r#"{{{}, "z": [{{"a": 1}}, {{"b": 1}}]}}"#, event.join(", "));
    let started = Instant::now();
    assert_eq!(Pattern::parse(&pattern).expect("it is valid").matches(event.as_bytes()), Ok(false));
    assert!(started.elapsed() < AMPLE, "it took {:?}", started.elapsed());
}

/// Repeated arrays make the question one of set covering; here 39 arrays would have to cover 40 fields, one each.
#[test]
fn repeated_arrays_that_multiply_end_in_an_error() {
    let fields: Vec<String> = (0..40).map(|n| format!(r#""f{n}": [1]"#)).collect();
    let pattern = Pattern::parse(&format!(r#"{{"l": {{{}}}}}"#, fields.join(", "))).expect("it is valid");
    let elements: Vec<String> = (0..40).map(|n| format!(r#"{{"f{n}": 1}}"#)).collect();
    let event =
        |arrays| format!("{{{}}}", vec![format!(r#""l": [{}]"#, elements.join(", ")); arrays].join(", "));
    assert_eq!(pattern.matches(event(40).as_bytes()), Ok(true));
    let error = event_error_of(&pattern, event(39).as_bytes());
    assert!(error.problem().contains("repeats keys"), "{error}");
}
