//! What the readers have heard: every message by its number, at each reader.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

/// A load that makes no progress for so long is over, whatever is missing.
const SILENCE: Duration = Duration::from_secs(10);

/// One reader.
pub struct Ear {
    /// How often each message was heard.
    times: Vec<AtomicU8>,
    /// Numbers of the room that did not follow the one before, where the server gives numbers.
    out_of_order: AtomicUsize,
    /// Microseconds from the post to the reader.
    took: Mutex<Vec<u32>>,
}

impl Ear {
    /// A message of [`text`]; `after` is the room's number of the one before, `seq` its own.
    pub fn note(&self, text: &str, after: Option<u64>, seq: Option<u64>) {
        let (Some(sent), Some(number)) = (field(text, "sent="), field(text, "number=")) else { return };
        let Some(times) = usize::try_from(number).ok().and_then(|number| self.times.get(number)) else {
            return;
        };
        times.fetch_add(1, Ordering::Relaxed);
        if let (Some(after), Some(seq)) = (after, seq)
            && seq != after + 1
        {
            self.out_of_order.fetch_add(1, Ordering::Relaxed);
        }
        let took = u32::try_from(now_us().saturating_sub(sent)).unwrap_or(u32::MAX);
        self.took.lock().unwrap_or_else(PoisonError::into_inner).push(took);
    }
}

/// What message `number` says: some 100 characters.
pub fn text(number: usize) -> String {
    format!("number={number} sent={} {}", now_us(), "and so on, and on ".repeat(4))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let rest = &text[text.find(name)? + name.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// All readers.
pub struct Heard {
    messages: usize,
    ears: Mutex<Vec<Arc<Ear>>>,
    /// Sockets that the load cut by itself.
    pub cuts: AtomicUsize,
    /// Sockets that the server ended, or that broke; they resume.
    pub ended: AtomicUsize,
}

/// What came of it.
pub struct Sums {
    /// Messages that did not reach a reader.
    pub lost: usize,
    /// Messages that reached a reader again.
    pub twice: usize,
    /// Numbers of the room that did not follow the one before.
    pub out_of_order: usize,
}

impl Heard {
    /// For so many messages.
    pub fn of(messages: usize) -> Arc<Self> {
        let (cuts, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { messages, ears: Mutex::default(), cuts, ended })
    }

    /// One more reader.
    pub fn ear(&self) -> Arc<Ear> {
        let ear = Arc::new(Ear {
            times: (0..self.messages).map(|_| AtomicU8::new(0)).collect(),
            out_of_order: AtomicUsize::new(0),
            took: Mutex::default(),
        });
        self.lock().push(Arc::clone(&ear));
        ear
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Ear>>> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deliveries so far, each message at each reader counted once.
    pub fn count(&self) -> usize {
        let heard =
            |ear: &Arc<Ear>| ear.times.iter().filter(|times| times.load(Ordering::Relaxed) > 0).count();
        self.lock().iter().map(heard).sum()
    }

    /// Waits until every reader has heard the first so many messages, or nothing has come for some time.
    pub async fn wait_for(&self, messages: usize) {
        let (mut before, mut moved) = (0, Instant::now());
        loop {
            let count = self.count();
            if count >= messages * self.lock().len() || moved.elapsed() > SILENCE {
                return;
            }
            if count > before {
                (before, moved) = (count, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How long it took.
    pub fn print(&self, what: &str) {
        let mut took: Vec<u32> = Vec::new();
        for ear in self.lock().iter() {
            took.extend_from_slice(&ear.took.lock().unwrap_or_else(PoisonError::into_inner));
        }
        took.sort_unstable();
        let at = |part: f64| {
            f64::from(took.get((took.len() as f64 * part) as usize).copied().unwrap_or(0)) / 1000.0
        };
        println!("{what}: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(0.5), at(0.99), at(0.999_999));
    }

    /// Prints what was lost, heard twice or out of order; that is a failure.
    pub fn judge(&self) -> Result<()> {
        let sums = self.sums();
        let (cuts, ended) = (self.cuts.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        let Sums { lost, twice, out_of_order } = sums;
        println!(
            "lost {lost}, twice {twice}, out of order {out_of_order}; cut by the load {cuts}, ended by the server {ended}"
        );
        if lost + twice + out_of_order > 0 {
            bail!("not every reader heard every message once and in order");
        }
        Ok(())
    }

    fn sums(&self) -> Sums {
        let mut sums = Sums { lost: 0, twice: 0, out_of_order: 0 };
        for ear in self.lock().iter() {
            for times in &ear.times {
                match times.load(Ordering::Relaxed) {
                    0 => sums.lost += 1,
                    times => sums.twice += usize::from(times) - 1,
                }
            }
            sums.out_of_order += ear.out_of_order.load(Ordering::Relaxed);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_what_comes_twice_and_what_is_out_of_order_is_counted() {
        let heard = Heard::of(3);
        let (good, bad) = (heard.ear(), heard.ear());
        for number in 0..3 {
            good.note(&text(number), Some(number as u64), Some(number as u64 + 1));
        }
        assert_eq!(heard.count(), 3);
        bad.note(&text(0), Some(0), Some(1));
        bad.note(&text(0), Some(1), Some(1));
        bad.note(&text(2), Some(1), Some(3));
        let sums = heard.sums();
        assert_eq!((sums.lost, sums.twice, sums.out_of_order), (1, 1, 2));
        assert!(heard.judge().is_err());
    }
}
