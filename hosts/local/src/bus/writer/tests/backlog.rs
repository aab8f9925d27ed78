//! What waits in one lane waits in the file, and stops no other lane.

use super::*;
use crate::bus::lanes::AHEAD;
use crate::bus::queue::WINDOW;

/// How many are in memory, and how many are open.
fn held(desk: &Desk) -> (usize, i64) {
    let name = "echo.out";
    let index = desk.writer.by_name[name];
    let open = desk.writer.parts.metrics.open_deliveries.with_label_values(&[name]).get();
    (desk.writer.listeners[index].queue.deliveries.len(), open)
}

/// Nobody hears what became of the attempts in lane `a`; all others are carried out.
fn all_but_a(desk: &mut Desk) {
    let under_way = desk.under_way.lock().unwrap().len();
    for _ in 0..under_way {
        let stuck = desk.under_way.lock().unwrap().front().is_some_and(|(_, lane, ..)| lane == "a");
        if stuck {
            desk.under_way.lock().unwrap().rotate_left(1);
        } else {
            desk.carry_out(true);
        }
    }
}

#[test]
fn a_backlog_in_one_lane_waits_on_disk_and_stops_no_other_lane() {
    let mut desk = Desk::new();
    let count = WINDOW + 300;
    for number in 0..count {
        desk.knock(&format!("a {number}")).unwrap();
    }
    assert_eq!(held(&desk), (AHEAD, i64::try_from(count).unwrap()), "in memory a few, open all");
    for lane in ["b", "c"] {
        for number in 0..2 * AHEAD {
            desk.knock(&format!("{lane} {lane}{number}")).unwrap();
        }
    }
    for _ in 0..4 * AHEAD {
        all_but_a(&mut desk);
        desk.turn();
    }
    assert_eq!((desk.done("b").len(), desk.done("c").len()), (2 * AHEAD, 2 * AHEAD));

    // The first of `a` was under way; a restart reads what is open, and others still go on.
    desk.crash();
    desk.knock("d one").unwrap();
    desk.turn();
    all_but_a(&mut desk);
    assert_eq!((desk.done("d"), desk.done("a").len()), (vec!["one"], 0));
    assert!(held(&desk).0 <= AHEAD + 1, "{:?}", held(&desk));
}

#[test]
fn more_lanes_than_a_window_holds_all_go_on() {
    let mut desk = Desk::new();
    let count = WINDOW + 100;
    for number in 0..count {
        desk.knock(&format!("lane{number} {number}")).unwrap();
    }
    assert_eq!(held(&desk).0, count, "each has its head");
    for _ in 0..count {
        desk.carry_out(true);
        desk.turn();
    }
    let done = (0..count).filter(|number| !desk.done(&format!("lane{number}")).is_empty()).count();
    assert_eq!((done, held(&desk)), (count, (0, 0)));
}

#[test]
fn lanes_with_backlogs_are_in_order_over_crashes_and_from_a_file_in_which_nothing_is_parked() {
    let mut desk = Desk::new();
    let lanes = ["a", "b", "c"];
    let count = 300;
    for number in 0..count {
        for lane in lanes {
            desk.knock(&format!("{lane} {lane}{number}")).unwrap();
        }
    }
    for step in 0..3 * count {
        if step % 90 == 60 {
            let none = "UPDATE deliveries SET lane = NULL";
            if step % 60 == 0 {
                lock(&desk.writer.db).execute_batch(none).unwrap();
            }
            desk.crash();
            desk.pass(Duration::from_secs(60));
        }
        desk.carry_out(true);
        desk.turn();
    }
    desk.drain();
    for lane in lanes {
        let expected: Vec<String> = (0..count).map(|number| format!("{lane}{number}")).collect();
        assert!(desk.done(lane) == expected, "{lane}: {} done, in order or not", desk.done(lane).len());
    }
    assert_eq!(held(&desk), (0, 0));
}
