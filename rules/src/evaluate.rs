//! Whether an event meets a pattern: the reference that says what a pattern means.
//!
//! A field of a pattern is met by a *leaf*: a value of the event that is neither array nor object, whose keys, joined
//! with dots, are the field's path. Arrays add no step, so every element of an array is a leaf of the array's path.
//! Most patterns see no array, or only arrays of plain values; then each field is looked at by itself, and that is
//! all. When leaves stand inside the elements of an array, fields must also agree on the element, and `elements`
//! finds out whether they can.
//!
//! Looking at many rules at once is `engine`'s affair, which is tested against this.

mod elements;

use crate::{
    EventError,
    compile::{Compiled, Field},
    json::{Tree, Value},
};
use std::ops::{ControlFlow, Range};

/// An event, read once for all rules.
pub(crate) struct Event<'a> {
    tree: Tree<'a>,
}

impl<'a> Event<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, EventError> {
        let tree = Tree::read(bytes).map_err(|fault| EventError {
            path: fault.path,
            offset: fault.offset,
            problem: format!("the event cannot be read: {}", fault.problem),
        })?;
        if *tree.value(Tree::ROOT) != Value::Object {
            let offset = tree.node(Tree::ROOT).offset as usize;
            return Err(EventError {
                path: String::new(),
                offset,
                problem: "an event is a JSON object".into(),
            });
        }
        Ok(Event { tree })
    }

    pub(crate) fn tree(&self) -> &Tree<'a> {
        &self.tree
    }

    /// Visits every leaf at `path`, in document order, and says of each whether it stands inside an array's element.
    /// An explicit stack, as an event may be nested more deeply than a thread's stack is.
    pub(crate) fn leaves(&self, path: &str, visit: &mut impl FnMut(usize, bool) -> ControlFlow<()>) {
        let mut open = Vec::new();
        let mut here =
            Open { range: self.members(Tree::ROOT), rest: Some(path), is_array: false, in_element: false };
        loop {
            let Some(child) = here.next(&self.tree) else {
                match open.pop() {
                    Some(around) => here = around,
                    None => return,
                }
                continue;
            };
            let Some(rest) = here.rest_after(&self.tree.node(child).key) else { continue };
            match (self.tree.value(child), rest) {
                (Value::Array, _) | (Value::Object, Some(_)) => {
                    let is_array = *self.tree.value(child) == Value::Array;
                    let in_element = here.in_element || here.is_array;
                    let inner = Open { range: self.members(child), rest, is_array, in_element };
                    open.push(std::mem::replace(&mut here, inner));
                }
                (Value::Object, None) | (_, Some(_)) => {}
                (_, None) => {
                    if visit(child, here.in_element).is_break() {
                        return;
                    }
                }
            }
        }
    }

    fn members(&self, node: usize) -> Range<usize> {
        node + 1..self.tree.range(node).end
    }
}

/// An array or object on the way along a path.
struct Open<'p> {
    /// The members that are still to be visited.
    range: Range<usize>,
    /// What is left of the path; none when the value itself is meant.
    rest: Option<&'p str>,
    is_array: bool,
    in_element: bool,
}

impl<'p> Open<'p> {
    fn next(&mut self, tree: &Tree<'_>) -> Option<usize> {
        let child = self.range.start;
        (child < self.range.end).then(|| {
            self.range.start = tree.range(child).end;
            child
        })
    }

    /// What is left of the path at the member with this key; nothing if it is not on the path. An array's members
    /// take no step. A key may itself have dots in it, and then takes several steps at once.
    fn rest_after(&self, key: &str) -> Option<Option<&'p str>> {
        match self.rest {
            Some(rest) if !self.is_array => match rest.strip_prefix(key)? {
                "" => Some(None),
                after => after.strip_prefix('.').map(Some),
            },
            rest => Some(rest),
        }
    }
}

/// What is wrong with an event that is not one.
pub(crate) fn fault(bytes: &[u8]) -> EventError {
    match Event::read(bytes) {
        Err(error) => error,
        Ok(_) => EventError { path: String::new(), offset: 0, problem: "the event cannot be read".into() },
    }
}

/// What a field finds in an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    pub(crate) is_present: bool,
    /// A leaf meets one of the conditions.
    pub(crate) is_met: bool,
    /// A leaf stands inside an array's element, so that other fields have a say.
    pub(crate) in_element: bool,
}

impl Sight {
    pub(crate) fn of(field: &Field, event: &Event<'_>) -> Self {
        let mut sight = Sight { is_present: false, is_met: false, in_element: false };
        event.leaves(&field.path, &mut |leaf, in_element| {
            sight.is_present = true;
            sight.in_element |= in_element;
            sight.is_met = sight.is_met || field.is_met_by(event.tree.value(leaf));
            ControlFlow::Continue(())
        });
        sight
    }

    /// Whether the field, looked at by itself, is met.
    pub(crate) fn suffices(self, field: &Field) -> bool {
        self.is_met || field.may_be_absent && !self.is_present
    }

    /// Whether no choice of elements can meet the field.
    pub(crate) fn is_hopeless(self, field: &Field) -> bool {
        !(self.suffices(field) || field.may_be_absent && self.in_element)
    }
}

impl Field {
    pub(crate) fn is_met_by(&self, leaf: &Value<'_>) -> bool {
        self.conditions.iter().any(|condition| condition.holds(leaf))
    }
}

/// Whether one of the pattern's alternatives holds.
pub(crate) fn matches(pattern: &Compiled, event: &Event<'_>) -> Result<bool, EventError> {
    if let [only] = &pattern.alternatives[..] {
        return alternative_holds(pattern, only, event);
    }
    // Alternatives share most of their fields, and each field is looked at once.
    let mut sights: Vec<Option<Sight>> = vec![None; pattern.fields.len()];
    for alternative in &pattern.alternatives {
        let sight =
            |index: usize| *sights[index].get_or_insert_with(|| Sight::of(&pattern.fields[index], event));
        if holds(pattern, alternative, event, sight)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this one of the pattern's alternatives holds.
pub(crate) fn alternative_holds(
    pattern: &Compiled,
    alternative: &[u32],
    event: &Event<'_>,
) -> Result<bool, EventError> {
    holds(pattern, alternative, event, |index| Sight::of(&pattern.fields[index], event))
}

fn holds(
    pattern: &Compiled,
    alternative: &[u32],
    event: &Event<'_>,
    mut sight: impl FnMut(usize) -> Sight,
) -> Result<bool, EventError> {
    let mut some_in_element = false;
    for &index in alternative {
        let sight = sight(index as usize);
        if sight.is_hopeless(&pattern.fields[index as usize]) {
            return Ok(false);
        }
        some_in_element |= sight.in_element;
    }
    if !some_in_element {
        return Ok(true);
    }
    let bound = alternative.iter().filter(|index| sight(**index as usize).in_element);
    let bound: Vec<&Field> = bound.map(|index| &pattern.fields[*index as usize]).collect();
    elements::agree(&bound, event)
}
