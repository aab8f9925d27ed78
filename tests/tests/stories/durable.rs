//! The answer of a door comes after the fsync, and none comes after an fsync that failed: seen from outside, by strace,
//! since after `kill -9` the page cache would hide a missing one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;

use switchboard_stories::{ANN, House, PATIENCE, sign, until};
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
        // One that failed synced nothing.
        (line.ends_with("= 0") && (began || line.contains("hub.sqlite3-wal"))).then_some(Step::Synced)
    } else if line.contains("HTTP/1.1 200 OK") && line.contains("<Response/>") {
        Some(Step::Answered)
    } else {
        None
    }
}

/// Are the two lines about different sockets? A call that was cut in two does not say at its end which it is about.
fn others(asked: &str, answered: &str) -> bool {
    let socket = |line: &str| Some(line.split_once("<socket:[")?.1.split_once(']')?.0.to_owned());
    socket(asked).zip(socket(answered)).is_some_and(|(asked, answered)| asked != answered)
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

    async fn end(mut self) {
        self.strace.start_kill().expect("strace ends");
        let _ = tokio::time::timeout(PATIENCE, self.strace.wait()).await;
    }

    /// Everything that it saw; it ends with the hub.
    async fn ended(mut self) -> String {
        let ended = tokio::time::timeout(PATIENCE, self.strace.wait()).await;
        ended.expect("strace ends with the hub").expect("a status");
        self.seen()
    }
}

/// Ann is in a room without anybody else: what she says asks nothing of a provider, and no provider reports.
async fn quiet_house() -> House {
    let house = House::open("[rooms.lobby]\nsms = \"open\"\n").await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    house
}

/// A text of Ann's with this number; gives the door's answer, 0 for none.
async fn knock(client: &reqwest::Client, base: &str, number: u32) -> u16 {
    let form = sign::text_form(&format!("SM{number:032x}"), ANN, &format!("text {number}"));
    sign::twilio("/twilio/messages", &form).send(client, base).await.0
}

/// How many texts were answered; each after what followed from it was written and synced.
fn answered(seen: &str) -> u32 {
    let mut syncing = HashMap::new();
    let mut answers = 0;
    let mut since_asked: Option<Vec<(Step, &str)>> = None;
    for (step, line) in seen.lines().filter_map(|line| Some((step(line, &mut syncing)?, line))) {
        match (step, &mut since_asked) {
            (Step::Asked, _) => since_asked = Some(vec![(step, line)]),
            // Another's answer: Twilio's status callbacks get the same.
            (Step::Answered, Some(since)) if others(since[0].1, line) => {}
            (Step::Answered, Some(since)) => {
                let wrote = since.iter().position(|(step, _)| *step == Step::Wrote);
                let synced = since.iter().rposition(|(step, _)| *step == Step::Synced);
                assert!(wrote.is_some() && synced > wrote, "answered before the fsync: {since:#?}\n{line}");
                answers += 1;
                since_asked = None;
            }
            (other, Some(since)) => since.push((other, line)),
            (_, None) => {}
        }
    }
    answers
}

#[tokio::test]
async fn a_door_is_answered_only_when_what_followed_is_on_the_disk() {
    let house = quiet_house().await;
    let watch = Watch::start(&house, &[]).await;
    let client = reqwest::Client::new();
    for number in 1..=5 {
        assert_eq!(knock(&client, &house.hub.base(), number).await, 200);
    }
    until("strace saw five answers", || async { answered(&watch.seen()) == 5 }).await;
    watch.end().await;
    house.end().await;
}

#[tokio::test]
async fn an_fsync_that_fails_ends_the_process_and_nothing_more_is_answered() {
    let mut house = quiet_house().await;
    // Each thread counts its own calls: the thread of the log comes to its twelfth first, and ends the process.
    let watch = Watch::start(&house, &["-e", "inject=fdatasync:error=EIO:when=12"]).await;
    let (client, mut accepted) = (reqwest::Client::new(), Vec::new());
    for number in 1.. {
        match knock(&client, &house.hub.base(), number).await {
            200 => accepted.push(number),
            _ => break,
        }
    }
    assert_eq!(house.hub.ended().await, Some(1));
    let log = house.hub.log();
    let told = log.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default();
    assert!(
        told.contains("the disk does not keep what is written to it") && told.contains("os error 5"),
        "{log}"
    );
    let seen = watch.ended().await;
    let failed = seen.lines().find(|line| line.contains("(INJECTED)")).expect("an fsync failed");
    assert!(
        failed.contains("fdatasync") && (failed.contains("-wal") || failed.contains("resumed")),
        "{failed}"
    );
    // Whatever was answered, also in the moment of the failure, had been synced before.
    let answered = answered(&seen) as usize;
    assert!(!accepted.is_empty() && answered >= accepted.len(), "{answered} answers, accepted {accepted:?}");

    house.start_again().await;
    for number in accepted {
        assert!(!house.hub.trace(&format!("SM{number:032x}")).await.is_empty(), "text {number} is lost");
    }
    house.close().await;
}
