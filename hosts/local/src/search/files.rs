//! Which files the rooms' messages show: kept beside the search, since both are made of the same changes.

use std::collections::HashMap;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, params};
use switchboard_core::{BlobId, MessageId, Timestamp};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS files (blob TEXT NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL, gone INTEGER NOT NULL,
    PRIMARY KEY (blob, message)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_of_message ON files (message);
";

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A room shows it; in a message of this time, if there are several the newest.
    Shown(Timestamp),
    /// It was shown, and everything that showed it is gone.
    Gone,
    /// No room has shown it.
    Unknown,
}

/// A message shows these files, and no others.
pub(super) fn show<'a>(
    db: &Connection,
    message: &MessageId,
    at: Timestamp,
    files: impl Iterator<Item = &'a BlobId>,
) -> Result<()> {
    gone(db, message)?;
    let mut insert = db.prepare_cached(
        "INSERT INTO files VALUES (?1, ?2, ?3, 0) ON CONFLICT (blob, message) DO UPDATE SET gone = 0",
    )?;
    for file in files {
        insert.execute(params![file.as_str(), message.as_str(), at.ms()])?;
    }
    Ok(())
}

/// A message is gone, and shows nothing more.
pub(super) fn gone(db: &Connection, message: &MessageId) -> Result<()> {
    db.prepare_cached("UPDATE files SET gone = 1 WHERE message = ?1")?.execute([message.as_str()])?;
    Ok(())
}

/// How these files stand.
pub(super) fn standing(db: &Connection, files: &[BlobId]) -> Result<HashMap<BlobId, Standing>> {
    let mut ask = db.prepare_cached(
        "SELECT MAX(CASE WHEN gone = 0 THEN at END) FROM files WHERE blob = ?1 GROUP BY blob",
    )?;
    let mut standing = HashMap::new();
    for file in files {
        let found: Option<Option<i64>> = ask.query_row([file.as_str()], |row| row.get(0)).optional()?;
        let state = match found {
            None => Standing::Unknown,
            Some(None) => Standing::Gone,
            Some(Some(at)) => Standing::Shown(Timestamp::from_ms(at)),
        };
        standing.insert(file.clone(), state);
    }
    Ok(standing)
}

/// Forgets what was known of files that are removed.
pub(super) fn forget(db: &Connection, files: &[BlobId]) -> Result<()> {
    for file in files {
        db.prepare_cached("DELETE FROM files WHERE blob = ?1 AND gone = 1")?.execute([file.as_str()])?;
    }
    Ok(())
}
