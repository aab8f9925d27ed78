//! A hub that stands still, written into a file and read from one: `switchboard export` and `switchboard import`.
//! The file's format is in `switchboard_hosts::handover`; the deployed house has the same commands
//! (`switchboard-aws`).
//!
//! An import is many transactions; each says how many lines it has taken, so one that was stopped goes on there. A
//! directory in which one is not at its end starts no hub.

mod export;
mod import;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension};

use crate::bus::database;
use crate::hub::{CannotStart, take_directory};

/// Writes the hub of a data directory into a file; gives a line for the operator.
///
/// # Errors
/// When a hub runs in it, there is none in it, or the file cannot be written.
pub(crate) async fn export(data: &Path, file: &Path) -> Result<String> {
    let path = data.join("hub.sqlite3");
    if !path.exists() {
        return Err(nothing_there(data).into());
    }
    let (_lock, _) = take_directory(data)?;
    let db = database::open_for_reading(&path)?;
    refuse_half(&db)?;
    // A name that is there already may be the only copy of another hub.
    let to = File::create_new(file).with_context(|| format!("cannot write {}", file.display()))?;
    let (lines, to) = export::run(&db, &data.join("blobs"), BufWriter::new(to)).await?;
    to.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(format!(
        "{lines} lines are in {}; the key that signs links is {}",
        file.display(),
        data.join("key").display()
    ))
}

/// Reads a file into an empty data directory, or goes on with that; gives a line for the operator.
///
/// # Errors
/// When there is another hub in the directory, or the file cannot be read or is broken.
pub(crate) async fn import(data: &Path, file: &Path) -> Result<String> {
    let from = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (_lock, _) = take_directory(data)?;
    let db = database::open_for_writing(&data.join("hub.sqlite3"), &[])?;
    let lines = import::run(&db, data, BufReader::new(from)).await?;
    Ok(format!("{lines} lines are in {}", data.display()))
}

/// Refuses a directory in which an import is not at its end.
///
/// # Errors
/// [`CannotStart`] with the mend.
pub(crate) fn refuse_half(db: &Connection) -> Result<()> {
    let there: bool = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'moving'")?.exists([])?;
    let half: Option<i64> = if there {
        db.query_row("SELECT line FROM moving WHERE done = 0", [], |row| row.get(0)).optional()?
    } else {
        None
    };
    match half {
        Some(line) => Err(CannotStart(format!(
            "an import into this directory stopped after {line} lines — to mend it: begin it again with the same \
             file, or remove the directory"
        ))
        .into()),
        None => Ok(()),
    }
}

fn nothing_there(data: &Path) -> CannotStart {
    CannotStart(format!(
        "there is no hub in {} — to mend it: name its data directory with --data",
        data.display()
    ))
}

#[cfg(test)]
mod tests;
