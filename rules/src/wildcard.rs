//! `wildcard`: `*` stands for any characters or none, `\*` for itself and `\\` for a backslash.
//!
//! A value is cut at its stars into pieces: the first piece starts the text, the last ends it, and each in between
//! is found as early as it can be. No choice is ever taken back, so a text is read once whatever the pattern.

use crate::json::shorten;

/// Stars in one value. That many are too complex whatever stands between them (`compile::complexity`), so nothing
/// longer needs to be looked at.
pub(crate) const MAX_STARS: usize = 10;

/// A text with stars in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wildcard {
    /// What stands before, between and after the stars; one piece when there is none.
    pieces: Vec<String>,
    /// As it was written, for an explanation.
    pub(crate) wording: String,
}

impl Wildcard {
    /// Reads a value, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                '*' if characters.peek().is_some_and(|(_, next)| *next == '*') => {
                    return Err(format!("it has two stars in a row at byte {at} of {:?}", shorten(text, 40)));
                }
                '*' => pieces.push(std::mem::take(&mut piece)),
                '\\' => match characters.next() {
                    Some((_, escaped @ ('*' | '\\'))) => piece.push(escaped),
                    _ => return Err(format!("its backslash at byte {at} escapes neither * nor \\")),
                },
                character => piece.push(character),
            }
        }
        let stars = pieces.len();
        pieces.push(piece);
        if stars > MAX_STARS {
            return Err(format!("it has {stars} stars, and {MAX_STARS} is the limit"));
        }
        Ok(Wildcard { pieces, wording: text.into() })
    }

    /// What stands before, between and after the stars.
    pub(crate) fn pieces(&self) -> &[String] {
        &self.pieces
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.iter().all(|only| only == text);
        };
        let rest = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
        let find = |rest: &'_ str, piece: &String| rest.find(piece.as_str()).map(|at| at + piece.len());
        let Some(mut rest) = rest else { return false };
        for piece in middle {
            match find(rest, piece) {
                Some(after) => rest = &rest[after..],
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let wildcard = Wildcard::parse(pattern).expect(pattern);
        for text in matching {
            assert!(wildcard.matches(text), "{pattern} should match {text}");
        }
        for text in others {
            assert!(!wildcard.matches(text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn a_star_is_any_characters_or_none() {
        check("a*b", &["ab", "axb", "abb", "aéb"], &["a", "b", "abc", "xab"]);
        check("*", &["", "x"], &[]);
        check("ab", &["ab"], &["a", "abc"]);
        check("", &[""], &["x"]);
        check("*a*a*", &["aa", "xaxax"], &["a", "xax"]);
        check("aba*aba", &["abaaba", "abaxaba"], &["aba", "ababa"]);
    }

    #[test]
    fn an_escaped_star_is_a_star() {
        check(r"a\*b", &["a*b"], &["ab", "axb"]);
        check(r"\\*", &[r"\", r"\x"], &["x"]);
        check(r"*\*", &["*", "x*"], &["x"]);
    }

    #[test]
    fn what_is_ambiguous_or_endless_is_refused() {
        for pattern in ["**", "a**b", r"\a", r"a\", &"*a".repeat(MAX_STARS + 1), &"*".repeat(1 << 20)] {
            assert!(Wildcard::parse(pattern).is_err());
        }
        check(&"*a".repeat(MAX_STARS), &[&"a".repeat(MAX_STARS)], &[&"a".repeat(MAX_STARS - 1)]);
    }
}
