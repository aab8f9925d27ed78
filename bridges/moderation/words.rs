//! Lists of words, compiled once, and found in a text of glyphs in one pass.
//!
//! An entry is a word or several (`kill yourself`), whole words only; a `*` at its end takes any ending
//! (`scam*` finds "scammers"). All entries are in one trie. A text is walked once with the set of the trie's
//! places that what was just read may have come to; a new walk begins wherever a word may begin, so nothing is
//! read twice:
//!
//! ```text
//!            s ─ c ─ a ─ m(*)          "sc4mmm"   s: {s}   c: {sc}   4: {sca}   m: {scam}   m: {scam} …
//!   root ───┤                                     a letter again may stay where it is (stretching)
//!            k ─ i ─ l ─ l(.)          a letter that is needed twice is taken twice: "as" is not "ass"
//! ```
//!
//! The set holds each place once, and a place is held only while its word's letters are the last that were
//! read, so the work for a character is bounded by the lists, not by the text; `MAX_PLACES` bounds it anyhow.
//! Aho and Corasick's automaton would be faster for a plain text, but has no answer for a character that may be
//! read in three ways, repeated, or pulled apart, short of expanding the lists.

use std::collections::HashMap;

use super::normalise::{Before, Glyph, Kind, glyphs};
use super::walk::{MAX_HIDDEN, Walk, keep};

/// Most letters of an entry. Longer is no word and no phrase.
pub(super) const MAX_ENTRY_LETTERS: usize = 64;
/// Stands in the trie for what parts two words of an entry.
const GAP: char = ' ';
pub(super) const ROOT: u32 = 0;

/// Several lists in one trie; the numbers of entries count through them.
#[derive(Debug, Default)]
pub(super) struct Words {
    places: Vec<Place>,
    /// The children of the root, which every word asks for: by letter.
    roots: HashMap<char, u32>,
    entries: u32,
}

#[derive(Debug, Default)]
struct Place {
    letter: char,
    children: Vec<(char, u32)>,
    /// The entry that is complete here, as a whole word.
    word: Option<u32>,
    /// The entry that is complete here, whatever follows.
    stem: Option<u32>,
}

/// Why an entry is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadEntry {
    #[error("has no letter or digit")]
    Empty,
    #[error("has more than {MAX_ENTRY_LETTERS} letters")]
    TooLong,
    #[error("has a * that is not at its end: a word is found whole, or with * by its beginning")]
    Star,
}

/// An entry that was found, and where: the first and the last glyph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) entry: u32,
    pub(super) first: usize,
    pub(super) last: usize,
}

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As somebody may have disguised it.
    Suspicious,
    /// As it stands: for exceptions, which a disguise must not profit by.
    Plain,
}

impl Words {
    /// Adds an entry, and returns its number. One that is there already keeps its first number.
    pub(super) fn add(&mut self, entry: &str) -> Result<u32, BadEntry> {
        let number = self.entries;
        let entry = entry.trim();
        let (text, stem) = entry.strip_suffix('*').map_or((entry, false), |text| (text, true));
        if text.contains('*') {
            return Err(BadEntry::Star);
        }
        let glyphs = glyphs(text);
        if glyphs.is_empty() {
            return Err(BadEntry::Empty);
        }
        if glyphs.len() > MAX_ENTRY_LETTERS {
            return Err(BadEntry::TooLong);
        }
        let mut place = ROOT;
        for (at, glyph) in glyphs.iter().enumerate() {
            if at > 0 && glyph.before == Before::Gap {
                place = self.child_or_new(place, GAP);
            }
            place = self.child_or_new(place, glyph.readings[0]);
        }
        let place = &mut self.places[place as usize];
        if stem { &mut place.stem } else { &mut place.word }.get_or_insert(number);
        self.entries += 1;
        Ok(number)
    }

    /// Is there no entry?
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The entries that are found, each time they are, in the order of their ends.
    pub(super) fn find(&self, text: &[Glyph], reading: Reading) -> Vec<Found> {
        self.find_counting(text, reading).0
    }

    /// The same, with the number of steps that it took.
    fn find_counting(&self, text: &[Glyph], reading: Reading) -> (Vec<Found>, u64) {
        let mut found = Vec::new();
        let mut steps = 0;
        if self.is_empty() {
            return (found, steps);
        }
        let (mut walks, mut next) = (Vec::<Walk>::new(), Vec::<Walk>::new());
        for (at, glyph) in text.iter().enumerate() {
            for walk in &walks {
                steps += 1;
                self.go_on(*walk, glyph, reading, &mut next);
            }
            if glyph.begins {
                steps += 1;
                let start = Walk::start(at);
                self.step(start, glyph, reading, &mut next);
            }
            for walk in &next {
                let place = &self.places[walk.place as usize];
                let word = place.word.filter(|_| glyph.ends);
                // Both: which of them is the stricter one only their lists know.
                let entries = place.stem.into_iter().chain(word).filter(|_| walk.is_word());
                found.extend(entries.map(|entry| Found { entry, first: walk.first, last: at }));
            }
            std::mem::swap(&mut walks, &mut next);
            next.clear();
        }
        (found, steps)
    }

    /// Where a walk may come to with one glyph more.
    fn go_on(&self, walk: Walk, glyph: &Glyph, reading: Reading, next: &mut Vec<Walk>) {
        if glyph.before != Before::Nothing
            && let Some(place) = self.child(walk.place, GAP)
        {
            self.step(walk.to(place, false), glyph, reading, next);
        }
        if glyph.before == Before::Gap || (reading == Reading::Plain && glyph.before == Before::Joint) {
            return;
        }
        self.step(walk, glyph, reading, next);
        let letter = self.places[walk.place as usize].letter;
        if reading == Reading::Suspicious && letter != GAP && glyph.reads(letter) {
            keep(walk.stay(), next);
        }
    }

    fn step(&self, walk: Walk, glyph: &Glyph, reading: Reading, next: &mut Vec<Walk>) {
        if glyph.kind == Kind::Wild {
            if reading == Reading::Suspicious && walk.place != ROOT && walk.hidden < MAX_HIDDEN {
                for (letter, place) in &self.places[walk.place as usize].children {
                    if letter.is_alphabetic() {
                        let hidden = walk.hidden + 1;
                        keep(Walk { hidden, ..walk.to(*place, false) }, next);
                    }
                }
            }
            return;
        }
        let here = self.places[walk.place as usize].letter;
        let readings = if reading == Reading::Plain { &glyph.readings[..1] } else { &glyph.readings[..] };
        for (nth, letter) in readings.iter().enumerate() {
            if *letter == '\0' {
                continue;
            }
            let Some(place) = self.child(walk.place, *letter) else { continue };
            let mut walk = walk.to(place, here == *letter);
            if nth > 0 && glyph.kind == Kind::Digit {
                walk.digits = walk.digits.saturating_add(1);
            } else {
                walk.true_letters = walk.true_letters.saturating_add(1);
            }
            keep(walk, next);
        }
    }

    fn child(&self, place: u32, letter: char) -> Option<u32> {
        if place == ROOT {
            return self.roots.get(&letter).copied();
        }
        let children = &self.places.get(place as usize)?.children;
        children.iter().find(|(child, _)| *child == letter).map(|(_, place)| *place)
    }

    fn child_or_new(&mut self, place: u32, letter: char) -> u32 {
        if self.places.is_empty() {
            self.places.push(Place::default());
        }
        if let Some(child) = self.child(place, letter) {
            return child;
        }
        let child = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place { letter, ..Place::default() });
        if place == ROOT {
            self.roots.insert(letter, child);
        }
        self.places[place as usize].children.push((letter, child));
        child
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &[&str], text: &str) -> bool {
        let mut words = Words::default();
        for entry in list {
            words.add(entry).unwrap();
        }
        !words.find(&glyphs(text), Reading::Suspicious).is_empty()
    }

    #[test]
    fn words_are_found_whole_and_through_disguises() {
        let list = ["ass", "badword", "scam*", "kill yourself", "1488", "禁止", "хам", "met"];
        for text in [
            "ass",
            "ASS!",
            "a$$",
            "@ss",
            "a s s",
            "a.s.s",
            "assss",
            "you ass",
            "ass1",
            "1ass",
            "(ass)",
            "*ass*",
            "BadWord",
            "bbaaddwwoorrdd",
            "b4dw0rd",
            "b.a.d.w.o.r.d",
            "bad-word",
            "b_a_d_w_o_r_d",
            "ba.dword",
            "b\na\nd\nw\no\nr\nd",
            "bаdwоrd",
            "ｂａｄｗｏｒｄ",
            "b*dw*rd",
            "bádwörd",
            "badword's",
            "the,badword,",
            "scammers",
            "sc4mm3d",
            "kill yourself",
            "kill   yourself",
            "ki11 y0urself",
            "kill-yourself",
            "k i l l yourself",
            "meeet",
            "14 88 no but 1488",
            "这是禁止的",
            "禁 止",
            "Хам",
            "you!ass!fool",
            "b\u{200d}adword",
        ] {
            assert!(found(&list, text), "{text}");
        }
        for text in [
            "class",
            "as",
            "as soon",
            "assess",
            "bass",
            "Badwords",
            "a55",
            "455",
            "A55 road",
            "sca m",
            "killing yourself",
            "kill. he",
            "as s",
            "is a",
            "14 88",
            "mass-ive",
            "as-is",
            "ham",
            "bad wordy",
            "* * * *",
            "a*s",
            "b*****d",
            "",
        ] {
            assert!(!found(&list, text), "{text}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let mut words = Words::default();
        assert_eq!(words.add("..."), Err(BadEntry::Empty));
        assert_eq!(words.add("*"), Err(BadEntry::Empty));
        assert_eq!(words.add("*ass"), Err(BadEntry::Star));
        assert_eq!(words.add(&"x".repeat(65)), Err(BadEntry::TooLong));
    }

    #[test]
    fn the_work_grows_with_the_text_and_no_faster() {
        let mut words = Words::default();
        for entry in ["aaaa", "aaaaaaab", "abab*", "lililili", "fuck*", "oooo", "as s", "aa aa aa"] {
            words.add(entry).unwrap();
        }
        for first in 'a'..='z' {
            for second in 'a'..='z' {
                words.add(&format!("f{first}{second}k")).unwrap();
            }
        }
        for piece in [
            "a",
            "f",
            "a ",
            "a.",
            "1!",
            "f** ",
            "f*f*",
            "ab",
            "0",
            "f.f ",
            "l1I|",
            "á\u{200b}",
            "aa aa ",
            "f**k",
        ] {
            let text = |length: usize| piece.chars().cycle().take(length).collect::<String>();
            let steps = |length: usize| words.find_counting(&glyphs(&text(length)), Reading::Suspicious).1;
            let (short, long) = (steps(4_000), steps(40_000));
            assert!(long <= 11 * short + 1_000, "{piece:?}: {short} steps for 4,000, {long} for 40,000");
            assert!(long <= 40_000 * 64, "{piece:?}: {long} steps");
        }
    }
}
