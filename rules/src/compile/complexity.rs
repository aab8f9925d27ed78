//! How complex a field's wildcards are, by event-ruler's measure; what is too complex is refused.
//!
//! Read a text byte by byte and note each beginning of a wildcard that what was read so far can be: of `*a*a`, the
//! text `aa` can be `*`, `*a`, `*a*` and `*a*a`, which is four. The most that any text can be is the complexity. A
//! matcher that follows all possibilities at once works that hard for each byte. Ours does not, but a rule that
//! EventBridge refuses must not pass here. Its documentation names no number; event-ruler's names 10.
//! <https://github.com/aws/event-ruler#wildcard-match>,
//! <https://github.com/aws/event-ruler/blob/main/src/main/software/amazon/event/ruler/MachineComplexityEvaluator.java>
//!
//! As there, texts have their quotes around them, the wildcards of one field count together, those of one
//! `anything-but` share what they begin and end with, and all texts are tried by following sets of beginnings.
//! Different is that alternatives of an `$or` do not count together, though they may have the field in common.

use crate::condition::{Condition, Excluded};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Beginnings of a field's wildcards that one text can be at once.
pub(super) const MAX_COMPLEXITY: usize = 10;

/// Sets of beginnings that are looked at. Two thousand characters, as long as a pattern may be on AWS, make a few
/// thousand.
const MAX_SETS: usize = 1 << 16;

/// Whether the wildcards among a field's conditions are too complex.
pub(super) fn is_too_complex(conditions: &[Condition]) -> bool {
    let mut machine = Machine::default();
    for condition in conditions {
        match condition {
            Condition::Wildcard(wildcard) => machine.add([wildcard.pieces()]),
            Condition::AnythingBut(Excluded::Wildcards(wildcards)) => {
                machine.add(wildcards.iter().map(|wildcard| wildcard.pieces()));
            }
            _ => {}
        }
    }
    machine.is_too_complex()
}

/// A beginning of a wildcard, and what it may become.
#[derive(Default)]
struct State {
    by_byte: Vec<(u8, u32)>,
    /// The same with a star after it, which may also be nothing.
    star: Option<u32>,
}

#[derive(Default)]
struct Machine {
    states: Vec<State>,
    /// Where each wildcard begins.
    starts: BTreeSet<u32>,
}

impl Machine {
    fn new_state(&mut self) -> u32 {
        self.states.push(State::default());
        self.states.len() as u32 - 1
    }

    /// Adds wildcards that share what they begin and end with.
    fn add<'w>(&mut self, wildcards: impl IntoIterator<Item = &'w [String]>) {
        let (start, end) = (self.new_state(), self.new_state());
        self.starts.insert(start);
        let mut beginnings = HashMap::new();
        for pieces in wildcards {
            let mut state = self.byte(start, b'"', Some(&mut beginnings));
            for (index, piece) in pieces.iter().enumerate() {
                let mut before_star = None;
                if index > 0 {
                    before_star = Some(state);
                    state = self.star(state);
                }
                let is_first = index == 0;
                for byte in piece.bytes() {
                    let shared = is_first.then_some(&mut beginnings);
                    let next = self.byte(state, byte, shared);
                    if let Some(before) = before_star.take() {
                        self.link(before, byte, next);
                    }
                    state = next;
                }
                if index + 1 == pieces.len() {
                    self.link(state, b'"', end);
                    if let Some(before) = before_star {
                        self.link(before, b'"', end);
                    }
                }
            }
        }
    }

    fn byte(&mut self, from: u32, byte: u8, shared: Option<&mut HashMap<(u32, u8), u32>>) -> u32 {
        let known = shared.as_ref().and_then(|shared| shared.get(&(from, byte)).copied());
        known.unwrap_or_else(|| {
            let next = self.new_state();
            self.link(from, byte, next);
            if let Some(shared) = shared {
                shared.insert((from, byte), next);
            }
            next
        })
    }

    fn star(&mut self, from: u32) -> u32 {
        if let Some(star) = self.states[from as usize].star {
            return star;
        }
        let star = self.new_state();
        self.states[from as usize].star = Some(star);
        self.states[star as usize].star = Some(star);
        star
    }

    fn link(&mut self, from: u32, byte: u8, to: u32) {
        self.states[from as usize].by_byte.push((byte, to));
    }

    /// Follows every text, as far as it leads to new sets of beginnings.
    fn is_too_complex(&self) -> bool {
        let mut known: HashSet<Vec<u32>> = HashSet::new();
        let mut open: Vec<Vec<u32>> = vec![self.starts.iter().copied().collect()];
        while let Some(set) = open.pop() {
            let star = |state: &u32| self.states[*state as usize].star;
            let links = || set.iter().flat_map(|state| &self.states[*state as usize].by_byte);
            let bytes: BTreeSet<u8> = links().map(|(byte, _)| *byte).collect();
            // None stands for a byte that nothing but a star wants.
            for byte in bytes.into_iter().map(Some).chain([None]) {
                let literal = links().filter(|(wanted, _)| Some(*wanted) == byte).map(|(_, to)| *to);
                let next: BTreeSet<u32> = set.iter().filter_map(star).chain(literal).collect();
                let stars: BTreeSet<u32> = next.iter().filter_map(star).collect();
                if next.union(&stars).count() > MAX_COMPLEXITY || known.len() > MAX_SETS {
                    return true;
                }
                let next: Vec<u32> = next.into_iter().collect();
                if !next.is_empty() && known.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wildcard::Wildcard;

    fn plain(wildcards: &[&str]) -> bool {
        let condition = |text: &&str| Condition::Wildcard(Wildcard::parse(text).expect(text));
        is_too_complex(&wildcards.iter().map(condition).collect::<Vec<_>>())
    }

    fn excluded(wildcards: &[&str]) -> bool {
        let wildcards = wildcards.iter().map(|text| Wildcard::parse(text).expect(text));
        is_too_complex(&[Condition::AnythingBut(Excluded::Wildcards(wildcards.collect()))])
    }

    #[test]
    fn everyday_wildcards_are_simple_enough() {
        for wildcard in [
            "*",
            "",
            "abc",
            "a*b",
            "*.png",
            "arn:aws:events:*:*:event-bus/*",
            "/Users/*/dir/dir/dir/dir/dir/*",
            "*ab*b*b*",
            "room-*-*-*",
            r"*\\AppData\\*",
            "*a*a*a*a",
        ] {
            assert!(!plain(&[wildcard]), "{wildcard}");
        }
        assert!(!plain(&["room-1*", "room-2*", "*-ops"]));
        assert!(!plain(&["*aa*", "*ba*", "*ca*"]), "nine");
        let kiwis = ["*kiwi*", "*BASE_QuxB*", "*Delta*", "*a/example-lake-abc98765432*"];
        assert!(!excluded(&kiwis), "seven");
    }

    #[test]
    fn what_explodes_is_refused() {
        assert!(plain(&["*a*a*a*a*a*"]), "eleven");
        assert!(plain(&["*aa*", "*ba*", "*ca*", "*da*"]), "twelve");
        assert!(plain(&["*aaaaaaaaaa"]), "eleven");
        assert!(plain(&[&"*a".repeat(6)]), "thirteen");
        assert!(plain(&[&"ab".repeat(1 << 16)]), "nobody needs it");
        assert!(plain(&["*kiwi*", "*BASE_QuxB*", "*Delta*", "*a/example-lake-abc98765432*"]), "twelve");
    }
}
