//! All prefixes of a text that are in a set (or suffixes, if both are read backwards).
//!
//! The set is sorted, and each text in it knows the longest other one that it starts with. Of all that are not
//! greater than the text looked up, the greatest starts with every prefix there is; so one binary search and a walk
//! along those links find them all:
//!
//! ```text
//! set      a   ab   abc   abd   b          ab -> a, abc -> ab, abd -> ab
//! "abcx"             ^ the greatest that is not greater: abc, then ab, then a
//! "abda"   ...                               abd is one, then ab, then a
//! "abx"                    ^ abd shares only two bytes with it, so ab, then a
//! ```
//!
//! Where nothing begins with the text's first byte, which is the usual end, one look at a table says so.

use super::{Hit, Hits};

#[derive(Debug, Default)]
pub(super) struct Affixes {
    entries: Vec<Entry>,
    /// For each first byte the entries that begin with it: from its number to that of the next byte.
    by_first: Vec<u32>,
    /// Bytes of the longest.
    longest: usize,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    /// The longest other entry that this one starts with.
    within: Option<u32>,
    hits: Hits,
}

impl Affixes {
    pub(super) fn add(&mut self, text: impl Iterator<Item = u8>, hit: Hit) {
        self.entries.push(Entry { text: text.collect(), within: None, hits: vec![hit] });
    }

    /// Sorts what was added.
    pub(super) fn finish(&mut self) {
        self.entries.sort_by(|one, other| one.text.cmp(&other.text));
        self.entries.dedup_by(|later, earlier| {
            let is_same = later.text == earlier.text;
            if is_same {
                earlier.hits.append(&mut later.hits);
            }
            is_same
        });
        let mut around: Vec<usize> = Vec::new();
        for index in 0..self.entries.len() {
            while around
                .last()
                .is_some_and(|last| !self.entries[index].text.starts_with(&self.entries[*last].text))
            {
                around.pop();
            }
            self.entries[index].within = around.last().map(|last| *last as u32);
            around.push(index);
        }
        self.longest = self.entries.iter().map(|entry| entry.text.len()).max().unwrap_or_default();
        let first = |byte: usize| {
            self.entries.partition_point(|entry| match entry.text.first() {
                None => true,
                Some(first) => usize::from(*first) < byte,
            })
        };
        if !self.entries.is_empty() {
            self.by_first = (0..=256).map(|byte| first(byte) as u32).collect();
        }
    }

    /// Finds the entries that `text` starts with.
    #[inline]
    pub(super) fn find_start(&self, text: &[u8], found: &mut impl FnMut(&[Hit])) {
        if !self.entries.is_empty() {
            self.find(text.first(), || text, found);
        }
    }

    /// Finds the entries that `text`, read backwards, starts with.
    #[inline]
    pub(super) fn find_end(&self, text: &[u8], found: &mut impl FnMut(&[Hit])) {
        if !self.entries.is_empty() {
            self.find(
                text.last(),
                || text.iter().rev().take(self.longest).copied().collect::<Vec<u8>>(),
                found,
            );
        }
    }

    fn find<T: AsRef<[u8]>>(
        &self,
        first: Option<&u8>,
        text: impl FnOnce() -> T,
        found: &mut impl FnMut(&[Hit]),
    ) {
        let range = first.map_or(0..0, |first| {
            let byte = usize::from(*first);
            self.by_first[byte] as usize..self.by_first[byte + 1] as usize
        });
        if range.is_empty() {
            // Only the empty text, which sorts before all others, is left.
            if let Some(entry) = self.entries.first().filter(|entry| entry.text.is_empty()) {
                found(&entry.hits);
            }
            return;
        }
        let text = text();
        let text = text.as_ref();
        let not_greater = self.entries[range.clone()].partition_point(|entry| *entry.text <= *text);
        let mut next = (range.start + not_greater).checked_sub(1).map(|index| index as u32);
        while let Some(entry) = next.and_then(|index| self.entries.get(index as usize)) {
            if text.starts_with(&entry.text) {
                found(&entry.hits);
            }
            next = entry.within;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &[&str], text: &str, is_end: bool) -> Vec<u32> {
        let mut affixes = Affixes::default();
        for (index, entry) in set.iter().enumerate() {
            let hit = Hit { alternative: index as u32, is_sure: true };
            if is_end { affixes.add(entry.bytes().rev(), hit) } else { affixes.add(entry.bytes(), hit) }
        }
        affixes.finish();
        let mut found = Vec::new();
        let mut note = |hits: &[Hit]| found.extend(hits.iter().map(|hit| hit.alternative));
        if is_end {
            affixes.find_end(text.as_bytes(), &mut note);
        } else {
            affixes.find_start(text.as_bytes(), &mut note);
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn every_affix_is_found_and_no_other() {
        let set = ["a", "ab", "abc", "abd", "b", "", "ab", "é", "abcdef", "c\u{ff}"];
        for text in
            ["", "a", "ab", "abc", "abcx", "abda", "abx", "b", "bz", "z", "éa", "aé", "cba", "dba", "\u{ff}"]
        {
            let expected = |affix: &dyn Fn(&str) -> bool| -> Vec<u32> {
                (0..set.len() as u32).filter(|index| affix(set[*index as usize])).collect()
            };
            assert_eq!(found(&set, text, false), expected(&|prefix| text.starts_with(prefix)), "{text}");
            assert_eq!(found(&set, text, true), expected(&|suffix| text.ends_with(suffix)), "{text}");
        }
    }
}
