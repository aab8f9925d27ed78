//! `bootstrap`: what Lambda starts. Which function it is, the handler's name says.

use std::process::ExitCode;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A list of targets and levels; patterns of fields would bring an engine of regular expressions with them.
    let usual = Targets::new().with_default(Level::WARN).with_target("switchboard_lambda", Level::INFO);
    let asked = std::env::var("SWITCHBOARD_LOG").ok().filter(|asked| !asked.trim().is_empty());
    let filter: Result<Targets, _> = asked.as_deref().map_or(Ok(usual.clone()), str::parse);
    // CloudWatch stamps each line itself.
    let lines = tracing_subscriber::fmt::layer().json().without_time();
    let wrong = filter.is_err();
    tracing_subscriber::registry().with(lines.with_filter(filter.unwrap_or(usual))).init();
    if wrong {
        let asked = asked.unwrap_or_default();
        tracing::error!(
            "SWITCHBOARD_LOG is {asked:?} — to mend it: write targets and levels, such as switchboard_lambda=debug"
        );
        return ExitCode::FAILURE;
    }
    match switchboard_lambda::serve::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
