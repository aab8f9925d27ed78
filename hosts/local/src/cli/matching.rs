//! `switchboard match`: patterns tried out on events, as unit tests for rules, and over a file of events.
//!
//! A thin shell over `switchboard_rules::cases`: it opens files, measures, and turns answers into exit statuses.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use switchboard_rules::cases;

use super::says::say;

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["pattern", "rules", "cases"]))]
pub(super) struct Arguments {
    /// An EventBridge pattern; with --event
    #[arg(long, value_name = "FILE", requires = "event")]
    pattern: Option<PathBuf>,
    /// The event, an EventBridge envelope
    #[arg(long, value_name = "FILE", requires = "pattern")]
    event: Option<PathBuf>,
    /// Say in a sentence why, or which field decided against it
    #[arg(long, requires = "pattern")]
    explain: bool,
    /// Rules as `{name: pattern, …}`; with --events: prints how many events each matches
    #[arg(long, value_name = "FILE", requires = "events")]
    rules: Option<PathBuf>,
    /// Events, one a line
    #[arg(long, value_name = "FILE.jsonl", requires = "rules")]
    events: Option<PathBuf>,
    /// Tests for rules, one a line: `{"name", "pattern", "event", "expect": "match" | "nomatch" | "invalid"}`
    #[arg(long, value_name = "FILE.jsonl")]
    cases: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match answer(arguments) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("switchboard: {error}");
            ExitCode::from(2)
        }
    }
}

/// The exit status: 0 yes or all hold, 1 no or some differ, 2 not valid.
fn answer(arguments: &Arguments) -> Result<u8, String> {
    if let (Some(pattern), Some(event)) = (&arguments.pattern, &arguments.event) {
        return one(pattern, event, arguments.explain);
    }
    if let (Some(rules), Some(events)) = (&arguments.rules, &arguments.events) {
        return count(rules, events);
    }
    let path = arguments.cases.as_ref().ok_or("nothing to match")?;
    let tally = cases::run(open(path)?, io::stdout().lock()).map_err(|error| at(path, &error))?;
    Ok(u8::from(tally.failed > 0))
}

fn one(pattern: &Path, event: &Path, explain: bool) -> Result<u8, String> {
    let (pattern, event) = (text(pattern)?, std::fs::read(event).map_err(|error| at(event, &error))?);
    let (answer, sentence) = cases::check_and_explain(&pattern, &event);
    let line = if explain { sentence } else { answer.to_string() };
    if answer.exit_code() == 2 {
        eprintln!("switchboard: {line}");
    } else {
        say(line).map_err(|error| error.to_string())?;
    }
    Ok(answer.exit_code())
}

fn count(rules: &Path, events: &Path) -> Result<u8, String> {
    let compiled = cases::read_rules(&text(rules)?).map_err(|error| at(rules, &error))?;
    let began = Instant::now();
    let counts = cases::count(&compiled, open(events)?).map_err(|error| at(events, &error))?;
    let seconds = began.elapsed().as_secs_f64();
    counts.write(&compiled, io::stdout().lock()).map_err(|error| error.to_string())?;
    eprintln!("{} events, {seconds:.3} s, {:.0} events/s", counts.events, counts.events as f64 / seconds);
    Ok(0)
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| at(path, &error))
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    File::open(path).map(BufReader::new).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
