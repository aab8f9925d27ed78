//! Too much waits: the doors turn away what they cannot keep, say when to come back, and lose nothing of the rest.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use switchboard_stories::sign::{self, Signed};
use switchboard_stories::{ANN, House, PATIENCE, needs_one_machine, until};
use tokio::process::{Child, Command};

/// A webhook of almost 1 MiB, of which Twilio might add most one day: unknown fields are passed over. The line at the
/// writer takes 64 MiB.
fn large(number: u32) -> Signed {
    let mut form = sign::text_form(&sid(number), ANN, &format!("text {number}"));
    form.push(("Padding".to_owned(), "x".repeat(1_000_000)));
    sign::twilio("/twilio/messages", &form)
}

fn sid(number: u32) -> String {
    format!("SM{number:032x}")
}

/// The one thread that writes stands still at its next write, until this ends.
struct Standstill(Child);

impl Standstill {
    async fn begin(pid: u32) -> Self {
        let mut threads =
            std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
        let is_writer = |thread: &std::path::PathBuf| {
            std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == "writer")
        };
        let writer = threads.find(is_writer).expect("the hub's writer");
        let longer_than_any_test = PATIENCE.as_micros() * 10;
        let strace = Command::new("strace")
            .args([
                "-e",
                "trace=pwrite64",
                "-e",
                &format!("inject=pwrite64:delay_enter={longer_than_any_test}"),
            ])
            .arg("-p")
            .arg(writer.file_name().unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("strace is installed: make setup");
        until("strace holds the writer", || async {
            let status = std::fs::read_to_string(writer.join("status")).unwrap();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        })
        .await;
        Self(strace)
    }

    async fn end(mut self) {
        self.0.kill().await.expect("strace ends");
    }
}

#[tokio::test]
async fn who_is_turned_away_is_told_when_to_come_back_and_is_taken_in_then() {
    if needs_one_machine("its writer is held") {
        return;
    }
    // Ann is in a room without anybody else: what she says asks nothing of a provider.
    let house = House::open("[rooms.lobby]\nsms = \"open\"\n").await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let held = Standstill::begin(house.hub.pid()).await;
    let (client, base) = (reqwest::Client::new(), house.hub.base());
    let turned_away = Arc::new(AtomicU32::new(0));
    let mut asked = Vec::new();
    while turned_away.load(Ordering::Relaxed) < 3 {
        let number = u32::try_from(asked.len()).unwrap() + 1;
        assert!(number < 200, "all of them wait in memory");
        let (request, turned_away) = (large(number).request(&client, &base), Arc::clone(&turned_away));
        asked.push(tokio::spawn(async move {
            let answer = request.send().await.expect("the hub answers");
            let retry_after = answer.headers().get("retry-after").cloned();
            if answer.status() == 503 {
                turned_away.fetch_add(1, Ordering::Relaxed);
            }
            (number, answer.status().as_u16(), retry_after)
        }));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What needs no writer is answered meanwhile.
    assert_eq!(house.hub.get("/healthz").await.0, 200);
    held.end().await;

    let mut again = Vec::new();
    for answer in asked {
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("it is answered").unwrap();
        match answer {
            (_, 200, _) => {}
            (number, 503, Some(seconds)) if seconds == "1" => again.push(number),
            other => panic!("neither taken in nor told when to come back: {other:?}"),
        }
    }
    assert!(house.hub.metric("switchboard_refused_total").await >= 3.0);
    for number in &again {
        assert!(house.hub.trace(&sid(*number)).await.is_empty(), "{number} was turned away, and is there");
        assert_eq!(large(*number).send(&client, &base).await.0, 200);
        assert!(!house.hub.trace(&sid(*number)).await.is_empty(), "{number} was taken in");
    }
    house.close().await;
}
