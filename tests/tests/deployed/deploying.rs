//! `make deploy` and `make destroy`, as docs/aws.md says.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use switchboard_stories::aws::Emulator;
use switchboard_stories::clients::{scripts, tools};
use tokio::process::Command;

const STACK: &str = "hub";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Without the option `sam deploy` takes a loop for a resource and crashes. `sam validate` does not see that.
#[test]
fn sam_is_told_to_expand_the_templates_loops() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    assert!(read("template.yaml").contains("\n  Fn::ForEach::"), "without loops this test can go");
    let makefile = read("Makefile").replace("\\\n", " ");
    let deploys: Vec<&str> = makefile.lines().filter(|line| line.contains("/sam deploy ")).collect();
    assert!(
        !deploys.is_empty() && deploys.iter().all(|line| line.contains(" --language-extensions ")),
        "{deploys:#?}"
    );
}

/// `make` with these arguments, where AWS is an emulator; gives what it said.
async fn make(emulator: &Emulator, arguments: &[&str]) -> String {
    let output = Command::new("make")
        .args(arguments)
        .arg(format!("TOOLS={}", tools().display()))
        .arg(format!("STACK={STACK}"))
        .current_dir(root())
        .env("AWS_ENDPOINT_URL", emulator.endpoint())
        .envs([("AWS_REGION", "us-east-1"), ("AWS_DEFAULT_REGION", "us-east-1")])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("make runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "make {arguments:?}: {said}");
    said
}

/// What `tests/clients/aws.py` answers.
async fn ask(emulator: &Emulator, deed: &str) -> std::process::Output {
    let mut command = Command::new(tools().join("aws/bin/python"));
    command.arg(scripts().join("aws.py")).args([&emulator.endpoint(), deed]);
    command.output().await.expect("the client runs")
}

#[tokio::test]
#[ignore = "it builds the artifact: make soak"]
async fn what_make_deploys_it_deploys_again_and_removes() {
    let emulator = Emulator::start(false).await;
    // As docs/aws.md shows it, with more lines than one and quotes.
    let rooms = "[rooms.lobby]\ntitle = \"Ann's\"\nsms = \"open\"\n";
    let parameters = emulator.directory().join("parameters.yaml");
    let indented: String = rooms.lines().map(|line| format!("  {line}\n")).collect();
    let lines = "Emulator: \"yes\"\nKeepDataOnDelete: \"no\"\nPublicBaseUrl: https://hub.example\n";
    std::fs::write(&parameters, format!("{lines}RoomsAndPolicy: |\n{indented}")).expect("a file");
    let deploy = format!("DEPLOY=--parameter-overrides file://{}", parameters.display());
    for _ in ["for the first time", "and again, with nothing changed"] {
        let said = make(&emulator, &["deploy", &deploy]).await;
        for line in ["https://hub.example/twilio/messages (HTTP POST)", "\"command\": \"/switchboard\""] {
            assert!(said.contains(line), "{said}");
        }
    }
    let resources: Value = serde_json::from_slice(&ask(&emulator, "resources").await.stdout).unwrap();
    assert!(resources["SmsDoorFunction"].is_string() && resources["SmsOutDeadLetters"].is_string());
    let known = ask(&emulator, "configuration").await.stdout;
    assert_eq!(serde_json::from_slice::<String>(&known).unwrap(), rooms);
    let bucket = resources["PagesBucket"].as_str().expect("a bucket");
    let page = reqwest::get(format!("{}/{bucket}/index.html", emulator.endpoint())).await.expect("an answer");
    let kind = page.headers()["content-type"].to_str().expect("text").to_owned();
    assert_eq!((page.status().as_u16(), &*kind), (200, "text/html; charset=utf-8"));

    // What somebody has sent stands in the way of removing its bucket.
    let media = resources["Media"].as_str().expect("a bucket");
    let place = |bucket: &str, file: &str| format!("{}/{bucket}/{file}", emulator.endpoint());
    let client = reqwest::Client::new();
    let sent = client.put(place(media, "blob_1")).body("a picture").send().await.expect("an answer");
    assert!(sent.status().is_success(), "{}", sent.status());
    let said = make(&emulator, &["destroy", "DESTROY=--no-prompts"]).await;
    assert!(said.contains(" files are deleted"), "{said}");
    for bucket in [media, bucket] {
        let gone = reqwest::get(place(bucket, "?list-type=2")).await.expect("an answer");
        assert_eq!(gone.status().as_u16(), 404, "{bucket}");
    }
    // The emulator still knows the stack's name, and nothing of it; AWS knows neither.
    let left = ask(&emulator, "resources").await;
    let (told, why) = (String::from_utf8_lossy(&left.stdout), String::from_utf8_lossy(&left.stderr));
    assert!(told.trim() == "{}" || why.contains("does not exist"), "{told}{why}\n{said}");
    emulator.stop().await;
}
