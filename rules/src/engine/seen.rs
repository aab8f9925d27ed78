//! What a walk through an event has found: the values at the paths that rules look at.
//!
//! It is kept from one event to the next, so that matching allocates nothing. Nothing is cleared in between: what
//! belongs to an earlier event has an earlier number.

use crate::{
    json::{self, Value},
    number::Decimal,
};
use std::ops::Range;

/// "No more" in a list of leaves.
const END: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The number of the event.
    pub(super) event: u64,
    pub(super) leaves: Vec<Leaf>,
    fields: Vec<Field>,
}

/// A value that is neither array nor object, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) field: u32,
    pub(super) raw: Raw,
    next: u32,
}

/// A value as it stands in the text; a string without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    /// A number that compares.
    Decimal(Decimal),
    /// One that does not.
    Number,
    /// A string without escapes.
    Plain,
    Escaped,
}

#[derive(Debug, Clone, Copy, Default)]
struct Field {
    event: u64,
    first: u32,
    last: u32,
    in_element: bool,
}

impl Seen {
    /// Makes ready for the next event, with so many fields.
    pub(super) fn start(&mut self, fields: usize) {
        self.event += 1;
        self.leaves.clear();
        if self.fields.len() < fields {
            self.fields.resize(fields, Field::default());
        }
    }

    #[inline]
    pub(super) fn add(&mut self, field: u32, raw: Raw, in_element: bool) {
        let index = self.leaves.len() as u32;
        self.leaves.push(Leaf { field, raw, next: END });
        let state = &mut self.fields[field as usize];
        if state.event == self.event {
            self.leaves[state.last as usize].next = index;
            state.last = index;
            state.in_element |= in_element;
        } else {
            *state = Field { event: self.event, first: index, last: index, in_element };
        }
    }

    pub(super) fn is_present(&self, field: u32) -> bool {
        self.fields[field as usize].event == self.event
    }

    /// Whether a value of this field stands inside an array's element.
    pub(super) fn is_in_element(&self, field: u32) -> bool {
        self.is_present(field) && self.fields[field as usize].in_element
    }

    /// The values of a field.
    pub(super) fn of(&self, field: u32) -> impl Iterator<Item = &Leaf> {
        let first = if self.is_present(field) { self.fields[field as usize].first } else { END };
        std::iter::successors(self.leaves.get(first as usize), |leaf| self.leaves.get(leaf.next as usize))
    }
}

impl Raw {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The value; `None` if the text is not JSON here.
    pub(super) fn value(self, text: &str) -> Option<Value<'_>> {
        let within = text.get(self.range())?;
        Some(match self.kind {
            Kind::Null => Value::Null,
            Kind::True => Value::Bool(true),
            Kind::False => Value::Bool(false),
            Kind::Decimal(_) | Kind::Number => Value::Number(within),
            Kind::Plain => Value::String(within.into()),
            Kind::Escaped => {
                Value::String(json::unescaped(text.get(self.start as usize - 1..self.end as usize + 1)?)?)
            }
        })
    }
}
