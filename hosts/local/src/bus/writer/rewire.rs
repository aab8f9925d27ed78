//! Who hears what: the wiring held against the bridges, at the start and when its files have changed.

use std::collections::HashMap;

use anyhow::{Context, bail};
use serde_json::Value;
use switchboard_core::Detail;
use switchboard_rules::Rules;
use switchboard_rules::wiring::Wiring;
use tracing::{error, info};

use super::Writer;

/// The compiled wiring.
pub(super) struct Hearing {
    pub(super) rules: Rules,
    /// Which listener each rule is for.
    pub(super) listener: Vec<usize>,
}

impl Hearing {
    /// Fails when the wiring names a listener that nobody declares, or a kind of event that there is not.
    pub(super) fn new(wiring: &Wiring, by_name: &HashMap<String, usize>) -> anyhow::Result<Self> {
        let mut listener = Vec::new();
        for rule in wiring.rules() {
            listener.push(*by_name.get(&rule.listener).with_context(|| {
                format!("the wiring has {}.json, and no bridge declares that listener", rule.listener)
            })?);
            if let Some(kind) = no_kind(rule.pattern.get()) {
                bail!(
                    "{}.json asks for the detail-type {kind:?}, which no event has; there are {}",
                    rule.listener,
                    Detail::KINDS.join(", ")
                );
            }
        }
        Ok(Self { rules: wiring.compile(), listener })
    }
}

/// What a pattern asks for by name and no event is: whoever hears it would hear nothing.
fn no_kind(pattern: &str) -> Option<String> {
    let pattern: Value = serde_json::from_str(pattern).ok()?;
    let asked = pattern["detail-type"].as_array()?.iter().filter_map(Value::as_str);
    asked.map(str::to_owned).find(|kind| !Detail::KINDS.contains(&&**kind))
}

impl Writer {
    /// Changes to another wiring, for the events that are published from now on; what is open is delivered as the new
    /// one says. Called between two turns. When it says no, nothing has changed.
    pub(super) fn rewire(&mut self, wiring: &Wiring) -> anyhow::Result<()> {
        let hearing = Hearing::new(wiring, &self.by_name)?;
        for (bridge, _) in &self.bridges {
            for name in bridge.declaration().listeners {
                if wiring.rule(name).is_none() {
                    bail!("the wiring has no {name}.json, and its bridge declares that listener");
                }
            }
        }
        let mut reordered = false;
        for (rule, index) in wiring.rules().iter().zip(&hearing.listener) {
            let listener = &mut self.listeners[*index];
            listener.policy = rule.delivery;
            reordered |= listener.queue.reorder(rule.ordered);
        }
        self.hearing = hearing;
        if reordered {
            // The lanes are made anew from the file.
            if let Err(failed) = self.recover() {
                error!(error = %failed, "the open work could not be read back; it is tried again");
            }
        }
        info!(rules = wiring.rules().len(), "the wiring has changed");
        Ok(())
    }
}
