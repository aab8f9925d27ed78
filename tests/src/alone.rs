//! A story without a way out of this machine: in a network namespace that has loopback and nothing else.
//!
//! The test runs itself again inside the namespace, so that the hub, the browser and whatever they start are all in it.
//! Where the machine gives no namespace (no `unshare`, or it is not allowed), the story is told outside; that is said
//! on standard error, past the harness that keeps it to itself.

use std::io::Write;
use std::process::Stdio;

use tokio::process::Command;

/// Set inside.
const INSIDE: &str = "SWITCHBOARD_STORY_IS_ALONE";

/// Tells `story`, which is the whole of the test of this name.
///
/// # Panics
/// When the story does not hold, or the namespace has more than loopback.
pub async fn alone<F: Future<Output = ()>>(test: &str, story: F) {
    if std::env::var_os(INSIDE).is_some() {
        assert_eq!(interfaces(), ["lo"], "there is a way out");
        return story.await;
    }
    if let Some(why) = impossible().await {
        say(&format!("{test}: with the machine's network, since {why}"));
        return story.await;
    }
    say(&format!("{test}: in a network namespace with loopback only"));
    let program = std::env::current_exe().expect("this test's program");
    let mut inside = unshare();
    inside.arg("ip link set lo up && exec \"$0\" \"$@\"").arg(program);
    inside.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").kill_on_drop(true);
    let output = inside.output().await.expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{test} is not the name of the test: {said}");
}

/// A shell in a namespace of its own; what it does is the next argument.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c"]);
    command
}

/// Why there can be no namespace.
async fn impossible() -> Option<String> {
    match unshare().arg("ip link set lo up").stdin(Stdio::null()).output().await {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(format!("there is no namespace here: {}", said.trim()))
        }
        Err(error) => Some(format!("unshare does not run: {error}")),
    }
}

/// The network interfaces that this process sees.
fn interfaces() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let named = table.lines().filter_map(|line| line.split_once(':'));
    named.map(|(name, _)| name.trim().to_owned()).collect()
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
