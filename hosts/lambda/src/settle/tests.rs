//! Deliveries and timers that are cut off, against DynamoDB as an emulator plays it; the bus and the queues are played
//! here, so that they can refuse at any moment.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::bench::{Bench, change, json_of};
use super::*;

mod bench;

#[tokio::test]
async fn what_a_gap_let_through_and_was_not_published_is_published_when_its_reminder_comes_again() {
    let bench = Bench::set_up().await;
    let third = change("lobby", 3);
    bench.deliver(&third, Came::First).await.unwrap();
    assert!(bench.sent()[0]["gap"].is_object() && bench.said().is_empty(), "it waits for its turn");
    bench.cut_off(&third, Came::ForGap { repeated: false, still: 0 }).await;
    bench.deliver(&third, Came::ForGap { repeated: true, still: 0 }).await.unwrap();
    assert_eq!(bench.said(), [3]);
    bench.emulator.stop().await;
}

#[tokio::test]
async fn what_somebody_put_back_and_was_not_published_is_published_when_it_comes_again() {
    let bench = Bench::set_up().await;
    let first = change("lobby", 1);
    bench.fails(Failure::refuse(400, "not so"));
    bench.deliver(&first, Came::First).await.unwrap();
    assert!(bench.sent()[0]["dead-letter"].is_object());
    bench.cut_off(&first, Came::Redriven).await;
    bench.deliver(&first, Came::Redriven).await.unwrap();
    assert_eq!(bench.said(), [1]);
    bench.emulator.stop().await;
}

#[tokio::test]
async fn what_somebody_put_back_and_must_wait_is_done_though_its_lane_has_gone_on() {
    let bench = Bench::set_up().await;
    let [first, second] = [1, 2].map(|seq| change("lobby", seq));
    bench.fails(Failure::refuse(400, "not so"));
    bench.deliver(&first, Came::First).await.unwrap();
    bench.deliver(&second, Came::First).await.unwrap();
    assert!(bench.sent()[0]["dead-letter"].is_object() && bench.said() == [2]);

    bench.fails(Failure::Retry {
        after: Some(Duration::from_secs(3)),
        reason: "later".into(),
        credentials: false,
    });
    bench.deliver(&first, Came::Redriven).await.unwrap();
    assert!(bench.sent()[0]["again"].is_object(), "it is reminded of");
    tokio::time::sleep(Duration::from_secs(3)).await;
    bench.deliver(&first, Came::Reminded).await.unwrap();
    assert_eq!(bench.said(), [2, 1]);
    bench.emulator.stop().await;
}

#[tokio::test]
async fn of_a_long_gap_each_number_that_comes_after_all_is_a_dead_letter_once() {
    let bench = Bench::set_up().await;
    bench.deliver(&change("lobby", 1), Came::First).await.unwrap();
    let behind = change("lobby", 150);
    bench.deliver(&behind, Came::First).await.unwrap();
    bench.deliver(&behind, Came::ForGap { repeated: false, still: 0 }).await.unwrap();
    assert_eq!(bench.said(), [1, 150]);
    bench.sent();
    for late in [2, 7, 149] {
        for came in [Came::First, Came::Repeated] {
            bench.deliver(&change("lobby", late), came).await.unwrap();
        }
        let sent = bench.sent();
        assert_eq!(sent.len(), 1, "{late}: {sent:?}");
        assert!(sent[0]["dead-letter"]["reason"].as_str().unwrap().contains("gone on without it"));
    }
    // What had its turn is a repeat.
    for seq in [1, 150] {
        bench.deliver(&change("lobby", seq), Came::First).await.unwrap();
    }
    assert_eq!(bench.sent(), Vec::<Value>::new());
    bench.emulator.stop().await;
}

#[tokio::test]
async fn what_was_taken_up_after_another_and_not_published_is_published_though_time_is_up() {
    let mut bench = Bench::set_up().await;
    let [first, second] = [1, 2].map(|seq| change("lobby", seq));
    bench.deliver(&second, Came::First).await.unwrap();
    bench.settler.until = Instant::now() + Duration::from_secs(20);
    bench.deliver(&first, Came::First).await.unwrap();
    // Whoever is told that it is the second's turn dies; so did whoever told, and the first comes again.
    bench.cut_off(&second, Came::First).await;
    bench.sent();
    bench.deliver(&first, Came::Repeated).await.unwrap();
    assert_eq!(bench.said(), [1, 1]);
    let [reminder] = &bench.sent()[..] else { panic!("one is told") };
    bench.batch(&[json!({ "switchboard": reminder }).to_string()], 1).await;
    assert_eq!(bench.said(), [1, 1, 2]);
    bench.emulator.stop().await;
}

#[tokio::test]
async fn of_a_batch_that_comes_again_each_is_published_once_more_and_not_once_for_each_before_it() {
    let bench = Bench::set_up().await;
    let all = [1, 2, 3].map(|seq| json_of(&change("lobby", seq)));
    for seq in [3, 2, 1] {
        bench.deliver(&change("lobby", seq), Came::First).await.unwrap();
    }
    assert_eq!(bench.said(), [1, 2, 3]);
    bench.batch(&all, 2).await;
    assert_eq!(bench.said(), [1, 2, 3, 1, 2, 3]);
    bench.emulator.stop().await;
}

#[tokio::test]
async fn a_lane_waits_at_its_beginning_as_long_as_later_and_where_it_is_new_to_us_a_minute() {
    let bench = Bench::set_up().await;
    let waits = async |lane: &str, seq: u64| {
        bench.deliver(&change(lane, seq), Came::First).await.unwrap();
        bench.played.waits.lock().unwrap().pop()
    };
    // The first batch may be in the hands of a function that has died.
    assert_eq!(waits("young", 2).await, Some(900));
    assert_eq!(waits("old", 101).await, Some(60));
    bench.deliver(&change("known", 1), Came::First).await.unwrap();
    assert_eq!(waits("known", 500).await, Some(900));
    bench.emulator.stop().await;
}

#[tokio::test]
async fn a_lane_goes_on_without_what_was_taken_up_and_left_and_who_puts_that_back_has_it_done() {
    let bench = Bench::set_up().await;
    let [first, second] = [1, 2].map(|seq| change("lobby", seq));
    let after = Some(Duration::from_secs(60));
    bench.fails(Failure::Retry { after, reason: "not now".into(), credentials: false });
    bench.deliver(&first, Came::First).await.unwrap();
    assert!(bench.sent()[0]["again"].is_object(), "it is put off");
    bench.deliver(&second, Came::First).await.unwrap();
    let again = |still| Came::ForGap { repeated: false, still };
    // The reminder comes now and then, while the first is still to come back.
    bench.deliver(&second, again(9)).await.unwrap();
    assert_eq!(bench.sent().pop().unwrap()["gap"]["still"], Value::Null, "it is not overdue");

    // What comes for the first fails each time, and ends in the queue's own dead letters.
    bench.overdue(&first).await;
    for still in 0..lanes::DESERTED - 1 {
        bench.deliver(&second, again(still)).await.unwrap();
        assert_eq!(bench.sent().pop().unwrap()["gap"]["still"], still + 1);
    }
    assert_eq!(bench.said(), Vec::<u64>::new());
    bench.deliver(&second, again(lanes::DESERTED - 1)).await.unwrap();
    assert_eq!(bench.said(), [2]);
    bench.deliver(&first, Came::First).await.unwrap();
    assert_eq!(bench.said()[..2], [2, 1]);
    bench.emulator.stop().await;
}

#[tokio::test]
async fn what_nobody_could_read_is_read_anew_when_it_is_put_back() {
    let bench = Bench::set_up().await;
    let first = json_of(&change("lobby", 1));
    let unknown = first.replace("RoomChanged", "RoomRebuilt");
    bench.batch(std::slice::from_ref(&unknown), 1).await;
    let letter = bench.sent().pop().expect("a dead letter");
    for _ in ["once", "and again"] {
        bench.batch(&[json!({ "switchboard": letter }).to_string()], 1).await;
        let again = bench.sent().pop().expect("it is still unknown");
        assert_eq!(again["dead-letter"]["reason"], letter["dead-letter"]["reason"], "and says so as before");
    }
    // A later version knows it.
    let known = json!({ "switchboard": letter }).to_string().replace("RoomRebuilt", "RoomChanged");
    bench.batch(&[known], 1).await;
    assert_eq!((bench.said(), bench.sent()), (vec![1], Vec::new()));
    bench.emulator.stop().await;
}

#[tokio::test]
async fn a_timer_that_cannot_be_decided_now_fires_later_and_once() {
    let bench = Bench::set_up().await;
    let due = bench.set_a_timer().await;
    bench.fails(Failure::retry("not now"));
    bench.settler.timer("tick", due, None, false).await.unwrap();
    let reminder = bench.sent().pop().expect("it is reminded of");
    assert_eq!((&reminder["timer"]["key"], &reminder["timer"]["due"]), (&json!("tick"), &json!(due)));
    assert_eq!(reminder["timer"]["tried"][0], 1, "it is counted");
    bench.settler.timer("tick", due, None, false).await.unwrap();
    bench.settler.timer("tick", due, None, false).await.unwrap();
    assert_eq!(bench.said(), [1], "it has fired once");
    bench.emulator.stop().await;
}

#[tokio::test]
async fn a_timer_that_is_never_decided_is_a_dead_letter_and_fires_when_that_is_put_back() {
    let bench = Bench::set_up().await;
    let due = bench.set_a_timer().await;
    bench.fails(Failure::retry("not now"));
    let tried = Some((switchboard_hosts::again::DOOR_POLICY.attempts - 1, due));
    bench.settler.timer("tick", due, tried, false).await.unwrap();
    let letter = bench.sent().pop().expect("a dead letter");
    assert_eq!(letter["dead-letter"]["timer"], json!({ "key": "tick", "due": due, "body": "{}" }));
    bench.settler.timer("tick", due, None, false).await.unwrap();
    assert_eq!(bench.said(), Vec::<u64>::new(), "it is given up");
    for _ in ["once", "and again"] {
        bench.batch(&[json!({ "switchboard": letter }).to_string()], 1).await;
    }
    let said: BTreeSet<String> = bench.ids().into_iter().collect();
    assert_eq!(said.len(), 1, "it has fired, whatever comes twice is the same");
    bench.emulator.stop().await;
}
