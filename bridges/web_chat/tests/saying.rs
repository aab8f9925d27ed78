//! What people do: posts, edits, deletions, reactions, and whose they may be.

use std::time::Duration;

use switchboard_core::{Attachment, BlobId};

use super::*;

#[test]
fn a_post_at_the_command_lines_door_becomes_a_message_of_its_room() {
    let mut house = House::new();
    let text = r#"{"id":"1","name":" Ann\u0007 ","text":"hello"}"#;
    let outcome = house.request("POST", "/api/rooms/lobby/messages", "", text).unwrap();
    let Detail::MessagePosted(said) = &outcome.events[0].detail else { panic!("{outcome:?}") };
    assert_eq!((said.message.room.as_str(), said.message.text.as_str()), ("lobby", "hello"));
    assert_eq!(said.message.sender.name, "Ann");
    assert!(reply(&outcome).body.contains(said.message.id.as_str()));
    assert_eq!(
        outcome,
        house.request("POST", "/api/rooms/lobby/messages", "", text).unwrap(),
        "same cause, same ids"
    );
    let long = format!(r#"{{"id":"1","name":"Ann","text":"{}"}}"#, "x".repeat(40_001));
    for (path, text, status) in [
        ("/api/rooms/attic/messages", r#"{"id":"1","name":"Ann","text":"hello"}"#, 404),
        ("/api/rooms/NO%20ROOM/messages", r#"{"id":"1","name":"Ann","text":"hello"}"#, 404),
        ("/api/rooms/lobby/messages", "not json", 400),
        ("/api/rooms/lobby/messages", r#"{"id":"","name":"Ann","text":"hello"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":" ","text":"hello"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":"Ann","text":" \n"}"#, 400),
        ("/api/rooms/lobby/messages", r#"{"id":"1","name":"Ann","text":"hello","role":"admin"}"#, 400),
        ("/api/rooms/lobby/messages", &long, 413),
    ] {
        assert_eq!(refused(house.request("POST", path, "", text)).0, status, "{path} {text:.60}");
    }
    for path in ["/api/rooms/lobby/messages", "/api/session/guest"] {
        let words = r#""my secret words +14155550123""#;
        let refused = house.request("POST", path, "", words).unwrap_err().to_string();
        assert!(refused.ends_with("}: Data at 1:30"), "{path}: {refused}");
    }
}

#[test]
fn a_frame_is_the_same_arrival_however_often_it_comes_and_nobodys_elses() {
    let mut house = House::new();
    house.change(1, Change::Posted, message("m1", 1, "one"));
    let connection =
        |person: Person| Connection { id: "1".into(), person, session: "s".into(), expires_at: NOW };
    let arrival = |house: &House, person: Person, text: &str| {
        let connection = connection(person);
        let Heard::Arrival(id) = house.chat.hear(&connection, text, NOW) else { panic!("{text}") };
        let frame = Frame { connection, text: text.to_owned() };
        let result = house.decide(What::Frame(&frame), &id);
        (id, result)
    };
    let other = || Person { id: "guest_b".into(), ..person() };
    let post = r#"{"kind":"post","id":"1","room":"lobby","text":"hi"}"#;
    let (id, first) = arrival(&house, person(), post);
    assert_eq!((id.clone(), first), arrival(&house, person(), post));
    assert_ne!(id, arrival(&house, other(), post).0);
    let edit = r#"{"kind":"edit","id":"2","room":"lobby","message_id":"m1","text":"uno"}"#;
    assert_eq!(refused(arrival(&house, other(), edit).1), (403, "not_yours"));
    house.now = NOW;
    let Detail::MessageEdited(said) = &arrival(&house, person(), edit).1.unwrap().events[0].detail else {
        panic!()
    };
    assert!(said.message.revision > Revision::FIRST);
    let react =
        r#"{"kind":"react","id":"3","room":"lobby","message_id":"m1","reaction":"<!channel>","added":true}"#;
    assert_eq!(refused(arrival(&house, person(), react).1), (400, "bad_field"));
}

#[test]
fn a_moderator_and_an_operator_take_back_what_others_wrote_and_a_member_does_not() {
    let house = House::new();
    house.change(1, Change::Posted, message("m1", 1, "one"));
    let delete = r#"{"kind":"delete","id":"1","room":"lobby","message_id":"m1"}"#;
    let say = |id: &str, roles: &[Role]| {
        let person = Person { id: id.into(), name: id.into(), roles: roles.to_vec() };
        let connection = Connection { id: "1".into(), person, session: "s".into(), expires_at: NOW };
        let frame = Frame { connection, text: delete.to_owned() };
        house.decide(What::Frame(&frame), &ArrivalId::from_cause(&[id]))
    };
    assert_eq!(refused(say("guest_b", &[Role::Member])), (403, "not_yours"));
    for (id, role, as_moderator) in [
        ("account_m", Role::Moderator, true),
        ("account_o", Role::Operator, true),
        // Their own message is theirs.
        ("guest_a", Role::Moderator, false),
    ] {
        let outcome = say(id, &[Role::Member, role]).unwrap();
        let Detail::MessageDeleted(deleted) = &outcome.events[0].detail else { panic!("{outcome:?}") };
        assert_eq!((deleted.moderator, deleted.sender.name.as_str()), (as_moderator, id));
    }
}

#[test]
fn what_the_gate_may_have_forgotten_is_told_with_what_the_room_shows_of_it() {
    let mut house = House::new();
    let file = Attachment {
        name: "plan.pdf".into(),
        content_type: "application/pdf".into(),
        size: 3,
        blob: Some(BlobId::from_text("b1")),
        note: None,
    };
    let from_sms = Sender { surface: Surface::Sms, ..sender("+14155550101", "Sam") };
    house.change(1, Change::Posted, message("m1", 1, "one"));
    house.change(
        2,
        Change::Posted,
        Message { sender: from_sms, attachments: vec![file], ..message("m2", 1, "two") },
    );
    let said = |house: &House, roles: &[Role], frame: Value| {
        let person = Person { roles: roles.to_vec(), ..person() };
        let connection = Connection { id: "1".into(), person, session: "s".into(), expires_at: NOW };
        let frame = Frame { connection, text: frame.to_string() };
        let outcome = house.decide(What::Frame(&frame), &ArrivalId::from_cause(&[&frame.text])).unwrap();
        outcome.events.into_iter().next().unwrap().detail
    };
    let shown = |detail: &Detail| match detail {
        Detail::MessageDeleted(deleted) => deleted.shown.clone(),
        Detail::ReactionChanged(changed) => changed.shown.clone(),
        other => panic!("{other:?}"),
    };
    let delete = |id: &str, message: &str| json!({ "kind": "delete", "id": id, "room": "lobby", "message_id": message });
    let react = json!({ "kind": "react", "id": "r", "room": "lobby", "message_id": "m1", "reaction": "wave", "added": true });
    let young = said(&house, &[Role::Moderator], delete("1", "m2"));
    assert_eq!(shown(&young), None, "a gate remembers a day at least");
    house.now = NOW.plus(Duration::from_secs(86_401));
    let own = shown(&said(&house, &[Role::Member], delete("2", "m1"))).unwrap();
    assert_eq!(own, message("m1", 1, "one"), "as it was said");
    assert_eq!(shown(&said(&house, &[Role::Member], react)).unwrap(), own);
    let other = shown(&said(&house, &[Role::Moderator], delete("3", "m2"))).unwrap();
    assert_eq!((other.text.as_str(), other.attachments.len()), ("two", 1));
    assert!(!other.sender.address.as_str().contains("4155550101"), "of a phone its number is not kept here");
    let edit = json!({ "kind": "edit", "id": "e", "room": "lobby", "message_id": "m1", "text": "uno" });
    let Detail::MessageEdited(edited) = said(&house, &[Role::Member], edit) else { panic!() };
    assert!(edited.kept);
}
