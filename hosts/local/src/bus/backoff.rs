//! How long to wait before trying again: doubling from one second to a quarter of an hour, with jitter.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The wait after `attempts` failed attempts. `random` is in 0..1 and moves the wait between half and whole, so
/// that what failed together does not come back together.
pub(crate) fn wait(attempts: u32, random: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    FIRST.saturating_mul(1 << doublings).min(LONGEST).mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_is_bounded() {
        assert_eq!(wait(1, 1.0), Duration::from_secs(1));
        assert_eq!(wait(1, 0.0), Duration::from_millis(500));
        assert_eq!(wait(4, 1.0), Duration::from_secs(8));
        assert_eq!(wait(50, 1.0), LONGEST);
    }
}
