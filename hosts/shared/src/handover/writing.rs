//! Writing a file.

use std::io::Write;

use serde::Serialize;

use super::lines::{End, Header, Line};

/// Writes a file, line by line.
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    lines: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the first line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(mut to: W, header: &Header) -> std::io::Result<Self> {
        line(&mut to, header)?;
        Ok(Self { to, lines: 0 })
    }

    /// Writes the next.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, next: &Line) -> std::io::Result<()> {
        line(&mut self.to, next)?;
        self.lines += 1;
        Ok(())
    }

    /// Writes the last line; gives how many there were before it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self) -> std::io::Result<(u64, W)> {
        line(&mut self.to, &Line::End(End { lines: self.lines }))?;
        self.to.flush()?;
        Ok((self.lines, self.to))
    }
}

fn line(to: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}
