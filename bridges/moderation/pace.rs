//! How fast a sender may go: messages in a while, and the same text again and again.
//!
//! The first is a bucket that leaks (GCRA): one number, the moment at which the sender would be as quiet as if
//! they had said nothing. A message moves it on by its share of the while; it may not be further ahead than the
//! whole. A refused message moves nothing, so who waits gets through.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard_core::Timestamp;
use switchboard_core::event::Reason;

use super::normalise::Glyph;
use super::policy::{Decision, Verdict};

/// A text shorter than this many letters may be said again and again: "yes", "on my way".
const SHORTEST_REPEATED: usize = 12;

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) count: u32,
    pub(super) within: Duration,
    pub(super) then: Decision,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limits {
    pub(super) flood: Option<Limit>,
    pub(super) repeats: Option<Limit>,
}

/// What is remembered of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    /// When the bucket is empty, in microseconds since 1970.
    empty_at_us: i64,
    /// The last text, and since when and how often it was said.
    #[serde(default)]
    text: u64,
    #[serde(default)]
    since: Timestamp,
    #[serde(default)]
    times: u32,
}

impl Limits {
    /// Is anything limited at all? Otherwise no pace is read or written.
    pub(super) fn any(&self) -> bool {
        self.flood.is_some() || self.repeats.is_some()
    }

    /// After so long nothing of a pace matters.
    pub(super) fn memory(&self) -> Duration {
        let within = |limit: Option<Limit>| limit.map_or(Duration::ZERO, |limit| limit.within);
        within(self.flood).max(within(self.repeats)) * 2
    }

    /// The pace after one message more, and what is said of it.
    pub(super) fn take(&self, before: Option<Pace>, text: u64, now: Timestamp) -> (Pace, Verdict) {
        let mut pace = before.unwrap_or_default();
        let mut verdict = Verdict::default();
        if let Some(limit) = self.flood {
            let whole = i64::try_from(limit.within.as_micros()).unwrap_or(i64::MAX);
            let share = whole / i64::from(limit.count.max(1));
            let now_us = now.ms().saturating_mul(1000);
            let empty_at = pace.empty_at_us.max(now_us).saturating_add(share);
            if empty_at.saturating_sub(now_us) > whole {
                verdict.add(limit.then, reason("flood", limit, "messages"));
            } else {
                pace.empty_at_us = empty_at;
            }
        }
        if let Some(limit) = self.repeats.filter(|_| text != 0) {
            if pace.text == text && now.since(pace.since) < limit.within {
                pace.times = pace.times.saturating_add(1);
            } else {
                (pace.text, pace.since, pace.times) = (text, now, 1);
            }
            if pace.times > limit.count {
                verdict.add(limit.then, reason("repeated", limit, "times the same text"));
            }
        }
        (pace, verdict)
    }
}

fn reason(rule: &str, limit: Limit, what: &str) -> Reason {
    let found = format!("more than {} {what} in {} s", limit.count, limit.within.as_secs());
    Reason { rule: rule.to_owned(), found }
}

/// A number for a text, the same for one that differs only in what is not read; 0 for a short one. (FNV-1a: it
/// is stored, and must be the same in the next version of the program.)
pub(super) fn text_number(glyphs: &[Glyph]) -> u64 {
    if glyphs.len() < SHORTEST_REPEATED {
        return 0;
    }
    glyphs.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, glyph| {
        (hash ^ u64::from(u32::from(glyph.readings[0]))).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    /// Each message is (second, text); the answer is one letter for each: `.`, `h`eld or `b`locked.
    fn check(limits: Limits, messages: &[(i64, u64)], expected: &str) {
        let mut pace = None;
        let mut answers = String::new();
        for (second, text) in messages {
            let (after, verdict) = limits.take(pace, *text, Timestamp::from_secs(NOW + second));
            answers.push(match verdict.decision {
                Decision::Allow => '.',
                Decision::Hold => 'h',
                Decision::Block => 'b',
            });
            pace = Some(after);
        }
        assert_eq!(answers, expected);
    }

    #[test]
    fn a_flood_is_stopped_and_who_waits_gets_through() {
        let limit = Limit { count: 3, within: Duration::from_secs(30), then: Decision::Hold };
        let limits = Limits { flood: Some(limit), repeats: None };
        let at = |seconds: &[i64]| seconds.iter().map(|second| (*second, 0)).collect::<Vec<_>>();
        check(limits, &at(&[0, 0, 0, 0, 0, 9, 10, 11, 20, 100, 100, 100, 100]), "...hhh.h....h");
        check(limits, &at(&[0, 10, 20, 30, 40, 50]), "......");
        // A clock that goes back frees nobody and holds nobody longer.
        check(limits, &at(&[0, -100, 0, 0, 0]), ".h..h");
    }

    #[test]
    fn the_same_text_again_and_again_is_stopped() {
        let limit = Limit { count: 2, within: Duration::from_secs(60), then: Decision::Block };
        let limits = Limits { flood: None, repeats: Some(limit) };
        check(limits, &[(0, 7), (1, 7), (2, 7), (3, 8), (4, 7), (5, 0), (6, 0), (7, 0)], "..b.....");
        check(limits, &[(0, 7), (1, 7), (70, 7)], "...");
    }
}
