//! The answer of a door comes after the fsync: seen from outside, by strace, since after `kill -9` the page
//! cache would hide a missing one.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use switchboard_stories::{House, LOBBY, sign, until};
use tokio::process::Command;

/// What the hub did, in order, as strace saw it.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Step {
    /// A request for the door was read from a socket.
    Asked,
    /// The log of the database was written.
    Wrote,
    /// The log was synced.
    Synced,
    /// `200 OK` was written to a socket.
    Answered,
}

fn step(line: &str, syncing: &mut HashMap<String, bool>) -> Option<Step> {
    if line.contains("POST /twilio/messages") && (line.contains("recvfrom") || line.contains("read")) {
        Some(Step::Asked)
    } else if line.contains("pwrite64(") && line.contains("hub.sqlite3-wal") {
        Some(Step::Wrote)
    } else if line.contains("fdatasync") || line.contains("fsync") {
        // With threads a call may be cut in two. What counts is its end, which does not repeat the file's name: it
        // is in the line where the same thread began.
        let thread = line.split_whitespace().next().unwrap_or_default().to_owned();
        if line.contains("unfinished") {
            syncing.insert(thread, line.contains("hub.sqlite3-wal"));
            return None;
        }
        let began = line.contains("resumed") && syncing.remove(&thread).unwrap_or(false);
        (began || line.contains("hub.sqlite3-wal")).then_some(Step::Synced)
    } else if line.contains("HTTP/1.1 200 OK") && line.contains("<Response/>") {
        Some(Step::Answered)
    } else {
        None
    }
}

#[tokio::test]
async fn a_door_is_answered_only_when_what_followed_is_on_the_disk() {
    let house = House::open(LOBBY).await;
    let trace = house.directory().join("trace.txt");
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "400",
            "-e",
            "trace=pwrite64,fdatasync,fsync,recvfrom,read,sendto,write,writev,sendmsg",
        ])
        .arg("-o")
        .arg(&trace)
        .args(["-p", &house.hub.pid().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("strace is installed: make setup");
    let seen = || std::fs::read_to_string(&trace).unwrap_or_default();
    let client = reqwest::Client::new();
    let knock = |number: u32| {
        let sid = format!("SM{number:032x}");
        let signed = sign::twilio("/twilio/messages", &sign::text_form(&sid, "+14155550123", "JOIN lobby"));
        let (client, base) = (client.clone(), house.hub.base());
        async move { signed.send(&client, &base).await.0 }
    };
    // strace needs a moment to attach: it has when it sees a request.
    until("strace watches", || async {
        let _ = house.hub.get("/healthz").await;
        seen().contains("/healthz")
    })
    .await;
    for number in 1..=5 {
        assert_eq!(knock(number).await, 200);
    }
    until("strace saw the answers", || async { seen().matches("<Response/>").count() >= 5 }).await;
    strace.start_kill().expect("strace ends");
    let _ = tokio::time::timeout(Duration::from_secs(10), strace.wait()).await;

    let mut syncing = HashMap::new();
    let steps: Vec<Step> = seen().lines().filter_map(|line| step(line, &mut syncing)).collect();
    let mut answers = 0;
    let mut since_asked: Option<Vec<Step>> = None;
    for step in &steps {
        match (step, &mut since_asked) {
            (Step::Asked, _) => since_asked = Some(Vec::new()),
            (Step::Answered, Some(since)) => {
                let wrote = since.iter().position(|step| *step == Step::Wrote);
                let synced = since.iter().rposition(|step| *step == Step::Synced);
                assert!(wrote.is_some() && synced > wrote, "answered before the fsync: {since:?}");
                answers += 1;
                since_asked = None;
            }
            (other, Some(since)) => since.push(*other),
            (_, None) => {}
        }
    }
    assert_eq!(answers, 5, "{steps:?}");
    house.end().await;
}
