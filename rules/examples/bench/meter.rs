//! Time and memory, as the kernel counts them.

use std::{fs, time::Instant};

/// Nanoseconds that this thread has run. Other work on the machine does not count, as it would on the wall's clock.
fn cpu_ns() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().next()?.parse().ok()
}

/// Runs `work`; what it gives, and the seconds that it took.
pub(crate) fn seconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (wall, cpu) = (Instant::now(), cpu_ns());
    let given = work();
    let seconds = match (cpu, cpu_ns()) {
        (Some(before), Some(after)) => (after - before) as f64 / 1e9,
        _ => wall.elapsed().as_secs_f64(),
    };
    (given, seconds)
}

/// As [`seconds`], by the wall's clock: the kernel's counts in steps of milliseconds.
pub(crate) fn wall_seconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let given = work();
    (given, started.elapsed().as_secs_f64())
}

/// Resident memory, in bytes.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}
