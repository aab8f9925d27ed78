//! JSON read once into a flat list of nodes that borrow from the text.
//!
//! Every rule looks at the same reading, so an event is parsed once however many rules there are. The nodes stand
//! in document order, and each knows where its subtree ends:
//!
//! ```text
//! {"a": [1, {"b": 2}], "c": 3}
//!
//! index   0        1       2     3        4      5
//! node    {}       a: []   1     {}       b: 2   c: 3
//! end     6        5       3     5        5      6
//! parent  -        0       1     1        3      0
//! ```
//!
//! So "is this leaf inside that element" is a comparison of indices, and nothing here recurses: a hostile event
//! cannot exhaust the stack. Unlike `serde_json::Value` it keeps repeated keys and the digits of a number, as both
//! matter to a pattern; unlike it there is no way to write JSON. The grammar is RFC 8259's, with three limits.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

mod check;
mod read;

#[cfg(test)]
pub(crate) use check::is_number;
pub(crate) use check::{checked_object, number_end};
pub(crate) use read::unescaped;

/// Arrays and objects within one another. Jackson, which EventBridge's matcher reads with, stops here too.
pub(crate) const MAX_DEPTH: usize = 1_000;

/// Characters of one number; also Jackson's limit.
pub(crate) const MAX_NUMBER_LENGTH: usize = 1_000;

/// Bytes of one text. Events are at most 200 KiB in this house, and a list of nodes may take forty times its text.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// A path in an error message is cut in the middle beyond this.
const MAX_PATH_CHARS: usize = 160;

/// One JSON text, read.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

/// One value, with the key it stands under (empty in an array and at the root).
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: Value<'a>,
    /// The byte at which the value starts.
    pub(crate) offset: u32,
    parent: u32,
    end: u32,
}

/// A JSON value; the members of arrays and objects are nodes of their own.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// A number as it was written.
    Number(&'a str),
    String(Cow<'a, str>),
    Array,
    Object,
}

impl Value<'_> {
    pub(crate) fn is_composite(&self) -> bool {
        matches!(self, Value::Array | Value::Object)
    }
}

/// Where and why a text is not JSON that we read.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) offset: usize,
    pub(crate) problem: String,
}

impl<'a> Tree<'a> {
    /// The index of the outermost value.
    pub(crate) const ROOT: usize = 0;

    pub(crate) fn node(&self, index: usize) -> &Node<'a> {
        &self.nodes[index]
    }

    pub(crate) fn value(&self, index: usize) -> &Value<'a> {
        &self.nodes[index].value
    }

    /// The indices of a node and of all within it.
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        index..self.nodes[index].end as usize
    }

    /// The indices of a node's direct members.
    pub(crate) fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.nodes[index].end as usize;
        let mut next = index + 1;
        std::iter::from_fn(move || {
            let child = next;
            next = self.nodes.get(child).filter(|_| child < end)?.end as usize;
            Some(child)
        })
    }

    pub(crate) fn parent(&self, index: usize) -> Option<usize> {
        (index != Self::ROOT).then(|| self.nodes[index].parent as usize)
    }

    /// The path to a node for an error message, as `detail.files[2].name`.
    pub(crate) fn path(&self, index: usize) -> String {
        path_of(&self.nodes, index)
    }
}

fn path_of(nodes: &[Node<'_>], index: usize) -> String {
    let mut steps = vec![index];
    while let Some(&step) = steps.last().filter(|step| **step != Tree::ROOT) {
        steps.push(nodes[step].parent as usize);
    }
    let mut path = String::new();
    for step in steps.into_iter().rev().skip(1) {
        let parent = nodes[step].parent as usize;
        if nodes[parent].value == Value::Array {
            let mut position = 0;
            let mut sibling = parent + 1;
            while sibling < step {
                sibling = nodes[sibling].end as usize;
                position += 1;
            }
            let _ = write!(path, "[{position}]");
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(&nodes[step].key);
        }
    }
    shorten(&path, MAX_PATH_CHARS)
}

/// Leaves out the middle of what is longer than `max_chars`.
pub(crate) fn shorten(text: &str, max_chars: usize) -> String {
    let count = text.chars().count();
    if count <= max_chars {
        return text.to_owned();
    }
    let start = text.chars().take(max_chars / 2);
    start.chain(['…']).chain(text.chars().skip(count - max_chars / 2)).collect()
}
