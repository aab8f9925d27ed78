//! Whatever comes, in whatever order, twice, and decided at the same moment by several: the room's numbers have
//! no gap, what is gone stays gone, and nothing older is shown after something newer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::executor::block_on;
use proptest::prelude::*;
use switchboard_core::event::{Change, RoomChanged};
use switchboard_core::memory::MemoryStore;
use switchboard_core::{
    Arrival, ArrivalId, Bridge, Detail, Event, EventId, Failure, Message, MessageId, Outcome, Surface,
    TimerFired, What,
};

use super::tests::{House, NOW, delete, edit, message, post, react, sender};

/// What may happen to one of a few messages.
#[derive(Debug, Clone)]
enum Step {
    Post {
        message: u8,
        bad: u8,
    },
    Edit {
        message: u8,
        revision: u64,
        bad: u8,
        stranger: bool,
    },
    Delete {
        message: u8,
        stranger: bool,
    },
    React {
        message: u8,
        who: u8,
        added: bool,
    },
    Order {
        message: u8,
        verb: u8,
    },
    ParkedTooLong {
        message: u8,
    },
    /// An earlier step again: under its own id, as a bus repeats it, or under another, as a provider may.
    Again {
        which: usize,
        same_id: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let of = 0u8..4;
    prop_oneof![
        4 => (of.clone(), 0u8..8).prop_map(|(message, bad)| Step::Post { message, bad }),
        4 => (of.clone(), 2u64..6, 0u8..8, prop::bool::weighted(0.1))
            .prop_map(|(message, revision, bad, stranger)| Step::Edit { message, revision, bad, stranger }),
        1 => (of.clone(), prop::bool::weighted(0.2))
            .prop_map(|(message, stranger)| Step::Delete { message, stranger }),
        2 => (of.clone(), 0u8..2, any::<bool>())
            .prop_map(|(message, who, added)| Step::React { message, who, added }),
        1 => (of.clone(), 0u8..3).prop_map(|(message, verb)| Step::Order { message, verb }),
        1 => of.prop_map(|message| Step::ParkedTooLong { message }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, same_id)| Step::Again { which, same_id }),
    ]
}

fn said(number: u8, revision: u64, bad: u8, stranger: bool) -> Message {
    let who = if stranger { "Eve" } else { "Ann" };
    let text = match bad {
        0 => "a zorkmid",
        1 => "a grue",
        _ => "a coin",
    };
    let room = if number.is_multiple_of(2) { "lobby" } else { "attic" }.parse().unwrap();
    Message { room, ..message(&format!("m{number}"), revision, who, text) }
}

fn detail(step: &Step) -> Option<Detail> {
    Some(match step {
        Step::Post { message, bad } => post(said(*message, 1, *bad, false)),
        Step::Edit { message, revision, bad, stranger } => edit(said(*message, *revision, *bad, *stranger)),
        Step::Delete { message, stranger } => {
            let who = if *stranger { "Eve" } else { "Ann" };
            delete(&format!("m{message}"), sender(Surface::Web, who))
        }
        Step::React { message, who, added } => {
            react(&format!("m{message}"), &format!("p{who}"), "wave", *added)
        }
        Step::Order { .. } | Step::ParkedTooLong { .. } | Step::Again { .. } => return None,
    })
}

/// Decides one step on what `view` shows.
fn decide(house: &House, step: &Step, id: &str, view: &MemoryStore) -> Result<Outcome, Failure> {
    let arrival_id = ArrivalId::from_text(id);
    let decide = |what| {
        let arrival = Arrival { listener: "moderation.gate", id: &arrival_id, now: NOW, what };
        block_on(house.gate.decide(&arrival, view))
    };
    match step {
        Step::Order { message, verb } => {
            let verb = ["retract", "release", "block"][usize::from(*verb)];
            let request = http::Request::post(format!("/api/messages/m{message}/{verb}"));
            decide(What::Request(&request.body(Bytes::from(r#"{"id":"1"}"#)).unwrap()))
        }
        Step::ParkedTooLong { message } => {
            let body = format!("m{message}");
            decide(What::Timer(&TimerFired { key: format!("parked/{body}"), due: NOW, body }))
        }
        step => {
            // Old enough that no reaction waits.
            let then = NOW.minus(std::time::Duration::from_secs(60));
            let event = Event::new(EventId::from_text(id), "web_chat", then, detail(step).unwrap());
            decide(What::Event { event: &event, part: None })
        }
    }
}

/// What the rooms were shown, and what must hold of it.
#[derive(Default)]
struct Shown {
    last: BTreeMap<String, u64>,
    revisions: BTreeMap<MessageId, u64>,
    gone: BTreeSet<MessageId>,
    ids: BTreeSet<EventId>,
}

impl Shown {
    fn hear(&mut self, outcome: &Outcome) -> Result<usize, TestCaseError> {
        let mut changes = 0;
        for event in &outcome.events {
            prop_assert!(self.ids.insert(event.id.clone()), "an event's id twice: {event:?}");
            let Detail::RoomChanged(RoomChanged { lane, seq, change, message, .. }) = &event.detail else {
                continue;
            };
            changes += 1;
            let last = self.last.entry(lane.clone()).or_default();
            prop_assert_eq!(*seq, *last + 1, "a gap in {}", lane);
            *last = *seq;
            prop_assert_eq!(lane, message.room.as_str());
            prop_assert!(!self.gone.contains(&message.id), "shown after it was gone: {:?}", event);
            prop_assert!(message.text == "a coin" || *change == Change::Posted || message.text == "a grue");
            prop_assert_ne!(&message.text, "a zorkmid");
            prop_assert_eq!(message.sender.address.as_str(), "Ann");
            let before = self.revisions.get(&message.id).copied();
            match change {
                Change::Posted => prop_assert_eq!(before, None, "posted twice"),
                Change::Edited => prop_assert!(before.is_some_and(|before| before < message.revision.0)),
                Change::Reacted | Change::Deleted | Change::Retracted => {
                    prop_assert_eq!(before, Some(message.revision.0));
                }
            }
            self.revisions.insert(message.id.clone(), message.revision.0);
            if matches!(change, Change::Deleted | Change::Retracted) {
                self.gone.insert(message.id.clone());
            }
        }
        Ok(changes)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_rooms_are_in_order(
        steps in prop::collection::vec(step(), 1..60),
        at_once in prop::collection::vec(1usize..4, 60),
    ) {
        let house = House::new("[moderation]\nblocked_words = ['zorkmid']\nheld_words = ['grue']\nlists = {}");
        let (mut shown, mut recorded) = (Shown::default(), BTreeSet::new());
        let mut done: Vec<(Step, String)> = Vec::new();
        let mut rest = steps.iter().enumerate().peekable();
        for together in at_once.iter().cycle() {
            if rest.peek().is_none() {
                break;
            }
            let mut race = Vec::new();
            for (number, step) in rest.by_ref().take(*together) {
                let (step, id) = match step {
                    Step::Again { .. } if done.is_empty() => continue,
                    Step::Again { which, same_id: true } => done[which % done.len()].clone(),
                    Step::Again { which, same_id: false } => {
                        (done[which % done.len()].0.clone(), format!("again{number}"))
                    }
                    step => (step.clone(), format!("step{number}")),
                };
                race.push((step, id));
            }
            let snapshot = house.store.snapshot();
            let first: Vec<_> =
                race.iter().map(|(step, id)| decide(&house, step, id, &snapshot)).collect();
            for ((step, id), mut decided) in race.into_iter().zip(first) {
                // The host's record: this arrival has its outcome.
                if recorded.contains(&id) {
                    continue;
                }
                let outcome = loop {
                    match decided {
                        Ok(outcome) if house.store.commit(&outcome.writes).is_ok() => break Some(outcome),
                        Ok(_) => decided = decide(&house, &step, &id, &house.store),
                        Err(Failure::Refuse { .. }) => break None,
                        Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
                    }
                };
                if let Some(outcome) = outcome {
                    shown.hear(&outcome)?;
                    recorded.insert(id.clone());
                    done.push((step, id));
                }
            }
        }
        // A whole replay under other ids shows nothing. (Of two people's edits that come before their message
        // one is refused, and would be seen again.)
        let claimed = |step: &Step| match step {
            Step::Edit { message, .. } => done.iter().any(|(other, _)| {
                matches!(other, Step::Edit { message: same, stranger: true, .. } if same == message)
            }),
            _ => false,
        };
        for (number, (step, _)) in done.iter().enumerate() {
            if !claimed(step) && matches!(step, Step::Post { .. } | Step::Edit { .. } | Step::Delete { stranger: true, .. }) {
                let outcome = decide(&house, step, &format!("replay{number}"), &house.store).unwrap();
                prop_assert_eq!(shown.hear(&outcome)?, 0, "{:?}", step);
            }
        }
    }
}

/// Many posts decided on one snapshot, as many functions may at once: each gets a number of its own.
#[test]
fn racing_posts_get_numbers_of_their_own() {
    let house = House::new("[moderation]\nflood = { messages = 100, per_s = 60 }");
    let mut waiting: Vec<u8> = (0..40).map(|number| number * 2).collect();
    let mut shown = Shown::default();
    while !waiting.is_empty() {
        let snapshot = house.store.snapshot();
        waiting.retain(|number| {
            let step = Step::Post { message: *number, bad: 9 };
            let outcome = decide(&house, &step, &format!("post{number}"), &snapshot).unwrap();
            let committed = house.store.commit(&outcome.writes).is_ok();
            if committed {
                shown.hear(&outcome).unwrap();
            }
            !committed
        });
    }
    assert_eq!(shown.last["lobby"], 40);
}
