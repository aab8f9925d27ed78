//! Why an event matches a pattern, or does not, as a sentence.
//!
//! The first field that fails is named with what was found and what the rule wants. It is for people; nothing
//! should read it back.

use crate::{
    EventError, Pattern,
    compile::{Compiled, Field},
    condition::{Condition, list, quoted},
    evaluate::{self, Event, Sight},
    json::{Value, shorten},
};
use std::ops::ControlFlow;

/// Alternatives of an `$or` that are explained one by one.
const MAX_EXPLAINED: usize = 8;

/// Values of an event that are shown at most.
const MAX_SHOWN: usize = 5;

/// Says why `event` matches `pattern`, or why not:
///
/// ```
/// # use switchboard_rules::{Pattern, explain};
/// let pattern = Pattern::parse(r#"{"detail": {"room": ["lobby", "help"]}}"#)?;
/// assert_eq!(
///     explain(&pattern, br#"{"detail": {"room": "ops"}}"#),
///     r#"no: detail.room was "ops", the rule wants one of "lobby", "help""#
/// );
/// # Ok::<(), switchboard_rules::PatternError>(())
/// ```
pub fn explain(pattern: &Pattern, event: &[u8]) -> String {
    explained(&pattern.compiled, event).unwrap_or_else(|error| format!("not a valid event: {error}"))
}

fn explained(pattern: &Compiled, event: &[u8]) -> Result<String, EventError> {
    let event = Event::read(event)?;
    let mut faults = Vec::new();
    for alternative in &pattern.alternatives {
        let fields = || alternative.iter().map(|index| &pattern.fields[*index as usize]);
        if evaluate::alternative_holds(pattern, alternative, &event)? {
            return Ok(format!("yes: {}", list(fields().map(|field| how_met(field, &event)))));
        }
        if faults.len() < MAX_EXPLAINED {
            let fault = fields().find_map(|field| how_failed(field, &event));
            faults.push(fault.unwrap_or_else(|| at_odds(fields(), &event)));
        }
    }
    let count = pattern.alternatives.len();
    if let [fault] = &faults[..] {
        return Ok(format!("no: {fault}"));
    }
    let numbered = faults.iter().enumerate().map(|(index, fault)| format!("({}) {fault}", index + 1));
    let more =
        if count > faults.len() { format!("; and {} more", count - faults.len()) } else { String::new() };
    Ok(format!("no, for none of its {count} alternatives: {}{more}", numbered.collect::<Vec<_>>().join("; ")))
}

/// What is wrong with a field looked at by itself.
fn how_failed(field: &Field, event: &Event<'_>) -> Option<String> {
    let sight = Sight::of(field, event);
    if !sight.is_hopeless(field) {
        return None;
    }
    let found =
        if sight.is_present { format!("was {}", values(field, event)) } else { "is not there".into() };
    Some(format!("{} {found}, the rule wants {}", path(field), wanted(field)))
}

fn how_met(field: &Field, event: &Event<'_>) -> String {
    let sight = Sight::of(field, event);
    match sight.is_met {
        true => format!("{} was {}", path(field), values(field, event)),
        false if sight.in_element => format!("{} is not where the rule wants none", path(field)),
        false => format!("{} is not there", path(field)),
    }
}

/// Every field finds what it wants, but not in one element of an array.
fn at_odds<'p>(fields: impl Iterator<Item = &'p Field>, event: &Event<'_>) -> String {
    let bound = fields.filter(|field| Sight::of(field, event).in_element).map(path);
    format!("no one element of an array has all that the rule wants of {}", list(bound))
}

fn path(field: &Field) -> String {
    if field.path.is_empty() { "\"\"".into() } else { shorten(&field.path, 80) }
}

fn wanted(field: &Field) -> String {
    let wanted = list(field.conditions.iter().map(Condition::to_string));
    if field.conditions.len() == 1 { wanted } else { format!("one of {wanted}") }
}

fn values(field: &Field, event: &Event<'_>) -> String {
    let mut shown = Vec::new();
    event.leaves(&field.path, &mut |leaf, _| {
        shown.push(match event.tree().value(leaf) {
            Value::String(text) => quoted(text),
            Value::Number(number) => shorten(number, 40),
            Value::Bool(value) => value.to_string(),
            _ => "null".into(),
        });
        if shown.len() > MAX_SHOWN { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if shown.len() > MAX_SHOWN {
        shown[MAX_SHOWN] = "…".into();
    }
    shown.join(", ")
}
