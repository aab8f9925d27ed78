//! For one field: which alternatives may match, given one of its values.
//!
//! Each alternative is entered under one of its fields only (`access` says which), once for each condition there.
//! A look-up finds all whose condition holds, and sometimes more; it never misses one. An entry is *sure* when being
//! found is proof that the condition holds.
//!
//! | condition | found by |
//! |---|---|
//! | exact values, `numeric =` | a table |
//! | `equals-ignore-case` | a table of texts in one case |
//! | `prefix`, `wildcard` that begins with text | sorted texts |
//! | `suffix`, `wildcard` that ends with text | sorted texts, backwards |
//! | `numeric` | a tree of intervals |
//! | `cidr` | a table for each length of block |
//! | other `wildcard` | its longest piece, searched for with all others at once |
//! | `exists: true`, `anything-but` | always |

mod affixes;
mod blocks;
mod ranges;
mod texts;
mod within;

use super::{
    hash::Seeded,
    seen::{Kind, Raw},
    walk::decoded,
};
use crate::{condition::Condition, number::Decimal};
use ranges::Ranges;
use std::collections::HashMap;
use texts::Texts;

/// An alternative that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) alternative: u32,
    pub(super) is_sure: bool,
}

pub(super) type Hits = Vec<Hit>;

#[derive(Debug, Default)]
pub(super) struct Lookup {
    any: Hits,
    null: Hits,
    truths: [Hits; 2],
    numbers: Option<Box<Numbers>>,
    texts: Option<Box<Texts>>,
}

#[derive(Debug, Default)]
struct Numbers {
    decimals: HashMap<Decimal, Hits, Seeded>,
    /// Those that do not compare, as they were written.
    others: HashMap<Box<str>, Hits>,
    ranges: Ranges,
}

impl Lookup {
    pub(super) fn add(&mut self, condition: &Condition, alternative: u32) {
        let sure = Hit { alternative, is_sure: true };
        let unsure = Hit { alternative, is_sure: false };
        match condition {
            Condition::Null => self.null.push(sure),
            Condition::Bool(value) => self.truths[usize::from(*value)].push(sure),
            Condition::Exists => self.any.push(sure),
            Condition::AnythingBut(_) => self.any.push(unsure),
            // No value meets it.
            Condition::Absent => {}
            Condition::Number { decimal, text } => {
                let numbers = self.numbers.get_or_insert_default();
                match decimal {
                    Some(decimal) => numbers.decimals.entry(*decimal).or_default().push(sure),
                    None => numbers.others.entry(text.as_str().into()).or_default().push(sure),
                }
            }
            Condition::Numeric(interval) => {
                let numbers = self.numbers.get_or_insert_default();
                match interval.only() {
                    Some(decimal) => numbers.decimals.entry(decimal).or_default().push(sure),
                    None => numbers.ranges.add(interval, sure),
                }
            }
            text => self.texts.get_or_insert_default().add(text, alternative),
        }
    }

    /// To be called when all are added.
    pub(super) fn finish(&mut self) {
        if let Some(numbers) = &mut self.numbers {
            numbers.ranges.finish();
        }
        if let Some(texts) = &mut self.texts {
            texts.finish();
        }
    }

    /// Finds the alternatives for one value. `None` if the text is not JSON there.
    #[inline]
    pub(super) fn find(&self, text: &str, raw: Raw, found: &mut impl FnMut(&[Hit])) -> Option<()> {
        found(&self.any);
        match raw.kind {
            Kind::Null => found(&self.null),
            Kind::False => found(&self.truths[0]),
            Kind::True => found(&self.truths[1]),
            Kind::Decimal(decimal) => {
                if let Some(numbers) = &self.numbers {
                    numbers.find(decimal, found);
                }
            }
            Kind::Number => {
                if let Some(numbers) = &self.numbers
                    && let Some(hits) = numbers.others.get(text.get(raw.range())?)
                {
                    found(hits);
                }
            }
            Kind::Plain | Kind::Escaped => {
                if let Some(texts) = &self.texts {
                    texts.find(&decoded(text, raw)?, found);
                }
            }
        }
        Some(())
    }
}

impl Numbers {
    fn find(&self, decimal: Decimal, found: &mut impl FnMut(&[Hit])) {
        if !self.decimals.is_empty()
            && let Some(hits) = self.decimals.get(&decimal)
        {
            found(hits);
        }
        self.ranges.find(decimal, found);
    }
}
