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

mod lines;
mod reading;
mod writing;

pub use lines::{
    Cause, Decided, Effect, End, File, Header, Item, Kept, Lane, Line, State, Timer, VERSION, Waiting, Why,
};
pub use reading::{Broken, Reader};
pub use writing::Writer;

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use switchboard_core::Timestamp;

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
