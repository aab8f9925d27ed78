//! Segments, and texts that are cut.

use proptest::prelude::*;

use crate::sms::{segments, text};

#[derive(serde::Deserialize)]
struct Case {
    text: String,
    encoding: String,
    segments: u32,
    smart_encoding: String,
    smart_segments: u32,
}

#[test]
fn segments_are_counted_as_twilios_calculator_counts_them() {
    let lines = include_str!("../../../fixtures/twilio/segments.jsonl");
    for line in lines.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        for (smart, encoding, count) in
            [(false, &case.encoding, case.segments), (true, &case.smart_encoding, case.smart_segments)]
        {
            let counted = segments::count(&case.text, smart);
            let name = if counted.gsm7 { "GSM-7" } else { "UCS-2" };
            assert_eq!((name, counted.count), (encoding.as_str(), count), "smart {smart}: {line}");
        }
    }
}

#[test]
fn the_edges_of_segments() {
    for (text, gsm7, count) in [
        (String::new(), true, 1),
        ("a".repeat(160), true, 1),
        ("a".repeat(161), true, 2),
        ("a".repeat(306), true, 2),
        ("a".repeat(307), true, 3),
        // An escaped character does not part: 152 and two septets leave one of the 153 empty.
        (format!("{}€{}", "a".repeat(152), "a".repeat(152)), true, 3),
        ("€".repeat(80), true, 1),
        ("\r\n".repeat(80), true, 1),
        ("ж".repeat(70), false, 1),
        ("ж".repeat(71), false, 2),
        ("😀".repeat(35), false, 1),
        ("😀".repeat(36), false, 2),
        ("Ç".to_owned(), true, 1),
        ("ç".to_owned(), false, 1),
        ("`".to_owned(), false, 1),
        ("e\u{301}".to_owned(), false, 1),
        // One grapheme cluster each, longer than a segment; a surrogate pair in it does not part.
        (format!("a{}", "\u{301}".repeat(1500)), false, 23),
        (format!("ж{}", "\u{301}".repeat(69)), false, 1),
        (format!("ж{}", "\u{301}".repeat(70)), false, 2),
        (format!("😀{}", "\u{200d}😀".repeat(66)), false, 4),
    ] {
        let counted = segments::count(&text, false);
        assert_eq!((counted.gsm7, counted.count), (gsm7, count), "{text:.20}");
    }
}

#[test]
fn a_long_text_is_cut_between_graphemes() {
    let check = |text: String, end: &str| {
        let cut = text::fit(&text, 1600);
        assert!(cut.encode_utf16().count() <= 1600);
        assert!(cut.ends_with(end), "{}", &cut[cut.len() - 40..]);
    };
    check("a".repeat(1601), "aaa... [cut]");
    check("ж".repeat(2000), "ж… [cut]");
    check("👩‍👩‍👧‍👦".repeat(200), "👦… [cut]");
    check(format!("Ann: ab{}", "\u{301}".repeat(2000)), "Ann: a… [cut]");
    assert_eq!(text::fit(&"ж".repeat(1600), 1600), "ж".repeat(1600));
}

#[test]
fn what_is_taken_back_is_named_in_a_few_units() {
    assert_eq!(text::taken_back("Ann", &"ab ".repeat(20)), "Ann took back: ab ab ab ab ab ab ab...");
    let stacked = format!("a{}", "\u{301}".repeat(500));
    assert_eq!(text::taken_back("Ann", &stacked.repeat(3)), "Ann took back: ...");
}

proptest! {
    #[test]
    fn no_text_is_longer_than_twilio_takes(text in "\\PC{0,900}", units in 20_usize..1600) {
        let fitted = text::fit(&text, units);
        prop_assert!(fitted.encode_utf16().count() <= units);
        if text.encode_utf16().count() <= units {
            prop_assert_eq!(fitted, text);
        }
    }

    #[test]
    fn more_text_never_takes_fewer_segments(text in "[a-z^€жé😀\r\n]{0,300}", more in "[a-z]{1,20}") {
        let before = segments::count(&text, false);
        let after = segments::count(&(text + &more), false);
        prop_assert!(after.count >= before.count);
    }
}
