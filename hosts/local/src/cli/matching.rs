//! `switchboard match`: does an event match a pattern?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use switchboard_rules::Pattern;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The EventBridge pattern
    #[arg(long, value_name = "FILE")]
    pattern: PathBuf,
    /// The event, an EventBridge envelope
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match matches(arguments) {
        Ok(true) => {
            println!("yes");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            println!("no");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("switchboard: {error}");
            ExitCode::from(2)
        }
    }
}

fn matches(arguments: &Arguments) -> Result<bool, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let text = String::from_utf8(read(&arguments.pattern)?)
        .map_err(|error| format!("{}: {error}", arguments.pattern.display()))?;
    let pattern =
        Pattern::parse(&text).map_err(|error| format!("{}: {error}", arguments.pattern.display()))?;
    pattern
        .matches(&read(&arguments.event)?)
        .map_err(|error| format!("{}: {error}", arguments.event.display()))
}
