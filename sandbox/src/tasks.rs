//! The sandbox's background work: texts on their way, events and their retries.
//!
//! Each task ends at its next pause when the sandbox stops; [`Tasks::stop`] waits for that.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// Starts tasks, counts the living, and ends them.
pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    living: Arc<Living>,
}

#[derive(Default)]
struct Living {
    count: AtomicUsize,
    none_left: Notify,
}

struct Life(Arc<Living>);

impl Drop for Life {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

impl Tasks {
    pub(crate) fn new() -> Tasks {
        Tasks { stop: watch::Sender::new(false), living: Arc::default() }
    }

    /// Runs `work` until it ends or the sandbox stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.living.count.fetch_add(1, Ordering::AcqRel);
        let life = Life(Arc::clone(&self.living));
        let mut stop = self.stop.subscribe();
        tokio::spawn(async move {
            let _life = life;
            tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => {}
                () = work => {}
            }
        });
    }

    /// How many tasks are under way.
    pub(crate) fn living(&self) -> usize {
        self.living.count.load(Ordering::Acquire)
    }

    /// Turns true when the sandbox stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Ends after `at_most`, or as soon as the sandbox stops.
    pub(crate) async fn pause(&self, at_most: Duration) {
        let mut stop = self.stop.subscribe();
        let _ = tokio::time::timeout(at_most, stop.wait_for(|stopped| *stopped)).await;
    }

    /// Ends every task and waits until all have ended.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        loop {
            let none_left = self.living.none_left.notified();
            if self.living() == 0 {
                return;
            }
            // The time-out covers a task that ends between the two lines above.
            let _ = tokio::time::timeout(Duration::from_millis(50), none_left).await;
        }
    }
}
