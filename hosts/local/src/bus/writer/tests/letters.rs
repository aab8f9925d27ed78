//! What becomes of dead letters that are tried again.

use switchboard_core::Report;

use super::*;
use crate::bus::inbox::Order;

#[test]
fn a_redriven_dead_letter_outlives_a_crash() {
    let mut desk = Desk::new();
    desk.knock("a one").unwrap();
    for _ in 0..3 {
        desk.turn();
        let (id, ..) = desk.under_way.lock().unwrap().pop_front().expect("an attempt");
        let result = AttemptResult::Acted(Err(Failure::retry("down")));
        desk.inbox.attempted(Attempted { effect: id, result, exchanges: Vec::new() });
        desk.turn();
        desk.pass(Duration::from_secs(100));
    }
    assert_eq!(desk.letters().len(), 1);
    desk.order(|answer| Order::Redrive(1, answer)).unwrap();
    desk.crash();
    desk.drain();
    assert_eq!((desk.done("a"), desk.letters().len()), (vec!["one"], 0));
    assert_eq!(refused(&mut desk, 1), 404, "it is gone");
}

/// The status with which a redrive is refused.
fn refused(desk: &mut Desk, letter: i64) -> u16 {
    match desk.order(|answer| Order::Redrive(letter, answer)) {
        Err(Failure::Refuse { status, .. }) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_timer_that_was_given_up_is_set_again_by_its_redrive() {
    let mut desk = Desk::new();
    desk.knock("later a one after b").unwrap();
    desk.pass(Duration::from_secs(61));
    desk.turn();
    let letters = desk.letters();
    assert_eq!((letters.len(), letters[0].timer.as_ref().unwrap().key.as_str()), (1, "a one after b"));
    desk.order(|answer| Order::Redrive(1, answer)).unwrap();
    assert_eq!(desk.letters().len(), 1, "it was too early again, so this is another");
    desk.knock("b two").unwrap();
    desk.crash();
    desk.order(|answer| Order::Redrive(2, answer)).unwrap();
    desk.crash();
    desk.drain();
    assert_eq!((desk.done("a"), desk.letters().len()), (vec!["one after b"], 0));
}

#[test]
fn a_dead_letter_that_cannot_be_redriven_stays_and_says_why() {
    let mut desk = Desk::new();
    desk.knock("a is a bug").unwrap();
    desk.knock("later b one after c").unwrap();
    desk.drain();
    assert_eq!(desk.letters().len(), 2);
    let change = |desk: &Desk, sql: &str| lock(&desk.writer.db).execute_batch(sql).unwrap();
    change(&desk, "DELETE FROM events");
    assert_eq!(refused(&mut desk, 1), 409, "its event is gone");
    change(&desk, "INSERT INTO timers VALUES ('echo', 'b one after c', 9000000000000, 'b newer')");
    assert_eq!(refused(&mut desk, 2), 409, "the newer one counts");
    change(&desk, "UPDATE dead_letters SET timer = NULL");
    assert_eq!(refused(&mut desk, 2), 409, "of an earlier version");
    assert_eq!(desk.letters().len(), 2);
    desk.order(|answer| Order::Discard(1, answer)).unwrap();
    assert_eq!(desk.letters().len(), 1);
}

#[test]
fn an_answer_that_cannot_be_settled_is_settled_again_and_not_done_again() {
    let mut desk = Desk::new();
    desk.knock("a unsettled").unwrap();
    desk.drain();
    assert_eq!(desk.letters().len(), 1);
    desk.order(|answer| Order::Redrive(1, answer)).unwrap();
    desk.drain();
    assert_eq!(desk.done("a"), ["unsettled"], "once");
}

#[test]
fn a_redriven_dead_letter_goes_on_where_it_was_given_up() {
    let mut desk = Desk::new();
    desk.knock("a in parts").unwrap();
    desk.drain();
    assert_eq!((desk.done("a"), desk.letters().len()), (vec!["in parts"], 1), "the second part is a bug");
    desk.crash();
    desk.order(|answer| Order::Redrive(1, answer)).unwrap();
    desk.drain();
    assert_eq!((desk.done("a"), desk.letters().len()), (vec!["in parts"], 1), "the first is not done again");
}

#[test]
fn a_lane_waits_for_a_redriven_effect_of_a_delivery_that_is_still_open() {
    let mut desk = Desk::new();
    for text in ["a doubled", "a next"] {
        desk.knock(text).unwrap();
    }
    let next = |desk: &mut Desk| {
        for _ in 0..3 {
            desk.turn();
        }
        desk.under_way.lock().unwrap().pop_front().map(|(id, ..)| id)
    };
    let ends = |desk: &mut Desk, effect: i64, result| {
        desk.inbox.attempted(Attempted {
            effect,
            result: AttemptResult::Acted(result),
            exchanges: Vec::new(),
        });
        desk.turn();
    };
    let first = next(&mut desk).expect("one after the other");
    ends(&mut desk, first, Err(Failure::refuse(404, "not there")));
    let other = next(&mut desk).expect("the other");
    desk.order(|answer| Order::Redrive(1, answer)).unwrap();
    ends(&mut desk, other, Ok(Report::new(&"done").unwrap()));
    assert_eq!(next(&mut desk), Some(first), "it is tried again");
    ends(&mut desk, first, Err(Failure::retry("down")));
    assert_eq!(next(&mut desk), None, "and is open still");
    desk.pass(Duration::from_secs(100));
    assert_eq!(next(&mut desk), Some(first));
    ends(&mut desk, first, Ok(Report::new(&"done").unwrap()));
    assert!(next(&mut desk).is_some(), "now it is the next one's turn");
}
