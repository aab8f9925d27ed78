//! What a command prints. Who reads it may stop reading at any time (`… | head -2`): then the command ends quietly,
//! where `println!` would end it with a panic.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};

/// Why something could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum Unprinted {
    /// Nobody reads any more: there is nothing left to do, and nothing went wrong.
    #[error("nobody reads standard output")]
    Unread,
    /// Something is wrong with where it goes, such as a full disk.
    #[error("standard output: {0}")]
    Failed(#[source] io::Error),
}

impl From<io::Error> for Unprinted {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Failed(error),
        }
    }
}

impl Unprinted {
    /// Has a command ended because nobody reads what it prints?
    pub fn is_unread(error: &(dyn Error + 'static)) -> bool {
        matches!(error.downcast_ref(), Some(Self::Unread))
    }
}

/// Prints a line on standard output.
///
/// # Errors
/// It could not be written.
pub fn line(text: impl Display) -> Result<(), Unprinted> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// Says on standard error what is wrong. There is nobody left to tell that this could not be written.
pub fn complain(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
