//! Topics in memory, and what was published to them.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::failure::Failure;
use crate::notice::{Notice, NoticeTopic};
use crate::ports::Notices;

/// Takes everything, but for what its script says goes wrong first.
#[derive(Debug, Default)]
pub struct MemoryNotices {
    failures: Mutex<VecDeque<Failure>>,
    published: Mutex<Vec<(NoticeTopic, Notice)>>,
}

impl MemoryNotices {
    /// The next publish that has no failure before it fails like this.
    ///
    /// # Panics
    /// When a test panicked while it published.
    pub fn fail(&self, failure: Failure) {
        self.failures.lock().expect("no test panics while it holds this").push_back(failure);
    }

    /// What was published, in order.
    ///
    /// # Panics
    /// When a test panicked while it published.
    pub fn published(&self) -> Vec<(NoticeTopic, Notice)> {
        self.published.lock().expect("no test panics while it holds this").clone()
    }
}

#[async_trait]
impl Notices for MemoryNotices {
    async fn publish(&self, topic: &NoticeTopic, notice: &Notice) -> Result<String, Failure> {
        if let Some(failure) = self.failures.lock().expect("no test panics while it holds this").pop_front() {
            return Err(failure);
        }
        let mut published = self.published.lock().expect("no test panics while it holds this");
        published.push((topic.clone(), notice.clone()));
        Ok(format!("notice-{}", published.len()))
    }
}
