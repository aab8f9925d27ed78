//! All texts of a set that another text has in it, wherever: one pass over it for the whole set.
//!
//! A few are all looked at, which costs less than to search for them. So are all where a text has so many of them in
//! it, within one another, that telling which would take longer.

use super::{Hit, Hits};
use aho_corasick::AhoCorasick;
use std::collections::BTreeMap;

/// Texts that are not worth searching for.
const FEW: usize = 4;

/// Finds for each byte of the text that are followed up, and at least.
const FINDS_PER_BYTE: usize = 4;
const FINDS_AT_LEAST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Within {
    by_text: BTreeMap<Box<str>, Hits>,
    search: Option<AhoCorasick>,
    /// What belongs to each text, in their order.
    hits: Vec<Hits>,
}

impl Within {
    /// Adds a text, which being found within another proves nothing yet.
    pub(super) fn add(&mut self, text: &str, unsure: Hit) {
        self.by_text.entry(text.into()).or_default().push(unsure);
    }

    /// To be called when all are added.
    pub(super) fn finish(&mut self) {
        let by_text = std::mem::take(&mut self.by_text);
        if by_text.len() > FEW {
            // It fails only of sets beyond its numbers; then all are looked at.
            self.search = AhoCorasick::new(by_text.keys().map(|text| text.as_bytes())).ok();
        }
        self.hits = by_text.into_values().collect();
    }

    pub(super) fn find(&self, text: &str, found: &mut impl FnMut(&[Hit])) {
        let Some(search) = &self.search else {
            return self.hits.iter().for_each(|hits| found(hits));
        };
        let mut finds = FINDS_AT_LEAST + FINDS_PER_BYTE * text.len();
        for find in search.find_overlapping_iter(text) {
            if finds == 0 {
                return self.hits.iter().for_each(|hits| found(hits));
            }
            finds -= 1;
            if let Some(hits) = self.hits.get(find.pattern().as_usize()) {
                found(hits);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_within_is_missed() {
        let texts: Vec<String> =
            (1..40).map(|length| "ab".repeat(length)).chain(["x".into(), "xab".into()]).collect();
        let mut within = Within::default();
        for (index, text) in texts.iter().enumerate() {
            within.add(text, Hit { alternative: index as u32, is_sure: false });
        }
        within.finish();
        for text in ["", "x", "ab", "xab", "yabab", &"ab".repeat(30), &"ab".repeat(1_000)] {
            let mut found = vec![false; texts.len()];
            within.find(text, &mut |hits| hits.iter().for_each(|hit| found[hit.alternative as usize] = true));
            for (index, part) in texts.iter().enumerate() {
                assert!(found[index] || !text.contains(part), "{part} in {text}");
            }
            assert!(text.len() >= 60 || !found[30], "{text}");
        }
    }
}
