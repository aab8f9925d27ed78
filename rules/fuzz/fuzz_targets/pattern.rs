//! Any text as a pattern: it is compiled, or refused with a place in it and a mend.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_rules::{Pattern, Rules};

fuzz_target!(|text: &str| {
    match Pattern::parse(text) {
        Ok(_) => assert!(Rules::compile([("rule", text)]).is_ok()),
        Err(error) => {
            assert!(error.offset() <= text.len());
            assert!(!error.problem().is_empty() && !error.mend().is_empty());
        }
    }
});
