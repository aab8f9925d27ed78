//! `switchboard match`: patterns tried out on events, as unit tests for rules, and over a file of events.
//!
//! A thin shell over `switchboard_rules::cases`: it opens files, measures, and turns answers into exit statuses.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use switchboard_hosts::output::{self, Unprinted};
use switchboard_rules::cases;

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
        Err(error) if Unprinted::is_unread(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("switchboard: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// The exit status: 0 yes or all hold, 1 no or some differ, 2 not valid.
fn answer(arguments: &Arguments) -> Result<u8> {
    if let (Some(pattern), Some(event)) = (&arguments.pattern, &arguments.event) {
        return one(pattern, event, arguments.explain);
    }
    if let (Some(rules), Some(events)) = (&arguments.rules, &arguments.events) {
        return count(rules, events);
    }
    let path = arguments.cases.as_ref().context("nothing to match")?;
    // A file that is read has no end that nobody reads.
    let tally =
        cases::run(open(path)?, io::stdout().lock()).map_err(|error| match Unprinted::from(error) {
            Unprinted::Failed(error) => anyhow::Error::new(error).context(at(path)),
            unread => unread.into(),
        })?;
    Ok(u8::from(tally.failed > 0))
}

fn one(pattern: &Path, event: &Path, explain: bool) -> Result<u8> {
    let (pattern, event) = (text(pattern)?, std::fs::read(event).with_context(|| at(event))?);
    let (answer, sentence) = cases::check_and_explain(&pattern, &event);
    let line = if explain { sentence } else { answer.to_string() };
    if answer.exit_code() == 2 {
        output::complain(format_args!("switchboard: {line}"));
    } else {
        output::line(line)?;
    }
    Ok(answer.exit_code())
}

fn count(rules: &Path, events: &Path) -> Result<u8> {
    let compiled = cases::read_rules(&text(rules)?).map_err(|error| anyhow!("{}: {error}", at(rules)))?;
    let began = Instant::now();
    let counts =
        cases::count(&compiled, open(events)?).map_err(|error| anyhow!("{}: {error}", at(events)))?;
    let seconds = began.elapsed().as_secs_f64();
    counts.write(&compiled, io::stdout().lock()).map_err(Unprinted::from)?;
    let rate = counts.events as f64 / seconds;
    output::complain(format_args!("{} events, {seconds:.3} s, {rate:.0} events/s", counts.events));
    Ok(0)
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| at(path))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path).map(BufReader::new).with_context(|| at(path))
}

fn at(path: &Path) -> String {
    path.display().to_string()
}
