//! How fast anybody may go: buckets of tokens, by person and by address.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Buckets that are full again are forgotten when there are so many.
const SWEEP_AT: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Buckets of one size.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    per_minute: f64,
    buckets: HashMap<K, Bucket>,
    sweep_at: usize,
}

impl<K: Hash + Eq> Buckets<K> {
    /// So many a minute, all of which may come at once.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute: f64::from(per_minute), buckets: HashMap::new(), sweep_at: SWEEP_AT }
    }

    /// Takes one; or says after how long there is one.
    pub(crate) fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        let a_second = self.per_minute / 60.0;
        if self.buckets.len() >= self.sweep_at {
            let full = |bucket: &Bucket| (now - bucket.at).as_secs_f64() * a_second + bucket.tokens;
            self.buckets.retain(|_, bucket| full(bucket) < self.per_minute);
            self.sweep_at = SWEEP_AT.max(self.buckets.len() * 2);
        }
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: self.per_minute, at: now });
        bucket.tokens =
            (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * a_second).min(self.per_minute);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / a_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_pace_of_its_own_and_waits_no_longer_than_needed() {
        let mut buckets = Buckets::new(60);
        let start = Instant::now();
        for _ in 0..60 {
            assert!(buckets.take("ann", start).is_ok());
        }
        let wait = buckets.take("ann", start).unwrap_err();
        assert!(wait > Duration::from_millis(900) && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(buckets.take("bob", start).is_ok());
        assert!(buckets.take("ann", start + Duration::from_millis(1001)).is_ok());
    }

    #[test]
    fn who_has_been_quiet_is_forgotten() {
        let mut buckets = Buckets::new(60);
        let start = Instant::now();
        for person in 0..SWEEP_AT {
            assert!(buckets.take(person, start).is_ok());
        }
        assert!(buckets.take(SWEEP_AT, start + Duration::from_secs(60)).is_ok());
        assert_eq!(buckets.buckets.len(), 1);
    }
}
