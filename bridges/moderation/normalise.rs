//! A text as a reader sees it: what the rules about words are matched against.
//!
//! Whoever wants to get past a list of words writes `ｆｏｒｂｉｄｄｅｎ`, `fоrbidden` with a Cyrillic о, `f0rb1dden`,
//! `forrrbidden`, `f.o.r.b.i.d.d.e.n` or puts invisible characters in between. So a text becomes a row of
//! [`Glyph`]s, each with the letters it may be read as and with what stands before it:
//!
//! ```text
//!   text      "a  b.4 d"         glyphs   a        b           4|a        d
//!                                before   start    other word  joined     other word, joined (single letters)
//! ```
//!
//! - Compatibility forms (fullwidth, circled, mathematical, ligatures) are what they stand for: NFKD.
//! - Combining marks, zero-width and bidirectional controls are not there: no one sees them.
//! - Look-alikes of Latin letters are read as these (Unicode's confusables, UTS 39), besides what they are.
//!   Plain ASCII letters are not folded, because that table takes `m` for `rn`.
//! - Digits and signs that stand for letters may be read as either.
//! - Where a word may begin and end is kept, so that the matcher finds whole words of the original.
//!
//! It takes time in proportion to the text. What it does not see through: words spelt by sound ("phoque"),
//! letters turned upside down or drawn over several lines, and a word cut in two pieces of several letters by a
//! space, which cannot be told from two innocent words.

use std::sync::LazyLock;

use unicode_normalization::char::{decompose_compatible, is_combining_mark};
use unicode_security::confusable_detection::skeleton;

/// What kind of character a glyph was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A letter.
    Letter,
    /// A digit, which may stand for a letter.
    Digit,
    /// A sign that stands for a letter: `$`, `@`, `!`, `|`.
    Sign,
    /// A sign that hides a letter: `f*ck`.
    Wild,
}

/// What stands between a glyph and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// Something that a word may be pulled apart with: `.`, `-`, `_`, or anything between single letters.
    Joint,
    /// Space or punctuation.
    Gap,
}

/// One character that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glyph {
    /// What it is; then what else it may be read as, `\0` where there is nothing.
    pub(super) readings: [char; 3],
    pub(super) kind: Kind,
    pub(super) before: Before,
    /// A word may begin here.
    pub(super) begins: bool,
    /// A word may end here.
    pub(super) ends: bool,
}

impl Glyph {
    /// May it be read as this letter?
    pub(super) fn reads(&self, letter: char) -> bool {
        self.readings.contains(&letter)
    }
}

const NONE: char = '\0';

/// The glyphs of a text.
pub(super) fn glyphs(text: &str) -> Vec<Glyph> {
    let mut row = Row { glyphs: Vec::with_capacity(text.len()), before: Before::Gap };
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character.is_ascii() {
            row.ascii(character, rest.peek().copied());
        } else {
            row.other(character, rest.peek().copied());
        }
    }
    let mut glyphs = row.glyphs;
    join_single_letters(&mut glyphs);
    mark_words(&mut glyphs);
    glyphs
}

struct Row {
    glyphs: Vec<Glyph>,
    before: Before,
}

impl Row {
    fn push(&mut self, kind: Kind, readings: [char; 3]) {
        let before = std::mem::replace(&mut self.before, Before::Nothing);
        self.glyphs.push(Glyph { readings, kind, before, begins: false, ends: false });
    }

    fn gap(&mut self) {
        self.before = Before::Gap;
    }

    fn joint(&mut self) {
        if self.before == Before::Nothing {
            self.before = Before::Joint;
        }
    }

    fn ascii(&mut self, character: char, next: Option<char>) {
        let inside = self.before == Before::Nothing;
        let word_follows = next.is_some_and(|next| next.is_alphanumeric() || matches!(next, '$' | '@' | '*'));
        match character {
            'a'..='z' => self.push(Kind::Letter, [character, also(character), NONE]),
            // A capital I is drawn like a small l.
            'I' => self.push(Kind::Letter, ['i', 'l', NONE]),
            'A'..='Z' => {
                let small = character.to_ascii_lowercase();
                self.push(Kind::Letter, [small, also(small), NONE]);
            }
            '0'..='9' => {
                let [first, second] = digit(character);
                self.push(Kind::Digit, [character, first, second]);
            }
            '$' if inside || word_follows => self.push(Kind::Sign, ['s', NONE, NONE]),
            '@' if inside || word_follows => self.push(Kind::Sign, ['a', NONE, NONE]),
            '!' | '|' if word_follows => self.push(Kind::Sign, ['i', 'l', NONE]),
            '+' if inside && word_follows => self.push(Kind::Sign, ['t', NONE, NONE]),
            '*' | '#' if inside && word_follows => self.push(Kind::Wild, [NONE; 3]),
            '.' | '-' | '_' | '/' | '\\' | '~' | '=' | '+' | '|' | '*' => self.joint(),
            // Not seen, so it parts nothing.
            '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' => {}
            _ => self.gap(),
        }
    }

    fn other(&mut self, character: char, next: Option<char>) {
        if is_unseen(character) || is_combining_mark(character) {
            return;
        }
        if let Some(letter) = enclosed_letter(character) {
            return self.push(Kind::Letter, [letter, NONE, NONE]);
        }
        match character {
            'ß' | 'ẞ' => {
                self.push(Kind::Letter, ['s', NONE, NONE]);
                return self.push(Kind::Letter, ['s', NONE, NONE]);
            }
            '€' => return self.push(Kind::Sign, ['e', NONE, NONE]),
            '¡' => return self.ascii('!', next),
            '·' | '•' | '‐' | '‑' | '‒' | '–' | '∙' | '⋅' | '・' => return self.joint(),
            _ => {}
        }
        decompose_compatible(character, |part| {
            if part.is_ascii() {
                self.ascii(part, next);
            } else if part.is_alphabetic() {
                self.push(Kind::Letter, foreign(part));
            } else if part.is_numeric() {
                self.push(Kind::Digit, [part, NONE, NONE]);
            } else if !is_unseen(part) && !is_combining_mark(part) {
                self.gap();
            }
        });
    }
}

/// What else a small ASCII letter is written for.
fn also(letter: char) -> char {
    match letter {
        'l' => 'i',
        'v' => 'u',
        _ => NONE,
    }
}

fn digit(digit: char) -> [char; 2] {
    match digit {
        '0' => ['o', NONE],
        '1' => ['i', 'l'],
        '3' => ['e', NONE],
        '4' => ['a', NONE],
        '5' => ['s', NONE],
        '6' => ['g', NONE],
        '7' => ['t', NONE],
        '8' => ['b', NONE],
        '9' => ['g', NONE],
        _ => [NONE, NONE],
    }
}

/// A letter outside ASCII: itself in small, and the Latin letters that it looks like, in small and in capitals.
fn foreign(letter: char) -> [char; 3] {
    let small = letter.to_lowercase().next().unwrap_or(letter);
    let like = looks_like(small);
    let capital_like = if small == letter { NONE } else { looks_like(letter) };
    match (like, capital_like) {
        (NONE, _) => [small, capital_like, NONE],
        (like, capital) if capital == like => [small, like, NONE],
        (like, capital) => [small, like, capital],
    }
}

/// Greek and Cyrillic, whose letters are looked up for every character of an ordinary text in these.
const NEIGHBOURS: std::ops::RangeInclusive<u32> = 0x370..=0x52f;

/// The small ASCII letter that this looks like, if it looks like one.
pub(super) fn looks_like(letter: char) -> char {
    static TABLE: LazyLock<Vec<char>> =
        LazyLock::new(|| NEIGHBOURS.map(|code| char::from_u32(code).map_or(NONE, look_up)).collect());
    if NEIGHBOURS.contains(&u32::from(letter)) {
        let place = (u32::from(letter) - NEIGHBOURS.start()) as usize;
        return TABLE.get(place).copied().unwrap_or(NONE);
    }
    look_up(letter)
}

fn look_up(letter: char) -> char {
    let mut buffer = [0; 4];
    let mut prototype = skeleton(letter.encode_utf8(&mut buffer)).filter(|c| !is_combining_mark(*c));
    match (prototype.next(), prototype.next()) {
        (Some(one), None) if one.is_ascii_alphabetic() => one.to_ascii_lowercase(),
        _ => NONE,
    }
}

/// Letters in squares and circles, and the halves of flags: they have no decomposition.
fn enclosed_letter(character: char) -> Option<char> {
    let offset = match character {
        '\u{1f130}'..='\u{1f149}' => u32::from(character) - 0x1f130,
        '\u{1f150}'..='\u{1f169}' => u32::from(character) - 0x1f150,
        '\u{1f170}'..='\u{1f189}' => u32::from(character) - 0x1f170,
        '\u{1f1e6}'..='\u{1f1ff}' => u32::from(character) - 0x1f1e6,
        _ => return None,
    };
    char::from_u32(u32::from('a') + offset)
}

/// Characters that are not drawn (Unicode's Default_Ignorable_Code_Point).
pub(super) fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Scripts that put no space between words: there a word may begin and end at every character.
fn has_no_spaces(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// `b a d`, `b, a, d`: between letters that stand alone anything is a joint.
fn join_single_letters(glyphs: &mut [Glyph]) {
    let starts = |glyphs: &[Glyph], at: usize| {
        glyphs.get(at).is_none_or(|glyph: &Glyph| glyph.before != Before::Nothing)
    };
    for at in 1..glyphs.len() {
        if glyphs[at].before == Before::Gap && starts(glyphs, at - 1) && starts(glyphs, at + 1) {
            glyphs[at].before = Before::Joint;
        }
    }
}

/// Says where words may begin and end: beside what parts them, beside signs (`you!fool`), beside digits at
/// either end of a word (`fool1`), and anywhere in scripts without spaces.
fn mark_words(glyphs: &mut [Glyph]) {
    let mut only_digits_so_far = true;
    for at in 0..glyphs.len() {
        let after_sign = at > 0 && matches!(glyphs[at - 1].kind, Kind::Sign | Kind::Wild);
        let glyph = &mut glyphs[at];
        let at_edge = glyph.before != Before::Nothing;
        let free = has_no_spaces(glyph.readings[0]);
        glyph.begins = at_edge || after_sign || free || (only_digits_so_far && glyph.kind == Kind::Letter);
        only_digits_so_far = (at_edge || only_digits_so_far) && glyph.kind != Kind::Letter;
    }
    let mut only_digits_follow = true;
    for at in (0..glyphs.len()).rev() {
        let next = glyphs.get(at + 1).copied();
        let glyph = &mut glyphs[at];
        let at_edge = next.is_none_or(|next| next.before != Before::Nothing);
        let before_sign = next.is_some_and(|next| matches!(next.kind, Kind::Sign | Kind::Wild));
        let free = has_no_spaces(glyph.readings[0]);
        only_digits_follow |= at_edge;
        glyph.ends = at_edge || before_sign || free || only_digits_follow;
        only_digits_follow &= glyph.kind != Kind::Letter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first readings, with `.` for a joint and ` ` for a gap.
    fn plain(text: &str) -> String {
        let mut plain = String::new();
        for (at, glyph) in glyphs(text).iter().enumerate() {
            match glyph.before {
                Before::Joint => plain.push('.'),
                Before::Gap if at > 0 => plain.push(' '),
                Before::Gap | Before::Nothing => {}
            }
            plain.push(if glyph.kind == Kind::Wild { '*' } else { glyph.readings[0] });
        }
        plain
    }

    #[test]
    fn a_text_is_read_as_it_is_seen() {
        for (text, expected) in [
            ("Hello, World!", "hello world"),
            ("ｆｕｌｌ ｗｉｄｔｈ", "full width"),
            ("𝕓𝖆𝒹", "bad"),
            ("Ⓑⓐⓓ", "bad"),
            ("🅱🅰🅳", "bad"),
            ("b\u{200b}a\u{202e}d\u{ad}", "bad"),
            ("b̸á̷d̵", "bad"),
            ("ﬁne", "fine"),
            ("Straße", "strasse"),
            ("b.a-d", "b.a.d"),
            ("b a d", "b.a.d"),
            ("b, a, d", "b.a.d"),
            ("b ad", "b ad"),
            ("well-known", "well.known"),
            ("a$$", "ass"),
            ("$5 please", "s5 please"),
            ("f*ck *bold*", "f*ck bold"),
            ("sh!t!", "shit"),
            ("she'll", "she ll"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn look_alikes_are_read_as_what_they_look_like() {
        for (text, latin) in
            [("Ваd", "bad"), ("bаd", "bad"), ("bad", "bad"), ("ΒΑD", "bad"), ("ѕсаm", "scam")]
        {
            let glyphs = glyphs(text);
            assert_eq!(glyphs.len(), latin.len(), "{text}");
            assert!(
                glyphs.iter().zip(latin.chars()).all(|(glyph, letter)| glyph.reads(letter)),
                "{glyphs:?}"
            );
        }
    }
}
