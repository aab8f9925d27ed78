//! An outcome's limits, and calls into a bridge that may panic: what each host checks before it writes anything.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;
use switchboard_core::store::{self, MAX_TRANSACTION_ITEMS};
use switchboard_core::{Event, Failure, Outcome};

/// Checks an outcome's limits and encodes its events, before anything of it is written.
///
/// # Errors
/// [`Failure::Bug`]: a bridge asks for what no host can do.
pub fn prepare(outcome: &Outcome) -> Result<Vec<Vec<u8>>, Failure> {
    store::check_limits(&outcome.writes)?;
    let all = outcome.writes.len() + outcome.events.len() + outcome.effects.len() + outcome.timers.len();
    if all > MAX_TRANSACTION_ITEMS {
        return Err(Failure::bug(format!("an outcome of {all} parts, more than {MAX_TRANSACTION_ITEMS}")));
    }
    let destinations: BTreeSet<&str> =
        outcome.effects.iter().map(|effect| effect.destination.as_str()).collect();
    if destinations.len() < outcome.effects.len() {
        return Err(Failure::bug("two effects with one destination"));
    }
    outcome.events.iter().map(Event::encode).collect()
}

/// Calls into a bridge: a panic, or a future that is not ready at once, is the bridge's bug and nobody else's.
///
/// # Errors
/// The bridge's own failure, or [`Failure::Bug`].
pub fn guarded<T>(call: impl FnOnce() -> Option<Result<T, Failure>>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Some(result)) => result,
        Ok(None) => Err(Failure::bug("a decision waits for something other than its store")),
        Err(panic) => Err(panicked(&*panic)),
    }
}

/// The same where the store answers later: a panic is the bridge's bug and nobody else's.
///
/// # Errors
/// The bridge's own failure, or [`Failure::Bug`].
pub async fn guarded_later<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Failure::bug(format!("a decision panicked: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_core::Effect;

    #[test]
    fn an_outcome_that_no_host_can_keep_is_refused() {
        let effect = Effect { destination: "a".into(), body: String::new(), not_before: None };
        let twice = Outcome { effects: vec![effect.clone(), effect.clone()], ..Outcome::default() };
        assert!(matches!(prepare(&twice), Err(Failure::Bug { .. })), "one destination twice");
        let effects = (0..=MAX_TRANSACTION_ITEMS)
            .map(|index| Effect { destination: index.to_string(), ..effect.clone() })
            .collect();
        let many = Outcome { effects, ..Outcome::default() };
        assert!(matches!(prepare(&many), Err(Failure::Bug { .. })), "too many");
    }

    #[test]
    fn a_panic_is_the_bridges_bug() {
        let failure = guarded::<()>(|| panic!("oh")).unwrap_err();
        assert!(matches!(&failure, Failure::Bug { reason } if reason.contains("oh")), "{failure:?}");
        let later = futures::executor::block_on(guarded_later::<()>(async { panic!("oh {}", 1) }));
        assert!(matches!(&later, Err(Failure::Bug { reason }) if reason.contains("oh 1")), "{later:?}");
        assert!(guarded::<()>(|| None).is_err(), "not ready");
    }
}
