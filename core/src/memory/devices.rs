//! A broker in memory, and what was published to it.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::device::DeviceMessage;
use crate::failure::Failure;
use crate::ports::Devices;

/// Takes everything, but for what its script says goes wrong first.
#[derive(Debug, Default)]
pub struct MemoryDevices {
    failures: Mutex<VecDeque<Failure>>,
    published: Mutex<Vec<DeviceMessage>>,
}

impl MemoryDevices {
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
    pub fn published(&self) -> Vec<DeviceMessage> {
        self.published.lock().expect("no test panics while it holds this").clone()
    }
}

#[async_trait]
impl Devices for MemoryDevices {
    async fn publish(&self, message: &DeviceMessage) -> Result<(), Failure> {
        if let Some(failure) = self.failures.lock().expect("no test panics while it holds this").pop_front() {
            return Err(failure);
        }
        self.published.lock().expect("no test panics while it holds this").push(message.clone());
        Ok(())
    }
}
