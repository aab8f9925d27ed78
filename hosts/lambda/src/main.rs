//! `bootstrap`: what Lambda starts. Which function it is, the handler's name says.

use std::process::ExitCode;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A list of targets and levels; patterns of fields would bring an engine of regular expressions with them.
    let filter: Targets =
        std::env::var("SWITCHBOARD_LOG").ok().and_then(|filter| filter.parse().ok()).unwrap_or_else(|| {
            Targets::new().with_default(Level::WARN).with_target("switchboard_lambda", Level::INFO)
        });
    // CloudWatch stamps each line itself.
    let lines = tracing_subscriber::fmt::layer().json().without_time();
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    match switchboard_lambda::serve::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
