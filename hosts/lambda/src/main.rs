//! `bootstrap`: what Lambda starts. Which function it is, the handler's name says.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SWITCHBOARD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,switchboard_lambda=info"));
    // CloudWatch stamps each line itself.
    tracing_subscriber::fmt().json().without_time().with_env_filter(filter).init();
    match switchboard_lambda::serve::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
