//! One pattern and what it means: so far exact values, `exists` and nested objects.

use crate::{EventError, PatternError};
use serde_json::Value;

/// An EventBridge pattern, compiled.
#[derive(Debug, Clone)]
pub struct Pattern {
    tree: Value,
}

impl Pattern {
    /// Compiles a pattern, or says what EventBridge would refuse about it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let tree: Value = serde_json::from_str(text).map_err(|error| PatternError {
            path: String::new(),
            offset: error.column(),
            problem: error.to_string(),
            mend: "write one JSON object".into(),
        })?;
        Ok(Pattern { tree })
    }

    /// Whether `event`, the bytes of one JSON object, matches.
    pub fn matches(&self, event: &[u8]) -> Result<bool, EventError> {
        Ok(self.matches_event(&read_event(event)?))
    }

    pub(crate) fn matches_event(&self, event: &Value) -> bool {
        matches(&self.tree, Some(event))
    }
}

pub(crate) fn read_event(event: &[u8]) -> Result<Value, EventError> {
    match serde_json::from_slice(event) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => {
            Err(EventError { path: String::new(), offset: 0, problem: "an event is a JSON object".into() })
        }
        Err(error) => {
            Err(EventError { path: String::new(), offset: error.column(), problem: error.to_string() })
        }
    }
}

fn matches(pattern: &Value, event: Option<&Value>) -> bool {
    match (pattern, event) {
        (Value::Object(fields), _) => {
            fields.iter().all(|(key, pattern)| matches(pattern, event.and_then(|event| event.get(key))))
        }
        (Value::Array(values), event) => values.iter().any(|value| match (value.get("exists"), event) {
            (Some(exists), event) => exists.as_bool() == Some(event.is_some()),
            (None, Some(Value::Array(elements))) => elements.contains(value),
            (None, event) => event == Some(value),
        }),
        _ => false,
    }
}
