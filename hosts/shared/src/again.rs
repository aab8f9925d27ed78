//! When to try again: doubling from one second to a quarter of an hour, with jitter, as often and as long as the
//! wiring's policy says.

use std::time::Duration;

use switchboard_core::{Failure, Timestamp};
use switchboard_rules::wiring::Delivery as Policy;

/// The policy of effects that doors and timers ask for: as the wiring's, more attempts than its age has room for.
pub const DOOR_POLICY: Policy = Policy { attempts: 250, max_age_s: 86_400, concurrency: 16 };

const FIRST: Duration = Duration::from_secs(1);
/// So long nobody hears that a provider is back; and so seldom, four to eight times an hour, it is asked for each lane.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The wait after `attempts` failed attempts. `random` is in 0..1 and moves the wait between half and whole, so
/// that what failed together does not come back together.
pub fn wait(attempts: u32, random: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    FIRST.saturating_mul(1 << doublings).min(LONGEST).mul_f64(0.5 + random / 2.0)
}

/// When to try again, or `None` when it is time to give up. Counts the attempt, unless the failure says when.
pub fn try_again(
    failure: &Failure,
    attempts: &mut u32,
    first: Timestamp,
    policy: &Policy,
    now: Timestamp,
    random: f64,
) -> Option<Timestamp> {
    let wait = match failure {
        Failure::Refuse { .. } | Failure::Bug { .. } => {
            *attempts += 1;
            return None;
        }
        Failure::Retry { after: Some(after), .. } => *after,
        Failure::Retry { after: None, .. } | Failure::Unsure { .. } => {
            *attempts += 1;
            if *attempts >= policy.attempts {
                return None;
            }
            wait(*attempts, random)
        }
    };
    (now.since(first) < Duration::from_secs(policy.max_age_s)).then(|| now.plus(wait))
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

    /// Seconds until a provider that refuses connections all the time has cost a delivery, and the attempts until then.
    fn given_up_after(policy: &Policy, random: f64) -> (i64, u32) {
        let (first, down) = (Timestamp::default(), Failure::retry("down"));
        let (mut attempts, mut now) = (0, first);
        while let Some(next) = try_again(&down, &mut attempts, first, policy, now, random) {
            now = next;
        }
        (now.secs(), attempts)
    }

    #[test]
    fn a_provider_that_is_down_for_a_day_loses_nothing_and_is_not_hammered() {
        let wiring = switchboard_rules::wiring::Wiring::embedded().unwrap();
        let patient = wiring.rules().iter().filter(|rule| rule.listener.ends_with(".out"));
        let policies: Vec<Policy> = patient.map(|rule| rule.delivery).chain([DOOR_POLICY]).collect();
        assert_eq!(policies.len(), 3, "slack.out, sms.out, and what doors ask for");
        for policy in policies {
            for (random, most) in [(0.0, 210), (0.5, 145), (1.0, 110)] {
                let (after, attempts) = given_up_after(&policy, random);
                assert!(after >= 86_400, "{policy:?} gives up after {after} s");
                assert!(attempts < most, "{attempts} attempts in a day");
            }
        }
    }

    #[test]
    fn attempts_and_age_are_bounded_and_a_provider_that_says_when_costs_no_attempt() {
        let policy = Policy { attempts: 2, max_age_s: 60, concurrency: 1 };
        let mut attempts = 0;
        let mut ask = |failure: Failure, at| {
            try_again(&failure, &mut attempts, Timestamp::default(), &policy, Timestamp::from_secs(at), 1.0)
                .map(|due| due.secs() - at)
        };
        let says_when = Failure::retry_after("429", Duration::from_secs(7));
        assert_eq!(ask(says_when.clone(), 0), Some(7));
        assert_eq!(ask(Failure::retry("down"), 0), Some(1), "the first of two");
        assert_eq!(ask(says_when.clone(), 59), Some(7));
        assert_eq!(ask(says_when, 60), None, "too old");
        assert_eq!(ask(Failure::unsure("lost"), 0), None, "the second of two");
        assert_eq!(ask(Failure::bug("ours"), 0), None);
    }
}
