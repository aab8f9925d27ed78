//! The wiring in this repository is whole, and a faulty one is refused with its file, the fault and the mend.

use std::{error::Error, fs, path::Path};
use switchboard_rules::wiring::{Rule, Wiring};

const GOOD: &str = r#"{"listener": "a.out", "pattern": {"detail-type": ["X"]},
    "delivery": {"attempts": 3, "max_age_s": 60, "concurrency": 1}}"#;

/// Loads a directory that holds these files.
fn load(files: &[(&str, &str)]) -> Result<Wiring, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (name, text) in files {
        fs::write(dir.path().join(name), text).map_err(|error| error.to_string())?;
    }
    Wiring::load(dir.path()).map_err(|error| error.to_string())
}

/// Loads one file and expects its refusal to say all of these.
fn refused(name: &str, text: &str, says: &[&str]) {
    let error = load(&[(name, text)]).expect_err(text);
    for part in says.iter().chain([&name]) {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn every_file_of_the_repository_is_a_rule() -> Result<(), Box<dyn Error>> {
    let embedded = Wiring::embedded()?;
    let loaded = Wiring::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("wiring"))?;
    let names = |wiring: &Wiring| wiring.rules().iter().map(|rule| rule.listener.clone()).collect::<Vec<_>>();
    assert_eq!(names(&embedded), names(&loaded));
    assert!(
        embedded.rule("moderation.gate").is_some_and(|rule| !rule.ordered && rule.delivery.attempts == 250)
    );
    Ok(())
}

#[test]
fn each_event_reaches_the_listeners_that_the_plan_names() -> Result<(), Box<dyn Error>> {
    let wiring = Wiring::embedded()?;
    let rules = wiring.compile();
    let hears = |event: &str| -> Result<Vec<&str>, Box<dyn Error>> {
        Ok(rules.matching(event.as_bytes())?.into_iter().map(|index| rules.name(index)).collect())
    };
    for talk in ["MessagePosted", "MessageEdited", "MessageDeleted", "ReactionChanged"] {
        assert_eq!(
            hears(&format!(r#"{{"detail-type": "{talk}", "source": "switchboard.x"}}"#))?,
            ["moderation.gate"]
        );
    }
    assert_eq!(hears(r#"{"detail-type": "RoomChanged"}"#)?, ["slack.out", "sms.fanout", "web_chat.history"]);
    for withdrawn in ["deleted", "retracted"] {
        assert_eq!(
            hears(&format!(r#"{{"detail-type": "RoomChanged", "detail": {{"change": "{withdrawn}"}}}}"#))?,
            ["slack.intake", "slack.out", "sms.fanout", "web_chat.history"]
        );
    }
    assert_eq!(hears(r#"{"detail-type": "SmsRequested"}"#)?, ["sms.out"]);
    assert_eq!(hears(r#"{"detail-type": "MessageReceived", "source": "switchboard.sms"}"#)?, ["sms.intake"]);
    assert_eq!(
        hears(r#"{"detail-type": "MessageReceived", "source": "switchboard.slack"}"#)?,
        ["slack.intake"]
    );
    for told in ["DeliveryReported", "SubscriberChanged", "MessageHeld", "MessageBlocked"] {
        assert_eq!(hears(&format!(r#"{{"detail-type": "{told}"}}"#))?, ["web_chat.deliveries"]);
    }
    Ok(())
}

#[test]
fn a_replay_is_heard_by_none_that_does_not_ask_for_it() -> Result<(), Box<dyn Error>> {
    let rules = Wiring::embedded()?.compile();
    let replayed = r#"{"detail-type": "RoomChanged", "replay-name": "yesterday"}"#;
    assert!(rules.matching(replayed.as_bytes())?.is_empty());
    Ok(())
}

#[test]
fn only_json_files_are_read() -> Result<(), Box<dyn Error>> {
    let wiring = load(&[("a.out.json", GOOD), ("README.md", "no rule"), (".a.out.json", "an editor's")])?;
    assert_eq!(wiring.rules().len(), 1);
    assert!(!wiring.rules()[0].ordered);
    Ok(())
}

#[test]
fn one_listeners_rule_is_read_without_the_others() -> Result<(), Box<dyn Error>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("wiring");
    for rule in Wiring::embedded()?.rules() {
        for alone in [Rule::embedded(&rule.listener)?, Rule::load(&directory, &rule.listener)?] {
            let alone = alone.ok_or("it is there")?;
            assert_eq!((alone.ordered, alone.delivery), (rule.ordered, rule.delivery), "{}", rule.listener);
        }
    }
    assert!(Rule::embedded("nobody.out")?.is_none());
    assert!(Rule::load(&directory, "nobody.out")?.is_none());

    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("a.out.json"), GOOD.replace("60", "0"))?;
    let error = Rule::load(dir.path(), "a.out").expect_err("it is out of range").to_string();
    assert!(error.contains("a.out.json: delivery.max_age_s is 0"), "{error}");
    Ok(())
}

#[test]
fn a_directory_that_wires_nothing_is_refused() {
    let error = load(&[("README.md", "")]).expect_err("it holds no rule");
    assert!(error.contains("nobody would hear anything"), "{error}");
    let error = Wiring::load(Path::new("no/such/dir")).expect_err("it does not exist").to_string();
    assert!(error.contains("no/such/dir") && error.contains("cannot be read"), "{error}");
}

#[test]
fn a_faulty_rule_is_refused_with_its_file_the_fault_and_the_mend() {
    refused("b.out.json", GOOD, &["listener \"a.out\"", "rename"]);
    refused("a.out.json", &GOOD.replace("a.out", "A out"), &["\"A out\"", "lower-case"]);
    refused(
        "a.out.json",
        &GOOD.replace("\"attempts\": 3", "\"attempts\": 0"),
        &["attempts is 0", "from 1 to"],
    );
    refused("a.out.json", &GOOD.replace("60", "1209601"), &["max_age_s is 1209601", "1209600"]);
    refused("a.out.json", &GOOD.replace("\"concurrency\": 1", "\"concurrency\": 0"), &["concurrency is 0"]);
    refused("a.out.json", &GOOD.replace("\"concurrency\"", "\"concurency\""), &["concurency", "line 2"]);
    refused("a.out.json", &GOOD.replace("\"listener\"", "\"order\": true, \"listener\""), &["order"]);
    refused("a.out.json", &GOOD.replace("[\"X\"]", "\"X\""), &["detail-type", "bare value", "as [value]"]);
    refused("a.out.json", "{", &["EOF", "line 1"]);
}
