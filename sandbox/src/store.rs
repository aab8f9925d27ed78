//! What was received survives a restart: an append-only file of JSON lines.
//!
//! The sandbox often lives in the hub's own process. When the hub is killed and started again, real
//! providers would still know every message; this file is why the pretend ones do too.
//!
//! - Layout: one [`Entry`] a line, a message's newest line wins.
//! - Operation: the line is written (one `write`, so it survives `kill -9`; not synced, so it need not
//!   survive power loss) before the call is answered, under the lock of the state it belongs to.
//! - Recovery: the lines are replayed; a line that cannot be read (the torn last one) is skipped.
//! - Bound: at the start, and when the file has doubled since and is over [`COMPACT_ABOVE`], it is written
//!   anew from the state, which is bounded itself, and renamed over the old one.
//!
//! Rejected: SQLite (the host has it, but the pretend providers must not share the hub's store).
//! Calls, webhooks, faults and events that were not yet acknowledged are not kept.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::house::{House, locked};
use crate::notices::Published;
use crate::slack::{Message, StoredFile, Ts};
use crate::twilio::{InboundMedia, Text};

/// Below this size the file is never written anew while running.
const COMPACT_ABOVE: u64 = 64 * 1024 * 1024;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "entries are borrowed and pass at once; none is kept")]
pub(crate) enum Entry<'a> {
    /// A text in either direction, as it is now.
    Text(Cow<'a, Text>),
    /// A text was deleted.
    TextGone(Cow<'a, str>),
    /// Media that a phone sent.
    Media(Arc<InboundMedia>),
    /// Media that was deleted.
    MediaGone(Cow<'a, str>),
    /// Whether a phone refuses a sender.
    OptOut { sender: Cow<'a, str>, phone: Cow<'a, str>, out: bool },
    /// A channel that was added.
    Channel { id: Cow<'a, str>, name: Cow<'a, str> },
    /// A Slack message, as it is now.
    Message { channel: Cow<'a, str>, message: Arc<Message> },
    /// A Slack message was deleted.
    MessageGone { channel: Cow<'a, str>, ts: Ts },
    /// A file, with its bytes when it was uploaded.
    File(Arc<StoredFile>),
    /// Something that was published to a topic.
    Notice { topic: Cow<'a, str>, published: Cow<'a, Published> },
}

pub(crate) struct Store {
    path: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    bytes: u64,
    compact_at: u64,
}

impl Store {
    /// Opens the file, making it and its folder when needed, and reads what is in it.
    pub(crate) fn open(path: &Path) -> io::Result<(Store, Vec<Entry<'static>>)> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut entries = Vec::new();
        let mut unreadable = 0;
        for line in BufReader::new(&file).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(entry) => entries.push(entry),
                Err(_) => unreadable += 1,
            }
        }
        if unreadable > 0 {
            tracing::warn!(
                unreadable,
                "some lines of the sandbox's store could not be read and were skipped"
            );
        }
        let open = Mutex::new(Open { file, bytes: 0, compact_at: 0 });
        Ok((Store { path: path.to_owned(), open }, entries))
    }

    /// Adds a line. A failure is logged and the sandbox goes on: it only pretends.
    pub(crate) fn append(&self, entry: &Entry<'_>) {
        let Ok(mut line) = serde_json::to_vec(entry) else { return };
        line.push(b'\n');
        let mut open = locked(&self.open);
        open.bytes += line.len() as u64;
        if let Err(error) = open.file.write_all(&line) {
            tracing::error!(%error, "the sandbox's store could not be written");
        }
    }

    fn wants_compaction(&self) -> bool {
        let open = locked(&self.open);
        open.bytes > open.compact_at
    }

    fn replace(&self, write: impl FnOnce(&mut dyn FnMut(Entry<'_>))) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut open = locked(&self.open);
        let mut writer = BufWriter::new(File::create(&beside)?);
        let (mut bytes, mut failed) = (0, None);
        write(&mut |entry| {
            let written = serde_json::to_vec(&entry).map_err(io::Error::from).and_then(|mut line| {
                line.push(b'\n');
                bytes += line.len() as u64;
                writer.write_all(&line)
            });
            if let Err(error) = written {
                failed.get_or_insert(error);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        writer.flush()?;
        drop(writer);
        std::fs::rename(&beside, &self.path)?;
        let file = OpenOptions::new().append(true).open(&self.path)?;
        *open = Open { file, bytes, compact_at: COMPACT_ABOVE.max(bytes * 2) };
        Ok(())
    }
}

impl House {
    /// Something changed: adds a line when there is a store, and tells who looks on. Called under the lock of the
    /// state that changed.
    pub(crate) fn keep(&self, entry: &Entry<'_>) {
        self.changes.send_modify(|count| *count += 1);
        if let Some(store) = &self.store {
            store.append(entry);
        }
    }

    /// Puts back what the store held.
    pub(crate) fn restore(&self, entries: Vec<Entry<'static>>) {
        let mut texts = locked(&self.texts);
        let mut workspace = locked(&self.workspace);
        let mut notices = locked(&self.notices);
        for entry in entries {
            match entry {
                Entry::Text(text) => texts.put(text.into_owned()),
                Entry::TextGone(sid) => drop(texts.remove(&sid)),
                Entry::Media(media) => texts.put_media(media),
                Entry::MediaGone(sid) => drop(texts.remove_media(&sid)),
                Entry::OptOut { sender, phone, out } => texts.set_opted_out(&sender, &phone, out),
                Entry::Channel { id, name } => workspace.add_channel(&id, &name),
                Entry::Message { channel, message } => {
                    workspace.restore_message(&channel, message);
                }
                Entry::MessageGone { channel, ts } => {
                    if let Some(channel) = workspace.channel_mut(&channel) {
                        channel.remove(ts);
                    }
                }
                Entry::File(file) => workspace.files.put(file),
                Entry::Notice { topic, published } => notices.put(&topic, published.into_owned()),
            }
        }
    }

    /// Writes the store anew when it has grown, or when `always`.
    pub(crate) fn compact(&self, always: bool) -> io::Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        if !always && !store.wants_compaction() {
            return Ok(());
        }
        let texts = locked(&self.texts);
        let workspace = locked(&self.workspace);
        let notices = locked(&self.notices);
        store.replace(|write| {
            texts.entries(write);
            workspace.entries(write);
            notices.entries(write);
        })
    }
}

/// Bytes as base64 in the store.
pub(crate) mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
    }
}
