//! From a pattern's text to what is evaluated: alternatives of fields.
//!
//! A pattern is a tree, but means a list. Every array in it is a *field*: a path, its steps joined with dots, and
//! conditions of which one must hold. Fields beside each other must all hold; `$or` makes *alternatives*, each with
//! the fields before it and its own, and fields after it join every alternative:
//!
//! ```text
//! {"a": [1], "$or": [{"b": [2]}, {"c": {"d": [3]}}], "e": [4]}
//!
//! alternatives:   a, b, e    |    a, c.d, e
//! ```
//!
//! That is how EventBridge's matcher reads patterns, and it settles the odd cases: `a.b` and `{"a": {"b": …}}` are
//! one path; of two fields with one path the later one counts, also when one of them stands outside an `$or`.
//! Reading the conditions themselves is `operators`.

mod complexity;
mod operators;

use crate::{
    PatternError,
    condition::{Condition, quoted},
    json::{Tree, Value},
};
use std::{collections::HashMap, sync::Arc};

/// Alternatives that `$or` may make; more is refused by EventBridge as well.
pub(crate) const MAX_ALTERNATIVES: usize = 1_000;

/// Fields in all alternatives together, and bytes in all paths together: no pattern of a sane size gets near, and
/// a hostile one cannot make a megabyte into gigabytes.
const MAX_ENTRIES: usize = 1 << 20;
const MAX_PATH_BYTES: usize = 16 << 20;

/// A key that, directly inside an object of an `$or`, shows that the object was meant as a condition.
const RESERVED_IN_OR: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

const OR: &str = "$or";

/// A path and what its value must be: one of the conditions must hold.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) path: String,
    pub(crate) conditions: Arc<[Condition]>,
    /// Whether the field's absence will do.
    pub(crate) may_be_absent: bool,
}

/// A pattern, compiled: one of the alternatives must hold, which are lists of indices into `fields`, in the order
/// in which they are to be evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) fields: Vec<Field>,
    pub(crate) alternatives: Vec<Vec<u32>>,
}

pub(crate) fn compile(text: &str) -> Result<Compiled, PatternError> {
    let tree = Tree::read(text.as_bytes()).map_err(|fault| PatternError {
        path: fault.path,
        offset: fault.offset,
        problem: format!("the pattern cannot be read: {}", fault.problem),
        mend: "write one JSON object".into(),
    })?;
    match Compiler::new(&tree, true).run() {
        // "$or" may also be the name of a field, if it cannot be anything else.
        Err(error) if error.1 => Compiler::new(&tree, false).run().map_err(|_| error.0),
        result => result.map_err(|error| error.0),
    }
}

/// A refusal, and whether it may be lifted by reading `$or` as a name.
type Refusal = Box<(PatternError, bool)>;

/// For each path the field that counts, by their indices.
type Alternative = HashMap<u32, u32>;

struct Compiler<'t> {
    tree: &'t Tree<'t>,
    or_is_operator: bool,
    or_was_seen: bool,
    /// The path to the innermost open object, a dot before each step, so that an empty key is a step too.
    path: String,
    paths: HashMap<String, u32>,
    path_bytes: usize,
    fields: Vec<Field>,
    /// What the pattern so far amounts to.
    alternatives: Vec<Alternative>,
    /// What is open around the place that is being read. Explicit, as a pattern may be nested more deeply than a
    /// thread's stack is.
    open: Vec<Open>,
}

/// An object or an `$or`, partly read.
struct Open {
    node: usize,
    next: usize,
    kind: Kind,
}

enum Kind {
    Object {
        in_or: bool,
        /// The length of the path around it.
        path_length: usize,
    },
    Or {
        /// The alternatives before it, with which each of its objects starts anew.
        before: Vec<Alternative>,
        /// Those that its objects have come to.
        after: Vec<Alternative>,
        objects: usize,
    },
}

const OR_MEND: &str = "write \"$or\": [{…}, {…}] with two objects or more";

impl<'t> Compiler<'t> {
    fn new(tree: &'t Tree<'t>, or_is_operator: bool) -> Self {
        Compiler {
            tree,
            or_is_operator,
            or_was_seen: false,
            path: String::new(),
            paths: HashMap::new(),
            path_bytes: 0,
            fields: Vec::new(),
            alternatives: vec![Alternative::new()],
            open: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Compiled, Refusal> {
        if *self.tree.value(Tree::ROOT) != Value::Object {
            return Err(self.refuse(Tree::ROOT, "a pattern is an object", "write {\"field\": [values]}"));
        }
        self.open_object(Tree::ROOT, false, 0)?;
        while let Some(innermost) = self.open.last_mut() {
            let child = innermost.next;
            if child == self.tree.range(innermost.node).end {
                self.close()?;
                continue;
            }
            innermost.next = self.tree.range(child).end;
            match innermost.kind {
                Kind::Object { in_or, .. } => self.member(child, in_or)?,
                Kind::Or { .. } => self.branch(child)?,
            }
        }
        let alternatives = std::mem::take(&mut self.alternatives);
        let alternatives = alternatives.into_iter().map(|alternative| self.ordered(alternative)).collect();
        Ok(Compiled { fields: self.fields, alternatives })
    }

    /// Event-ruler evaluates fields by name, in Java's order of strings, and `exists: false` depends on it.
    fn ordered(&self, alternative: Alternative) -> Vec<u32> {
        let mut fields: Vec<u32> = alternative.into_values().collect();
        let path = |field: &u32| self.fields[*field as usize].path.as_str();
        fields.sort_by(|one, other| path(one).encode_utf16().cmp(path(other).encode_utf16()));
        fields
    }

    fn open_object(&mut self, node: usize, in_or: bool, path_length: usize) -> Result<(), Refusal> {
        if self.tree.range(node).len() == 1 {
            return Err(self.refuse(
                node,
                "an empty object matches nothing",
                "name a field in it, or leave it out",
            ));
        }
        self.open.push(Open { node, next: node + 1, kind: Kind::Object { in_or, path_length } });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let Some(Open { node, kind, .. }) = self.open.pop() else { return Ok(()) };
        match kind {
            Kind::Object { path_length, .. } => {
                self.path.truncate(path_length);
                if let Some(Open { kind: Kind::Or { after, .. }, .. }) = self.open.last_mut() {
                    after.append(&mut self.alternatives);
                    return self.check_size(node);
                }
            }
            Kind::Or { objects: 0 | 1, .. } => {
                return Err(self.refuse(node, "$or has fewer than two alternatives", OR_MEND));
            }
            Kind::Or { after, .. } => self.alternatives = after,
        }
        Ok(())
    }

    fn member(&mut self, member: usize, in_or: bool) -> Result<(), Refusal> {
        let tree = self.tree;
        let key = &*tree.node(member).key;
        if key == OR {
            self.or_was_seen = true;
            if self.or_is_operator {
                return self.open_or(member);
            }
        }
        if in_or && RESERVED_IN_OR.contains(&key) {
            let problem = format!("\"{key}\" is no field's name within $or");
            return Err(self.refuse(
                member,
                &problem,
                "$or takes objects of fields, as {\"field\": [values]}",
            ));
        }
        let path_length = self.path.len();
        self.path.push('.');
        self.path.push_str(key);
        match tree.value(member) {
            Value::Object => self.open_object(member, in_or, path_length),
            Value::Array => {
                let result = self.field(member);
                self.path.truncate(path_length);
                result
            }
            _ => {
                let problem = format!("{} has a bare value", quoted(key));
                Err(self.refuse(member, &problem, "put it in an array, as [value]"))
            }
        }
    }

    fn open_or(&mut self, or: usize) -> Result<(), Refusal> {
        if *self.tree.value(or) != Value::Array {
            return Err(self.refuse(or, "$or is not an array", OR_MEND));
        }
        let before = std::mem::take(&mut self.alternatives);
        self.open.push(Open {
            node: or,
            next: or + 1,
            kind: Kind::Or { before, after: Vec::new(), objects: 0 },
        });
        Ok(())
    }

    /// An object of the innermost `$or`.
    fn branch(&mut self, branch: usize) -> Result<(), Refusal> {
        if *self.tree.value(branch) != Value::Object {
            return Err(self.refuse(branch, "an entry of $or is not an object", OR_MEND));
        }
        if let Some(Open { kind: Kind::Or { before, objects, .. }, .. }) = self.open.last_mut() {
            *objects += 1;
            self.alternatives.clone_from(before);
        }
        self.check_size(branch)?;
        self.open_object(branch, true, self.path.len())
    }

    fn field(&mut self, array: usize) -> Result<(), Refusal> {
        let conditions = operators::conditions(self.tree, array)
            .map_err(|(node, problem, mend)| self.refuse(node, &problem, &mend))?;
        let path = &self.path[1..];
        let path_index = match self.paths.get(path) {
            Some(index) => *index,
            None => {
                let index = self.paths.len() as u32;
                self.paths.insert(path.to_owned(), index);
                index
            }
        };
        self.path_bytes += path.len();
        let field = self.fields.len() as u32;
        let may_be_absent = conditions.contains(&Condition::Absent);
        self.fields.push(Field { path: path.to_owned(), conditions: conditions.into(), may_be_absent });
        for alternative in &mut self.alternatives {
            alternative.insert(path_index, field);
        }
        if self.path_bytes > MAX_PATH_BYTES {
            return Err(self.refuse_size(array, "its fields' paths are too long together"));
        }
        Ok(())
    }

    /// Refuses what multiplies, before it does. Everything that is held counts.
    fn check_size(&self, node: usize) -> Result<(), Refusal> {
        let held = self.open.iter().filter_map(|open| match &open.kind {
            Kind::Or { before, after, .. } => Some([before, after]),
            Kind::Object { .. } => None,
        });
        let mut entries: usize = self.alternatives.iter().map(HashMap::len).sum();
        for alternatives in held.flatten() {
            if alternatives.len() > MAX_ALTERNATIVES {
                let problem = format!("$or makes more than {MAX_ALTERNATIVES} combinations");
                return Err(self.refuse_size(node, &problem));
            }
            entries += alternatives.iter().map(HashMap::len).sum::<usize>();
        }
        if entries > MAX_ENTRIES {
            return Err(self.refuse_size(node, "$or makes too many combinations of too many fields"));
        }
        Ok(())
    }

    fn refuse_size(&self, node: usize, problem: &str) -> Refusal {
        let mut refusal = self.refuse(node, problem, "split the rule in several");
        refusal.1 = false;
        refusal
    }

    fn refuse(&self, node: usize, problem: &str, mend: &str) -> Refusal {
        let error = PatternError {
            path: self.tree.path(node),
            offset: self.tree.node(node).offset as usize,
            problem: problem.into(),
            mend: mend.into(),
        };
        Box::new((error, self.or_is_operator && self.or_was_seen))
    }
}
