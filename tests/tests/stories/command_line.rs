//! The commands as people type them: what they print, their exit status, and what a wrong configuration gets.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::hub::{command, run_command};
use switchboard_stories::{House, LOBBY, until};
use tokio::io::{AsyncBufReadExt, BufReader};

async fn run(directory: &std::path::Path, configuration: &str) -> (i32, String) {
    std::fs::write(directory.join("switchboard.toml"), configuration).unwrap();
    let output = run_command(directory, "http://127.0.0.1:9/sandbox", 0).output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await.expect("it ends").unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_broken_configuration_refuses_to_start_with_its_place_and_the_mend() {
    let directory = tempfile::tempdir().unwrap();
    for (configuration, expected) in [
        ("rooms = 1\n", "switchboard.toml:1: rooms: a number does not belong here"),
        (
            "[rooms.lobby]\nsms = \"open\"\nslak_channel = \"C1\"\n",
            "switchboard.toml:3: [rooms.lobby] slak_channel: unknown key",
        ),
        ("[rooms.lobby]\ntitle = \"x\"\n", "switchboard.toml:1: [rooms.lobby]: wired to nothing"),
        (
            "[rooms.lobby]\nslack_channel = \"#lobby\"\n",
            "switchboard.toml:2: [rooms.lobby] slack_channel: not a channel's id",
        ),
        (
            "[rooms.a]\nslack_channel = \"C0LOBBY01\"\n[rooms.b]\nslack_channel = \"C0LOBBY01\"\n",
            "switchboard.toml:4: [rooms.b] slack_channel: the room a has this channel",
        ),
        (
            "[rooms.lobby]\nsms = \"listed\"\nphones = [14155550123]\n",
            "switchboard.toml:3: [rooms.lobby] phones: a number does not belong here",
        ),
        ("SWITCHBOARD_TOKEN = 4155550123\n", "switchboard.toml:1: SWITCHBOARD_TOKEN: a number does not"),
        (
            "[sms]\nsegments_per_second = \"fast\"\n[rooms.lobby]\nsms = \"open\"\n",
            "switchboard.toml:2: [sms] segments_per_second: a text does not belong here",
        ),
        (
            "[sms]\nsegments_per_second = -1\n[rooms.lobby]\nsms = \"open\"\n",
            "switchboard.toml:2: [sms] segments_per_second: -1 is no rate",
        ),
        (
            "[moderation]\nno_such_key = 1\n[rooms.lobby]\nsms = \"open\"\n",
            "switchboard.toml:2: [moderation] no_such_key: unknown key",
        ),
        (
            "[slack]\nname_cache_hours = 0\n[rooms.lobby]\nsms = \"open\"\n",
            "switchboard.toml:2: [slack] name_cache_hours: 0 is too few",
        ),
        (
            "[chat]\nhosts = [\n\"https://x\"]\n[rooms.lobby]\nsms = \"open\"\n",
            "switchboard.toml:3: [chat] hosts: \"https://x\" is no name",
        ),
        ("[nonsense]\n", "switchboard.toml:1: unknown key nonsense"),
        ("a = [\n", "switchboard.toml:1: "),
    ] {
        let (status, error) = run(directory.path(), configuration).await;
        assert_eq!(status, 2, "{configuration:?}: {error}");
        assert!(error.contains(expected), "{configuration:?}: {error}");
        assert!(error.contains(" — to mend it: "), "{configuration:?}: {error}");
        assert!(!error.contains("4155550123"), "a number or a token is printed: {error}");
        assert_eq!(error.lines().count(), 1, "one clear line: {error}");
    }
}

#[tokio::test]
async fn a_data_directory_in_use_or_not_writable_says_so() {
    let house = House::open(LOBBY).await;
    let (status, error) = run(house.directory(), LOBBY).await;
    assert_eq!(status, 2, "{error}");
    assert!(error.contains("is in use") && error.contains("--data"), "{error}");
    house.close().await;

    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("data"), "a file, not a directory").unwrap();
    let (status, error) = run(directory.path(), LOBBY).await;
    assert_eq!(status, 2, "{error}");
    assert!(error.contains("the data directory"), "{error}");
}

#[tokio::test]
async fn send_tail_and_trace_tell_of_a_message() {
    let house = House::open(LOBBY).await;
    let pattern = r#"{"detail-type":["RoomChanged"]}"#;
    let mut tail = command()
        .args(["tail", "--pattern", pattern, "--hub", &house.hub.base()])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // A tail that has just started may miss what was said before it listened: say it until it is heard.
    let mut sent = Vec::new();
    let line = loop {
        let (status, id, error) = house.hub.cli(&["send", "--room", "lobby", "--as", "Zoe", "hello"]).await;
        assert_eq!(status, 0, "{error}");
        sent.push(id.trim().to_owned());
        if let Ok(line) = tokio::time::timeout(Duration::from_secs(1), lines.next_line()).await {
            break line.unwrap().unwrap();
        }
    };
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["detail-type"], "RoomChanged");
    assert_eq!(event["detail"]["message"]["text"], "hello");
    house.hub.quiet().await;

    let (status, story, error) = house.hub.cli(&["trace", &sent[0]]).await;
    assert_eq!(status, 0, "{error}");
    for part in ["MessagePosted", "RoomChanged", "slack.out: done", "chat.postMessage", "DeliveryReported"] {
        assert!(story.contains(part), "{part} is missing in\n{story}");
    }
    let ts = house.channel("C0LOBBY").await[0]["ts"].as_str().unwrap().to_owned();
    let (status, by_ts, _) = house.hub.cli(&["trace", &ts]).await;
    assert_eq!((status, by_ts), (0, story), "found by its Slack ts too");
    // As before `head`, which goes when it has read enough.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut trace = command();
    trace.args(["trace", &sent[0], "--hub", &house.hub.base()]).stdout(writer);
    let ended = trace.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().await.unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && error.is_empty(), "{}: {error}", ended.status);
    let (status, _, error) = house.hub.cli(&["trace", "nothing"]).await;
    assert_eq!(status, 1, "{error}");

    let (status, _, error) = house.hub.cli(&["send", "--room", "attic", "--as", "Zoe", "hello"]).await;
    assert!(status == 1 && error.contains("there are: lobby"), "{error}");
    house.close().await;
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_redriven_and_discarded() {
    let house = House::open(LOBBY).await;
    house.fault(json!({ "provider": "slack", "method": "chat.postMessage", "kind": "error", "error": "is_archived" })).await;
    for text in ["one", "two"] {
        house.hub.cli(&["send", "--room", "lobby", "--as", "Zoe", text]).await;
    }
    until("two dead letters", || async { house.hub.dead_letters().await.len() == 2 }).await;
    let (status, list, _) = house.hub.cli(&["dead-letters", "list"]).await;
    assert_eq!((status, list.lines().count()), (0, 2), "{list}");
    assert!(list.contains("slack.out") && list.contains("C0LOBBY"), "{list}");
    let (status, shown, _) = house.hub.cli(&["dead-letters", "show", "1"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(status, 0);
    assert_eq!(shown["event"]["detail"]["message"]["text"], "one");

    house.mend().await;
    assert_eq!(house.hub.cli(&["dead-letters", "redrive", "1"]).await.0, 0);
    house.expect_shown("C0LOBBY", &["Zoe (web): one"]).await;
    assert_eq!(house.hub.cli(&["dead-letters", "discard", "2"]).await.0, 0);
    let (status, _, error) = house.hub.cli(&["dead-letters", "redrive", "2"]).await;
    assert!(status == 1 && error.contains("no such dead letter"), "{error}");
    house.close().await;
}

#[tokio::test]
async fn match_answers_by_its_exit_status() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let event = file("event.json", r#"{"detail-type":"RoomChanged","detail":{"lane":"lobby"}}"#);
    for (pattern, expected) in [
        (r#"{"detail":{"lane":["lobby"]}}"#, 0),
        (r#"{"detail":{"lane":["ops"]}}"#, 1),
        (r#"{"detail":{"lane":"lobby"}}"#, 2),
        ("{", 2),
    ] {
        let pattern_file = file("pattern.json", pattern);
        let output =
            command().args(["match", "--pattern", &pattern_file, "--event", &event]).output().await.unwrap();
        assert_eq!(output.status.code(), Some(expected), "{pattern}: {output:?}");
    }
    let no_event = file("no.json", "[]");
    let pattern = file("pattern.json", r#"{"a":["b"]}"#);
    let output =
        command().args(["match", "--pattern", &pattern, "--event", &no_event]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn match_runs_cases_and_says_which_differ() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cases.jsonl");
    let case = |name: &str, room: &str, expect: &str| {
        let (pattern, event) = (json!({ "room": ["lobby"] }), json!({ "room": room }));
        json!({ "name": name, "pattern": pattern, "event": event, "expect": expect }).to_string()
    };
    for (cases, status, last) in [
        (vec![case("a", "lobby", "match"), case("b", "ops", "nomatch")], 0, "2 passed, 0 failed"),
        (vec![case("a", "lobby", "match"), case("wrong", "ops", "match")], 1, "1 passed, 1 failed"),
    ] {
        std::fs::write(&path, cases.join("\n")).unwrap();
        let output = command().arg("match").arg("--cases").arg(&path).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), text.lines().last()), (Some(status), Some(last)), "{text}");
        assert_eq!(text.contains("wrong"), status == 1, "it says which: {text}");
    }
}

#[tokio::test]
async fn no_hub_no_tour() {
    let output = command().args(["trace", "x", "--hub", "http://127.0.0.1:9"]).output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("no hub answers at http://127.0.0.1:9"), "{error}");

    for nonsense in ["nonsense", "127.0.0.1:9", "ftp://127.0.0.1"] {
        let output = command().args(["trace", "x", "--hub", nonsense]).output().await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{nonsense}");
        assert!(error.contains("not the address of a hub: write http://HOST:PORT"), "{error}");
    }
}
