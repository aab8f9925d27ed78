//! What is refused says where it stands, what is wrong and what would be right; an explanation reads like a sentence.

use switchboard_rules::{EventError, Pattern, PatternError, RuleError, Rules, cases, explain};

/// A refused pattern's error, whole. `^` in `pattern` is where it should point, and is not part of it.
#[track_caller]
fn refused(marked: &str, expected: &str) {
    let pattern = marked.replacen('^', "", 1);
    let error = Pattern::parse(&pattern).expect_err(&pattern);
    assert_eq!(error.to_string(), expected);
    assert_eq!(Some(error.offset()), marked.find('^'), "{error}");
}

#[track_caller]
fn explained(pattern: &str, event: &str, expected: &str) {
    let pattern = Pattern::parse(pattern).expect(pattern);
    assert_eq!(explain(&pattern, event.as_bytes()), expected);
}

#[test]
fn a_refusal_says_where_what_and_the_mend() {
    refused(
        r#"{"detail": {"room": ^"lobby"}}"#,
        r#"detail.room: "room" has a bare value (byte 20): put it in an array, as [value]"#,
    );
    refused(
        r#"{"a": ["x", {"numeric": ["<", ^"5"]}]}"#,
        "a[1].numeric[1]: this is not a number (byte 30): write a number, without quotes",
    );
    refused(
        r#"{"a": [{"prefix": "x", "suffix": ^"y"}]}"#,
        "a[0].suffix: two operators stand in one object (byte 33): give each its own, as [{…}, {…}]; one of them must hold",
    );
    refused(
        r#"{"a": [{"contains": ^"x"}]}"#,
        "a[0].contains: \"contains\" is not an operator (byte 20): \
         use prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr or exists",
    );
    refused(
        r#"{"a": [{"cidr": ^"10.0.0.0/32"}]}"#,
        "a[0].cidr: \"10.0.0.0/32\" is not a block of addresses: \
         an IPv4 block is at most /31; write a single address as an exact value (byte 16): \
         write one like \"10.0.0.0/24\" or \"2001:db8::/32\"",
    );
    refused(
        r#"{"$or": ^[{"a": [1]}]}"#,
        "$or: $or has fewer than two alternatives (byte 8): write \"$or\": [{…}, {…}] with two objects or more",
    );
    refused(r#"^[]"#, r#"at the top: a pattern is an object (byte 0): write {"field": [values]}"#);
    refused(
        r#"{"é": {"b": [1 ^2]}}"#,
        "é.b: the pattern cannot be read: expected a comma or ], found '2' (byte 16): write one JSON object",
    );
}

#[test]
fn a_rules_error_names_the_rule() {
    let error: RuleError =
        Rules::compile([("good", r#"{"a": [1]}"#), ("bad", "{}")]).expect_err("one is refused");
    assert_eq!(error.name(), "bad");
    assert!(error.to_string().starts_with("rule bad: at the top: an empty object"), "{error}");
}

#[test]
fn an_explanation_names_the_first_field_that_fails() {
    let rooms = r#"{"detail-type": ["Posted"], "detail": {"room": ["lobby", "help"]}}"#;
    explained(
        rooms,
        r#"{"detail-type": "Posted", "detail": {"room": "ops"}}"#,
        r#"no: detail.room was "ops", the rule wants one of "lobby", "help""#,
    );
    explained(
        rooms,
        r#"{"detail": {"room": "help"}}"#,
        r#"no: detail-type is not there, the rule wants "Posted""#,
    );
    explained(
        rooms,
        r#"{"detail-type": "Posted", "detail": {"room": ["x", 1, null, "y"]}}"#,
        r#"no: detail.room was "x", 1, null, "y", the rule wants one of "lobby", "help""#,
    );
    explained(
        r#"{"replay-name": [{"exists": false}]}"#,
        r#"{"replay-name": "r"}"#,
        r#"no: replay-name was "r", the rule wants no value at all"#,
    );
    explained(
        r#"{"a": [{"anything-but": {"suffix": [".png", ".jpg"]}}]}"#,
        r#"{"a": "x.png"}"#,
        r#"no: a was "x.png", the rule wants anything but text that ends with ".png", ".jpg""#,
    );
    explained(
        r#"{"a": [{"numeric": [">", 0, "<=", 5]}, {"cidr": "10.0.0.0/8"}]}"#,
        r#"{"a": 7}"#,
        "no: a was 7, the rule wants one of a number > 0 <= 5, an address in 10.0.0.0/8",
    );
}

#[test]
fn an_explanation_tells_elements_and_alternatives_apart() {
    explained(
        r#"{"l": {"a": [1], "b": [2]}}"#,
        r#"{"l": [{"a": 1}, {"b": 2}]}"#,
        "no: no one element of an array has all that the rule wants of l.a, l.b",
    );
    explained(
        r#"{"$or": [{"a": [1]}, {"b": [2]}]}"#,
        r#"{"a": 2}"#,
        "no, for none of its 2 alternatives: (1) a was 2, the rule wants 1; (2) b is not there, the rule wants 2",
    );
    explained(r#"{"a": [1], "b": [{"exists": false}]}"#, r#"{"a": 1}"#, "yes: a was 1, b is not there");
    explained(
        r#"{"a": [1]}"#,
        r#"{"a": 01}"#,
        "not a valid event: a: the event cannot be read: a number starts with 0 (byte 6)",
    );
}

#[test]
fn long_values_are_shortened_and_control_characters_escaped() {
    let pattern = Pattern::parse(r#"{"a": ["x"]}"#).expect("it is valid");
    let event = format!(r#"{{"a": "{}\n\u001b[31m"}}"#, "long ".repeat(100));
    let why = explain(&pattern, event.as_bytes());
    assert!(why.chars().count() < 160 && why.contains('…') && why.contains(r"\n\u{1b}[31m"), "{why}");
}

#[test]
fn the_command_answers_with_its_exit_code() {
    assert_eq!(cases::check(r#"{"a": [1]}"#, br#"{"a": 1}"#).exit_code(), 0);
    assert_eq!(cases::check(r#"{"a": [1]}"#, br#"{"a": 2}"#).exit_code(), 1);
    assert_eq!(cases::check(r#"{"a": 1}"#, br#"{"a": 1}"#).exit_code(), 2);
    let (answer, why) = cases::check_and_explain(r#"{"a": [1]}"#, b"[]");
    assert_eq!(
        (answer.exit_code(), &*why),
        (2, "invalid event, at the top: an event is a JSON object (byte 0)")
    );
}

#[test]
fn rules_are_counted_in_the_order_of_their_file() {
    let rules = cases::read_rules(r#"{"z": {"a": [1]}, "b": {"a": [{"exists": true}]}, "none": {"c": [1]}}"#)
        .expect("they are valid");
    let counts =
        cases::count(&rules, "{\"a\": 1}\n\n{\"a\": 2}\r\n{\"b\": 1}".as_bytes()).expect("all are events");
    let mut written = Vec::new();
    counts.write(&rules, &mut written).expect("it can be written");
    assert_eq!(String::from_utf8_lossy(&written), "z 1\nb 2\nnone 0\n");
    assert_eq!(counts.events, 3);

    let error = cases::count(&rules, "{}\n\n{\"a\": }".as_bytes()).expect_err("the last is no event");
    assert_eq!(
        error.to_string(),
        "line 3: a: the event cannot be read: expected a value, found '}' (byte 6)"
    );
    assert!(
        cases::read_rules(r#"{"x": {"a": [1]}, "x": {"a": [2]}}"#)
            .is_err_and(|e| e.to_string().contains("\"x\""))
    );
    assert!(cases::read_rules(r#"{"x": {"a": 1}}"#).is_err_and(|e| e.to_string().starts_with("rule x: a: ")));
    assert!(cases::read_rules("[]").is_err());
}

#[test]
fn cases_that_differ_are_told_and_tallied() {
    let lines = r#"
        {"name": "holds", "pattern": {"a": [1]}, "event": {"a": 1}, "expect": "match"}
        {"name": "holds as text", "pattern": "{\"a\": [1]}", "event": "{\"a\": 2}", "expect": "nomatch"}
        {"name": "is refused", "pattern": "{", "event": {}, "expect": "invalid"}
        {"name": "differs", "pattern": {"a": [1]}, "event": {"a": 2}, "expect": "match"}
        {"name": "is no case", "pattern": {"a": [1]}}
    "#;
    let mut written = Vec::new();
    let tally = cases::run(lines.as_bytes(), &mut written).expect("it can be written");
    assert_eq!((tally.passed, tally.failed), (3, 2));
    let written = String::from_utf8_lossy(&written);
    assert!(
        written.contains("line 5 \"differs\": expected match, found no: a was 2, the rule wants 1\n"),
        "{written}"
    );
    assert!(written.contains("line 6 is not a case: missing field `event`"), "{written}");
    assert!(written.ends_with("3 passed, 2 failed\n"), "{written}");
}

#[test]
fn everything_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<Pattern>();
    is_shared::<Rules>();
    is_shared::<PatternError>();
    is_shared::<EventError>();
    is_shared::<RuleError>();
}
