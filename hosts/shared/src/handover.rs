//! The file in which a hub moves from one host to another: all that its bridges keep, what has been done, and what
//! is still to be done.
//!
//! # Layout
//! JSON, one object a line, UTF-8. The first line is the [`Header`], the last says how many lines there are, so that
//! a file that was cut short is known. Between them each line has one field, whose name says what it is ([`Line`]):
//! ```text
//!   {"switchboard":"hand-over","version":1,"id":"9f…","from":"local","at":"2026-11-22T08:00:00.000Z"}
//!   {"event":{…}}      the journal: envelopes, from one machine oldest first
//!   {"item":{…}}       what a bridge keeps
//!   {"timer":{…}}      what a bridge will be woken for
//!   {"decided":{…}}    an arrival that has been decided: a repeat finds it
//!   {"effect":{…}}     something to do outside, and how far it is
//!   {"waiting":{…}}    a delivery that is still to be decided, or was given up before it was
//!   {"lane":{…}}       how far an ordered listener is in a lane
//!   {"blob":{…}}       a file, in base64
//!   {"end":{"lines":12345}}
//! ```
//! Events come first, since what follows names them; other kinds come in any order. Times are as in events. Unknown
//! fields are refused: a later version says so in its header.
//!
//! # Operation
//! Both ends go through the file line by line, and hold one line at a time. Importing is begun again after a failure
//! with the same file: the header's id says that it is the same, and whatever is there already is left as it is.
//!
//! # Why so
//! What was done is moved in the terms of the bus (listener, event or arrival, effect), not of a database, so each
//! host writes it in its own way. Numbers that only one host has (positions, versions of rows) do not move.
//!
//! # Rejected
//! A copy of the database (the other host has none); an archive of several files (cannot go through a pipe or be
//! resumed by a line's number).

use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use switchboard_core::{Reply, Timestamp};

/// The one version that there is.
pub const VERSION: u32 = 1;
/// What `switchboard` is in the first line.
const MARK: &str = "hand-over";
/// Longest line: the largest file that any bridge takes (32 MiB) in base64, and more than any event.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    switchboard: String,
    version: u32,
    /// Of this export: random, so that an import that is begun again is known to be the same.
    pub id: String,
    /// `local` or `aws`.
    pub from: String,
    /// When it was begun.
    pub at: Timestamp,
}

impl Header {
    /// Of an export that begins now.
    pub fn new(id: String, from: &str, at: Timestamp) -> Self {
        Self { switchboard: MARK.to_owned(), version: VERSION, id, from: from.to_owned(), at }
    }
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the struct of its name, documented there")]
pub enum Line {
    Event(Kept),
    Item(Item),
    Timer(Timer),
    Decided(Decided),
    Effect(Effect),
    Waiting(Waiting),
    Lane(Lane),
    Blob(File),
    End(End),
}

/// An event of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The envelope.
    pub envelope: Box<RawValue>,
}

/// An item of a bridge's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Whose.
    pub bridge: String,
    /// Partition key.
    pub partition: String,
    /// Sort key.
    pub sort: String,
    /// JSON; empty for one that was only ever added to.
    pub body: String,
    /// Grows by one with each put.
    pub version: u64,
    /// What was added up.
    pub count: i64,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// Whose.
    pub bridge: String,
    /// Its key.
    pub key: String,
    /// When it fires.
    pub due: Timestamp,
    /// What it says.
    pub body: String,
}

/// What something was done for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An event that a listener heard, by its id.
    Event(String),
    /// A request at a door, or a timer, by its arrival's id.
    Arrival(String),
}

impl Cause {
    /// The id, whichever it is.
    pub fn id(&self) -> &str {
        match self {
            Self::Event(id) | Self::Arrival(id) => id,
        }
    }
}

/// An arrival that has been decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The listener, the door, or (for a timer) the bridge.
    pub listener: String,
    /// What arrived.
    pub cause: Cause,
    /// When it arrived.
    pub at: Timestamp,
    /// What a door answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// Where deciding goes on, if it is not at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How far an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be tried when due.
    Waiting,
    /// Under way until due: whoever finds it later asks the provider first.
    Trying,
    /// The provider has answered, and the bridge has still to settle that.
    Answered,
    /// It has happened.
    Done,
    /// It was given up.
    Dead,
}

/// Something to do outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// Who asked for it.
    pub listener: String,
    /// What it was asked for.
    pub cause: Cause,
    /// Tells it from the others of the same cause, and orders them.
    pub sort: String,
    /// Where it goes.
    pub destination: String,
    /// What is to be done: the bridge's own words.
    pub body: String,
    /// How far it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// An attempt's end is unknown.
    pub unsure: bool,
    /// Not before this; while trying, when the attempt is over.
    pub due: Timestamp,
    /// When it was asked for.
    pub first: Timestamp,
    /// What the provider answered, until that is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// Why it was given up, while that waits for somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<Why>,
}

/// A delivery that is still to be decided, or was given up before it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Who is to hear it.
    pub listener: String,
    /// The event's id.
    pub event: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this.
    pub due: Timestamp,
    /// Since when.
    pub first: Timestamp,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<Why>,
}

/// Why something was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// `retry` (attempts ran out), `refuse`, `bug`, `unsure`.
    pub kind: String,
    /// In words.
    pub reason: String,
}

/// How far an ordered listener is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// Who.
    pub listener: String,
    /// In which lane.
    pub name: String,
    /// The last number that has ended.
    pub done: u64,
    /// The last number that was taken up.
    pub started: u64,
}

/// A file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its id, `blob_…`.
    pub id: String,
    /// Its media type.
    pub content_type: String,
    /// Its bytes in base64, with padding.
    pub bytes: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many lines stand between the first and this one.
    pub lines: u64,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header::new("1".to_owned(), "local", Timestamp::from_ms(0))
    }

    fn file() -> Vec<u8> {
        let mut writer = Writer::begin(Vec::new(), &header()).unwrap();
        let lane = Lane { listener: "slack.out".to_owned(), name: "lobby".to_owned(), done: 3, started: 4 };
        writer.write(&Line::Lane(lane)).unwrap();
        let envelope = RawValue::from_string("{\"id\":\"ev_1\"}".to_owned()).unwrap();
        writer.write(&Line::Event(Kept { envelope })).unwrap();
        let (lines, bytes) = writer.end().unwrap();
        assert_eq!(lines, 2);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<u64, Broken> {
        let (read, mut reader) = Reader::begin(bytes)?;
        assert_eq!(read, header());
        let mut last = 0;
        while let Some((number, _)) = reader.next_line()? {
            last = number;
        }
        assert!(reader.next_line()?.is_none(), "the end stays the end");
        Ok(last)
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&file()).unwrap(), 2);
    }

    #[test]
    fn a_file_that_is_cut_short_anywhere_is_refused() {
        let whole = file();
        // Without its last line break the file still says its end.
        for end in 0..whole.len() - 1 {
            assert!(read(&whole[..end]).is_err(), "{}", String::from_utf8_lossy(&whole[..end]));
        }
    }

    #[test]
    fn what_is_not_ours_or_not_known_is_refused_with_its_line() {
        let text = String::from_utf8(file()).unwrap();
        for (from, to, expected) in [
            ("hand-over", "backup", "no hand-over file"),
            ("\"version\":1", "\"version\":2", "a later version"),
            ("\"done\":3", "\"done\":3,\"more\":1", "line 2"),
            ("{\"event\"", "{\"surprise\"", "line 3"),
            ("\"lines\":2", "\"lines\":3", "line 4"),
        ] {
            let error = read(text.replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("to mend it"), "{to}: {error}");
        }
        assert!(matches!(read(b"\x00\x01"), Err(Broken::NotOurs)));
    }
}
