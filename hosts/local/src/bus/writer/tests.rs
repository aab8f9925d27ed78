//! The bus against a model: see `desk`.

use proptest::prelude::*;
use switchboard_core::Failure;

use self::desk::{Desk, KEEP, UNWANTED};
use super::*;
use switchboard_hosts::attempt::Attempted as AttemptResult;

mod backlog;
mod desk;
mod letters;

#[test]
fn a_full_disk_turns_doors_away_loses_nothing_and_jams_nobody() {
    let mut desk = Desk::new();
    desk.knock("a one").unwrap();
    desk.room_on_disk(Some(0));
    let large = format!("a {}", "x".repeat(20_000));
    for _ in 0..20 {
        assert!(matches!(desk.knock(&large), Err(Failure::Retry { .. })), "no room, no promise");
    }
    assert_eq!(desk.writer.parts.metrics.writable.get(), 0, "not ready");
    desk.room_on_disk(None);
    desk.turn();
    assert_eq!(desk.writer.parts.metrics.writable.get(), 1, "ready again, though nobody has knocked");
    for number in 0..10 {
        desk.knock(&format!("b{number} two")).unwrap();
    }
    desk.drain();
    assert_eq!(desk.done("a"), ["one"]);
    for number in 0..10 {
        assert_eq!(desk.done(&format!("b{number}")), ["two"], "every place is free again");
    }
}

#[test]
fn what_is_settled_and_old_is_removed_and_what_is_open_or_dead_is_kept() {
    let mut desk = Desk::new();
    for number in 0..450 {
        desk.knock(&format!("a{} {number}", number % 7)).unwrap();
    }
    desk.knock("b is a bug").unwrap();
    for _ in 0..4 {
        desk.drain();
    }
    desk.knock("c never answered").unwrap();
    let count = |desk: &Desk, what: &str| -> i64 {
        lock(&desk.writer.db)
            .query_row(&format!("SELECT COUNT(*) FROM {what}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!((count(&desk, "events"), count(&desk, "effects")), (452, 451));
    desk.pass(KEEP - Duration::from_secs(5 * 86_400));
    desk.sweep();
    assert_eq!((count(&desk, "events"), count(&desk, "arrivals")), (452, 452), "not old yet");

    // The attempt that was under way has become unsure; the provider does not answer.
    desk.pass(Duration::from_secs(6 * 86_400));
    desk.knock("d young").unwrap();
    desk.sweep();
    assert_eq!(count(&desk, "events"), 3, "the dead letter's, the open one, the young one");
    assert_eq!(count(&desk, "deliveries"), 3);
    assert_eq!(count(&desk, "arrivals"), 1);
    assert!(desk.letters()[0].event.is_some());
    assert_eq!(count(&desk, "effects"), 452, "kept for longer: a replay must find them");
    desk.pass(KEEP);
    desk.sweep();
    assert_eq!(count(&desk, "effects WHERE state = 3"), 0);

    let before = count(&desk, "sqlite_schema");
    desk.crash();
    desk.knock("e goes on").unwrap();
    desk.drain();
    assert_eq!(desk.done("e"), ["goes on"]);
    assert_eq!(count(&desk, "sqlite_schema"), before);
}

#[test]
fn an_arrival_that_comes_again_is_answered_and_not_decided_again() {
    let mut desk = Desk::new();
    desk.knock("a one").unwrap();
    desk.crash();
    desk.knock("a one").unwrap();
    desk.drain();
    assert_eq!(desk.done("a"), ["one"]);
}

#[test]
fn an_event_from_outside_with_a_known_cause_is_not_published_again() {
    let mut desk = Desk::new();
    desk.knock("a one=cause").unwrap();
    desk.knock("a other=cause").unwrap();
    desk.drain();
    assert_eq!(desk.done("a"), ["one=cause"]);
}

#[test]
fn what_cannot_be_delivered_becomes_a_dead_letter_and_its_lane_goes_on() {
    let mut desk = Desk::new();
    for text in ["a waits", "a is a bug", "a panics", "a four"] {
        desk.knock(text).unwrap();
    }
    desk.drain();
    assert_eq!(desk.done("a"), ["four"]);
    let letters = desk.letters();
    let told: Vec<(&str, u32)> =
        letters.iter().map(|letter| (letter.kind.as_str(), letter.attempts)).collect();
    assert_eq!(told, [("retry", 3), ("bug", 1), ("bug", 1)]);
    assert!(letters[2].reason.contains("panicked"), "{}", letters[2].reason);
    assert!(letters.iter().all(|letter| letter.event.is_some()), "with their payload");
}

#[test]
fn a_bug_is_an_error_in_the_log_and_what_is_refused_a_warning() {
    let mut desk = Desk::new();
    let log = logged(|| {
        desk.knock("a is a bug").unwrap();
        desk.drain();
    });
    assert!(log.contains("ERROR") && log.contains("a delivery became a dead letter"), "{log}");
    for (failure, level) in [(Failure::bug("ours"), "ERROR"), (Failure::refuse(404, "theirs"), "WARN")] {
        desk.knock(&format!("{} one", failure.kind())).unwrap();
        let log = logged(|| fail_one(&mut desk, failure));
        assert!(log.contains(level) && log.contains("an effect became a dead letter"), "{log}");
    }
}

#[test]
fn that_credentials_are_refused_is_said_once_and_counted_while_it_lasts() {
    let mut desk = Desk::new();
    let refused = || Failure::credentials("401: check the token", Duration::from_secs(60));
    let told = |log: &str| log.matches("refuses our credentials").count();
    let gauge = |desk: &Desk| {
        let text = desk.writer.parts.metrics.text();
        text.lines()
            .filter(|line| line.starts_with("switchboard_credentials_refused{") && line.ends_with(" 1"))
            .count()
    };
    for lane in ["a", "b", "c"] {
        desk.knock(&format!("{lane} {lane}1")).unwrap();
    }
    desk.turn();
    let log = logged(|| (0..3).for_each(|_| fail_one(&mut desk, refused())));
    assert_eq!((told(&log), gauge(&desk)), (1, 1), "one for all that wait: {log}");
    assert!(log.contains("ERROR") && log.contains("check the token"), "{log}");
    desk.pass(Duration::from_secs(61));
    desk.drain();
    assert_eq!((desk.done("c"), gauge(&desk)), (vec!["c1"], 0));
    desk.knock("d d1").unwrap();
    let log = logged(|| fail_one(&mut desk, refused()));
    assert_eq!(told(&log), 1, "it begins anew");
}

/// The attempt that has been under way longest fails so.
fn fail_one(desk: &mut Desk, failure: Failure) {
    desk.turn();
    let (id, ..) = desk.under_way.lock().unwrap().pop_front().expect("an attempt");
    let result = AttemptResult::Acted(Err(failure));
    desk.inbox.attempted(Attempted { effect: id, result, exchanges: Vec::new() });
    desk.turn();
}

/// What is logged while something is done.
fn logged(doing: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, doing);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_not_wanted_any_more_is_looked_for_where_it_may_have_happened_and_not_done_elsewhere() {
    let mut desk = Desk::new();
    for lane in ["a", "b", "c"] {
        desk.knock(&format!("{lane} {lane}1")).unwrap();
    }
    desk.turn();
    // Of the first the end is unknown, and it happened; of the second too, and it did not; the third waits for a place.
    desk.carry_out(false);
    desk.lose();
    desk.knock("c c2").unwrap();
    for text in ["a1", "b1", "c2"] {
        desk.knock(&format!("unwanted {text}")).unwrap();
    }
    desk.drain();
    assert_eq!((desk.done("a"), desk.done("b"), desk.done("c")), (vec!["a1"], vec![], vec!["c1"]));
    assert_eq!(desk.ends_of("a1"), ["done"], "it stands there, so it is known to");
    assert_eq!((desk.ends_of("b1"), desk.ends_of("c2")), (vec![UNWANTED.into()], vec![UNWANTED.into()]));
    let counted =
        |desk: &Desk| desk.writer.parts.metrics.tried_again_unsure.with_label_values(&["echo.out"]).get();
    assert_eq!(counted(&desk), 0, "what was only looked for was not tried again");

    // What is wanted and not found is.
    desk.knock("d d1").unwrap();
    desk.turn();
    desk.lose();
    desk.drain();
    assert_eq!((desk.done("d"), counted(&desk)), (vec!["d1"], 1));
}

#[test]
fn a_timer_fires_once_also_after_a_crash() {
    let mut desk = Desk::new();
    desk.knock("later a one").unwrap();
    desk.crash();
    desk.turn();
    assert!(desk.done("a").is_empty(), "not yet");
    desk.drain();
    desk.crash();
    desk.drain();
    assert_eq!(desk.done("a"), ["one"]);
}

#[test]
fn more_than_memory_holds_waits_on_disk_in_order() {
    let mut desk = Desk::new();
    let count = crate::bus::queue::WINDOW + 700;
    for number in 0..count {
        desk.knock(&format!("a {number}")).unwrap();
    }
    desk.crash();
    // The first was under way when the process died.
    desk.pass(Duration::from_secs(60));
    let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    for _ in 0..2 * count {
        desk.turn();
        desk.carry_out(true);
    }
    assert!(desk.done("a") == expected, "{} of {count}, in order or not", desk.done("a").len());
}

#[test]
fn a_writer_that_stops_does_not_spin() {
    let inbox = Inbox::default();
    inbox.stop();
    assert!(inbox.take(Duration::from_secs(60), false).stop);
    let began = Instant::now();
    inbox.take(Duration::from_millis(50), true);
    assert!(began.elapsed() >= Duration::from_millis(50), "it knows, so it waits for what is under way");
}

#[derive(Debug, Clone)]
enum Step {
    Knock(u8),
    Turn,
    CarryOut { heard: bool },
    Crash,
    DiskFull(bool),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8).prop_map(Step::Knock),
        4 => Just(Step::Turn),
        4 => any::<bool>().prop_map(|heard| Step::CarryOut { heard }),
        1 => Just(Step::Crash),
        1 => any::<bool>().prop_map(Step::DiskFull),
        2 => any::<u8>().prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: what was accepted is done once, each lane in order; or it is a dead
    /// letter.
    #[test]
    fn what_is_accepted_is_done_once_and_in_order_wherever_the_process_dies(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let mut desk = Desk::new();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Knock(lane) => {
                    let _ = desk.knock(&format!("lane{lane} {number}"));
                }
                Step::Turn => {
                    desk.turn();
                }
                Step::CarryOut { heard } => desk.carry_out(*heard),
                Step::Crash => desk.crash(),
                Step::DiskFull(full) => desk.room_on_disk(full.then_some(0)),
                Step::Pass(seconds) => desk.pass(Duration::from_secs(u64::from(*seconds))),
            }
        }
        desk.room_on_disk(None);
        desk.drain();
        let letters = desk.letters().len();
        for lane in 0..4 {
            let lane = format!("lane{lane}");
            let done = desk.done(&lane);
            let accepted: Vec<&str> =
                desk.accepted.iter().filter_map(|text| text.strip_prefix(&format!("{lane} "))).collect();
            let mut in_order: Vec<u64> = done.iter().map(|text| text.parse().unwrap()).collect();
            let before = in_order.clone();
            in_order.sort_unstable();
            in_order.dedup();
            prop_assert_eq!(&before, &in_order, "once and in order");
            let missing = accepted.iter().filter(|text| !done.contains(text)).count();
            prop_assert!(missing <= letters, "{} lost, {} dead letters", missing, letters);
        }
    }
}
