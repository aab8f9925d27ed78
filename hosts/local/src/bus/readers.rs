//! Reading a bridge's store beside the writer: what is committed, over connections of their own, holding nobody
//! up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_core::{Failure, Timestamp};
use tokio::sync::Semaphore;

use super::database;
use super::log::Progress;
use super::view::{ItemsSql, Shared, SqlView};

/// Most readings at once: each has a thread and a connection while it lasts.
const AT_ONCE: usize = 8;
/// Connections that are kept open for the next reading.
const KEPT: usize = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    sql: HashMap<&'static str, ItemsSql>,
    idle: Mutex<Vec<Shared>>,
    places: Semaphore,
    progress: Arc<Progress>,
}

impl Readers {
    /// Readers of this file, for these bridges.
    pub(crate) fn new(path: &Path, bridges: &[&'static str], progress: Arc<Progress>) -> Self {
        let sql = bridges.iter().map(|name| (*name, ItemsSql::new(name))).collect();
        let places = Semaphore::new(AT_ONCE);
        Self { path: path.to_owned(), sql, idle: Mutex::default(), places, progress }
    }

    /// Does `work` with a view of a bridge's store, off the async threads.
    ///
    /// # Errors
    /// The work's own; [`Failure::Retry`] when the file cannot be opened.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        bridge: &'static str,
        now: Timestamp,
        work: impl FnOnce(&SqlView<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Ok(_place) = self.places.acquire().await else {
            return Err(Failure::retry("the hub is stopping"));
        };
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || readers.read_here(bridge, now, work));
        let result =
            done.await.unwrap_or_else(|error| Err(Failure::bug(format!("a reading panicked: {error}"))));
        // What was read may not be on disk yet, and nobody is to see what a power cut could take back.
        self.progress.kept().await;
        result
    }

    /// Does `work` on this thread, which may wait for the disk, and with a connection of its own: for what reads much.
    ///
    /// # Errors
    /// As [`Readers::read`].
    pub(crate) fn read_here<T>(
        &self,
        bridge: &'static str,
        now: Timestamp,
        work: impl FnOnce(&SqlView<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let connection = self.take()?;
        let sql = self.sql.get(bridge).ok_or_else(|| Failure::bug(format!("no bridge {bridge}")))?;
        let result = work(&SqlView { connection: &connection, sql, now });
        self.give_back(connection);
        result
    }

    fn take(&self) -> Result<Shared, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => database::open_for_reading(&self.path)
                .map(Mutex::new)
                .map_err(|error| Failure::retry(format!("the store cannot be read: {error}"))),
        }
    }

    fn give_back(&self, connection: Shared) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_read_is_shown_only_when_it_is_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.sqlite3");
        let _writer = database::open_for_writing(&path, &["echo"]).unwrap();
        let progress = Arc::new(Progress::new());
        let readers = Arc::new(Readers::new(&path, &["echo"], Arc::clone(&progress)));
        let number = progress.seal();
        let mut reading = Box::pin(readers.read("echo", Timestamp::from_ms(0), |_| Ok(())));
        assert!(
            tokio::time::timeout(Duration::from_millis(300), &mut reading).await.is_err(),
            "the turn that it may have seen is not on disk"
        );
        progress.keep(number);
        reading.await.unwrap();
        readers.read("echo", Timestamp::from_ms(0), |_| Ok(())).await.unwrap();
    }
}
