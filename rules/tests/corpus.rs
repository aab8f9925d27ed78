//! Every case in `fixtures/rules/` comes out as it says, alone and beside all others.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::{error::Error, fs, io::BufReader, path::Path, path::PathBuf};
use switchboard_rules::{Pattern, Rules, cases};

fn files() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/rules");
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    Ok(files)
}

#[test]
fn every_case_comes_out_as_it_says() -> Result<(), Box<dyn Error>> {
    let mut passed = 0;
    for file in files()? {
        let mut differing = Vec::new();
        let tally = cases::run(BufReader::new(fs::File::open(&file)?), &mut differing)?;
        assert_eq!(tally.failed, 0, "{}:\n{}", file.display(), String::from_utf8_lossy(&differing));
        passed += tally.passed;
    }
    assert!(passed > 500, "only {passed} cases were found");
    Ok(())
}

#[derive(Deserialize)]
struct Case<'a> {
    #[serde(borrow)]
    pattern: &'a RawValue,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// The text of a value: itself, or what is in it if it is a string.
fn text(value: &RawValue) -> Result<String, serde_json::Error> {
    if value.get().starts_with('"') { serde_json::from_str(value.get()) } else { Ok(value.get().to_owned()) }
}

/// All patterns of the corpus as one set of rules, asked about all its events: a hundred thousand pairs.
#[test]
fn compiled_together_the_patterns_mean_what_they_mean_alone() -> Result<(), Box<dyn Error>> {
    let (mut patterns, mut events) = (Vec::new(), Vec::new());
    for file in files()? {
        for line in fs::read_to_string(file)?.lines().filter(|line| !line.is_empty()) {
            let case: Case<'_> = serde_json::from_str(line)?;
            let pattern = text(case.pattern)?;
            if let Ok(compiled) = Pattern::parse(&pattern) {
                patterns.push((pattern, compiled));
            }
            events.push(text(case.event)?);
        }
    }
    let rules = Rules::compile(patterns.iter().map(|(text, _)| (text, text)))?;
    for event in events {
        let alone: Result<Vec<bool>, _> =
            patterns.iter().map(|(_, pattern)| pattern.matches(event.as_bytes())).collect();
        let alone =
            alone.map(|matches| (0..patterns.len()).filter(|rule| matches[*rule]).collect::<Vec<_>>());
        assert_eq!(rules.matching(event.as_bytes()), alone, "{event}");
    }
    Ok(())
}
