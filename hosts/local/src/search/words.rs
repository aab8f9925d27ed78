//! How a text is cut into what it can be found by.
//!
//! FTS5's `unicode61` takes what stands between spaces and signs for a word. Chinese, Japanese, Thai, Lao, Khmer and
//! Burmese put no space between words, and Korean joins particles to them: there every letter (with its marks) is made
//! a word of its own, and a search for several is a phrase. So any part of such a text is found, a single letter too.
//!
//! Rejected: FTS5's trigrams, which find nothing shorter than three letters (most Chinese words have two) and make an
//! index of English three times as large; dictionaries, which are megabytes and find only the words in them.

use std::fmt::Write;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Most words of a search.
const MAX_WORDS: usize = 16;

/// FTS5's own cutting, with accents left out, and marks as parts of words: Thai vowels are marks.
pub(super) const TOKENIZE: &str = "unicode61 remove_diacritics 2 categories ''L* N* Co Mn Mc''";

/// Is it of a script whose words are not parted by spaces?
fn is_unspaced(letter: &str) -> bool {
    letter.chars().next().is_some_and(|first| {
        matches!(u32::from(first),
            0x0e01..=0x0e3a | 0x0e40..=0x0e4e // Thai
            | 0x0e81..=0x0eff // Lao
            | 0x1000..=0x109f // Burmese
            | 0x1780..=0x17d3 // Khmer
            | 0x3005..=0x3007 | 0x3041..=0x3096 | 0x30a1..=0x30ff | 0x3105..=0x312f | 0x31f0..=0x31ff // kana, bopomofo
            | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff // Han
            | 0xac00..=0xd7a3 // Hangul
        )
    })
}

/// A text as FTS5 is given it.
pub(super) fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + text.len() / 2);
    let text: String = text.nfkc().collect();
    for letter in text.graphemes(true) {
        // One space between two letters is enough.
        if is_unspaced(letter) {
            if !spaced.ends_with([' ', '\n']) {
                spaced.push(' ');
            }
            spaced.push_str(letter);
            spaced.push(' ');
        } else {
            spaced.push_str(letter);
        }
    }
    spaced
}

/// FTS5's expression for all these words, the last as a beginning; whatever signs are among them mean nothing.
pub(super) fn pattern(words: &str) -> String {
    let mut wanted = String::new();
    for word in
        words.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).take(MAX_WORDS)
    {
        // Writing into a text does not fail.
        let _ = write!(wanted, "\"{}\" ", spaced(word).trim().replace('"', "\"\""));
    }
    let wanted = wanted.trim_end();
    if wanted.is_empty() { String::new() } else { format!("{wanted}*") }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn signs_in_a_search_mean_nothing() {
        assert_eq!(pattern("Ann said"), "\"Ann\" \"said\"*");
        assert_eq!(pattern("a\"b OR -c*"), "\"a\"\"b\" \"OR\" \"-c*\"*");
        assert_eq!(pattern(" * \" "), "");
        assert_eq!(pattern("東京 x"), "\"東 京\" \"x\"*");
    }

    fn index() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&format!("CREATE VIRTUAL TABLE said USING fts5 (text, tokenize = '{TOKENIZE}')"))
            .unwrap();
        db
    }

    fn found(db: &Connection, words: &str) -> bool {
        db.query_row("SELECT COUNT(*) FROM said WHERE said MATCH ?1", [pattern(words)], |row| row.get(0))
            .is_ok_and(|count: i64| count > 0)
    }

    #[test]
    fn every_part_of_a_text_without_spaces_is_found_and_of_others_every_word() {
        for (text, parts, others) in [
            (
                "東京タワーで会いましょう",
                vec!["東京", "京タ", "タワー", "会い", "東京 タワー", "う"],
                vec!["京東", "大阪"],
            ),
            ("我们明天在公园见面", vec!["明天", "公园", "园", "我们 见面"], vec!["天明", "後天"]),
            ("พรุ่งนี้เจอกันที่สวน", vec!["พรุ่งนี้", "เจอกัน", "สวน"], vec!["สวย", "พรุงนี"]),
            ("ສະບາຍດີຕອນເຊົ້າ", vec!["ສະບາຍດີ", "ຕອນ"], vec!["ຄໍ່າ"]),
            ("내일 학교에서 만나요", vec!["학교", "학교에서", "만나"], vec!["교학"]),
            ("ﾊﾝｶｸ and Ｆｕｌｌ", vec!["ハンカク", "full"], vec!["ハンカン"]),
            (
                "Zoë said café, cafe\u{301} and naïve",
                vec!["zoe", "Café", "cafe\u{301}", "naive", "sai"],
                vec!["aid"],
            ),
            ("OK東京2026年", vec!["ok", "東京", "2026", "年"], vec!["025"]),
        ] {
            let db = index();
            db.execute("INSERT INTO said (text) VALUES (?1)", [spaced(text)]).unwrap();
            for part in parts {
                assert!(found(&db, part), "{part} in {text}");
            }
            for other in others {
                assert!(!found(&db, other), "{other} in {text}");
            }
        }
    }

    #[test]
    fn an_index_of_texts_without_spaces_is_not_much_larger_than_they_are() {
        let han: Vec<char> =
            "东京塔我们明天在公园见面吃饭看电影买票回家休息学习工作开会写信读书唱歌".chars().collect();
        let (mut db, mut bytes) = (index(), 0);
        let transaction = db.transaction().unwrap();
        for message in 0..20_000_usize {
            let text: String =
                (0..30).map(|at| han[(message * 7 + at * at * 3 + message / 11 * at) % han.len()]).collect();
            bytes += text.len();
            transaction.execute("INSERT INTO said (text) VALUES (?1)", [spaced(&text)]).unwrap();
        }
        transaction.commit().unwrap();
        let pages: usize = db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let times = (pages * 4096) as f64 / bytes as f64;
        println!("{bytes} bytes of text, an index of {} bytes: {times:.2} times", pages * 4096);
        assert!(times < 4.0, "{times}");
    }
}
