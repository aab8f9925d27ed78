//! Tables: texts and what becomes of them; policies that cannot be read.

use std::time::Duration;

use serde::Deserialize;
use switchboard_core::{Attachment, Message, Rooms, Sender, Surface};

use super::policy::{Decision, Policy};
use super::tests::{House, NOW, edit, message, post, sender, told};

const POLICY: &str = include_str!("../../fixtures/moderation/invented-policy.toml");

fn policy() -> Policy {
    Policy::from_toml("policy.toml", POLICY).unwrap()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    expect: String,
}

/// Each text of the file is allowed or acted on, as it says.
fn check(policy: &Policy, file: &str) {
    let mut wrong = Vec::new();
    for line in file.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        let verdict = policy.judge_text(None, &line.text);
        let got = if verdict.decision == Decision::Allow { "allow" } else { "act" };
        assert_eq!(verdict.reasons.is_empty(), got == "allow", "{:?}: {verdict:?}", line.text);
        if got != line.expect {
            wrong.push(format!("{:?} {verdict:?}", line.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn without_a_policy_the_programs_own_lists_decide() {
    check(&Policy::default(), include_str!("../../fixtures/moderation/invented-default.jsonl"));
}

#[test]
fn a_policy_decides_as_it_is_written() {
    check(&policy(), include_str!("../../fixtures/moderation/invented-policy.jsonl"));
}

#[test]
fn the_strictest_rule_decides_and_a_reason_holds_no_more_than_the_rules_word() {
    let verdict = policy().judge_text(None, "my vat number is 12345, z0rkmid, see www.secret.test");
    assert_eq!(verdict.decision, Decision::Block);
    let reasons: Vec<_> = verdict.reasons.iter().map(|r| (r.rule.as_str(), r.found.as_str())).collect();
    assert_eq!(reasons, [("link", "a link"), ("held_word", "vat number"), ("blocked_word", "zorkmid")]);
}

#[test]
fn of_a_word_and_its_beginning_in_two_lists_the_stricter_one_decides() {
    for (rules, text, decision, rule) in [
        ("lists = { abuse = 'hold' }\nblocked_words = ['fuck']", "fuck", Decision::Block, "blocked_word"),
        ("lists = { abuse = 'hold' }\nblocked_words = ['fuck']", "fucker", Decision::Hold, "abuse"),
        (
            "blocked_words = ['bitcoin']\nheld_words = ['bitcoin*']",
            "b1tcoin",
            Decision::Block,
            "blocked_word",
        ),
        ("blocked_words = ['bitcoin']\nheld_words = ['bitcoin*']", "bitcoins", Decision::Hold, "held_word"),
        ("blocked_words = ['bitcoin*']\nheld_words = ['bitcoin']", "bitcoin", Decision::Block, "held_word"),
    ] {
        let verdict = Policy::from_toml("policy.toml", rules).unwrap().judge_text(None, text);
        assert_eq!(verdict.decision, decision, "{rules} {text}");
        assert!(verdict.reasons.iter().any(|reason| reason.rule == rule), "{rules} {text}: {verdict:?}");
    }
}

#[test]
fn a_blocked_host_is_found_however_it_is_written() {
    let policy = Policy::from_toml("policy.toml", "blocked_hosts = ['evil.shop', 'evil.com']").unwrap();
    for text in ["see evil.shop now", "see evil.shop?x=1", "https://evil%2Ecom/x", "good.com,evil.com"] {
        let verdict = policy.judge_text(None, text);
        assert_eq!(
            (verdict.decision, verdict.reasons[0].rule.as_str()),
            (Decision::Block, "blocked_host"),
            "{text}"
        );
    }
}

#[test]
fn a_room_may_have_rules_of_its_own() {
    let attic = "attic".parse().unwrap();
    for (text, whole, there) in [
        ("a zorkmid", Decision::Block, Decision::Allow),
        ("www.example.org", Decision::Block, Decision::Allow),
        ("tit", Decision::Hold, Decision::Hold),
        ("https://ads.example.com", Decision::Block, Decision::Block),
    ] {
        assert_eq!(policy().judge_text(None, text).decision, whole, "{text}");
        assert_eq!(policy().judge_text(Some(&attic), text).decision, there, "{text}");
    }
}

#[test]
fn names_are_judged_too_and_the_trusted_are_not() {
    let file = |name: &str| Attachment {
        name: name.to_owned(),
        content_type: "image/png".to_owned(),
        size: 1,
        blob: None,
        note: None,
    };
    let hello = message("m1", 1, "Ann", "hello");
    let named = |surface, name: &str| Message {
        sender: sender(surface, name),
        text: "a zorkmid".to_owned(),
        ..hello.clone()
    };
    for (message, expected) in [
        (hello.clone(), Decision::Allow),
        (
            Message { sender: Sender { name: "Z0rkmid".into(), ..hello.sender.clone() }, ..hello.clone() },
            Decision::Block,
        ),
        (Message { attachments: vec![file("zorkmid.png")], ..hello.clone() }, Decision::Block),
        (Message { attachments: vec![file("budget.com")], ..hello.clone() }, Decision::Allow),
        (named(Surface::Slack, "U1"), Decision::Allow),
        (named(Surface::Web, "U1"), Decision::Block),
        (named(Surface::Web, "Root"), Decision::Allow),
        (named(Surface::Button, "b1"), Decision::Allow),
        (Message { hops: 5, ..named(Surface::Button, "b1") }, Decision::Block),
        (Message { hops: 4, ..hello.clone() }, Decision::Allow),
    ] {
        assert_eq!(policy().judge(&message).decision, expected, "{message:?}");
    }
}

#[test]
fn what_is_not_shown_is_said_and_an_edit_that_does_not_pass_leaves_what_is_shown() {
    let mut house = House::new("[moderation]\nblocked_words = ['zorkmid']\nheld_words = ['grue']");
    let mut hear = |detail| told(&house.hear(detail).unwrap());
    assert_eq!(hear(post(message("m1", 1, "Ann", "a zorkmid"))), ["blocked m1/1 blocked_word"]);
    assert_eq!(hear(edit(message("m1", 2, "Ann", "a coin"))), ["blocked m1/2 not_shown"]);
    assert_eq!(hear(post(message("m2", 1, "Ann", "a coin"))), ["1 posted m2/1 a coin"]);
    assert_eq!(hear(edit(message("m2", 2, "Ann", "a zorkmid"))), ["blocked m2/2 blocked_word"]);
    assert_eq!(hear(edit(message("m2", 3, "Ann", "a grue"))), ["blocked m2/3 held_word"]);
    assert_eq!(hear(super::tests::react("m2", "Bob", "wave", true)), ["2 reacted m2/1 a coin by Bob"]);
    assert_eq!(hear(edit(message("m2", 4, "Ann", "two coins"))), ["3 edited m2/4 two coins"]);
    // Held, changed, held still; then changed so that it passes.
    assert_eq!(hear(post(message("m3", 1, "Ann", "a grue"))), ["held m3/1 held_word"]);
    assert_eq!(hear(edit(message("m3", 2, "Bob", "a lamp"))), ["blocked m3/2 not_sender"]);
    assert_eq!(hear(edit(message("m3", 2, "Ann", "two grues, a grue"))), ["held m3/2 held_word"]);
    assert_eq!(hear(edit(message("m3", 3, "Ann", "a lamp"))), ["4 posted m3/3 a lamp"]);
    // An edit that waited and does not pass does not take the post with it.
    assert_eq!(hear(edit(message("m4", 2, "Ann", "a zorkmid"))), ["set parked/m4"]);
    assert_eq!(
        hear(post(message("m4", 1, "Ann", "a coin"))),
        ["blocked m4/2 blocked_word", "5 posted m4/1 a coin", "clear parked/m4"]
    );
    // Held and withdrawn: dropped.
    assert_eq!(hear(post(message("m5", 1, "Ann", "a grue"))), ["held m5/1 held_word"]);
    assert_eq!(hear(super::tests::delete("m5", sender(Surface::Web, "Ann"))), [""; 0]);
}

#[test]
fn a_flood_is_held_over_all_rooms_and_edits_count() {
    let mut house = House::new("[moderation]\nflood = { messages = 3, per_s = 60 }");
    let mut hear = |detail| told(&house.hear(detail).unwrap());
    let attic = Message { room: "attic".parse().unwrap(), ..message("m2", 1, "Ann", "two") };
    assert_eq!(hear(post(message("m1", 1, "Ann", "one"))), ["1 posted m1/1 one"]);
    assert_eq!(hear(post(attic)), ["1 posted m2/1 two"]);
    assert_eq!(hear(edit(message("m1", 2, "Ann", "uno"))), ["2 edited m1/2 uno"]);
    assert_eq!(hear(post(message("m3", 1, "Ann", "three"))), ["held m3/1 flood"]);
    assert_eq!(hear(edit(message("m3", 2, "Ann", "tre"))), ["held m3/2 flood"]);
    assert_eq!(hear(post(message("m4", 1, "Bob", "four"))), ["3 posted m4/1 four"]);
    house.pass(20);
    let outcome = house.hear(post(message("m5", 1, "Ann", "five"))).unwrap();
    assert_eq!(told(&outcome), ["4 posted m5/1 five"]);
    assert_eq!(outcome.writes.len(), 3, "pace, message, room");
    assert_eq!(house.now, NOW.plus(Duration::from_secs(20)));
}

#[test]
fn a_text_that_leaves_no_room_for_the_number_is_blocked_and_not_a_dead_letter() {
    let mut house = House::new("");
    let wide = "\u{1}".repeat(33_200);
    let outcome = house.hear(post(message("m1", 1, "Ann", &wide))).unwrap();
    assert_eq!(told(&outcome), ["blocked m1/1 size"]);
}

#[test]
fn a_policy_that_cannot_be_read_is_refused_with_its_line_and_its_mend() {
    let settings = crate::settings::Settings::for_tests("[rooms.lobby]\n", &[]);
    for (text, starts, says) in [
        ("links = 'maybe'\n", "policy.toml:1: ", "links: no such choice"),
        ("\nblocked_word = []\n", "policy.toml:2: ", "blocked_word: unknown key"),
        ("blocked_words = [\n'ok',\n'*ss',\n]\n", "policy.toml:3: ", "not at its end"),
        ("held_words = ['']\n", "policy.toml:1: ", "no letter"),
        ("max_chars = 0\n", "policy.toml:1: ", "from 1 to 40000"),
        ("max_chars = 40001\n", "policy.toml:1: ", "from 1 to 40000"),
        ("allowed_hosts = ['https://example.com/']\n", "policy.toml:1: ", "write it like"),
        ("trusted_senders = ['ann']\n", "policy.toml:1: ", "write it like"),
        ("flood = { messages = 3 }\n", "policy.toml:1: ", "per_s"),
        ("[rooms.attic]\nlinks = 'hold'\n", "policy.toml:1: ", "add [rooms.attic]"),
        ("[rooms.lobby]\nflood = {}\n", "policy.toml:2: ", "[rooms.lobby.flood]: unknown key"),
        ("policy = 'other.toml'\n", "policy.toml:1: ", "names another file"),
        ("[moderation]\nlinks = 3\n", "policy.toml:2: ", "[moderation] links: no text"),
        ("links = \"never\"\n", "policy.toml:1: links: no such choice", "\"allow\", \"hold\", \"block\""),
        ("blocked_words = [\"+14155550123 *x\"]\n", "policy.toml:1: ", "the entry \"…\" has a *"),
        ("x = [\n", "policy.toml:", "mend"),
        ("links = \"hold\"\nkeep_days = 30\n", "policy.toml:2: keep_days: no rule", "[moderation]"),
        ("[moderation]\npark_s = 30\n", "policy.toml:2: [moderation] park_s: no rule", "[moderation]"),
    ] {
        let rooms: &Rooms = &settings.rooms;
        let error = Policy::read("policy.toml", text, Some(rooms)).unwrap_err().to_string();
        assert!(error.starts_with(starts) && error.contains(says), "{text:?}: {error}");
    }
}

#[test]
fn the_policy_may_be_in_a_file_of_its_own() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/moderation/invented-policy.toml");
    let mut house = House::new(&format!("[moderation]\npolicy = '{file}'\nkeep_days = 30"));
    let outcome = house.hear(post(message("m1", 1, "Ann", "a zorkmid"))).unwrap();
    assert_eq!(told(&outcome), ["blocked m1/1 blocked_word"]);
    for (toml, says) in [
        (
            format!("[moderation]\npolicy = '{file}'\nlinks = 'hold'\n[rooms.attic]"),
            "switchboard.toml:2: [moderation] names",
        ),
        (
            format!("[moderation]\npolicy = '{file}'\n[rooms.lobby]"),
            "invented-policy.toml:15: rules for attic",
        ),
        (
            "[moderation]\n\npolicy = 'no-such.toml'".to_owned(),
            "switchboard.toml:3: the policy file no-such.toml",
        ),
        ("[moderation.rooms.attic]\n".to_owned(), "switchboard.toml:1: rules for attic"),
        (
            "[moderation]\nkeep_days = 0\n".to_owned(),
            "switchboard.toml:2: [moderation] keep_days: out of range — to mend it: write a whole number from 1 to 3650",
        ),
    ] {
        let settings = crate::settings::Settings::for_tests(&toml, &[]);
        let error = super::Moderation::new(&settings).unwrap_err().to_string();
        assert!(error.contains(says), "{toml}: {error}");
    }
}
