//! What a command says on standard output. Whoever read it may have gone (`switchboard trace … | head`): then the
//! command ends, and that is no fault.

use std::fmt::Display;
use std::io::{Error, ErrorKind, Write};

/// Says a line.
///
/// # Errors
/// When it cannot be written.
pub(super) fn say(line: impl Display) -> Result<(), Error> {
    writeln!(std::io::stdout(), "{line}")
}

/// Did a command end because nobody reads any more?
pub(super) fn nobody_reads(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
