//! Watching `--wiring DIR`: a change is taken up without a restart, and a broken one is refused and told.
//!
//! The directory is looked at once a second, which costs nothing beside what the hub does and works on every file
//! system; a change counts when it has stood still for one look, so that a file half written is not read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use switchboard_rules::wiring::Wiring;
use tokio::sync::{oneshot, watch};
use tracing::warn;

use crate::bus::inbox::Inbox;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches until the hub stops.
pub(crate) async fn watch(directory: PathBuf, inbox: Arc<Inbox>, mut stopping: watch::Receiver<bool>) {
    let (mut in_use, mut before) = (look(&directory), look(&directory));
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let now = look(&directory);
        if now != in_use && now == before {
            if let Err(reason) = take_up(&directory, &inbox).await {
                warn!(%reason, "the wiring has changed and is refused; the one before stays in use");
            }
            // A refused one is told once, until it changes again.
            in_use.clone_from(&now);
        }
        before = now;
    }
}

async fn take_up(directory: &Path, inbox: &Inbox) -> Result<(), String> {
    let wiring = Wiring::load(directory).map_err(|error| error.to_string())?;
    let (answer, taken) = oneshot::channel();
    inbox.rewire((Box::new(wiring), answer));
    taken.await.unwrap_or_else(|_| Err("the hub stops".into()))
}

/// What tells one state of the directory from another: names, lengths, times of change.
fn look(directory: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some((entry.path(), about.len(), about.modified().ok()))
        })
        .collect();
    found.sort();
    found
}
