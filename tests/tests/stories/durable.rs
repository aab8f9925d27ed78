//! The answer of a door comes after the fsync, and none comes after an fsync that failed: seen from outside, by strace,
//! since after `kill -9` the page cache would hide a missing one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;

use futures::future::join_all;
use switchboard_stories::{ANN, House, LOBBY, PATIENCE, sign, until};
use tokio::process::{Child, Command};

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

/// strace at the hub, writing into a file.
struct Watch {
    strace: Child,
    trace: PathBuf,
}

impl Watch {
    /// Attaches it, and waits until it sees a request.
    async fn start(house: &House, more: &[&str]) -> Self {
        let trace = house.directory().join("trace.txt");
        let calls = "trace=pwrite64,fdatasync,fsync,recvfrom,read,sendto,write,writev,sendmsg";
        let strace = Command::new("strace")
            .args(["-f", "-y", "-s", "400", "-e", calls])
            .args(more)
            .arg("-o")
            .arg(&trace)
            .args(["-p", &house.hub.pid().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("strace is installed: make setup");
        let watch = Self { strace, trace };
        until("strace watches", || async {
            let _ = house.hub.get("/healthz").await;
            watch.seen().contains("/healthz")
        })
        .await;
        watch
    }

    fn seen(&self) -> String {
        std::fs::read_to_string(&self.trace).unwrap_or_default()
    }

    /// Everything that it saw.
    async fn end(mut self) -> String {
        self.strace.start_kill().expect("strace ends");
        let _ = tokio::time::timeout(PATIENCE, self.strace.wait()).await;
        self.seen()
    }
}

/// A text of Ann's with this number; gives the door's answer, 0 for none.
async fn knock(client: &reqwest::Client, base: &str, number: u32) -> u16 {
    let form = sign::text_form(&format!("SM{number:032x}"), ANN, &format!("text {number}"));
    sign::twilio("/twilio/messages", &form).send(client, base).await.0
}

#[tokio::test]
async fn a_door_is_answered_only_when_what_followed_is_on_the_disk() {
    let house = House::open(LOBBY).await;
    let watch = Watch::start(&house, &[]).await;
    let client = reqwest::Client::new();
    for number in 1..=5 {
        assert_eq!(knock(&client, &house.hub.base(), number).await, 200);
    }
    until("strace saw the answers", || async { watch.seen().matches("<Response/>").count() >= 5 }).await;
    let seen = watch.end().await;

    let mut syncing = HashMap::new();
    let steps: Vec<Step> = seen.lines().filter_map(|line| step(line, &mut syncing)).collect();
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

#[tokio::test]
async fn an_fsync_that_fails_ends_the_process_and_nothing_more_is_answered() {
    let mut house = House::open("[rooms.lobby]\nsms = \"open\"\n").await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    // Each thread counts its own calls: the thread of the log comes to its twelfth first, and ends the process.
    let watch = Watch::start(&house, &["-e", "inject=fdatasync:error=EIO:when=12"]).await;
    let senders = (0..4).map(|sender| {
        let base = house.hub.base();
        async move {
            let client = reqwest::Client::new();
            let mut accepted = Vec::new();
            for number in sender * 1000 + 1.. {
                match knock(&client, &base, number).await {
                    200 => accepted.push(number),
                    _ => break,
                }
            }
            accepted
        }
    });
    let accepted: Vec<u32> = join_all(senders).await.concat();
    assert_eq!(house.hub.ended().await, Some(1));
    let log = house.hub.log();
    let told = log.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default();
    assert!(
        told.contains("the disk does not keep what is written to it") && told.contains("os error 5"),
        "{log}"
    );
    let seen = watch.end().await;
    let (before, after) = seen.split_once("(INJECTED)").expect("an fsync failed");
    let failed = before.lines().last().unwrap_or_default();
    assert!(
        failed.contains("fdatasync") && (failed.contains("-wal") || failed.contains("resumed")),
        "{failed}"
    );
    assert!(!accepted.is_empty() && before.contains("<Response/>"), "none was answered before: {accepted:?}");
    assert!(!after.contains("HTTP/1.1 200 OK"), "answered after the fsync had failed: {after}");

    house.start_again().await;
    for number in accepted {
        assert!(!house.hub.trace(&format!("SM{number:032x}")).await.is_empty(), "text {number} is lost");
    }
    house.close().await;
}
