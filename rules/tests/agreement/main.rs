//! The evaluators agree with a naive one, and random input never makes them panic.

mod comparison;
mod generate;
mod naive;

use naive::{Condition, Json, Pattern as NaivePattern, Test};
use proptest::{collection::vec, prelude::*, sample::select};
use switchboard_rules::{Pattern, Rules, explain};

fn key() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "l", "a.b", "a.l", "", "é"]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["", "x", "X", "xy", "y", "ß", "SS", "1", "null", "a*b", "\"\\"]).prop_map(str::to_owned),
        "[xyX*]{0,4}",
    ]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-3..4_i64, 0..4_u8).prop_map(|(halves, spelling)| Json::Number { halves, spelling }),
        text().prop_map(Json::Text),
    ]
}

fn object() -> impl Strategy<Value = Json> {
    let value = scalar().prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::Array),
            vec((key(), inner), 0..4).prop_map(Json::Object),
        ]
    });
    vec((key(), value), 0..4).prop_map(Json::Object)
}

fn condition() -> impl Strategy<Value = Condition> {
    let test = prop_oneof![
        text().prop_map(Test::Equals),
        "[xyX]{1,2}".prop_map(Test::Prefix),
        "[xyX]{1,2}".prop_map(Test::Suffix),
        text().prop_map(Test::EqualsIgnoringCase),
        "[xy]{0,2}(\\*[xy]{1,2}){0,2}".prop_map(Test::Wildcard),
    ];
    prop_oneof![
        4 => scalar().prop_map(Condition::Exactly),
        2 => any::<bool>().prop_map(Condition::Exists),
        2 => test.clone().prop_map(Condition::Is),
        2 => vec(test, 1..3).prop_map(Condition::but_same_kind),
        1 => vec(-3..4_i64, 1..3).prop_map(Condition::ButNumbers),
        2 => (select(vec!["=", "<", "<=", ">", ">="]), -3..4_i64).prop_map(|(op, halves)| Condition::Number(op, halves)),
    ]
}

fn pattern() -> impl Strategy<Value = NaivePattern> {
    let field = vec(condition(), 1..3).prop_map(NaivePattern::Field);
    let inner = field.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => vec((key(), inner.clone()), 1..4).prop_map(NaivePattern::Object),
            1 => vec(vec((key(), inner), 1..3).prop_map(NaivePattern::Object), 2..4).prop_map(NaivePattern::Or),
        ]
    });
    vec((key(), inner), 1..4).prop_map(NaivePattern::Object)
}

/// Two fields or more in arrays of objects, so that elements have to agree.
fn pattern_in_arrays() -> impl Strategy<Value = NaivePattern> {
    let step = || select(vec!["a", "b", "c", "l"]).prop_map(str::to_owned);
    let number = (0..2_i64).prop_map(|halves| Condition::Exactly(Json::Number { halves, spelling: 0 }));
    let condition = prop_oneof![3 => number, 1 => any::<bool>().prop_map(Condition::Exists)];
    let field = vec(condition, 1..2).prop_map(NaivePattern::Field);
    let inner = field
        .prop_recursive(2, 12, 4, move |inner| vec((step(), inner), 1..5).prop_map(NaivePattern::Object));
    inner.prop_map(|inner| NaivePattern::Object(vec![("l".into(), inner)]))
}

fn event_of_arrays() -> impl Strategy<Value = Json> {
    let step = || select(vec!["a", "b", "c", "l", "l.a"]).prop_map(str::to_owned);
    let number = (0..2_i64).prop_map(|halves| Json::Number { halves, spelling: 0 });
    let value = number.prop_recursive(4, 60, 5, move |inner| {
        prop_oneof![
            vec((step(), inner.clone()), 1..5).prop_map(Json::Object),
            vec(vec((step(), inner.clone()), 1..5).prop_map(Json::Object), 1..4).prop_map(Json::Array),
            vec(inner, 1..4).prop_map(Json::Array),
        ]
    });
    vec(value, 1..3)
        .prop_map(|values| Json::Object(values.into_iter().map(|value| ("l".into(), value)).collect()))
}

fn agree(pattern: &NaivePattern, event: &Json) -> Result<(), TestCaseError> {
    let (pattern_text, event_text) = (pattern.to_string(), event.to_string());
    let compiled = match Pattern::parse(&pattern_text) {
        Ok(compiled) => compiled,
        // The naive evaluator knows no limit; ours refuses a few of the generated patterns, and says why. Too many of
        // them (`FEW`) fail the test.
        Err(error) if error.to_string().contains("too complex") => {
            return Err(TestCaseError::reject(error.to_string()));
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let expected = pattern.matches(event);
    prop_assert_eq!(
        compiled.matches(event_text.as_bytes()),
        Ok(expected),
        "{} and {}",
        pattern_text,
        event_text
    );
    let why = explain(&compiled, event_text.as_bytes());
    prop_assert!(why.starts_with(if expected { "yes: " } else { "no" }), "{why}");
    Ok(())
}

/// Generated patterns, of two thousand, that may be refused as too complex.
const FEW: u32 = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_global_rejects: FEW, ..ProptestConfig::default() })]

    #[test]
    fn the_naive_evaluator_agrees(pattern in pattern(), event in object()) {
        agree(&pattern, &event)?;
    }

    #[test]
    fn the_naive_evaluator_agrees_about_elements(pattern in pattern_in_arrays(), event in event_of_arrays()) {
        agree(&pattern, &event)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused_with_an_offset(bytes in vec(any::<u8>(), 0..60)) {
        refused_within(&bytes)?;
    }

    #[test]
    fn nearly_json_is_read_or_refused_with_an_offset(
        text in prop_oneof![
            "[\\[\\]{},:\"a1.e+\\- \\\\untrfls0-9é]{0,40}",
            (pattern(), any::<prop::sample::Index>(), "[\\[\\]{},:\"0a\\\\]{0,2}").prop_map(|(pattern, at, with)| {
                let mut text = pattern.to_string();
                let at = at.index(text.len() + 1);
                if let Some(at) = (at..=text.len()).find(|at| text.is_char_boundary(*at)) {
                    text.insert_str(at, &with);
                }
                text
            }),
        ]
    ) {
        refused_within(text.as_bytes())?;
    }

    #[test]
    fn what_serde_json_reads_is_read(text in "[\\[\\]{},:\"a1.e+\\- \\\\untrfls0-9é]{0,12}") {
        let object = format!("{{\"a\":{text}}}");
        let read = Rules::compile([("any", r#"{"a": [{"exists": true}]}"#)]).map(|rules| rules.matching(object.as_bytes()));
        let is_json = serde_json::from_str::<serde_json::Value>(&object);
        // Numbers beyond a float's range are JSON too, and only serde_json refuses them.
        if !is_json.as_ref().is_err_and(|error| error.to_string().contains("number out of range")) {
            prop_assert_eq!(read.expect("it is valid").is_ok(), is_json.is_ok(), "{}", object);
        }
    }
}

fn refused_within(bytes: &[u8]) -> Result<(), TestCaseError> {
    let any = Pattern::parse(r#"{"a": [{"exists": false}]}"#).expect("it is valid");
    if let Err(error) = any.matches(bytes) {
        prop_assert!(error.offset() <= bytes.len());
    }
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = Pattern::parse(&text) {
        prop_assert!(error.offset() <= text.len());
        prop_assert!(!error.problem().is_empty() && !error.mend().is_empty());
    }
    Ok(())
}
