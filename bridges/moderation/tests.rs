//! Tables: what is heard, in order, and what the gate says and shows.

use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use switchboard_core::event::{MessageDeleted, MessageSaid, ReactionChanged, RoomChanged};
use switchboard_core::memory::MemoryStore;
use switchboard_core::{
    Address, Admission, Arrival, ArrivalId, Bridge, Detail, Event, EventId, Failure, Message, MessageId,
    Outcome, Reply, Revision, Sender, Surface, TimerChange, TimerFired, Timestamp, What,
};

use super::Moderation;
use crate::settings::Settings;

mod orders;

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(super) fn sender(surface: Surface, who: &str) -> Sender {
    Sender { surface, address: Address::new(who), name: who.to_owned() }
}

pub(super) fn message(id: &str, revision: u64, who: &str, text: &str) -> Message {
    Message {
        id: MessageId::from_text(id),
        revision: Revision(revision),
        room: "lobby".parse().unwrap(),
        sender: sender(Surface::Web, who),
        text: text.to_owned(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: NOW,
        hops: 0,
    }
}

/// A gate with its store, as a host would run it, one arrival at a time.
pub(super) struct House {
    pub(super) gate: Arc<Moderation>,
    pub(super) store: MemoryStore,
    pub(super) now: Timestamp,
    arrivals: u64,
}

impl House {
    pub(super) fn new(toml: &str) -> Self {
        let toml = format!("{toml}\n[rooms.lobby]\n[rooms.attic]\n");
        let gate = Arc::new(Moderation::new(&Settings::for_tests(&toml, &[])).unwrap());
        let store = MemoryStore::default();
        store.set_now(NOW);
        Self { gate, store, now: NOW, arrivals: 0 }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(std::time::Duration::from_secs(seconds));
        self.store.set_now(self.now);
    }

    pub(super) fn hear(&mut self, detail: Detail) -> Result<Outcome, Failure> {
        self.arrivals += 1;
        let id = EventId::from_cause(&["test", &self.arrivals.to_string()]);
        self.decide(&What::Event { event: &Event::new(id, "web_chat", self.now, detail), part: None })
    }

    fn decide(&mut self, what: &What<'_>) -> Result<Outcome, Failure> {
        self.arrivals += 1;
        let id = ArrivalId::from_cause(&["test", &self.arrivals.to_string()]);
        let arrival = Arrival { listener: "moderation.gate", id: &id, now: self.now, what: *what };
        let outcome = block_on(self.gate.decide(&arrival, &self.store))?;
        self.store.commit(&outcome.writes).unwrap();
        for event in &outcome.events {
            event.encode().unwrap();
        }
        Ok(outcome)
    }

    fn order(&mut self, verb: &str, message: &str) -> Result<Reply, Failure> {
        Ok(self.order_outcome(verb, message)?.reply.unwrap())
    }

    fn order_outcome(&mut self, verb: &str, message: &str) -> Result<Outcome, Failure> {
        let request = http::Request::post(format!("/api/messages/{message}/{verb}"))
            .body(Bytes::from(format!(r#"{{"id":"{}"}}"#, self.arrivals)))
            .unwrap();
        let Admission::Arrival(_) = self.gate.admit("moderation.door", &request, self.now)? else {
            panic!("not an arrival")
        };
        self.decide(&What::Request(&request))
    }
}

pub(super) fn post(message: Message) -> Detail {
    Detail::MessagePosted(MessageSaid::new(message))
}

pub(super) fn edit(message: Message) -> Detail {
    Detail::MessageEdited(MessageSaid::new(message))
}

pub(super) fn delete(id: &str, who: Sender) -> Detail {
    let message_id = MessageId::from_text(id);
    let room = "lobby".parse().unwrap();
    Detail::MessageDeleted(MessageDeleted { message_id, room, sender: who, moderator: false, shown: None })
}

pub(super) fn react(id: &str, who: &str, reaction: &str, added: bool) -> Detail {
    Detail::ReactionChanged(ReactionChanged {
        message_id: MessageId::from_text(id),
        room: "lobby".parse().unwrap(),
        sender: sender(Surface::Web, who),
        reaction: reaction.to_owned(),
        added,
        shown: None,
    })
}

/// `1 posted m1/1 hello` for a change, `held m1/1 link` for a verdict; what the timers do, last.
pub(super) fn told(outcome: &Outcome) -> Vec<String> {
    let message = |message: &Message| format!("{}/{}", message.id, message.revision.0);
    let mut lines: Vec<String> = outcome
        .events
        .iter()
        .map(|event| match &event.detail {
            Detail::RoomChanged(RoomChanged { seq, change, message: shown, by, .. }) => {
                let by = by.as_ref().map(|by| format!(" by {}", by.name)).unwrap_or_default();
                let change = format!("{change:?}").to_lowercase();
                format!("{seq} {change} {} {}{by}", message(shown), shown.text)
            }
            Detail::MessageHeld(judged) => {
                format!("held {} {}", message(&judged.message), judged.reasons[0].rule)
            }
            Detail::MessageBlocked(judged) => {
                format!("blocked {} {}", message(&judged.message), judged.reasons[0].rule)
            }
            other => panic!("the gate does not say {other:?}"),
        })
        .collect();
    lines.extend(outcome.timers.iter().map(|timer| match timer {
        TimerChange::Set { key, .. } => format!("set {key}"),
        TimerChange::Clear { key } => format!("clear {key}"),
    }));
    lines
}

/// Each step is heard in turn and answered with these lines.
fn check(toml: &str, steps: Vec<(Detail, &[&str])>) -> House {
    let mut house = House::new(toml);
    for (number, (detail, expected)) in steps.into_iter().enumerate() {
        let outcome = house.hear(detail).unwrap();
        assert_eq!(told(&outcome), expected, "step {number}");
    }
    house
}

#[test]
fn what_is_said_is_shown_in_the_rooms_order() {
    let attic = Message { room: "attic".parse().unwrap(), ..message("m3", 1, "Ann", "up here") };
    check(
        "",
        vec![
            (post(message("m1", 1, "Ann", "hello")), &["1 posted m1/1 hello"]),
            (post(message("m2", 1, "Bob", "hi")), &["2 posted m2/1 hi"]),
            (post(attic), &["1 posted m3/1 up here"]),
            (post(message("m1", 1, "Ann", "hello")), &[]),
            (post(message("m4", 1, "Ann", "bye")), &["3 posted m4/1 bye"]),
        ],
    );
}

#[test]
fn an_edit_is_shown_when_it_is_the_senders_and_newer() {
    let elsewhere = Message { sender: sender(Surface::Sms, "Ann"), ..message("m1", 9, "Ann", "hello") };
    let attic = Message { room: "attic".parse().unwrap(), ..message("m1", 9, "Ann", "up here") };
    check(
        "",
        vec![
            (post(message("m1", 1, "Ann", "helo")), &["1 posted m1/1 helo"]),
            (edit(message("m1", 5, "Ann", "hello")), &["2 edited m1/5 hello"]),
            (edit(message("m1", 5, "Ann", "hello")), &[]),
            (edit(message("m1", 3, "Ann", "hel")), &[]),
            (edit(message("m1", 9, "Bob", "mine")), &["blocked m1/9 not_sender"]),
            (edit(elsewhere), &["blocked m1/9 not_sender"]),
            (edit(attic), &["blocked m1/9 other_room"]),
            (edit(message("m1", 6, "Ann", "hello!")), &["3 edited m1/6 hello!"]),
        ],
    );
}

#[test]
fn a_withdrawn_message_is_gone_for_good() {
    check(
        "",
        vec![
            (post(message("m1", 1, "Ann", "oops")), &["1 posted m1/1 oops"]),
            (delete("m1", sender(Surface::Web, "Bob")), &["blocked m1/1 not_sender"]),
            (delete("m1", sender(Surface::Web, "Ann")), &["2 deleted m1/1 oops"]),
            (delete("m1", sender(Surface::Web, "Ann")), &[]),
            (edit(message("m1", 2, "Ann", "again")), &[]),
            (post(message("m1", 1, "Ann", "oops")), &[]),
            (react("m1", "Bob", "wave", true), &[]),
        ],
    );
}

#[test]
fn slack_is_believed_about_its_own_messages_only() {
    let slack = |id: &str| Message { sender: sender(Surface::Slack, "U1"), ..message(id, 1, "", "hello") };
    check(
        "",
        vec![
            (post(slack("m1")), &["1 posted m1/1 hello"]),
            (delete("m1", sender(Surface::Slack, "U2")), &["2 deleted m1/1 hello by U2"]),
            (post(message("m2", 1, "Ann", "hi")), &["3 posted m2/1 hi"]),
            (delete("m2", sender(Surface::Slack, "U2")), &["blocked m2/1 not_sender"]),
        ],
    );
}

#[test]
fn what_comes_before_its_message_waits_for_it() {
    let mut house = check(
        "",
        vec![
            (edit(message("m1", 2, "Ann", "hello")), &["set parked/m1"]),
            (edit(message("m1", 3, "Ann", "hello!")), &["set parked/m1"]),
            (edit(message("m1", 2, "Ann", "hello")), &[]),
            (post(message("m1", 1, "Ann", "helo")), &["1 posted m1/3 hello!", "clear parked/m1"]),
            (edit(message("m1", 3, "Ann", "hello!")), &[]),
            // An edit by somebody else does not take the post with it.
            (edit(message("m2", 2, "Bob", "mine")), &["set parked/m2"]),
            (
                post(message("m2", 1, "Ann", "hi")),
                &["blocked m2/2 not_sender", "2 posted m2/1 hi", "clear parked/m2"],
            ),
            // Withdrawn before it came: not shown. Withdrawn by somebody else: shown.
            (delete("m3", sender(Surface::Web, "Ann")), &[]),
            (post(message("m3", 1, "Ann", "oops")), &[]),
            (delete("m4", sender(Surface::Web, "Bob")), &[]),
            (post(message("m4", 1, "Ann", "stays")), &["3 posted m4/1 stays"]),
            (edit(message("m5", 2, "Ann", "typo")), &["set parked/m5"]),
            (delete("m5", sender(Surface::Web, "Ann")), &["clear parked/m5"]),
            (post(message("m5", 1, "Ann", "tpyo")), &[]),
            (edit(message("m6", 2, "Ann", "never came")), &["set parked/m6"]),
        ],
    );
    let waiting = react("m7", "Bob", "wave", true);
    assert!(matches!(house.hear(waiting), Err(Failure::Retry { after: Some(_), .. })));
    let timer = TimerFired { key: "parked/m6".into(), due: house.now, body: "m6".into() };
    let outcome = house.decide(&What::Timer(&timer)).unwrap();
    assert_eq!(told(&outcome), ["blocked m6/2 no_message"]);
    let late = post(message("m6", 1, "Ann", "nevr came"));
    assert_eq!(told(&house.hear(late).unwrap()), ["4 posted m6/2 never came", "clear parked/m6"]);
    assert_eq!(told(&house.decide(&What::Timer(&timer)).unwrap()), [""; 0], "it has come");
}

#[test]
fn a_reaction_is_shown_once_until_it_is_taken_away() {
    check(
        "",
        vec![
            (post(message("m1", 1, "Ann", "hello")), &["1 posted m1/1 hello"]),
            (react("m1", "Bob", "wave", true), &["2 reacted m1/1 hello by Bob"]),
            (react("m1", "Bob", "wave", true), &[]),
            (react("m1", "Ann", "wave", true), &["3 reacted m1/1 hello"]),
            (react("m1", "Bob", "wave", false), &["4 reacted m1/1 hello by Bob"]),
            (react("m1", "Bob", "wave", false), &[]),
            (react("m1", "Bob", "", true), &[]),
        ],
    );
}

#[test]
fn the_reactions_of_a_message_are_bounded() {
    let mut house = House::new("");
    house.hear(post(message("m1", 1, "Ann", "hello"))).unwrap();
    let shown = (0..300).filter(|number| {
        !house.hear(react("m1", &format!("p{number}"), "wave", true)).unwrap().events.is_empty()
    });
    assert_eq!(shown.count(), super::store::MAX_REACTIONS);
}

#[test]
fn a_moderator_takes_back_anybodys_message_and_nobody_else_does() {
    let mut house = House::new("[moderation]\nheld_words = ['grue']");
    house.hear(post(message("m1", 1, "Ann", "hello"))).unwrap();
    house.hear(post(message("m2", 1, "Ann", "a grue"))).unwrap();
    let by = |id: &str, moderator| match delete(id, sender(Surface::Web, "Bob")) {
        Detail::MessageDeleted(deleted) => Detail::MessageDeleted(MessageDeleted { moderator, ..deleted }),
        other => other,
    };
    assert_eq!(told(&house.hear(by("m1", false)).unwrap()), ["blocked m1/1 not_sender"]);
    let outcome = house.hear(by("m1", true)).unwrap();
    assert_eq!(told(&outcome), ["2 retracted m1/1 hello by Bob"]);
    assert!(house.hear(by("m1", true)).unwrap().events.is_empty(), "it is gone already");
    assert_eq!(told(&house.hear(by("m2", true)).unwrap()), ["blocked m2/1 moderator"]);
    assert_eq!(
        told(&house.hear(edit(message("m1", 2, "Ann", "again"))).unwrap()),
        ["blocked m1/2 not_shown"],
        "its writer cannot bring it back"
    );
}

/// What the gate has forgotten and the room still shows can be changed by who may: its record is made again.
#[test]
fn what_the_gate_has_forgotten_is_still_removed_edited_and_reacted_to_by_who_may() {
    let kept = |message| Detail::MessageEdited(MessageSaid { kept: true, ..MessageSaid::new(message) });
    let shown = |text: &str| Some(message("m1", 3, "Ann", text));
    let removed = |who: &str, moderator| match delete("m1", sender(Surface::Web, who)) {
        Detail::MessageDeleted(it) => {
            Detail::MessageDeleted(MessageDeleted { moderator, shown: shown("hello"), ..it })
        }
        other => other,
    };
    let reacted = |added| match react("m1", "Bob", "wave", added) {
        Detail::ReactionChanged(it) => {
            Detail::ReactionChanged(ReactionChanged { shown: shown("hello"), ..it })
        }
        other => other,
    };
    let once: &[(Detail, &[&str])] = &[
        (removed("Bob", true), &["1 retracted m1/3 hello by Bob"]),
        (removed("Ann", false), &["1 deleted m1/3 hello"]),
        (removed("Bob", false), &["blocked m1/3 not_sender"]),
        (kept(message("m1", 4, "Ann", "hi")), &["1 edited m1/4 hi"]),
        (kept(message("m1", 4, "Ann", "a grue")), &["blocked m1/4 blocked_word"]),
        (reacted(true), &["1 reacted m1/3 hello by Bob"]),
        (reacted(false), &["1 reacted m1/3 hello by Bob"]),
    ];
    for (detail, says) in once {
        check("[moderation]\nblocked_words = ['grue']", vec![(detail.clone(), says)]);
    }
    // From then on it is known again; and a withdrawal that came first changes nothing of that.
    check(
        "",
        vec![
            (delete("m1", sender(Surface::Slack, "U1")), &[]),
            (kept(message("m1", 4, "Ann", "hi")), &["1 edited m1/4 hi"]),
            (reacted(true), &["2 reacted m1/4 hi by Bob"]),
            (reacted(true), &[]),
            (removed("Ann", false), &["3 deleted m1/4 hi"]),
            (removed("Bob", true), &[]),
            (reacted(true), &[]),
            (kept(message("m1", 5, "Ann", "hi")), &[]),
        ],
    );
    let mut house = House::new("");
    house.hear(post(message("m1", 1, "Ann", "hello"))).unwrap();
    assert!(house.hear(reacted(false)).unwrap().events.is_empty(), "what is remembered is believed");
}
