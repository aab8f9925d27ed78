//! What one writes without a library: `serde_json` into a `Value`, and a walk for each rule.

use serde_json::Value;

/// A rule's fields: the keys on the way, and its conditions.
type Fields = Vec<(Vec<String>, Vec<Value>)>;

/// A rule: alternatives, of which one must hold.
pub(crate) struct Walk(Vec<Fields>);

impl Walk {
    pub(crate) fn new(rule: &str) -> Self {
        let rule: Value = serde_json::from_str(rule).expect("the rules are JSON");
        let mut alternatives = vec![Vec::new()];
        flatten(&rule, &mut Vec::new(), &mut alternatives);
        Walk(alternatives)
    }

    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.0.iter().any(|fields| {
            fields.iter().all(|(path, conditions)| {
                let mut is_there = false;
                any_leaf(event, path, &mut |leaf| {
                    is_there = true;
                    conditions.iter().any(|condition| holds(condition, leaf))
                }) || !is_there && conditions.iter().any(|condition| condition["exists"] == false)
            })
        })
    }
}

fn flatten(rule: &Value, path: &mut Vec<String>, alternatives: &mut Vec<Fields>) {
    for (key, value) in rule.as_object().into_iter().flatten() {
        match value {
            Value::Array(branches) if key == "$or" => {
                let before = std::mem::take(alternatives);
                for branch in branches {
                    let mut after = before.clone();
                    flatten(branch, path, &mut after);
                    alternatives.append(&mut after);
                }
            }
            Value::Array(conditions) => {
                let path = path.iter().chain([key]).cloned().collect::<Vec<_>>();
                alternatives.iter_mut().for_each(|fields| fields.push((path.clone(), conditions.clone())));
            }
            inner => {
                path.push(key.clone());
                flatten(inner, path, alternatives);
                path.pop();
            }
        }
    }
}

fn any_leaf(value: &Value, path: &[String], holds: &mut impl FnMut(&Value) -> bool) -> bool {
    match (value, path) {
        (Value::Array(values), _) => {
            // All of them, so that what is there is seen.
            let mut any = false;
            for value in values {
                any |= any_leaf(value, path, holds);
            }
            any
        }
        (Value::Object(members), [key, rest @ ..]) => {
            members.get(key).is_some_and(|value| any_leaf(value, rest, holds))
        }
        (Value::Object(_), []) | (_, [_, ..]) => false,
        (leaf, []) => holds(leaf),
    }
}

fn holds(condition: &Value, leaf: &Value) -> bool {
    let Some((operator, operand)) = condition.as_object().and_then(|operator| operator.iter().next()) else {
        return same(condition, leaf);
    };
    match (operator.as_str(), leaf) {
        ("exists", _) => operand == true,
        ("anything-but", leaf) => !excludes(operand, leaf),
        ("numeric", Value::Number(_)) => {
            operand.as_array().is_some_and(|parts| parts.chunks(2).all(|part| compares(part, leaf)))
        }
        (_, Value::String(text)) => text_holds(operator, operand, text),
        _ => false,
    }
}

fn same(one: &Value, other: &Value) -> bool {
    one == other || one.is_number() && one.as_f64() == other.as_f64()
}

fn excludes(operand: &Value, leaf: &Value) -> bool {
    match operand {
        Value::Array(values) => values.iter().any(|value| same(value, leaf)),
        Value::Object(operators) => operators.iter().any(|(operator, operand)| {
            let Value::String(text) = leaf else { return false };
            match operand {
                Value::Array(operands) => operands.iter().any(|operand| text_holds(operator, operand, text)),
                operand => text_holds(operator, operand, text),
            }
        }),
        value => same(value, leaf),
    }
}

fn compares(part: &[Value], leaf: &Value) -> bool {
    let [Value::String(operator), number] = part else { return false };
    let (Some(wanted), Some(found)) = (number.as_f64(), leaf.as_f64()) else { return false };
    match operator.as_str() {
        "=" => found == wanted,
        "<" => found < wanted,
        "<=" => found <= wanted,
        ">" => found > wanted,
        _ => found >= wanted,
    }
}

fn text_holds(operator: &str, operand: &Value, text: &str) -> bool {
    if let Some((_, wanted)) = operand.as_object().and_then(|inner| inner.iter().next()) {
        let (text, wanted) = (text.to_lowercase(), wanted.as_str().unwrap_or_default().to_lowercase());
        return text_holds(operator, &Value::String(wanted), &text);
    }
    let wanted = operand.as_str().unwrap_or_default();
    match operator {
        "prefix" => text.starts_with(wanted),
        "suffix" => text.ends_with(wanted),
        "equals-ignore-case" => text.to_lowercase() == wanted.to_lowercase(),
        "wildcard" => like(wanted, text),
        _ => false,
    }
}

fn like(wildcard: &str, text: &str) -> bool {
    let mut pieces: Vec<&str> = wildcard.split('*').collect();
    let (Some(last), first) = (pieces.pop(), pieces.first().copied()) else { return false };
    let Some(rest) = first.map_or(Some(text), |first| text.strip_prefix(first)) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    for piece in pieces.iter().skip(1) {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}
