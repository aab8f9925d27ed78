//! Removing files that nobody needs any more.
//!
//! A file goes when it has lain untouched for a day, nothing that is still to be done or is held somewhere names it, and
//! - every message that showed it was deleted or taken back, or
//! - the newest message that shows it is older than `[archive] keep_files_days`, or
//! - no room has shown it in that time, or in 90 days if files are kept as long as their messages: it was never posted,
//!   or moderation stopped it.
//!
//! A removal is one `unlink` of a file that is needed no more, and nothing else is written; so whenever the process
//! dies, what is needed is there, and what is left over goes the next time. A file that is stored again while this runs
//! is young again: its age is asked under the lock that storing takes ([`FileBlobs::remove_if_older`]).

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use switchboard_core::{BlobId, Timestamp};

use super::FileBlobs;
use crate::bus::archive::Archive;
use crate::search::{SearchIndex, Standing};

/// A younger file may belong to what is only now being said: an upload waits an hour for its post, a delivery may be
/// tried for a day.
const UNTOUCHED: Duration = Duration::from_secs(26 * 3600);
/// How long what no room has shown is kept where files are kept as long as their messages.
const NEVER_SHOWN: Duration = Duration::from_secs(90 * 86_400);
/// Files that are looked at together.
const AT_ONCE: usize = 1000;

/// What decides.
pub(crate) struct OldFiles<'a> {
    pub(crate) blobs: &'a FileBlobs,
    pub(crate) search: &'a SearchIndex,
    pub(crate) archive: &'a Archive,
    /// The tables of the bridges that may name a file besides the chat, whose history the index knows.
    pub(crate) holders: &'a [&'static str],
    /// How long the files of standing messages are kept; `None`: as long as the messages.
    pub(crate) keep: Option<Duration>,
    pub(crate) now: Timestamp,
}

impl OldFiles<'_> {
    /// Removes them; how many. Waits for the disk.
    ///
    /// # Errors
    /// When a file or the databases cannot be read or written.
    pub(crate) fn remove(&self) -> Result<usize> {
        self.remove_while(|| true)
    }

    fn remove_while(&self, mut goes_on: impl FnMut() -> bool) -> Result<usize> {
        self.search.keep_up()?;
        let untouched = system_time(self.now.minus(UNTOUCHED));
        let mut removed = 0;
        let mut named: Option<HashSet<String>> = None;
        for some in self.blobs.older_than(untouched)?.chunks(AT_ONCE) {
            let candidates = self.candidates(some)?;
            if candidates.is_empty() {
                continue;
            }
            let named = match &mut named {
                Some(named) => named,
                None => named.insert(self.archive.files_that_are_named(self.holders)?),
            };
            let mut gone = Vec::new();
            for file in candidates.into_iter().filter(|file| !named.contains(file.as_str())) {
                if !goes_on() {
                    return Ok(removed);
                }
                if self.blobs.remove_if_older(&file, untouched)? {
                    removed += 1;
                    gone.push(file);
                }
            }
            self.search.forget_files(&gone)?;
        }
        Ok(removed)
    }

    /// Those of the files that no room needs.
    fn candidates(&self, files: &[(BlobId, SystemTime)]) -> Result<Vec<BlobId>> {
        let ids: Vec<BlobId> = files.iter().map(|(id, _)| id.clone()).collect();
        let standing = self.search.standing(&ids)?;
        let is_old = |at: Timestamp| self.keep.is_some_and(|keep| at < self.now.minus(keep));
        let was_never_shown = |since: Timestamp| since < self.now.minus(self.keep.unwrap_or(NEVER_SHOWN));
        let needless = files.iter().filter(|(id, touched)| match standing.get(id) {
            Some(Standing::Gone) => true,
            Some(Standing::Shown(at)) => is_old(*at),
            Some(Standing::Unknown) | None => was_never_shown(timestamp(*touched)),
        });
        Ok(needless.map(|(id, _)| id.clone()).collect())
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.ms()).unwrap_or(0))
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Adds every id of a file that a text names.
pub(crate) fn collect_files(text: &str, into: &mut HashSet<String>) {
    for (at, _) in text.match_indices("blob_") {
        let id = text.get(at..at + 37).filter(|id| id[5..].bytes().all(|byte| byte.is_ascii_hexdigit()));
        into.extend(id.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;
    use std::sync::Arc;

    use futures::executor::block_on;
    use rusqlite::{Connection, params};
    use switchboard_bridges::Settings;
    use switchboard_bridges::web_chat::WebChat;
    use switchboard_core::event::{Change, RoomChanged};
    use switchboard_core::{
        Address, Attachment, Blob, Blobs, Detail, Event, EventId, Message, MessageId, Revision, Sender,
        Surface,
    };

    use super::*;
    use crate::bus::database;
    use crate::bus::log::Progress;
    use crate::bus::readers::Readers;
    use crate::search::History;

    const DAY: Duration = Duration::from_secs(86_400);
    const HOLDERS: [&str; 1] = ["moderation"];

    fn now() -> Timestamp {
        timestamp(SystemTime::now())
    }

    fn id(name: &str) -> BlobId {
        BlobId::from_cause(&[name])
    }

    /// A hub's files, with its database and index.
    struct House {
        directory: tempfile::TempDir,
        db: Connection,
        blobs: FileBlobs,
        search: SearchIndex,
        archive: Archive,
        now: Timestamp,
    }

    impl House {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path: PathBuf = directory.path().join("hub.sqlite3");
            let db = database::open_for_writing(&path, &["web_chat", "moderation"]).unwrap();
            let settings = Settings::for_tests("[rooms.lobby]\nsms = 'open'\n", &[]);
            let history = History {
                bridge: Arc::new(WebChat::new(&settings).unwrap()),
                rooms: vec!["lobby".parse().unwrap()],
                readers: Arc::new(Readers::new(&path, &["web_chat"], Arc::new(Progress::new()))),
                clock: Arc::new(now),
            };
            let archive = Archive::new(&path);
            let search = SearchIndex::new(&directory.path().join("search.sqlite3"), archive.clone(), history);
            let blobs = FileBlobs::new(directory.path().join("blobs"));
            Self { directory, db, blobs, search, archive, now: now() }
        }

        /// A file that was stored so many days ago.
        fn file(&self, name: &str, days: u32) {
            let blob = Blob { content_type: "text/plain".into(), bytes: name.to_owned().into() };
            block_on(async {
                tokio::runtime::Runtime::new().unwrap().block_on(self.blobs.put(&id(name), &blob))
            })
            .unwrap();
            let digits = id(name).as_str()[5..].to_owned();
            let path = self.directory.path().join("blobs").join(&digits[..2]).join(digits);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(system_time(self.now.minus(DAY * days))).unwrap();
        }

        /// A message of the room's history.
        fn message(&self, seq: u64, days: u32, files: &[&str]) {
            let files: Vec<String> = files
                .iter()
                .map(|name| {
                    format!(r#"{{"name":"f","content_type":"text/plain","size":1,"blob":"{}"}}"#, id(name))
                })
                .collect();
            let body = format!(
                r#"{{"message_id":"m{seq}","revision":1,"sender":{{"surface":"web","id":"a","name":"Ann"}},"text":"t","time":"{}","attachments":[{}]}}"#,
                self.now.minus(DAY * days),
                files.join(",")
            );
            let sql = "INSERT INTO items_web_chat VALUES ('room/lobby', ?1, ?2, 1, 0, NULL)";
            self.db.execute(sql, params![format!("{seq:020}"), body]).unwrap();
        }

        fn happened(&self, seq: u64, change: Change, file: &str) {
            let file = Attachment {
                name: "f".into(),
                content_type: "text/plain".into(),
                size: 1,
                blob: Some(id(file)),
                note: None,
            };
            let message = Message {
                id: MessageId::from_text("gone"),
                revision: Revision::FIRST,
                room: "lobby".parse().unwrap(),
                sender: Sender { surface: Surface::Web, address: Address::new("a"), name: "Ann".into() },
                text: "t".into(),
                attachments: vec![file],
                thread_parent: None,
                provider_id: None,
                time: self.now.minus(DAY * 3),
                hops: 0,
            };
            let changed =
                RoomChanged { lane: "lobby".into(), seq, change, message, by: None, reaction: None };
            let event_id = EventId::from_cause(&[&seq.to_string()]);
            let event = Event::new(event_id, "moderation", self.now, Detail::RoomChanged(changed));
            let sql = "INSERT INTO events (id, outside, at, body) VALUES (?1, 0, ?2, ?3)";
            self.db.execute(sql, params![seq.to_be_bytes(), self.now.ms(), event.encode().unwrap()]).unwrap();
        }

        /// Everything that there is to be told apart; gives the files that are to stay, and those that are to go.
        fn furnish(&self) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
            for (name, days) in
                [("new", 10), ("old", 100), ("both", 100), ("waits", 2), ("never posted", 100)]
            {
                self.file(name, days);
            }
            for (name, days) in
                [("held", 100), ("to do", 100), ("deleted", 3), ("stored again", 0), ("fresh", 0)]
            {
                self.file(name, days);
            }
            self.message(1, 100, &["old", "both", "to do", "stored again"]);
            self.message(2, 10, &["new", "both"]);
            let held = format!(r#"{{"status":"held","message":{{"blob":"{}"}}}}"#, id("held"));
            let sql = "INSERT INTO items_moderation VALUES ('message/m9', 'at', ?1, 1, 0, NULL)";
            self.db.execute(sql, [held]).unwrap();
            let to_do = format!(r#"{{"media":["{}"]}}"#, id("to do"));
            let sql = "INSERT INTO effects (id, listener, origin, destination, body, state, attempts, unsure, due, first, \
                       changed) VALUES (1, 1, 1, 'd', ?1, 0, 0, 0, 0, 0, 0)";
            self.db.execute(sql, [to_do]).unwrap();
            // The index is made of the history, and then learns what happens.
            self.search.keep_up().unwrap();
            self.happened(3, Change::Posted, "deleted");
            self.happened(4, Change::Deleted, "deleted");
            let stay = ["new", "both", "waits", "held", "to do", "stored again", "fresh"];
            (stay.into(), ["old", "never posted", "deleted"].into())
        }

        fn old_files(&self, keep: Option<Duration>) -> OldFiles<'_> {
            let Self { blobs, search, archive, now, .. } = self;
            OldFiles { blobs, search, archive, holders: &HOLDERS, keep, now: *now }
        }

        fn there<'a>(&self, names: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
            let there = |name: &&&str| {
                let digits = id(name).as_str()[5..].to_owned();
                self.directory.path().join("blobs").join(&digits[..2]).join(digits).exists()
            };
            names.iter().filter(there).copied().collect()
        }
    }

    #[test]
    fn wherever_it_dies_what_is_needed_stays_and_the_rest_goes_the_next_time() {
        for steps in 0..=3 {
            let house = House::new();
            let (stay, go) = house.furnish();
            let mut left = steps;
            let dies = || {
                left -= 1;
                left >= 0
            };
            house.old_files(Some(DAY * 90)).remove_while(dies).unwrap();
            assert_eq!(house.there(&stay), stay, "after {steps} steps");
            assert_eq!(house.there(&go).len(), go.len() - usize::try_from(steps).unwrap());
            house.old_files(Some(DAY * 90)).remove().unwrap();
            assert_eq!(house.there(&stay), stay);
            assert_eq!(house.there(&go), BTreeSet::new(), "{steps}");
            assert_eq!(house.old_files(Some(DAY * 90)).remove().unwrap(), 0);
        }
    }

    #[test]
    fn where_files_are_kept_as_long_as_their_messages_only_those_that_no_message_shows_go() {
        let house = House::new();
        let (stay, go) = house.furnish();
        assert_eq!(house.old_files(None).remove().unwrap(), 2);
        assert_eq!(house.there(&stay), stay);
        assert_eq!(house.there(&go), ["old"].into());
    }

    #[test]
    fn a_file_that_is_stored_again_meanwhile_stays_and_what_was_never_finished_goes() {
        let house = House::new();
        house.file("x", 100);
        let untouched = system_time(house.now.minus(UNTOUCHED));
        assert_eq!(house.blobs.older_than(untouched).unwrap().len(), 1);
        house.file("x", 0);
        assert!(!house.blobs.remove_if_older(&id("x"), untouched).unwrap());
        let part = house.directory.path().join("blobs/00/begun.part");
        std::fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::fs::File::create(&part).unwrap().set_modified(system_time(house.now.minus(DAY * 2))).unwrap();
        house.blobs.older_than(untouched).unwrap();
        assert!(!part.exists() && house.there(&["x"].into()).len() == 1);
    }

    #[test]
    fn names_of_files_are_found_in_whatever_names_them() {
        let mut found = HashSet::new();
        let text = format!("x{}y,blob_short,{}é blob_{}", id("a"), id("b"), "g".repeat(32));
        collect_files(&text, &mut found);
        assert_eq!(found, [id("a").to_string(), id("b").to_string()].into());
    }
}
