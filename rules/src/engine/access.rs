//! By which of its fields an alternative is found.
//!
//! All fields of an alternative must hold, so it is enough to look at it when one of them does, and best is the one
//! that holds most seldom. That is guessed from the rules alone: of a condition that many alternatives share, each
//! event that meets it finds them all; and some kinds of conditions hold more often than others.

use crate::condition::Condition;
use std::collections::HashMap;

/// A field of an alternative, as `access` sees it.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'c> {
    pub(super) field: u32,
    pub(super) conditions: &'c [Condition],
}

/// How many alternatives have a condition on a field.
#[derive(Default)]
pub(super) struct Shares<'c>(HashMap<(u32, Shared<'c>), u64>);

#[derive(PartialEq, Eq, Hash)]
enum Shared<'c> {
    Text(&'c str),
    Other(&'c Condition),
}

impl<'c> Shares<'c> {
    pub(super) fn count(&mut self, candidate: Candidate<'c>) {
        for condition in candidate.conditions {
            each(condition, |shared| *self.0.entry((candidate.field, shared)).or_default() += 1);
        }
    }

    /// The more, the more often the field is expected to find the alternative in vain. `None` when it can hold
    /// without any value, so that no value would find it.
    pub(super) fn cost(&self, candidate: Candidate<'c>) -> Option<u64> {
        let mut cost = 0;
        for condition in candidate.conditions {
            let weight = weight(condition)?;
            each(condition, |shared| {
                let share = self.0.get(&(candidate.field, shared)).copied().unwrap_or_default();
                cost = cost.max(share.saturating_mul(weight));
            });
        }
        Some(cost)
    }
}

fn each<'c>(condition: &'c Condition, mut visit: impl FnMut(Shared<'c>)) {
    match condition {
        Condition::Text(text) => visit(Shared::Text(text)),
        Condition::Texts(texts) => texts.iter().for_each(|text| visit(Shared::Text(text))),
        other => visit(Shared::Other(other)),
    }
}

/// How much more often than an exact value this holds, very roughly.
fn weight(condition: &Condition) -> Option<u64> {
    Some(match condition {
        Condition::Absent => return None,
        Condition::Text(_) | Condition::Texts(_) | Condition::Number { .. } | Condition::Address { .. } => 1,
        Condition::EqualsIgnoreCase(_) => 2,
        Condition::Prefix(text) | Condition::Suffix(text) => affix(text.len()),
        Condition::PrefixIgnoreCase(text) | Condition::SuffixIgnoreCase(text) => affix(text.wording.len()),
        Condition::Cidr(_) => 8,
        Condition::Null | Condition::Bool(_) => 16,
        Condition::Numeric(interval) if interval.only().is_some() => 1,
        Condition::Numeric(_) => 64,
        Condition::Wildcard(wildcard) => {
            let pieces = wildcard.pieces();
            let ends = [pieces.first(), pieces.last()].map(|piece| piece.map_or(0, String::len));
            let longest = pieces.iter().map(String::len).max().unwrap_or_default();
            // Without a beginning or an end the whole text has to be searched.
            if longest == 0 || ends != [0, 0] { affix(ends[0].max(ends[1])) } else { 8 * affix(longest) }
        }
        Condition::Exists | Condition::AnythingBut(_) => 1 << 20,
    })
}

fn affix(length: usize) -> u64 {
    match length {
        0 => 1 << 20,
        1..4 => 8,
        _ => 3,
    }
}
