//! Fields that meet inside an array must meet in the same element.
//!
//! ```text
//! pattern  {"files": {"kind": ["image"], "size": [{"numeric": [">", 9]}]}}
//! event    {"files": [{"kind": "image", "size": 1}, {"kind": "text", "size": 10}]}       no match
//! ```
//!
//! The rule, as in EventBridge's matcher: fields are met one after another, by name. A leaf *chooses*, for every
//! array around it, the element in which it stands, and later fields may only use leaves that contradict no choice.
//! `exists: false` holds when no leaf of its path is left; it chooses nothing. The event meets the fields when there
//! is some way to meet them all.
//!
//! Looking for that way is a search with backjumping. A field that cannot be met knows the choices that are to
//! blame, and the search goes straight back to the last of these, past all leaves that would make the same choice.
//! Leaves are in document order and an element is a range of it, so passing many is one binary search. Where each
//! array is reached in one way only, which is everywhere but with repeated or dotted keys, no choice is made twice,
//! and the work grows with the leaves. With them the question is that of set covering, which nobody answers
//! quickly: the search then ends with an error at a stated number of steps.
//!
//! Rejected: trying every combination, as the plain reading of the rule has it (a thousand elements and three
//! fields are a thousand million), and a bit set of fields for each element (as hard, and harder to read).

use super::Event;
use crate::{EventError, compile::Field, json::Value};
use std::ops::{ControlFlow, Range};

/// Steps of the search for each leaf and field. Where keys are plain, one or two suffice.
const STEPS_PER_LEAF: usize = 16;
const STEPS_AT_LEAST: usize = 10_000;

/// Whether there is a way to meet all fields, which are in their order.
pub(super) fn agree(fields: &[&Field], event: &Event<'_>) -> Result<bool, EventError> {
    let levels: Vec<Level> = fields.iter().map(|field| Level::new(field, event)).collect();
    let leaves: usize = levels.iter().map(|level| level.leaves.len()).sum();
    let steps_left = STEPS_AT_LEAST + STEPS_PER_LEAF * leaves * levels.len();
    let mut search = Search { event, levels, choices: Vec::new(), steps_left };
    search.run().ok_or_else(|| EventError {
        path: String::new(),
        offset: 0,
        problem: "the event repeats keys around arrays in more ways than can be tried".into(),
    })
}

/// One field in the search.
struct Level {
    may_be_absent: bool,
    /// All leaves at the field's path, and those of them that meet it.
    leaves: Vec<usize>,
    meeting: Vec<usize>,
    /// The next of `meeting` to try; after all of them comes absence.
    next: usize,
    absence_was_tried: bool,
    /// How many choices stood when the level was entered.
    choices_before: usize,
    blame: Blame,
}

/// In one array, one element was chosen; all three as ranges of nodes.
struct Choice {
    array: Range<usize>,
    element: Range<usize>,
    level: usize,
}

/// The earlier levels that must be met otherwise, and how far each may skip: every leaf before that node would lead
/// to the same end. Sorted by level.
#[derive(Default)]
struct Blame(Vec<(usize, usize)>);

struct Search<'s, 'e> {
    event: &'s Event<'e>,
    levels: Vec<Level>,
    choices: Vec<Choice>,
    steps_left: usize,
}

impl Level {
    fn new(field: &Field, event: &Event<'_>) -> Self {
        let (mut leaves, mut meeting) = (Vec::new(), Vec::new());
        event.leaves(&field.path, &mut |leaf, _| {
            leaves.push(leaf);
            if field.is_met_by(event.tree().value(leaf)) {
                meeting.push(leaf);
            }
            ControlFlow::Continue(())
        });
        let may_be_absent = field.may_be_absent;
        let (next, absence_was_tried, choices_before, blame) = (0, false, 0, Blame::default());
        Level { may_be_absent, leaves, meeting, next, absence_was_tried, choices_before, blame }
    }
}

impl Blame {
    fn add(&mut self, level: usize, skip_to: usize) {
        match self.0.binary_search_by_key(&level, |(level, _)| *level) {
            Ok(at) => self.0[at].1 = self.0[at].1.min(skip_to),
            Err(at) => self.0.insert(at, (level, skip_to)),
        }
    }
}

impl Search<'_, '_> {
    /// `None` when the steps are used up.
    fn run(&mut self) -> Option<bool> {
        let mut current = 0;
        self.enter(current);
        while current < self.levels.len() {
            if self.advance(current)? {
                current += 1;
                self.enter(current);
                continue;
            }
            let mut blame = std::mem::take(&mut self.levels[current].blame);
            let Some((culprit, skip_to)) = blame.0.pop() else { return Some(false) };
            current = culprit;
            let level = &mut self.levels[current];
            for (earlier, skip_to) in blame.0 {
                level.blame.add(earlier, skip_to);
            }
            level.next = level.next.max(level.meeting.partition_point(|leaf| *leaf < skip_to));
            self.choices.truncate(level.choices_before);
        }
        Some(true)
    }

    fn enter(&mut self, index: usize) {
        if let Some(level) = self.levels.get_mut(index) {
            level.next = 0;
            level.absence_was_tried = false;
            level.choices_before = self.choices.len();
            level.blame.0.clear();
        }
    }

    /// Meets a level in the next way that contradicts no choice.
    fn advance(&mut self, index: usize) -> Option<bool> {
        let level = &mut self.levels[index];
        while let Some(&leaf) = level.meeting.get(level.next) {
            self.steps_left = self.steps_left.checked_sub(1)?;
            let Some(against) = contradicted(&self.choices, leaf) else {
                level.next += 1;
                self.choose(index, leaf);
                return Some(true);
            };
            level.blame.add(against.level, against.element.end);
            let past = if leaf < against.element.start { against.element.start } else { against.array.end };
            level.next += level.meeting[level.next..].partition_point(|leaf| *leaf < past);
        }
        if !level.may_be_absent || std::mem::replace(&mut level.absence_was_tried, true) {
            return Some(false);
        }
        self.is_absent(index)
    }

    fn choose(&mut self, level: usize, leaf: usize) {
        let known = self.choices.len();
        for (array, element) in surroundings(self.event, leaf) {
            if !self.choices[..known].iter().any(|choice| choice.array == array) {
                self.choices.push(Choice { array, element, level });
            }
        }
    }

    /// Whether no leaf of the level is left; if one is, the level blames whoever let it stand.
    fn is_absent(&mut self, index: usize) -> Option<bool> {
        let mut next = 0;
        let present = loop {
            let Some(&leaf) = self.levels[index].leaves.get(next) else { return Some(true) };
            self.steps_left = self.steps_left.checked_sub(1)?;
            let Some(against) = contradicted(&self.choices, leaf) else { break leaf };
            let past = if leaf < against.element.start { against.element.start } else { against.array.end };
            next += self.levels[index].leaves[next..].partition_point(|leaf| *leaf < past);
        };
        let (earlier, later) = self.levels.split_at_mut(index);
        for (array, element) in surroundings(self.event, present) {
            if let Some(choice) = self.choices.iter().find(|choice| choice.array == array) {
                later[0].blame.add(choice.level, element.end);
                continue;
            }
            // Nobody chose in this array; who could have, may yet, and elsewhere than here.
            for (number, level) in earlier.iter().enumerate() {
                let first = level.meeting.partition_point(|leaf| *leaf < array.start);
                if level.meeting.get(first).is_some_and(|leaf| *leaf < array.end) {
                    later[0].blame.add(number, 0);
                }
            }
        }
        Some(false)
    }
}

/// The choice that speaks against a leaf: it stands in the array, but in another element.
fn contradicted(choices: &[Choice], leaf: usize) -> Option<&Choice> {
    choices.iter().find(|choice| choice.array.contains(&leaf) && !choice.element.contains(&leaf))
}

/// The arrays around a leaf, inside out, each with its element in which the leaf stands. The array that has the leaf
/// itself as an element is not among them: plain values in one array are not bound together.
fn surroundings<'s>(
    event: &'s Event<'_>,
    leaf: usize,
) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<'s> {
    let tree = event.tree();
    let mut node = tree.parent(leaf);
    std::iter::from_fn(move || {
        while let Some(element) = node {
            node = tree.parent(element);
            if let Some(array) = node.filter(|array| *tree.value(*array) == Value::Array) {
                return Some((tree.range(array), tree.range(element)));
            }
        }
        None
    })
}
