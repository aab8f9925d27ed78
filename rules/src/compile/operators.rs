//! Reading a field's array: exact values, and objects with one operator each.
//!
//! A refusal names the node at fault, what is wrong and what would be right.

use super::complexity::{self, MAX_COMPLEXITY};
use crate::{
    address::{self, Network},
    condition::{Condition, Excluded, FEW_TEXTS},
    fold::Folded,
    json::{Tree, Value, shorten},
    number::{Decimal, Interval},
    wildcard::Wildcard,
};

/// The node at fault, what is wrong, and the mend.
pub(super) type Refused = (usize, String, String);

const OPERATORS: &str = "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr or exists";

fn refuse<T>(node: usize, problem: impl Into<String>, mend: impl Into<String>) -> Result<T, Refused> {
    Err((node, problem.into(), mend.into()))
}

/// Reads a field's array of alternatives.
pub(super) fn conditions(tree: &Tree<'_>, array: usize) -> Result<Vec<Condition>, Refused> {
    let mut conditions = Vec::new();
    let mut texts = Vec::new();
    for entry in tree.children(array) {
        match condition(tree, entry)? {
            Condition::Text(text) => texts.push(text),
            condition => conditions.push(condition),
        }
    }
    if conditions.is_empty() && texts.is_empty() {
        return refuse(
            array,
            "an empty array matches nothing",
            "name the values that match, or leave the field out",
        );
    }
    if texts.len() > FEW_TEXTS {
        conditions.push(Condition::Texts(sorted(texts)));
    } else {
        conditions.splice(..0, texts.into_iter().map(Condition::Text));
    }
    if complexity::is_too_complex(&conditions) {
        return refuse(
            array,
            format!(
                "its wildcards are too complex: one text may be more than {MAX_COMPLEXITY} beginnings of them"
            ),
            "use fewer stars, or fewer repeated characters after a star",
        );
    }
    Ok(conditions)
}

fn condition(tree: &Tree<'_>, entry: usize) -> Result<Condition, Refused> {
    Ok(match tree.value(entry) {
        Value::Null => Condition::Null,
        Value::Bool(value) => Condition::Bool(*value),
        Value::Number(number) => {
            Condition::Number { decimal: Decimal::parse(number), text: (*number).to_owned() }
        }
        Value::String(text) => exact_text(text),
        Value::Array => {
            return refuse(
                entry,
                "an array stands within a field's array",
                "list the values without inner brackets",
            );
        }
        Value::Object => operator(tree, entry)?,
    })
}

fn exact_text(text: &str) -> Condition {
    match address::parse(text) {
        Some(address) => Condition::Address { address, text: text.to_owned() },
        None => Condition::Text(text.to_owned()),
    }
}

fn operator(tree: &Tree<'_>, object: usize) -> Result<Condition, Refused> {
    let operand = only_member(tree, object)?;
    let value = tree.value(operand);
    Ok(match &*tree.node(operand).key {
        "exactly" => Condition::Text(string(tree, operand)?.to_owned()),
        "prefix" if *value == Value::Object => Condition::PrefixIgnoreCase(ignoring_case(tree, operand)?),
        "prefix" => Condition::Prefix(string(tree, operand)?.to_owned()),
        "suffix" if *value == Value::Object => Condition::SuffixIgnoreCase(ignoring_case(tree, operand)?),
        "suffix" => Condition::Suffix(string(tree, operand)?.to_owned()),
        "equals-ignore-case" => Condition::EqualsIgnoreCase(Folded::new(string(tree, operand)?)),
        "wildcard" => Condition::Wildcard(wildcard(tree, operand)?),
        "anything-but" => Condition::AnythingBut(excluded(tree, operand)?),
        "numeric" => Condition::Numeric(interval(tree, operand)?),
        "cidr" => {
            let text = string(tree, operand)?;
            Condition::Cidr(Network::parse(text).or_else(|problem| {
                refuse(
                    operand,
                    format!("{:?} is not a block of addresses: {problem}", shorten(text, 40)),
                    "write one like \"10.0.0.0/24\" or \"2001:db8::/32\"",
                )
            })?)
        }
        "exists" => match value {
            Value::Bool(true) => Condition::Exists,
            Value::Bool(false) => Condition::Absent,
            _ => {
                return refuse(
                    operand,
                    "exists is neither true nor false",
                    "write true or false, without quotes",
                );
            }
        },
        other => {
            return refuse(
                operand,
                format!("\"{}\" is not an operator", shorten(other, 40)),
                format!("use {OPERATORS}"),
            );
        }
    })
}

fn only_member(tree: &Tree<'_>, object: usize) -> Result<usize, Refused> {
    let mut members = tree.children(object);
    match (members.next(), members.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => refuse(object, "the operator is missing", format!("use {OPERATORS}")),
        (_, Some(second)) => refuse(
            second,
            "two operators stand in one object",
            "give each its own, as [{…}, {…}]; one of them must hold",
        ),
    }
}

fn string<'t>(tree: &'t Tree<'_>, node: usize) -> Result<&'t str, Refused> {
    match tree.value(node) {
        Value::String(text) => Ok(text),
        _ => {
            let key = &*tree.node(node).key;
            let what = if key.is_empty() { "the value".to_owned() } else { format!("the value of {key}") };
            refuse(node, format!("{what} is not a string"), "write a string in double quotes")
        }
    }
}

/// `{"equals-ignore-case": …}` within `prefix` or `suffix`.
fn ignoring_case(tree: &Tree<'_>, object: usize) -> Result<Folded, Refused> {
    let member = only_member(tree, object)?;
    if tree.node(member).key != "equals-ignore-case" {
        let problem = format!("\"{}\" does not go within {}", tree.node(member).key, tree.node(object).key);
        return refuse(member, problem, "write a string, or {\"equals-ignore-case\": \"…\"}");
    }
    Ok(Folded::new(string(tree, member)?))
}

fn wildcard(tree: &Tree<'_>, node: usize) -> Result<Wildcard, Refused> {
    Wildcard::parse(string(tree, node)?).or_else(|problem| {
        refuse(
            node,
            format!("the wildcard is refused: {problem}"),
            r"use single stars between other characters; a star itself is \\* in JSON and a backslash \\\\",
        )
    })
}

fn excluded(tree: &Tree<'_>, operand: usize) -> Result<Excluded, Refused> {
    if *tree.value(operand) != Value::Object {
        return excluded_values(tree, operand);
    }
    let inner = only_member(tree, operand)?;
    let texts = |may_be_empty: bool| -> Result<Vec<String>, Refused> {
        strings(tree, inner)?
            .into_iter()
            .map(|node| match string(tree, node)? {
                "" if !may_be_empty => refuse(
                    node,
                    "an empty prefix or suffix is in every text, so nothing would match",
                    "write a character or more",
                ),
                text => Ok(text.to_owned()),
            })
            .collect()
    };
    Ok(match &*tree.node(inner).key {
        "prefix" => Excluded::Prefixes(texts(false)?),
        "suffix" => Excluded::Suffixes(texts(false)?),
        "equals-ignore-case" => {
            Excluded::IgnoreCase(texts(true)?.iter().map(|text| Folded::new(text)).collect())
        }
        "wildcard" => {
            let wildcards = strings(tree, inner)?.into_iter().map(|node| wildcard(tree, node));
            Excluded::Wildcards(wildcards.collect::<Result<_, _>>()?)
        }
        other => {
            return refuse(
                inner,
                format!("\"{}\" does not go within anything-but", shorten(other, 40)),
                "use a value, a list, or one of prefix, suffix, equals-ignore-case and wildcard",
            );
        }
    })
}

/// The nodes of one value or of a list of values.
fn strings(tree: &Tree<'_>, node: usize) -> Result<Vec<usize>, Refused> {
    if *tree.value(node) != Value::Array {
        return Ok(vec![node]);
    }
    let nodes: Vec<usize> = tree.children(node).collect();
    if nodes.is_empty() { refuse(node, "the list is empty", "name a value or more") } else { Ok(nodes) }
}

fn excluded_values(tree: &Tree<'_>, operand: usize) -> Result<Excluded, Refused> {
    let (mut texts, mut numbers, mut wordings) = (Vec::new(), Vec::new(), Vec::new());
    for node in strings(tree, operand)? {
        match tree.value(node) {
            Value::String(text) => texts.push(text.clone().into_owned()),
            Value::Number(number) => {
                numbers.push(decimal(tree, node)?);
                wordings.push(*number);
            }
            _ => {
                return refuse(
                    node,
                    "anything-but takes neither null, true, false, lists within lists nor operators within lists",
                    "write strings or numbers, or {\"prefix\": …} and the like without a list around it",
                );
            }
        }
        if !texts.is_empty() && !numbers.is_empty() {
            return refuse(node, "anything-but has strings and numbers in one list", "write all of one kind");
        }
    }
    if numbers.is_empty() {
        return Ok(Excluded::Texts(sorted(texts)));
    }
    Ok(Excluded::Numbers(numbers, wordings.join(", ")))
}

fn decimal(tree: &Tree<'_>, node: usize) -> Result<Decimal, Refused> {
    let Value::Number(number) = tree.value(node) else {
        return refuse(node, "this is not a number", "write a number, without quotes");
    };
    Decimal::parse(number).map_or_else(
        || {
            refuse(
                node,
                format!("{} cannot be compared", shorten(number, 40)),
                "write a number from -5e11 to 5e11 with at most six decimals",
            )
        },
        Ok,
    )
}

/// `numeric`: `[op, number]`, or a lower bound and then an upper one.
fn interval(tree: &Tree<'_>, operand: usize) -> Result<Interval, Refused> {
    const MEND: &str = "write [op, number] with =, <, <=, > or >=, or a range as [\">\", 0, \"<=\", 5]";
    if *tree.value(operand) != Value::Array {
        return refuse(operand, "the value of numeric is not a list", MEND);
    }
    let parts: Vec<usize> = tree.children(operand).collect();
    let comparison = |operator: usize, number: usize| -> Result<(&str, Decimal), Refused> {
        match tree.value(operator) {
            Value::String(text) if matches!(&**text, "=" | "<" | "<=" | ">" | ">=") => {
                Ok((text, decimal(tree, number)?))
            }
            _ => refuse(operator, "this is not a comparison", MEND),
        }
    };
    let mut interval = Interval {
        low: Decimal::MIN,
        low_is_in: true,
        high: Decimal::MAX,
        high_is_in: true,
        wording: String::new(),
    };
    let mut set = |(operator, number): (&str, Decimal)| match operator {
        "=" => (interval.low, interval.high) = (number, number),
        ">" | ">=" => (interval.low, interval.low_is_in) = (number, operator == ">="),
        _ => (interval.high, interval.high_is_in) = (number, operator == "<="),
    };
    match parts[..] {
        [operator, number] => set(comparison(operator, number)?),
        [low_operator, low, high_operator, high] => {
            let (low, high) = (comparison(low_operator, low)?, comparison(high_operator, high)?);
            if !low.0.starts_with('>') || !high.0.starts_with('<') {
                return refuse(low_operator, "a range is a lower bound and then an upper one", MEND);
            }
            if low.1 >= high.1 {
                return refuse(
                    operand,
                    "the lower bound is not below the upper one",
                    "swap them, or use = for one number",
                );
            }
            set(low);
            set(high);
        }
        _ => return refuse(operand, "numeric has neither one comparison nor a range", MEND),
    }
    interval.wording = parts.iter().map(|part| wording(tree.value(*part))).collect::<Vec<_>>().join(" ");
    Ok(interval)
}

fn wording(value: &Value<'_>) -> String {
    match value {
        Value::Number(number) => shorten(number, 40),
        Value::String(operator) => operator.clone().into_owned(),
        _ => String::new(),
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts.dedup();
    texts
}
