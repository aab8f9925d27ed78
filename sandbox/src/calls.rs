//! Every API call that was received: the last ones in full, and exact counts of all.
//!
//! A test asks "was this message posted exactly once?". The ring forgets; the counts do not: each call is
//! counted under its method and, by a 64-bit hash, under every key it carries (a string in Slack's
//! `metadata.event_payload`, a query value of Twilio's `StatusCallback`). A call that took effect is
//! counted apart from one that was only tried.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::house::locked;
use crate::ring::Ring;

/// How many calls are kept in full.
const KEPT: usize = 4_096;
/// How many keys are counted; the count stays exact until then, and says when it no longer is.
const KEYS: usize = 2_000_000;
/// How much of one parameter is kept.
const PARAMETER_KEPT: usize = 4_096;

/// One call, as `GET /calls` shows it.
#[derive(Serialize)]
pub(crate) struct Call {
    pub(crate) at_ms: u64,
    pub(crate) provider: &'static str,
    pub(crate) method: String,
    pub(crate) parameters: Map<String, Value>,
    /// The HTTP status, or none when no answer was given.
    pub(crate) status: Option<u16>,
    /// The error's name or code.
    pub(crate) error: Option<String>,
    /// The sid or ts that came to be.
    pub(crate) id: Option<String>,
    /// Whether it changed anything, or read what it asked for.
    pub(crate) took_effect: bool,
    /// Which fault was put in its way.
    pub(crate) fault: Option<String>,
    pub(crate) took_us: u64,
}

/// How often something was called, and how often with effect.
#[derive(Default, Clone, Copy, Serialize)]
pub(crate) struct Count {
    pub(crate) calls: u64,
    pub(crate) effects: u64,
}

pub(crate) struct Calls {
    hasher: RandomState,
    inner: Mutex<Inner>,
}

struct Inner {
    ring: Ring<Call>,
    methods: BTreeMap<String, Count>,
    keys: HashMap<u64, Count>,
    keys_are_exact: bool,
}

impl Inner {
    fn empty() -> Inner {
        Inner { ring: Ring::new(KEPT), methods: BTreeMap::new(), keys: HashMap::new(), keys_are_exact: true }
    }
}

impl Calls {
    pub(crate) fn new() -> Calls {
        Calls { hasher: RandomState::new(), inner: Mutex::new(Inner::empty()) }
    }

    /// Notes a call under its method and keys.
    pub(crate) fn record(&self, mut call: Call) {
        let hashes: Vec<u64> =
            keys(&call.parameters).iter().map(|key| self.hash(&call.method, key)).collect();
        call.parameters.values_mut().for_each(cut);
        let mut inner = locked(&self.inner);
        let effect = u64::from(call.took_effect);
        let add = |count: &mut Count| {
            count.calls += 1;
            count.effects += effect;
        };
        match inner.methods.get_mut(&call.method) {
            Some(count) => add(count),
            None => add(inner.methods.entry(call.method.clone()).or_default()),
        }
        for hash in hashes {
            if inner.keys.len() >= KEYS && !inner.keys.contains_key(&hash) {
                inner.keys_are_exact = false;
                continue;
            }
            add(inner.keys.entry(hash).or_default());
        }
        inner.ring.push(call);
    }

    /// The kept calls that fit, as JSON, oldest first.
    pub(crate) fn show(
        &self,
        provider: Option<&str>,
        method: Option<&str>,
        containing: Option<&str>,
        limit: usize,
    ) -> Value {
        let inner = locked(&self.inner);
        let mut calls: Vec<Value> = inner
            .ring
            .iter()
            .rev()
            .filter(|call| provider.is_none_or(|wanted| call.provider == wanted))
            .filter(|call| method.is_none_or(|wanted| call.method == wanted))
            .filter_map(|call| serde_json::to_value(call).ok())
            .filter(|call| containing.is_none_or(|wanted| call.to_string().contains(wanted)))
            .take(limit)
            .collect();
        calls.reverse();
        serde_json::json!({ "total": inner.ring.total(), "methods": inner.methods, "calls": calls })
    }

    /// How often `method` was called with `key`; the flag says whether the count is exact.
    pub(crate) fn count(&self, method: &str, key: Option<&str>) -> (Count, bool) {
        let inner = locked(&self.inner);
        match key {
            None => (inner.methods.get(method).copied().unwrap_or_default(), true),
            Some(key) => {
                let count = inner.keys.get(&self.hash(method, key)).copied().unwrap_or_default();
                (count, inner.keys_are_exact)
            }
        }
    }

    pub(crate) fn clear(&self) {
        *locked(&self.inner) = Inner::empty();
    }

    fn hash(&self, method: &str, key: &str) -> u64 {
        self.hasher.hash_one((method, key))
    }
}

/// What a caller put into the call to recognise it by.
fn keys(parameters: &Map<String, Value>) -> Vec<String> {
    let mut keys = Vec::new();
    match parameters.get("metadata") {
        Some(Value::String(text)) => {
            if let Ok(metadata) = serde_json::from_str::<Value>(text) {
                payload_keys(&metadata, &mut keys);
            }
        }
        Some(metadata) => payload_keys(metadata, &mut keys),
        None => {}
    }
    if let Some(Value::String(url)) = parameters.get("StatusCallback")
        && let Some((_, query)) = url.split_once('?')
    {
        keys.extend(form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned()));
    }
    keys
}

fn payload_keys(metadata: &Value, keys: &mut Vec<String>) {
    if let Some(Value::Object(payload)) = metadata.get("event_payload") {
        keys.extend(payload.values().filter_map(|value| value.as_str().map(str::to_owned)));
    }
}

/// Shortens a parameter so that the ring's size is bounded.
fn cut(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > PARAMETER_KEPT => {
            let end = text.floor_char_boundary(PARAMETER_KEPT);
            text.truncate(end);
            text.push('…');
        }
        Value::Array(values) => {
            values.truncate(100);
            values.iter_mut().for_each(cut);
        }
        Value::Object(fields) => fields.values_mut().for_each(cut),
        _ => {}
    }
}
