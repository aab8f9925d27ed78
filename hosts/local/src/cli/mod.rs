//! The command line: what each command is called, what it takes, and its exit status.
//!
//! Exit status: 0 done; 1 it did not work (or `match`: no match); 2 the command or the configuration is wrong.

mod client;
mod dead_letters;
mod matching;
mod send;
mod tail;
mod trace;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use switchboard_hosts::output::{self, Unprinted};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::config::{Configuration, Flags};
use crate::hub::{self, CannotStart};
use crate::moving;

/// Joins a web chat, phones, Slack and panic buttons on one event bus.
#[derive(Parser)]
#[command(name = "switchboard", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// How to reach a running hub.
#[derive(clap::Args, Clone)]
struct Reach {
    /// The hub's address
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = client::address)]
    hub: String,
    /// The hub's token; not needed on the hub's own machine
    #[arg(long, env = "SWITCHBOARD_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the hub; prints `ready` when it is, and ends cleanly on SIGTERM and SIGINT
    Run {
        /// Where everything is kept [env: SWITCHBOARD_DATA] [default: ./data]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Where to listen [env: SWITCHBOARD_LISTEN] [default: 127.0.0.1:8080]
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// The configuration file [default: switchboard.toml if it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Rules to use instead of the built-in ones, one a file
        #[arg(long, value_name = "DIR")]
        wiring: Option<PathBuf>,
        /// How log lines are written, on standard error; RUST_LOG says which
        #[arg(long, value_enum, default_value_t = Log::Text)]
        log: Log,
    },
    /// Posts a message
    Send {
        /// The room
        #[arg(long)]
        room: String,
        /// The writer's name
        #[arg(long = "as", value_name = "NAME")]
        name: String,
        /// What to say
        text: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Prints events as they happen, one JSON envelope a line
    Tail {
        /// Only events that match this EventBridge pattern
        #[arg(long, value_name = "JSON")]
        pattern: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Tells the whole story of a message
    Trace {
        /// Our id, a Twilio SID, a Slack ts or a phone number
        id: String,
        /// Print what the hub answers, as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// What could not be delivered, and what to do with it
    DeadLetters {
        #[command(subcommand)]
        what: dead_letters::What,
    },
    /// Writes the hub of a data directory, which must be stopped, into a file
    Export {
        /// Where it is kept
        #[arg(long, value_name = "DIR", env = "SWITCHBOARD_DATA", default_value = "data")]
        data: PathBuf,
        /// A name that is not there yet
        file: PathBuf,
    },
    /// Reads a file that `export` or `switchboard-aws export` wrote into an empty data directory
    Import {
        /// Where it will be kept
        #[arg(long, value_name = "DIR", env = "SWITCHBOARD_DATA", default_value = "data")]
        data: PathBuf,
        /// What to read
        file: PathBuf,
    },
    /// Does an event match a pattern? Exit status 0 yes, 1 no, 2 not a valid pattern or event
    Match(matching::Arguments),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Match(arguments) => matching::run(&arguments),
        command => match block_on(command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.is::<CannotStart>() => {
                output::complain(format_args!("switchboard: {error}"));
                ExitCode::from(2)
            }
            Err(error) if Unprinted::is_unread(error.as_ref()) => ExitCode::SUCCESS,
            Err(error) => {
                output::complain(format_args!("switchboard: {error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}

fn block_on(command: Command) -> Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("TLS was set up twice");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Run { data, listen, config, wiring, log } => {
                start_log(log);
                let text = |word: OsString| word.to_string_lossy().into_owned();
                let environment =
                    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
                let flags = Flags { data, listen, config, wiring };
                let configuration = Configuration::read(&flags, &environment)
                    .map_err(|error| CannotStart(error.to_string()))?;
                hub::run(configuration).await
            }
            Command::Send { room, name, text, reach } => send::run(&reach, &room, &name, &text).await,
            Command::Tail { pattern, reach } => tail::run(&reach, pattern.as_deref()).await,
            Command::Trace { id, json, reach } => trace::run(&reach, &id, json).await,
            Command::DeadLetters { what } => dead_letters::run(what).await,
            Command::Export { data, file } => {
                Ok(output::line(Box::pin(moving::export(&data, &file)).await?)?)
            }
            Command::Import { data, file } => {
                Ok(output::line(Box::pin(moving::import(&data, &file)).await?)?)
            }
            Command::Match(_) => Ok(()),
        }
    })
}

fn start_log(log: Log) {
    // A list of targets and levels; patterns of fields would bring an engine of regular expressions with them.
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    let log_of = tracing_subscriber::registry().with(filter);
    // A line that cannot be written is lost: told of on standard error, which is closed, it would end the thread.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    match log {
        Log::Text => {
            log_of.with(lines.with_target(false).with_ansi(std::io::stderr().is_terminal())).init();
        }
        Log::Json => log_of.with(lines.json().flatten_event(true)).init(),
    }
}
