//! Whoever reads what a command prints may stop reading: `switchboard dead-letters list | head -1`. The command ends
//! quietly then, and a hub goes on.

use std::io::{BufRead, BufReader, PipeWriter};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use switchboard_stories::hub::{Hub, command, run_command};
use switchboard_stories::{House, LOBBY, PATIENCE, needs_one_machine, until};

/// A pipe that nobody reads.
fn unread() -> PipeWriter {
    std::io::pipe().unwrap().1
}

/// Runs a command whose output nobody reads; gives its exit status and what it complains of.
async fn run(arguments: &[&str], hub: Option<&Hub>) -> (Option<i32>, String) {
    let mut command = command();
    command.args(arguments).stdout(unread()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(hub) = hub {
        command.args(["--hub", &hub.base()]);
    }
    let running = command.spawn().unwrap();
    let ended = tokio::time::timeout(PATIENCE, running.wait_with_output()).await.expect("it ends").unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test]
async fn a_command_ends_quietly_when_nobody_reads_what_it_prints() {
    if needs_one_machine("the command line is that of the local hub") {
        return;
    }
    let house = House::open(LOBBY).await;
    house.fault(json!({ "provider": "slack", "method": "chat.postMessage", "kind": "error", "error": "is_archived" })).await;
    let (status, id, _) = house.hub.cli(&["send", "--room", "lobby", "--as", "Zoe", "one"]).await;
    assert_eq!(status, 0);
    until("a dead letter", || async { house.hub.dead_letters().await.len() == 1 }).await;
    house.mend().await;

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (pattern, event) = (file("pattern.json", r#"{"a":["b"]}"#), file("event.json", r#"{"a":"b"}"#));
    let rules = file("rules.json", r#"{"one":{"a":["b"]}}"#);
    let cases = file("cases.jsonl", "{}\n");
    let hub = Some(&house.hub);
    for (arguments, hub) in [
        (&["dead-letters", "list"][..], hub),
        (&["dead-letters", "show", "1"], hub),
        (&["trace", id.trim()], hub),
        (&["trace", "--json", id.trim()], hub),
        (&["send", "--room", "lobby", "--as", "Zoe", "two"], hub),
        (&["dead-letters", "redrive", "--all"], hub),
        (&["match", "--pattern", &pattern, "--event", &event], None),
        (&["match", "--rules", &rules, "--events", &event], None),
        (&["match", "--cases", &cases], None),
    ] {
        let (status, complaint) = run(arguments, hub).await;
        assert_eq!((status, complaint.as_str()), (Some(0), ""), "{arguments:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_hub_goes_on_when_nobody_reads_what_it_prints() {
    if needs_one_machine("the start-up lines are those of the local hub") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // A line for each room is more than a pipe holds: the hub is still telling when the reader goes.
    let rooms: String = (0..3000).map(|n| format!("[rooms.r{n}]\nsms = \"open\"\n")).collect();
    std::fs::write(directory.path().join("switchboard.toml"), rooms).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut hub = run_command(directory.path(), "http://127.0.0.1:9/sandbox", 0);
    // What is told of the broker comes last.
    hub.env("MQTT_URL", "mqtt://127.0.0.1:1");
    let mut hub = hub.stdout(writer).stderr(unread()).kill_on_drop(true).spawn().unwrap();
    let first = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).map(|_| line)
    });
    let first = tokio::time::timeout(PATIENCE, first).await.expect("it starts").unwrap().unwrap();
    let base = first.split_whitespace().find(|word| word.starts_with("http://")).expect("its address");
    let base = base.trim_end_matches(',');

    let http = reqwest::Client::new();
    let is_ready = || async {
        let answer = http.get(format!("{base}/readyz")).timeout(Duration::from_secs(5)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    };
    until("the hub is ready", is_ready).await;
    // What is refused is logged; the thread that cannot write the line lives.
    for _ in 0..3 {
        let forged = http.post(format!("{base}/slack/events")).header("content-type", "application/json");
        assert_eq!(forged.body("{}").send().await.unwrap().status(), 403);
    }
    assert!(is_ready().await);
    let pid = hub.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, hub.wait()).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0));
}
