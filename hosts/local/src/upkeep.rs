//! What a running hub does by itself now and then: the search takes in what is new, old files go.

use std::sync::Arc;
use std::time::Duration;

use switchboard_core::Timestamp;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::bus::archive::Archive;
use crate::outside::{FileBlobs, OldFiles};
use crate::search::SearchIndex;

/// How often the search takes in what is new by itself: much sooner than the archive may forget it.
const SEARCH_KEEPS_UP_EVERY: Duration = Duration::from_secs(3600);
/// How long after the start old files are looked for,
const OLD_FILES_AFTER: Duration = Duration::from_secs(600);
/// and how often from then on: each time every file is looked at.
const OLD_FILES_EVERY: Duration = Duration::from_secs(6 * 3600);

/// Lets the search take in what is new, though nobody searches: the archive removes what is old.
pub(crate) async fn keep_up(search: Arc<SearchIndex>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SEARCH_KEEPS_UP_EVERY) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let search = Arc::clone(&search);
        match tokio::task::spawn_blocking(move || search.keep_up()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the search could not be brought up to date"),
            Err(error) => error!(%error, "bringing the search up to date panicked"),
        }
    }
}

/// What [`OldFiles`] needs, for as long as the hub runs.
pub(crate) struct Files {
    pub(crate) blobs: FileBlobs,
    pub(crate) search: Arc<SearchIndex>,
    pub(crate) archive: Archive,
    pub(crate) holders: Vec<&'static str>,
    pub(crate) keep: Option<Duration>,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Removes files that nobody needs any more, soon after the start and then now and then.
pub(crate) async fn remove_old_files(files: Arc<Files>, mut stopping: watch::Receiver<bool>) {
    let mut wait = OLD_FILES_AFTER;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        wait = OLD_FILES_EVERY;
        let files = Arc::clone(&files);
        let removed = tokio::task::spawn_blocking(move || {
            let Files { blobs, search, archive, holders, keep, clock } = &*files;
            OldFiles { blobs, search, archive, holders, keep: *keep, now: clock() }.remove()
        });
        match removed.await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => info!(removed, "files that nobody needs any more were removed"),
            Ok(Err(error)) => warn!(%error, "old files could not be removed"),
            Err(error) => error!(%error, "removing old files panicked"),
        }
    }
}
