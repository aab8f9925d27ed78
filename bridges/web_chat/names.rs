//! Names that people choose: clean to show, and none that passes for another's.

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton as look;

/// A name as it is shown: no control, bidirectional or invisible characters, single spaces; `None` when nothing
/// is left, or more than `most` characters.
pub(super) fn clean(name: &str, most: usize) -> Option<String> {
    let kept: String = name.nfc().filter(|c| !c.is_control() && !invisible(*c)).collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    let clean = words.join(" ");
    let has_letter = clean.chars().any(char::is_alphanumeric);
    (has_letter && clean.chars().count() <= most).then_some(clean)
}

/// What nobody sees, or what turns the reading direction: <https://www.unicode.org/reports/tr9/>.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// What two names share that are taken for one another: compatibility forms, case, marks, spaces and look-alikes
/// are folded (UTS 39).
pub(super) fn skeleton(name: &str) -> String {
    let folded: String = name.nfkd().flat_map(char::to_lowercase).collect();
    let looks: String = look(&folded).collect();
    looks
        .nfkd()
        .flat_map(char::to_lowercase)
        .filter(|c| {
            !unicode_normalization::char::is_combining_mark(*c) && !c.is_whitespace() && !invisible(*c)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_clean() {
        assert_eq!(clean("  Ann \u{200b} \u{202e}Lee\u{7} ", 40).as_deref(), Some("Ann Lee"));
        assert_eq!(clean("אבי", 40).as_deref(), Some("אבי"));
        for bad in ["", "  ", "\u{200b}", "...", &"x".repeat(41)] {
            assert_eq!(clean(bad, 40), None, "{bad:?}");
        }
    }

    #[test]
    fn names_that_are_taken_for_one_another_are_one() {
        for other in ["ann", "ANN", "Αnn", "Ａｎｎ", "A n n", "Ánn", "А\u{200b}nn"] {
            assert_eq!(skeleton(other), skeleton("Ann"), "{other}");
        }
        assert_ne!(skeleton("Ann"), skeleton("Anna"));
        assert_ne!(skeleton("Bob"), skeleton("Rob"));
    }
}
