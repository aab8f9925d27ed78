//! Random rules and events that have much in common: few keys, few values, so that they often meet.

use crate::naive::{Condition, Json, Pattern, Test};

const KEYS: [&str; 9] = ["a", "b", "c", "l", "a.b", "b.", "", "é", "a key that is longer than sixteen bytes"];
const TEXTS: [&str; 24] = [
    "",
    "x",
    "X",
    "xy",
    "xyx",
    "y",
    "Yx",
    "ß",
    "SS",
    "ss",
    "k",
    "\u{212A}",
    "é",
    "İ",
    "1",
    "null",
    "a*b",
    "\"\\",
    "]}{[\"",
    "10.0.0.1",
    "10.0.0.6",
    "::1",
    "0:0:0:0:0:0:0:1",
    "xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy",
];
const ODD: [&str; 5] = ["1e30", "0.1234567", "-600000000000", "1.000000001e2", "5e-7"];

/// Random numbers (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D))
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    /// Once in so many times.
    fn one_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn many<T>(&mut self, least: usize, most: usize, mut make: impl FnMut(&mut Dice) -> T) -> Vec<T> {
        (0..least + self.roll(most - least + 1)).map(|_| make(self)).collect()
    }
}

/// The rules of a round. Some rounds have plain keys only, as rules in use do, and some have many alike.
pub(crate) fn patterns(dice: &mut Dice) -> Vec<Pattern> {
    let most = dice.pick(&[1, 4, 4, 12, 40]);
    let depth = 1 + dice.roll(3);
    dice.many(1, most, |dice| Pattern::Object(members(dice, depth, 3)))
}

fn key(dice: &mut Dice) -> String {
    let usual = if dice.one_in(4) { KEYS.len() } else { 4 };
    dice.pick(&KEYS[..usual]).to_owned()
}

fn members(dice: &mut Dice, depth: usize, most: usize) -> Vec<(String, Pattern)> {
    dice.many(1, most, |dice| (key(dice), pattern(dice, depth)))
}

fn pattern(dice: &mut Dice, depth: usize) -> Pattern {
    match dice.roll(8) {
        0..3 if depth > 0 => Pattern::Object(members(dice, depth - 1, 3)),
        3 if depth > 0 => Pattern::Or(dice.many(2, 3, |dice| Pattern::Object(members(dice, depth - 1, 2)))),
        _ => Pattern::Field(dice.many(1, 3, condition)),
    }
}

fn condition(dice: &mut Dice) -> Condition {
    match dice.roll(16) {
        0..5 => Condition::Exactly(scalar(dice)),
        5 | 6 => Condition::Exists(dice.one_in(2)),
        7..10 => Condition::Is(test(dice)),
        10 | 11 => Condition::but_same_kind(excluded(dice)),
        12 => Condition::ButNumbers(dice.many(1, 3, halves)),
        13 => {
            let low = halves(dice);
            Condition::Range(low, low + 1 + dice.roll(4) as i64)
        }
        14 => Condition::Block(dice.roll(8) as u8, 28 + dice.roll(4) as u32),
        _ => Condition::Number(dice.pick(&["=", "<", "<=", ">", ">="]), halves(dice)),
    }
}

/// `anything-but` takes no empty prefix or suffix, and neither in any case.
fn excluded(dice: &mut Dice) -> Vec<Test> {
    let tests = dice.many(1, 3, test);
    let allowed = |test: &Test| match test {
        Test::Prefix(text) | Test::Suffix(text) => !text.is_empty(),
        Test::PrefixIgnoringCase(_) | Test::SuffixIgnoringCase(_) => false,
        _ => true,
    };
    let tests: Vec<Test> = tests.into_iter().filter(allowed).collect();
    if tests.is_empty() { vec![Test::Equals("x".into())] } else { tests }
}

fn test(dice: &mut Dice) -> Test {
    let kind = dice.pick(&[
        Test::Equals as fn(String) -> Test,
        Test::Prefix,
        Test::Suffix,
        Test::EqualsIgnoringCase,
        Test::PrefixIgnoringCase,
        Test::SuffixIgnoringCase,
    ]);
    if dice.one_in(4) { Test::Wildcard(wildcard(dice)) } else { kind(short(dice)) }
}

fn wildcard(dice: &mut Dice) -> String {
    let pieces = dice.many(1, 4, |dice| dice.pick(&["", "x", "y", "xy", "é", "1"]));
    let inner = |(index, piece): (usize, &&'static str)| {
        // Two stars in a row are refused.
        let is_inner = index > 0 && index + 1 < pieces.len();
        if is_inner && piece.is_empty() { "x" } else { *piece }
    };
    pieces.iter().enumerate().map(inner).collect::<Vec<_>>().join("*")
}

/// A text of which a naive evaluator can try every spelling.
fn short(dice: &mut Dice) -> String {
    let text = text_value(dice);
    text.chars().take(5).collect()
}

fn text_value(dice: &mut Dice) -> String {
    if dice.one_in(2) {
        dice.pick(&TEXTS).to_owned()
    } else {
        dice.many(0, 4, |dice| dice.pick(&['x', 'y', 'X'])).into_iter().collect()
    }
}

fn halves(dice: &mut Dice) -> i64 {
    dice.roll(8) as i64 - 4
}

fn scalar(dice: &mut Dice) -> Json {
    match dice.roll(8) {
        0 => Json::Null,
        1 => Json::Bool(dice.one_in(2)),
        2 | 3 => Json::Number { halves: halves(dice), spelling: dice.roll(4) as u8 },
        4 if dice.one_in(4) => Json::Odd(dice.pick(&ODD)),
        _ => Json::Text(text_value(dice)),
    }
}

/// An event: an object, some of whose keys are repeated or have dots, with arrays in one round of two.
pub(crate) fn event(dice: &mut Dice) -> Json {
    let arrays = dice.pick(&[0, 0, 1, 3]);
    let depth = 1 + dice.roll(4);
    let mut members = dice.many(0, 6, |dice| (key(dice), value(dice, depth, arrays)));
    if dice.one_in(2) {
        // Something long that no rule looks at, after which members may follow.
        let at = dice.roll(members.len() + 1);
        members.insert(at, ("z".to_owned(), padding(dice)));
    }
    Json::Object(members)
}

fn padding(dice: &mut Dice) -> Json {
    let points = (0..10 + dice.roll(20) as i64).map(|point| {
        Json::Array(vec![
            Json::Number { halves: point, spelling: 3 },
            Json::Number { halves: 7, spelling: 0 },
        ])
    });
    let mut parts: Vec<Json> = points.collect();
    if dice.one_in(3) {
        parts.push(Json::Object(vec![(key(dice), Json::Text(text_value(dice)))]));
    }
    if dice.one_in(2) { Json::Array(parts) } else { Json::Object(vec![(key(dice), Json::Array(parts))]) }
}

fn value(dice: &mut Dice, depth: usize, arrays: usize) -> Json {
    match dice.roll(8) {
        at if at < arrays && depth > 0 => Json::Array(dice.many(0, 3, |dice| value(dice, depth - 1, arrays))),
        4..7 if depth > 0 => {
            Json::Object(dice.many(0, 4, |dice| (key(dice), value(dice, depth - 1, arrays))))
        }
        _ => scalar(dice),
    }
}

/// The event as a text: with any spaces and any escapes.
pub(crate) fn text(event: &Json, dice: &mut Dice) -> String {
    let mut text = String::new();
    let spaces = dice.pick(&[1, 4, 40]);
    write(event, dice, spaces, &mut text);
    text
}

fn write(value: &Json, dice: &mut Dice, spaces: usize, text: &mut String) {
    match value {
        Json::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                space(dice, spaces, text);
                text.push_str(if index > 0 { "," } else { "" });
                write(value, dice, spaces, text);
            }
            space(dice, spaces, text);
            text.push(']');
        }
        Json::Object(members) => {
            text.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                space(dice, spaces, text);
                text.push_str(if index > 0 { "," } else { "" });
                space(dice, spaces, text);
                write_string(key, dice, text);
                space(dice, spaces, text);
                text.push(':');
                write(value, dice, spaces, text);
            }
            space(dice, spaces, text);
            text.push('}');
        }
        Json::Text(value) => {
            space(dice, spaces, text);
            write_string(value, dice, text);
        }
        scalar => {
            space(dice, spaces, text);
            text.push_str(&scalar.to_string());
        }
    }
}

fn space(dice: &mut Dice, spaces: usize, text: &mut String) {
    if dice.one_in(spaces) {
        for _ in 0..dice.roll(3) {
            text.push(dice.pick(&[' ', '\n', '\t', '\r']));
        }
    }
}

fn write_string(string: &str, dice: &mut Dice, text: &mut String) {
    let escapes = dice.pick(&[2, 50]);
    text.push('"');
    for character in string.chars() {
        match character {
            '"' | '\\' if !dice.one_in(escapes) => text.extend(['\\', character]),
            '"' | '\\' => escape(character, text),
            _ if dice.one_in(escapes) => escape(character, text),
            _ => text.push(character),
        }
    }
    text.push('"');
}

fn escape(character: char, text: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        text.push_str(&format!("\\u{unit:04x}"));
    }
}

/// A text with one thing changed: most are no JSON any more.
pub(crate) fn broken(text: &str, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let at = dice.roll(bytes.len() + 1);
    match dice.roll(4) {
        0 => bytes.truncate(at),
        1 => {
            bytes.drain(at.saturating_sub(1)..at);
        }
        _ => bytes.insert(at, dice.pick(b"[]{},:\"\\0-e.nu \x00\xff\xc3")),
    }
    bytes
}
