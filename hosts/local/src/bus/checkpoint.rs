//! Copying the log into the main file beside the writer.
//!
//! Left to itself SQLite does it in the commit that makes the log too long: some hundred milliseconds in which no
//! door is answered. So a thread of its own copies while the writer goes on, again and again until little is left,
//! and the writer copies that little: only when the whole log is copied can it begin anew. SQLite brings the main
//! file to the disk only then, and the writer would wait for all that was ever copied; so the thread does that too,
//! after each round.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::{Connection, ffi};
use tracing::warn;

use super::database;
use super::log::end_without_the_disk;
use super::view::{Shared, lock};

/// Pages of the log before it is copied: at 4 KiB a page 128 MiB, so that pages that change in many batches are
/// copied once.
pub(super) const PAGES: i64 = 32_768;
/// Which part of them may be left to the writer.
const LITTLE: i64 = 256;
/// How often the copying begins again for what came meanwhile.
const MOST_ROUNDS: usize = 8;
/// How long to wait after a copying that failed: the disk is full, perhaps.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What a copying came to: pages in the log, and how many of them are copied.
struct Copied {
    pages: i64,
    copied: i64,
}

fn copy(connection: &Connection) -> rusqlite::Result<Copied> {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(Copied { pages: row.get(1)?, copied: row.get(2)? })
    });
    copied.inspect_err(|failed| {
        if failed.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_FSYNC) {
            end_without_the_disk(failed);
        }
    })
}

/// What the copying thread works with.
#[derive(Debug)]
pub(crate) struct Beside {
    connection: Connection,
    /// The main file. It is never closed: closing any descriptor of a file gives up the locks that SQLite holds on
    /// it in this process (<https://sqlite.org/howtocorrupt.html>, 2.2).
    main: &'static File,
}

impl Beside {
    /// Opens the database at `path` beside its writer.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let main = File::options().write(true).open(path);
        let main = main.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { connection: database::open_for_copying(path)?, main: Box::leak(Box::new(main)) })
    }

    fn copy(&self) -> rusqlite::Result<Copied> {
        let copied = copy(&self.connection)?;
        self.main.sync_data().unwrap_or_else(|failed| end_without_the_disk(&failed));
        Ok(copied)
    }
}

/// The writer's part.
pub(super) struct Checkpoints {
    /// Pages in the log, as of the last commit.
    pages: Arc<AtomicI64>,
    wanted: SyncSender<()>,
    copied: Arc<AtomicBool>,
    under_way: bool,
    /// How many pages are copied at a time.
    every: i64,
    /// When to begin again.
    at: i64,
}

/// The other thread's part.
pub(super) struct Copier {
    pages: Arc<AtomicI64>,
    wanted: Receiver<()>,
    copied: Arc<AtomicBool>,
    little: i64,
}

/// Takes the checkpoints over from the writer's connection; one whenever the log has so many pages.
///
/// # Errors
/// When SQLite refuses.
pub(super) fn take_over(db: &Shared, every: i64) -> rusqlite::Result<(Checkpoints, Copier)> {
    let (wanted, asked) = sync_channel(1);
    let (pages, copied) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut connection = lock(db);
    // The hook takes the place of SQLite's own, which makes the checkpoints.
    let seen = Arc::clone(&pages);
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        seen.store(i64::from(pages), Ordering::Relaxed);
        Ok(())
    }))?;
    let little = every / LITTLE;
    let copier = Copier { pages: Arc::clone(&pages), wanted: asked, copied: Arc::clone(&copied), little };
    Ok((Checkpoints { pages, wanted, copied, under_way: false, every, at: every }, copier))
}

impl Checkpoints {
    /// After a commit.
    pub(super) fn look(&mut self, db: &Shared) {
        let pages = self.pages.load(Ordering::Relaxed);
        if self.under_way {
            if !self.copied.swap(false, Ordering::Acquire) {
                return;
            }
            self.under_way = false;
            // Where somebody still reads an older state the log goes on growing, and this is tried again later.
            self.at = match copy(&lock(db)) {
                Ok(Copied { pages, copied }) if pages == copied => self.every,
                Ok(_) => pages + self.every,
                Err(failed) => {
                    warn!(error = %failed, "the log could not be copied into the database; it grows meanwhile");
                    pages + self.every
                }
            };
        } else if pages >= self.at {
            self.under_way = self.wanted.try_send(()).is_ok();
        }
    }
}

impl Copier {
    /// Copies whenever it is asked to, until nobody can ask any more.
    pub(super) fn work(self, beside: &Beside) {
        while self.wanted.recv().is_ok() {
            for _ in 0..MOST_ROUNDS {
                match beside.copy() {
                    Ok(Copied { copied, .. }) => {
                        if self.pages.load(Ordering::Relaxed) - copied <= self.little {
                            break;
                        }
                    }
                    Err(failed) => {
                        warn!(error = %failed, "the log could not be copied into the database; it grows meanwhile");
                        std::thread::sleep(AFTER_FAILURE);
                    }
                }
            }
            self.copied.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_log_begins_anew_while_the_writer_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.sqlite3");
        let db = Mutex::new(database::open_for_writing(&path, &[]).unwrap());
        let (mut checkpoints, copier) = take_over(&db, 512).unwrap();
        let beside = Beside::open(&path).unwrap();
        let mut longest = 0;
        let mut begun_anew = 0;
        std::thread::scope(|threads| {
            threads.spawn(move || copier.work(&beside));
            let mut last = 0;
            for number in 0..2000 {
                let insert = "INSERT INTO events (position, id, outside, at, body) VALUES (?1, x'01', 0, 0, zeroblob(9000))";
                lock(&db).execute(insert, [number]).unwrap();
                checkpoints.look(&db);
                let pages = checkpoints.pages.load(Ordering::Relaxed);
                begun_anew += usize::from(pages < last);
                (longest, last) = (longest.max(pages), pages);
                if pages > 3000 {
                    // The other thread may not have had its turn on a busy machine.
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            drop(checkpoints);
        });
        assert!(begun_anew >= 1 && longest < 6000, "{begun_anew} times, at most {longest} pages");
    }
}
