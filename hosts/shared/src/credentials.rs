//! Credentials that a provider refuses: a person has to mend them, so it is said when that begins, once for a listener
//! and not for each thing that waits for it; and when it is over.

use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_core::Failure;
use tracing::{error, info};

/// Whether they are refused.
#[derive(Debug, Default)]
pub struct Credentials {
    refused: AtomicBool,
    /// Refused since somebody last asked.
    lately: AtomicBool,
}

impl Credentials {
    /// An attempt of this listener's failed. True when that is how its credentials began to be refused.
    pub fn failed(&self, listener: &str, failure: &Failure) -> bool {
        if !matches!(failure, Failure::Retry { credentials: true, .. }) {
            return false;
        }
        self.lately.store(true, Ordering::Relaxed);
        let begins = !self.refused.swap(true, Ordering::Relaxed);
        if begins {
            error!(
                listener,
                reason = %failure,
                "a provider refuses our credentials: what it is to do waits until they are mended"
            );
        }
        begins
    }

    /// An attempt of this listener's succeeded. True when they were refused before.
    pub fn worked(&self, listener: &str) -> bool {
        // Read first: nearly always it is nothing, and a write would be seen by every thread.
        let over = self.refused.load(Ordering::Relaxed) && self.refused.swap(false, Ordering::Relaxed);
        if over {
            info!(listener, "the provider takes our credentials again");
        }
        over
    }

    /// Were they refused since this was last asked?
    pub fn lately_refused(&self) -> bool {
        self.lately.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn that_credentials_are_refused_is_said_when_it_begins_and_when_it_ends() {
        let credentials = Credentials::default();
        let refused = Failure::credentials("401", Duration::from_secs(60));
        assert!(!credentials.worked("sms.out"));
        assert!(!credentials.failed("sms.out", &Failure::retry("down")));
        assert!(credentials.failed("sms.out", &refused));
        assert!(!credentials.failed("sms.out", &refused), "once, not for each text");
        assert!(credentials.lately_refused() && !credentials.lately_refused());
        assert!(!credentials.failed("sms.out", &Failure::retry("down")), "nothing is known of them");
        assert!(!credentials.failed("sms.out", &refused));
        assert!(credentials.worked("sms.out") && !credentials.worked("sms.out"));
        assert!(credentials.failed("sms.out", &refused), "it begins anew");
    }
}
