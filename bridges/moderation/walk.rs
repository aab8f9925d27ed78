//! One way of reading a text along the trie of `words`: where it has come to, and whether what was read on the way is
//! a word.

use super::words::ROOT;

/// Most places that are held at once; the oldest are kept.
const MAX_PLACES: usize = 256;
/// Most letters of one word that may be hidden by `*`.
pub(super) const MAX_HIDDEN: u8 = 2;
/// Fewest letters of an entry that is found with letters hidden: `a*s` may be a sum.
const MIN_LETTERS_WHEN_HIDDEN: u8 = 4;
/// Fewest letters of an entry that is found with a letter doubled: "god" is not "good".
const MIN_LETTERS_WHEN_DOUBLED: u8 = 4;

/// A place where a walk has come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    pub(super) place: u32,
    pub(super) first: usize,
    /// Letters that are what they stand for.
    pub(super) true_letters: u8,
    /// Digits read as letters.
    pub(super) digits: u8,
    /// Letters that a `*` hides.
    pub(super) hidden: u8,
    /// How often the last letter has come in a row, and how many of these the entry has not.
    pub(super) run: u8,
    pub(super) stretched: u8,
    /// A letter came twice that the entry has once.
    pub(super) doubled: bool,
}

impl Walk {
    pub(super) fn start(first: usize) -> Self {
        Self {
            place: ROOT,
            first,
            true_letters: 0,
            digits: 0,
            hidden: 0,
            run: 0,
            stretched: 0,
            doubled: false,
        }
    }

    /// Has the last letter come twice, where the entry has it once?
    pub(super) fn is_double(&self) -> bool {
        self.run == 2 && self.stretched == 1
    }

    /// The walk at another place: one letter on in the entry, `again` if it is the letter of the place before.
    pub(super) fn to(self, place: u32, again: bool) -> Self {
        if again {
            return Self { place, run: self.run.saturating_add(1), ..self };
        }
        Self { place, run: 1, stretched: 0, doubled: self.doubled || self.is_double(), ..self }
    }

    /// The walk where it is, with its letter once more.
    pub(super) fn stay(self) -> Self {
        Self { run: self.run.saturating_add(1), stretched: self.stretched.saturating_add(1), ..self }
    }

    /// Is it a word, and not a number or a row of stars?
    pub(super) fn is_word(&self) -> bool {
        let letters = self.true_letters.saturating_add(self.digits);
        let enough = self.true_letters >= self.digits || (letters >= 5 && self.true_letters >= 2);
        let hidden_well =
            self.hidden <= MAX_HIDDEN && letters.saturating_add(self.hidden) >= MIN_LETTERS_WHEN_HIDDEN;
        // Three in a row are stretched; two may be another word: "met" is not "meet".
        let itself = !(self.doubled || self.is_double())
            || letters.saturating_add(self.hidden) >= MIN_LETTERS_WHEN_DOUBLED;
        enough && itself && (self.hidden == 0 || (hidden_well && letters >= self.hidden))
    }
}

/// Keeps a walk, unless one is kept that has come to the same place in no better way.
pub(super) fn keep(walk: Walk, walks: &mut Vec<Walk>) {
    let cost = |walk: &Walk| (walk.hidden, walk.digits, walk.doubled || walk.is_double());
    if let Some(kept) = walks.iter_mut().find(|kept| kept.place == walk.place) {
        if cost(&walk) < cost(kept) {
            *kept = walk;
        }
    } else if walks.len() < MAX_PLACES {
        walks.push(walk);
    }
}
