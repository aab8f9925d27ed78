//! The words of a text as FTS5 takes them. How a text is cut is the chat's affair (`web_chat::words`), so that both
//! hosts find the same; here its words only get spaces between them.

use std::fmt::Write;

use switchboard_bridges::web_chat::words::{cut, sought};

/// FTS5's own cutting finds exactly these words again: marks are parts of them, and accents are gone already.
pub(super) const TOKENIZE: &str = "unicode61 remove_diacritics 0 categories ''L* N* Co Mn Mc''";

/// A text as FTS5 is given it.
pub(super) fn spaced(text: &str) -> String {
    cut(text).join(" ")
}

/// FTS5's expression for all these words, the last as a beginning. Words have no signs, so nothing is to be escaped.
pub(super) fn pattern(words: &str) -> String {
    let mut wanted = String::new();
    for part in sought(words) {
        // Writing into a text does not fail.
        let _ = write!(wanted, "\"{}\" ", part.join(" "));
    }
    let wanted = wanted.trim_end();
    if wanted.is_empty() { String::new() } else { format!("{wanted}*") }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use serde::Deserialize;
    use switchboard_bridges::web_chat::words::CASES;

    use super::*;

    #[test]
    fn signs_in_a_search_mean_nothing() {
        assert_eq!(pattern("Ann said"), "\"ann\" \"said\"*");
        assert_eq!(pattern("a\"b OR -c*"), "\"a b\" \"or\" \"c\"*");
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
        let wanted = pattern(words);
        !wanted.is_empty()
            && db
                .query_row("SELECT COUNT(*) FROM said WHERE said MATCH ?1", [wanted], |row| row.get(0))
                .map(|count: i64| count > 0)
                .unwrap()
    }

    #[test]
    fn the_index_finds_what_every_search_finds() {
        #[derive(Deserialize)]
        struct Case {
            text: String,
            found: Vec<String>,
            not: Vec<String>,
        }
        for Case { text, found: parts, not } in serde_json::from_str::<Vec<Case>>(CASES).unwrap() {
            let db = index();
            db.execute("INSERT INTO said (text) VALUES (?1)", [spaced(&text)]).unwrap();
            for part in parts {
                assert!(found(&db, &part), "{part} in {text}");
            }
            for other in not {
                assert!(!found(&db, &other), "{other} in {text}");
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
