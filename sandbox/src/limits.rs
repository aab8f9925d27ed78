//! Speed limits as token buckets, one a key.
//!
//! Which calls have which limit is said where the provider's calls are (`slack`, `twilio`).

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::house::locked;

/// Above this many keys the ones that are full again are forgotten.
const KEYS_BEFORE_SWEEP: usize = 10_000;

#[derive(Default)]
pub(crate) struct Buckets(Mutex<HashMap<String, Bucket>>);

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Buckets {
    /// Takes a token of `key`'s bucket, which gains `per_s` tokens a second up to `burst`; or says when
    /// there will be one.
    pub(crate) fn take(&self, key: &str, per_s: f64, burst: f64) -> Result<(), Duration> {
        let now = Instant::now();
        let mut buckets = locked(&self.0);
        if buckets.len() > KEYS_BEFORE_SWEEP {
            buckets.retain(|_, bucket| (now - bucket.filled) < Duration::from_secs(60));
        }
        let burst = burst.max(1.0);
        let bucket = match buckets.get_mut(key) {
            Some(bucket) => bucket,
            None => buckets.entry(key.to_owned()).or_insert(Bucket { tokens: burst, filled: now }),
        };
        bucket.tokens = (bucket.tokens + (now - bucket.filled).as_secs_f64() * per_s).min(burst);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_s.max(1e-6)))
    }

    pub(crate) fn clear(&self) {
        locked(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_is_told_when() {
        let buckets = Buckets::default();
        assert!((0..4).all(|_| buckets.take("C1", 1.0, 4.0).is_ok()));
        let wait = buckets.take("C1", 1.0, 4.0).unwrap_err();
        assert!(wait > Duration::from_millis(900) && wait <= Duration::from_secs(1));
        assert!(buckets.take("C2", 1.0, 4.0).is_ok());
    }
}
