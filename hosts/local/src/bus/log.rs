//! The database's log on its way to the disk, and what is let out when it is there.
//!
//! The writer commits without waiting for the disk (`synchronous = NORMAL`: SQLite then writes the log in its right
//! order and leaves the fsync of a commit to others). This thread does the fsync, for all batches that were
//! committed meanwhile together, and only then are doors answered, effects started and frames shown. So the next
//! turn is decided while the last one is written.
//!
//! # Constraints
//! What is let out may be acted upon, so it must never be lost: an fsync that fails ends the process, since after
//! it the kernel may have dropped what it could not write, and another fsync would say that all is well.
//! A commit can be read by others before it is on disk. Whoever shows what it read waits for [`Progress::kept`].

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use anyhow::{Context, Result};
use switchboard_core::{Bridge, Effect, Push, Timestamp};
use tokio::sync::{broadcast, oneshot, watch};
use tracing::error;

use super::inbox::{Answer, Answering, Inbox, Obeyed};
use crate::metrics::Metrics;

/// An event as `tail` shows it.
pub(crate) type Shown = (i64, Arc<[u8]>);

/// An attempt to start, once it is recorded.
pub(crate) struct Start {
    pub(crate) id: i64,
    pub(crate) bridge: Arc<dyn Bridge>,
    pub(crate) effect: Effect,
    /// Ask whether it was done, since this time, instead of doing it.
    pub(crate) look_since: Option<Timestamp>,
}

/// What a committed turn has to say.
#[derive(Default)]
pub(crate) struct Sealed {
    /// The turn's number.
    pub(super) number: u64,
    /// When the turn began.
    pub(super) began: Option<Instant>,
    /// Requests that were taken in.
    pub(super) doors: usize,
    pub(super) answers: Vec<(Answering, Answer)>,
    pub(super) orders: Vec<(oneshot::Sender<Obeyed>, Obeyed)>,
    pub(super) starts: Vec<Start>,
    pub(super) pushes: Vec<Push>,
    pub(super) shown: Vec<Shown>,
}

/// How many turns are committed, and how many of them are on disk.
#[derive(Debug)]
pub(crate) struct Progress {
    sealed: AtomicU64,
    kept: watch::Sender<u64>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { sealed: AtomicU64::new(0), kept: watch::Sender::new(0) }
    }

    /// A turn is about to be committed: from now on it may be seen. Gives its number.
    pub(super) fn seal(&self) -> u64 {
        self.sealed.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// It could not be committed after all.
    pub(super) fn unseal(&self) {
        self.sealed.fetch_sub(1, Ordering::SeqCst);
    }

    /// The turns up to this one are on disk.
    pub(super) fn keep(&self, number: u64) {
        self.kept.send_replace(number);
    }

    /// Is a turn that was committed on its way to the disk?
    pub(super) fn is_behind(&self) -> bool {
        *self.kept.borrow() < self.sealed.load(Ordering::SeqCst)
    }

    /// Returns when all that may have been seen until now is on disk.
    pub(crate) async fn kept(&self) {
        let sealed = self.sealed.load(Ordering::SeqCst);
        // It cannot fail: the sender is here.
        let _ = self.kept.subscribe().wait_for(|kept| *kept >= sealed).await;
    }
}

/// Where things are let out to.
pub(crate) struct Outlet {
    /// Starts an attempt without waiting for it.
    pub(crate) start: Box<dyn Fn(Start) + Send + Sync>,
    /// Shows frames on sockets without waiting for them.
    pub(crate) push: Box<dyn Fn(Vec<Push>) + Send + Sync>,
    pub(crate) shown: broadcast::Sender<Shown>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Outlet {
    /// Lets out what is on disk.
    pub(super) fn let_out(&self, sealed: Sealed) {
        for (answer, reply) in sealed.answers {
            answer.send(reply);
        }
        for (answer, obeyed) in sealed.orders {
            let _ = answer.send(obeyed);
        }
        for start in sealed.starts {
            (self.start)(start);
        }
        if !sealed.pushes.is_empty() {
            (self.push)(sealed.pushes);
        }
        for shown in sealed.shown {
            // An error only says that nobody is looking.
            let _ = self.shown.send(shown);
        }
        if let Some(began) = sealed.began {
            self.metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
        }
    }
}

/// Ends the process: whether what was written reached the disk cannot be known after a failed fsync, and trying
/// again would say that it did. The next start reads what is there.
pub(super) fn end_without_the_disk(failed: &dyn std::error::Error) -> ! {
    error!(error = %failed, "the disk does not keep what is written to it: the hub ends; what it has answered is kept");
    std::process::exit(1);
}

/// The log's file.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// Opens the log of the database at `path`, which a connection holds open.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        let file = File::options().write(true).open(&name);
        Ok(Self(file.with_context(|| format!("cannot open {}", name.to_string_lossy()))?))
    }

    /// Waits for the disk and lets out what is there, until no more comes.
    pub(super) fn keep(
        &self,
        sealed: &Receiver<Sealed>,
        outlet: &Outlet,
        progress: &Progress,
        inbox: &Inbox,
    ) {
        while let Ok(first) = sealed.recv() {
            let mut batches = vec![first];
            batches.extend(sealed.try_iter());
            if let Err(failed) = self.0.sync_data() {
                end_without_the_disk(&failed);
            }
            let doors: usize = batches.iter().map(|batch| batch.doors).sum();
            outlet.metrics.fsyncs.inc();
            outlet.metrics.arrivals_an_fsync.observe(doors as f64);
            if let Some(last) = batches.last() {
                progress.keep(last.number);
                inbox.nudge();
            }
            batches.into_iter().for_each(|batch| outlet.let_out(batch));
        }
    }
}
