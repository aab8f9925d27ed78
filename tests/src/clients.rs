//! The official clients, as `make setup` installed them: where they are, and running one of our scripts.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

/// The tools' directory.
///
/// # Panics
/// When `make setup` has not been run: a test that needs them is never skipped.
pub fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let given = std::env::var_os("SWITCHBOARD_TEST_TOOLS").map(PathBuf::from);
    let tools = given.unwrap_or_else(|| root.join("target/tools"));
    assert!(tools.join("venv/bin/python").exists(), "the official clients are not installed: make setup");
    tools
}

/// Our scripts for them.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Runs a Python script of ours with the official clients; gives its output.
pub async fn python(script: &Path, arguments: &[&str]) -> String {
    run(Command::new(tools().join("venv/bin/python")).arg(script).args(arguments)).await
}

/// Runs a Node script of ours with the official clients; gives its output.
pub async fn node(script: &Path, arguments: &[&str]) -> String {
    let modules = tools().join("node/node_modules");
    run(Command::new("node").env("NODE_MODULES", modules).arg(script).args(arguments)).await
}

async fn run(command: &mut Command) -> String {
    let output = command.kill_on_drop(true).output().await.expect("the script starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The lines of JSON that a script printed.
pub fn lines(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}
