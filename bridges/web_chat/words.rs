//! How a text is cut into what it can be found by: in one place, so that a search finds the same on one machine, where
//! FTS5 indexes these words, and on AWS, where the room's own pages are looked through.
//!
//! A word is a run of letters, numbers and marks, without case; accents are left out. Chinese, Japanese, Thai, Lao,
//! Khmer and Burmese put no space between words, and Korean joins particles to them: there every letter (with its
//! marks) is a word of its own, and a search for several is a phrase. So any part of such a text is found, a single
//! letter too.
//!
//! Rejected: trigrams, which find nothing shorter than three letters (most Chinese words have two) and make an index of
//! English three times as large; dictionaries, which are megabytes and find only the words in them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Most parts of a search.
const MAX_PARTS: usize = 16;

/// Texts, with what finds them and what does not: the cases that every search keeps.
pub const CASES: &str = include_str!("words.json");

/// The words of a text, in their order.
pub fn cut(text: &str) -> Vec<String> {
    let plain: String =
        text.nfkd().filter(|letter| !is_left_out(*letter)).nfc().flat_map(char::to_lowercase).collect();
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for letter in plain.graphemes(true) {
        let alone = letter.chars().next().is_some_and(is_unspaced);
        open &= !alone;
        for letter in letter.chars() {
            let in_word = letter.is_alphanumeric() || is_combining_mark(letter);
            // A Greek sigma is written in two ways.
            let letter = if letter == 'ς' { 'σ' } else { letter };
            match words.last_mut() {
                Some(word) if in_word && open => word.push(letter),
                _ if in_word => words.push(letter.to_string()),
                _ => {}
            }
            open = in_word;
        }
        open &= !alone;
    }
    words
}

/// What a search looks for: each part is words that follow one another, and the last word of all is a beginning.
/// Whatever signs are among them mean nothing.
pub fn sought(words: &str) -> Vec<Vec<String>> {
    words.split_whitespace().map(cut).filter(|part| !part.is_empty()).take(MAX_PARTS).collect()
}

/// Accents of Latin, Greek and Cyrillic letters, and what only chooses a glyph. Other scripts' marks are vowels, and
/// stay.
fn is_left_out(letter: char) -> bool {
    matches!(u32::from(letter), 0x0300..=0x036f | 0xfe00..=0xfe0f | 0xe0100..=0xe01ef)
}

/// Is it of a script whose words are not parted by spaces?
fn is_unspaced(letter: char) -> bool {
    matches!(u32::from(letter),
        0x0e01..=0x0e3a | 0x0e40..=0x0e4e // Thai
        | 0x0e81..=0x0eff // Lao
        | 0x1000..=0x109f // Burmese
        | 0x1780..=0x17d3 // Khmer
        | 0x3005..=0x3007 | 0x3041..=0x3096 | 0x30a1..=0x30ff | 0x3105..=0x312f | 0x31f0..=0x31ff // kana, bopomofo
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff // Han
        | 0xac00..=0xd7a3 // Hangul
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_each_letter_where_there_are_no_spaces() {
        for (text, words) in [
            ("Ann said: \"it's 3\"", "ann said it s 3"),
            ("café CAFE\u{301} Ⅳ ﬁn", "cafe cafe iv fin"),
            ("OK東京2026年", "ok 東 京 2026 年"),
            ("ｶﾞｷﾞ", "ガ ギ"),
            ("학교에서", "학 교 에 서"),
            ("नमस्ते दुनिया", "नमस्ते दुनिया"),
            ("葛\u{e0100}飾 ❤\u{fe0f}", "葛 飾"),
            ("ΟΔΟΣ οδος", "οδοσ οδοσ"),
            ("* \" - \u{200b}", ""),
        ] {
            assert_eq!(cut(text).join(" "), words, "{text}");
        }
    }

    #[test]
    fn a_search_has_parts_and_a_bound() {
        assert_eq!(sought("a\"b OR 東京 * x"), [vec!["a", "b"], vec!["or"], vec!["東", "京"], vec!["x"]]);
        assert_eq!(sought(&"a ".repeat(100)).len(), MAX_PARTS);
        assert!(sought(" * \" ").is_empty());
    }
}
