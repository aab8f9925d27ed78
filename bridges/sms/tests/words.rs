//! The words that phones text.

use super::*;

/// The texts of one phone, one after the other, and what each leads to.
fn check(texts: &[(&str, &[&str])]) {
    let mut house = House::new();
    for (text, expected) in texts {
        assert_eq!(said(&house.text(ANN, text)), *expected, "{text}");
        house.pass(1);
    }
}

const JOINED: &str = "text +14155550100 #1: You are in The lobby. Everyone there sees what you text. To leave, \
                      text LEAVE lobby. For no more texts at all, text STOP.";

#[test]
fn stop_and_start_are_noted_and_never_answered() {
    check(&[
        ("JOIN lobby Ann", &["Joined lobby", JOINED]),
        ("yes", &["posted lobby Ann: yes"]),
        ("STOP 12345", &["posted lobby Ann: STOP 12345"]),
        ("Stop please", &["posted lobby Ann: Stop please"]),
        (" sToP ", &["OptedOut all"]),
        ("UNSUBSCRIBE", &[]),
        ("Start", &["OptedIn all"]),
        ("START", &[]),
        ("help", &[]),
        ("INFO", &[]),
        ("OPTOUT", &["OptedOut all"]),
        ("YES", &["OptedIn all"]),
        ("still here", &["posted lobby Ann: still here"]),
    ]);
    for word in ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"] {
        check(&[(word, &["OptedOut all"])]);
    }
}

#[test]
fn what_twilio_took_for_a_word_is_one() {
    let house = House::new();
    for (taken_for, expected) in [("STOP", &["OptedOut all"][..]), ("HELP", &[]), ("START", &["OptedIn all"])]
    {
        let pairs = [("MessageSid", taken_for), ("From", ANN), ("Body", "Arret"), ("OptOutType", taken_for)];
        assert_eq!(said(&house.knock(&signed_form(&form(&pairs))).unwrap()), expected);
    }
}

#[test]
fn a_phone_joins_leaves_and_speaks_where_it_joined_last() {
    check(&[
        ("JOIN lobby", &["Joined lobby", JOINED]),
        (
            "join attic Ann  Bee",
            &[
                "Joined attic",
                "text +14155550100 #2: You are in attic. Everyone there sees what you text. To leave, text \
                 LEAVE attic. For no more texts at all, text STOP.",
            ],
        ),
        ("hello", &["posted attic Ann Bee: hello"]),
        ("Leave it to me", &["posted attic Ann Bee: Leave it to me"]),
        ("join us for lunch", &["posted attic Ann Bee: join us for lunch"]),
        (
            "LEAVE",
            &[
                "Left attic",
                "text +14155550100 #3: You have left attic. Your texts go to The lobby now. To come back, text \
                 JOIN attic.",
            ],
        ),
        ("hello", &["posted lobby Ann Bee: hello"]),
        (
            "leave LOBBY",
            &["Left lobby", "text +14155550100 #4: You have left The lobby. To come back, text JOIN lobby."],
        ),
    ]);
}

#[test]
fn who_is_in_no_room_is_told_once_an_hour_how_to_join() {
    let help = "text +14155550100 #1: This text went nowhere. To join a room, text JOIN and its name, such as \
                JOIN attic. Rooms: attic, lobby. For no more texts, text STOP.";
    let mut house = House::new();
    assert_eq!(said(&house.text(ANN, "hello?")), [help]);
    for text in ["hello??", "JOIN cellar", "JOIN guard", "JOIN", "LEAVE", "LEAVE lobby", "JOIN nowhere Ann"] {
        assert!(house.text(ANN, text).events.is_empty(), "{text}");
    }
    house.pass(3600);
    assert_eq!(said(&house.text(ANN, "JOIN cellar")), [help.replace("#1", "#2")]);
    house.text(ANN, "STOP");
    house.pass(3600);
    assert!(house.text(ANN, "hello?").events.is_empty(), "who wants no texts gets none");
}

#[test]
fn joining_again_is_confirmed_when_it_changes_something_or_once_an_hour() {
    let mut house = House::new();
    let mut texts = |text: &str| house.text(ANN, text).events.len();
    assert_eq!(texts("JOIN lobby Ann"), 2);
    assert_eq!(texts("JOIN lobby Ann"), 1, "perhaps the first answer was lost");
    assert_eq!(texts("JOIN lobby Ann"), 0);
    assert_eq!(texts("JOIN lobby"), 0);
    assert_eq!(texts("JOIN lobby Anna"), 1, "another name");
    assert_eq!(texts("JOIN attic"), 2);
    assert_eq!(texts("JOIN lobby"), 1, "the room that its texts go to is another");
}

#[test]
fn a_listed_phone_is_in_its_room_from_the_start() {
    let mut house = House::new();
    assert_eq!(said(&house.text(BOB, "all quiet")), ["posted guard phone …0513: all quiet"]);
    assert_eq!(
        said(&house.text(BOB, "join guard Bob"))[0],
        "text +447700900513 #1: You are in guard. Everyone \
         there sees what you text. To leave, text LEAVE guard. For no more texts at all, text STOP."
    );
    assert_eq!(said(&house.text(BOB, "all quiet")), ["posted guard Bob: all quiet"]);
    assert_eq!(said(&house.text(BOB, "leave"))[0], "Left guard");
    assert!(said(&house.text(BOB, "hello?"))[0].contains("Rooms: attic, guard, lobby."));
    assert_eq!(said(&house.text(BOB, "join guard"))[0], "Joined guard");
}

#[test]
fn of_two_texts_at_once_one_is_decided_again() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby Ann");
    let snapshot = house.store.snapshot();
    let decide = |sid: &str, body: &str, store: &MemoryStore| {
        let request = signed_form(&form(&[("MessageSid", sid), ("From", ANN), ("Body", body)]));
        let id = house.admit(&request).unwrap();
        house.decide(&id, "sms.door", What::Request(&request), store).unwrap()
    };
    let (stop, join) = (decide("SM100", "STOP", &snapshot), decide("SM101", "JOIN attic", &snapshot));
    house.store.commit(&stop.writes).unwrap();
    assert!(house.store.commit(&join.writes).is_err(), "it would undo the STOP");
    let again = decide("SM101", "JOIN attic", &house.store);
    house.store.commit(&again.writes).unwrap();
    assert_eq!(said(&again), ["Joined attic"], "noted, and not answered");
    assert!(house.hear("sms.fanout", &web("hello", 1))[0].events.is_empty(), "the STOP holds");
}
