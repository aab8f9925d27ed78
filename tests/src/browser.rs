//! A real browser: Debian's Chromium, driven by the Node scripts in `tests/browser`.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::clients::tools;

/// Where the pictures of the stories go; below the build's directory, so that `make clean` takes them away.
pub fn pictures() -> PathBuf {
    let tools = tools();
    tools.parent().unwrap_or(&tools).join("screenshots")
}

/// Tells one story of `tests/browser/stories` to a hub.
///
/// # Panics
/// When the story does not hold, with what the browser said; when `make setup` has not been run.
pub async fn tell(story: &str, base: &str) {
    let modules = tools().join("browser/node_modules");
    assert!(modules.exists(), "what drives the browser is not installed: make setup");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/run.mjs");
    let mut command = Command::new("node");
    command.env("NODE_MODULES", modules).arg(script).args([story, base]).arg(pictures()).kill_on_drop(true);
    let output = command.output().await.expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{story}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
