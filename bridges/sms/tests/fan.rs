//! A room's changes become texts.

use switchboard_core::message::MAX_HOPS;
use switchboard_core::store::check_limits;
use switchboard_core::{Attachment, BlobId};

use super::*;

#[test]
fn a_phone_joins_and_hears_the_room() {
    let mut house = House::new();
    house.text(ANN, " join Lobby  Ann ");
    assert_eq!(said(&house.text(ANN, "hello")), ["posted lobby Ann: hello"]);
    let outcomes = house.hear("sms.fanout", &web("hi Ann", 1));
    assert_eq!(said(&outcomes[0]), ["text +14155550100 #2: Ada: hi Ann"]);
    let outcome = house.send(&outcomes[0].events[0], "SM1");
    assert_eq!(said(&outcome), ["Queued SM1 -"]);
}

#[test]
fn every_change_is_a_text_or_is_none() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby Ann");
    house.text(BOB, "JOIN lobby Bob");
    let ada = (Surface::Web, "ada", "Ada");
    let check = |house: &House, change, room, sender, text, seq, expected: &[&str]| {
        let event = changed(change, room, sender, text, seq);
        let heard: Vec<_> = house.hear("sms.fanout", &event).iter().flat_map(said).collect();
        assert_eq!(heard, expected, "{change:?} {text}");
    };
    use Change::{Edited, Posted, Reacted, Retracted};
    check(
        &house,
        Posted,
        "lobby",
        ada,
        "a\u{7}b\r\n<!channel> &amp; c\td",
        1,
        &[
            "text +14155550100 #2: Ada: ab\n<!channel> &amp; c d",
            "text +447700900513 #2: Ada: ab\n<!channel> &amp; c d",
        ],
    );
    check(
        &house,
        Posted,
        "lobby",
        (Surface::Sms, ANN, "Ann"),
        "mine",
        2,
        &["text +447700900513 #3: Ann: mine"],
    );
    check(
        &house,
        Posted,
        "lobby",
        (Surface::Sms, ANN, "phone …0100"),
        "mine",
        3,
        &["text +447700900513 #4: phone ...0100: mine"],
    );
    check(
        &house,
        Edited,
        "lobby",
        ada,
        "better",
        4,
        &["text +14155550100 #3: Correction, Ada: better", "text +447700900513 #5: Correction, Ada: better"],
    );
    for (change, seq) in [(Retracted, 6), (Reacted, 7)] {
        check(&house, change, "lobby", ada, "gone", seq, &[]);
    }
    check(
        &house,
        Posted,
        "guard",
        ada,
        "to the guard",
        1,
        &["text +14155550133 #1: Ada: to the guard", "text +447700900513 #6: Ada: to the guard"],
    );
    check(&house, Posted, "cellar", ada, "nobody", 1, &[]);
    check(&house, Posted, "unknown", ada, "nobody", 1, &[]);
    house.text(BOB, "STOP");
    check(&house, Posted, "lobby", ada, "one left", 8, &["text +14155550100 #4: Ada: one left"]);
    house.text(BOB, "START");
    house.text(BOB, "LEAVE lobby");
    check(&house, Posted, "lobby", ada, "one left", 9, &["text +14155550100 #5: Ada: one left"]);
    let mut circling = web("round", 10);
    let Detail::RoomChanged(changed) = &mut circling.detail else { panic!() };
    changed.message.hops = MAX_HOPS;
    assert!(house.hear("sms.fanout", &circling)[0].events.is_empty());
}

#[test]
fn corrections_can_be_switched_off() {
    let mut house = House::with("corrections = false", &environment());
    house.text(ANN, "JOIN lobby Ann");
    for change in [Change::Edited, Change::Deleted] {
        let event = changed(change, "lobby", (Surface::Web, "ada", "Ada"), "better", 1);
        assert!(house.hear("sms.fanout", &event)[0].events.is_empty());
    }
}

#[test]
fn a_deletion_says_which_message_it_was_and_what_the_gate_took_back_is_not_said_again() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby Ann");
    let long = "the van leaves at nine from behind the old station, bring boots";
    for (seq, (text, expected)) in [
        ("at six", "text +14155550100 #2: Ada took back: at six"),
        (long, "text +14155550100 #3: Ada took back: the van leaves at ni..."),
        ("", "text +14155550100 #4: Ada took a file back."),
    ]
    .into_iter()
    .enumerate()
    {
        let event = changed(Change::Deleted, "lobby", (Surface::Web, "ada", "Ada"), text, seq as u64 + 1);
        assert_eq!(house.hear("sms.fanout", &event).iter().flat_map(said).collect::<Vec<_>>(), [expected]);
    }
    let event = changed(Change::Retracted, "lobby", (Surface::Web, "ada", "Ada"), "abuse", 9);
    assert!(house.hear("sms.fanout", &event)[0].events.is_empty());
}

#[test]
fn a_room_of_many_phones_is_texted_in_parts_each_phone_once() {
    let mut house = House::with("", &environment());
    for number in 0..95 {
        house.text(&format!("+141555501{number:02}"), "JOIN lobby");
    }
    let outcomes = house.hear("sms.fanout", &web("all", 1));
    assert_eq!(outcomes.len(), 4);
    for outcome in &outcomes {
        assert!(outcome.writes.len() + outcome.events.len() <= 90);
        check_limits(&outcome.writes).unwrap();
    }
    let mut phones: Vec<String> = outcomes.iter().flat_map(said).collect();
    phones.sort();
    phones.dedup();
    assert_eq!(phones.len(), 95);
}

#[test]
fn a_list_of_many_phones_is_texted_in_parts_too() {
    let phones: Vec<String> = (0..61).map(|number| format!("\"+141555501{number:02}\"")).collect();
    let rooms = format!("[rooms.crew]\nsms = \"listed\"\nphones = [{}]\n", phones.join(", "));
    let mut house = House::new();
    house.sms = Sms::new(&Settings::for_tests(&rooms, &environment())).unwrap();
    let event = changed(Change::Posted, "crew", (Surface::Web, "ada", "Ada"), "all", 1);
    let outcomes = house.hear("sms.fanout", &event);
    assert_eq!(outcomes.iter().map(|outcome| outcome.events.len()).collect::<Vec<_>>(), [30, 30, 1]);
}

#[test]
fn a_lane_has_no_gap_and_no_double_when_two_rooms_speak_at_once() {
    let mut house = House::new();
    house.text(ANN, "JOIN attic");
    house.text(ANN, "JOIN lobby");
    let snapshot = house.store.snapshot();
    let one = web("one", 1);
    let two = changed(Change::Posted, "attic", (Surface::Web, "ada", "Ada"), "two", 1);
    let decide = |event: &Event, store: &MemoryStore| {
        let id = ArrivalId::from_cause(&[event.id.as_str()]);
        house.decide(&id, "sms.fanout", What::Event { event, part: None }, store).unwrap()
    };
    let (first, second) = (decide(&one, &snapshot), decide(&two, &snapshot));
    house.store.commit(&first.writes).unwrap();
    assert!(house.store.commit(&second.writes).is_err());
    let second = decide(&two, &house.store);
    house.store.commit(&second.writes).unwrap();
    assert_eq!(said(&first), ["text +14155550100 #3: Ada: one"]);
    assert_eq!(said(&second), ["text +14155550100 #4: Ada: two"]);
    assert_eq!(first.events[0].id, decide(&one, &house.store).events[0].id, "the same cause, the same id");
}

#[test]
fn files_go_along_and_corrections_go_without() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby Ann");
    let file = Attachment {
        name: "plan.png".into(),
        content_type: "image/png".into(),
        size: 10,
        blob: Some(BlobId::from_cause(&["plan"])),
        note: None,
    };
    let with_file = |change, text: &str, seq| {
        let mut event = changed(change, "lobby", (Surface::Web, "ada", "Ada"), text, seq);
        let Detail::RoomChanged(changed) = &mut event.detail else { panic!() };
        changed.message.attachments = vec![file.clone()];
        event
    };
    for (change, text, seq, expected, files) in [
        (Change::Posted, "the plan", 1, "Ada: the plan", 1),
        (Change::Posted, "", 2, "Ada sent a file.", 1),
        (Change::Edited, "the new plan", 3, "Correction, Ada: the new plan", 0),
    ] {
        let outcome = house.hear("sms.fanout", &with_file(change, text, seq)).remove(0);
        let Detail::SmsRequested(requested) = &outcome.events[0].detail else { panic!("{outcome:?}") };
        assert_eq!((requested.text.as_str(), requested.attachments.len()), (expected, files));
    }
}

#[test]
fn what_is_withdrawn_while_its_texts_wait_is_not_sent_nor_taken_back() {
    let mut house = House::new();
    for (phone, name) in [(ANN, "Ann"), (BOB, "Bob")] {
        house.text(phone, &format!("JOIN lobby {name}"));
    }
    let ada = (Surface::Web, "ada", "Ada");
    // The same message each time: the second is a correction of the first, the third takes it back.
    let texts = |change, text: &str, seq| {
        let mut event = changed(change, "lobby", ada, text, seq);
        let Detail::RoomChanged(it) = &mut event.detail else { unreachable!() };
        it.message.id = MessageId::from_cause(&["test", "one"]);
        let heard = house.hear("sms.fanout", &event);
        heard.into_iter().flat_map(|outcome| outcome.events).collect::<Vec<_>>()
    };
    let (posted, edited) = (texts(Change::Posted, "oh no", 1), texts(Change::Edited, "oh dear", 2));
    let deleted = texts(Change::Deleted, "oh dear", 3);
    assert_eq!((posted.len(), edited.len(), deleted.len()), (2, 2, 2));

    let withdrawn = |text: &Event| {
        let effect = house.effect(text);
        let Permit::Needless(report) = house.permit(&effect).unwrap() else { panic!("{}", sentence(text)) };
        said(&house.settle(&effect, &Settlement::Done(report)))
    };
    let never = ["Failed - the message was withdrawn before it was sent"];
    // Ann was sent nothing yet, so there is nothing to take back.
    for text in [&posted[0], &edited[0], &deleted[0]] {
        assert_eq!(withdrawn(text), never);
    }
    // Bob's text was under way: its correction is not sent, and that it is withdrawn is.
    let done = Report::new(&serde_json::json!({ "Sent": { "sid": "SM1", "status": "queued" } })).unwrap();
    assert_eq!(said(&house.settle(&house.effect(&posted[1]), &Settlement::Done(done))), ["Queued SM1 -"]);
    assert_eq!(withdrawn(&edited[1]), never);
    assert_eq!(said(&house.send(&deleted[1], "SM2")), ["Queued SM2 -"]);
}

#[test]
fn what_a_moderator_takes_back_is_not_sent_any_more() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby Ann");
    let ada = (Surface::Web, "ada", "Ada");
    let posted = house.hear("sms.fanout", &changed(Change::Posted, "lobby", ada, "oh no", 1));
    let text = house.effect(&posted[0].events[0]);
    assert_eq!(house.permit(&text).unwrap(), Permit::Go);
    house.hear("sms.fanout", &changed(Change::Retracted, "lobby", ada, "oh no", 1));
    assert!(matches!(house.permit(&text).unwrap(), Permit::Needless(_)));
}

#[test]
fn files_that_come_after_the_phones_were_told_of_a_message_are_sent_once() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby Ann");
    let file = |name: &str, blob: Option<&str>| Attachment {
        name: name.into(),
        content_type: "image/png".into(),
        size: 9,
        blob: blob.map(|cause| BlobId::from_cause(&[cause])),
        note: blob.is_none().then(|| "it could not be fetched from Slack".into()),
    };
    let told = |change: Change, seq: u64, text: &str, files: &[Option<&str>]| {
        let mut event = changed(change, "lobby", (Surface::Slack, "U1", "Ada"), text, seq);
        let Detail::RoomChanged(change) = &mut event.detail else { panic!() };
        change.message.id = MessageId::from_cause(&["test", "the one"]);
        change.message.attachments = files.iter().map(|blob| file("cat.png", *blob)).collect();
        let outcomes = house.hear("sms.fanout", &event);
        let events = outcomes.iter().flat_map(|outcome| &outcome.events);
        let texts = events.map(|event| match &event.detail {
            Detail::SmsRequested(request) => (request.text.clone(), request.attachments.len()),
            other => panic!("{other:?}"),
        });
        texts.collect::<Vec<_>>()
    };
    assert_eq!(told(Change::Posted, 1, "look", &[Some("one"), None, None])[0].1, 3, "two are notes");
    let late = told(Change::Edited, 2, "look", &[Some("one"), Some("two"), None]);
    assert_eq!(late, [("Ada sent a file.".to_owned(), 1)]);
    let late = told(Change::Edited, 3, "see", &[Some("one"), Some("two"), Some("three")]);
    assert_eq!(late, [("Correction, Ada: see".to_owned(), 1)]);
    let edited = told(Change::Edited, 4, "look there", &[Some("one"), Some("two"), Some("three")]);
    assert_eq!(edited, [("Correction, Ada: look there".to_owned(), 0)]);
}
