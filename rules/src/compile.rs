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

mod operators;

use crate::{
    PatternError,
    condition::Condition,
    json::{Tree, Value},
};
use std::collections::HashMap;

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
    pub(crate) conditions: Vec<Condition>,
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
        problem: format!("the pattern is not JSON: {}", fault.problem),
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
    paths: HashMap<String, u32>,
    path_bytes: usize,
    fields: Vec<Field>,
}

impl<'t> Compiler<'t> {
    fn new(tree: &'t Tree<'t>, or_is_operator: bool) -> Self {
        let (paths, fields) = (HashMap::new(), Vec::new());
        Compiler { tree, or_is_operator, or_was_seen: false, paths, path_bytes: 0, fields }
    }

    fn run(mut self) -> Result<Compiled, Refusal> {
        if *self.tree.value(Tree::ROOT) != Value::Object {
            return Err(self.refuse(Tree::ROOT, "a pattern is an object", "write {\"field\": [values]}"));
        }
        let mut alternatives = vec![Alternative::new()];
        self.object(Tree::ROOT, &mut String::new(), false, &mut alternatives)?;
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

    fn object(
        &mut self,
        object: usize,
        path: &mut String,
        in_or: bool,
        alternatives: &mut Vec<Alternative>,
    ) -> Result<(), Refusal> {
        let tree = self.tree;
        let mut members = tree.children(object).peekable();
        if members.peek().is_none() {
            return Err(self.refuse(
                object,
                "an empty object matches nothing",
                "name a field in it, or leave it out",
            ));
        }
        for member in members {
            let key = &*tree.node(member).key;
            if key == OR {
                self.or_was_seen = true;
                if self.or_is_operator {
                    self.or(member, path, alternatives)?;
                    continue;
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
            let length = path.len();
            path.push('.');
            path.push_str(key);
            match tree.value(member) {
                Value::Object => self.object(member, path, in_or, alternatives)?,
                // Every step has a dot before it, so that an empty key is a step too.
                Value::Array => self.field(member, &path[1..], alternatives)?,
                _ => {
                    let problem = format!("\"{key}\" has a bare value");
                    return Err(self.refuse(member, &problem, "put it in an array, as [value]"));
                }
            }
            path.truncate(length);
        }
        Ok(())
    }

    fn or(
        &mut self,
        or: usize,
        path: &mut String,
        alternatives: &mut Vec<Alternative>,
    ) -> Result<(), Refusal> {
        const MEND: &str = "write \"$or\": [{…}, {…}] with two objects or more";
        let tree = self.tree;
        if *tree.value(or) != Value::Array {
            return Err(self.refuse(or, "$or is not an array", MEND));
        }
        let before = std::mem::take(alternatives);
        let mut count = 0;
        for branch in tree.children(or) {
            if *tree.value(branch) != Value::Object {
                return Err(self.refuse(branch, "an entry of $or is not an object", MEND));
            }
            count += 1;
            let mut branch_alternatives = before.clone();
            self.object(branch, path, true, &mut branch_alternatives)?;
            alternatives.append(&mut branch_alternatives);
            self.check_size(or, alternatives)?;
        }
        if count < 2 {
            return Err(self.refuse(or, "$or has fewer than two alternatives", MEND));
        }
        Ok(())
    }

    fn field(&mut self, array: usize, path: &str, alternatives: &mut [Alternative]) -> Result<(), Refusal> {
        let conditions = operators::conditions(self.tree, array)
            .map_err(|(node, problem, mend)| self.refuse(node, &problem, &mend))?;
        let path_index = match self.paths.get(path) {
            Some(index) => *index,
            None => {
                let index = self.paths.len() as u32;
                self.path_bytes += path.len();
                self.paths.insert(path.to_owned(), index);
                index
            }
        };
        let field = self.fields.len() as u32;
        let may_be_absent = conditions.contains(&Condition::Absent);
        self.fields.push(Field { path: path.to_owned(), conditions, may_be_absent });
        for alternative in alternatives {
            alternative.insert(path_index, field);
        }
        if self.path_bytes > MAX_PATH_BYTES {
            return Err(self.refuse_size(array, "its fields' paths are too long together"));
        }
        Ok(())
    }

    fn check_size(&self, or: usize, alternatives: &[Alternative]) -> Result<(), Refusal> {
        if alternatives.len() > MAX_ALTERNATIVES {
            let problem = format!("$or makes more than {MAX_ALTERNATIVES} combinations");
            return Err(self.refuse_size(or, &problem));
        }
        let entries: usize = alternatives.iter().map(HashMap::len).sum();
        if entries > MAX_ENTRIES {
            return Err(self.refuse_size(or, "$or makes too many combinations of too many fields"));
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
