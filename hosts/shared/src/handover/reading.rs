//! Reading a file: whatever is cut short, changed or of a later version is refused, with its line.

use std::io::{BufRead, Read};

use serde::Deserialize;

use super::lines::{End, Header, Line, MARK, VERSION};

/// Longest line: the largest file that any bridge takes (32 MiB) in base64, and more than any event.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum Broken {
    #[error("this is no hand-over file — to mend it: give one that `export` wrote")]
    NotOurs,
    #[error(
        "the file was written by a later version (its format is {0}) — to mend it: import with that version"
    )]
    Later(u32),
    #[error("line {line}: {error} — to mend it: export again")]
    Line { line: u64, error: String },
    #[error("the file ends after {0} lines, before its end — to mend it: export again")]
    CutShort(u64),
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
}

/// Reads a file, line by line.
#[derive(Debug)]
pub struct Reader<R: BufRead> {
    from: R,
    lines: u64,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When it is none of ours, or of a later version.
    pub fn begin(from: R) -> Result<(Header, Self), Broken> {
        #[derive(Deserialize)]
        struct Any {
            switchboard: String,
            version: u32,
        }
        let mut reader = Self { from, lines: 0, ended: false };
        let first = reader.line()?.ok_or(Broken::NotOurs)?;
        let any: Any = serde_json::from_slice(&first).map_err(|_| Broken::NotOurs)?;
        if any.switchboard != MARK {
            return Err(Broken::NotOurs);
        }
        if any.version != VERSION {
            return Err(Broken::Later(any.version));
        }
        let header = serde_json::from_slice(&first).map_err(|error| reader.broken(&error))?;
        Ok((header, reader))
    }

    /// The next line with its number, from 1; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, or the file ends before its end.
    pub fn next_line(&mut self) -> Result<Option<(u64, Line)>, Broken> {
        if self.ended {
            return Ok(None);
        }
        let Some(bytes) = self.line()? else { return Err(Broken::CutShort(self.lines)) };
        match serde_json::from_slice(&bytes) {
            Ok(Line::End(End { lines })) if lines == self.lines => {
                self.ended = true;
                Ok(None)
            }
            Ok(Line::End(End { lines })) => {
                Err(self.broken(&format!("it says that there were {lines} lines before it")))
            }
            Ok(line) => {
                self.lines += 1;
                Ok(Some((self.lines, line)))
            }
            // A line without its end is a file that was cut short, whatever is in it.
            Err(_) if bytes.last() != Some(&b'\n') => Err(Broken::CutShort(self.lines)),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let mut bytes = Vec::new();
        (&mut self.from).take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    fn broken(&self, error: &impl std::fmt::Display) -> Broken {
        // The header is the file's first line.
        Broken::Line { line: self.lines + 2, error: error.to_string() }
    }
}
