//! `switchboard-aws`: looks after the stack on AWS, with the credentials of the environment.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use switchboard_hosts::output::{self, Unprinted};
use switchboard_lambda::stack::{self, clear, doctor, next, pages};
use switchboard_lambda::{Clients, moving};

/// Looks after the stack on AWS, with the credentials and the region of the environment.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The stack's name.
    #[arg(long, global = true, default_value = "switchboard")]
    stack: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks the deployed stack by doing, and says what to mend.
    Doctor,
    /// Uploads the pages, as `make pages` has built them.
    Pages {
        /// Where they are.
        #[arg(long, default_value = "web/dist")]
        from: PathBuf,
    },
    /// Prints what the providers are to be given: webhook addresses and the Slack app's manifest.
    Next,
    /// Deletes the files of a stack that keeps nothing, so that it can be removed
    Clear {
        /// Without asking
        #[arg(long)]
        yes: bool,
    },
    /// Has every listener stop listening; their queues keep what comes
    Pause,
    /// Has every listener listen again
    Resume,
    /// Writes the whole house, which must be at rest, into a file
    Export {
        /// A name that is not there yet
        file: PathBuf,
    },
    /// Reads a file that `export` or `switchboard export` wrote into an empty house
    Import {
        /// What to read
        file: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) if Unprinted::is_unread(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Whether all is well.
async fn run(arguments: Arguments) -> Result<bool> {
    let clients = Clients::of_operator().await?;
    let functions = match arguments.command {
        // A stack whose removal stopped half-way may have none any more.
        Command::Clear { .. } => Vec::new(),
        _ => stack::functions(&clients, &arguments.stack).await?,
    };
    let said = |said: Result<String>| {
        output::line(said?)?;
        Ok(true)
    };
    match arguments.command {
        Command::Clear { yes } => clear_files(&clients, &arguments.stack, yes).await,
        Command::Pause => said(moving::pause(&clients, &functions).await),
        Command::Resume => said(moving::resume(&clients, &functions).await),
        Command::Export { file } => said(Box::pin(moving::export(&clients, &functions, &file)).await),
        Command::Import { file } => said(Box::pin(moving::import(&clients, &functions, &file)).await),
        Command::Next => {
            output::line(next::lines(&functions)?)?;
            Ok(true)
        }
        Command::Pages { from } => {
            let files = pages::files(&from)?;
            pages::upload(&clients, pages::bucket(&functions)?, &files).await?;
            output::line(format_args!("{} files of the pages are uploaded", files.len()))?;
            Ok(true)
        }
        Command::Doctor => {
            let findings = Box::pin(doctor::examine(&clients, &functions)).await;
            for finding in &findings {
                match &finding.wrong {
                    None => output::line(format_args!("ok    {}", finding.about))?,
                    Some(wrong) => output::line(format_args!("WRONG {}: {wrong}", finding.about))?,
                }
            }
            Ok(findings.iter().all(|finding| finding.wrong.is_none()))
        }
    }
}

/// Whether the stack can be removed: it keeps its files, or has none any more.
async fn clear_files(clients: &Clients, stack: &str, yes: bool) -> Result<bool> {
    if clear::keeps_data(clients, stack).await? {
        println!("{stack} keeps what people have said (KeepDataOnDelete=yes): its files stay");
        return Ok(true);
    }
    if !yes {
        print!("Every file of the stack is deleted now, and nobody has it any more. Type {stack} to go on: ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if answer.trim() != stack {
            println!("nothing is deleted");
            return Ok(false);
        }
    }
    println!("{} files are deleted", clear::clear(clients, stack).await?);
    Ok(true)
}
