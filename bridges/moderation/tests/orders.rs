//! What operators ask of the gate.

use super::*;

#[test]
fn an_operator_takes_back_what_is_shown() {
    let mut house = House::new("");
    house.hear(post(message("m1", 1, "Ann", "hello"))).unwrap();
    assert!(house.order("retract", "m1").unwrap().body.contains(r#""seq":2"#));
    for (verb, message, status) in
        [("retract", "m1", 409), ("release", "m1", 409), ("block", "m1", 409), ("retract", "m9", 404)]
    {
        match house.order(verb, message) {
            Err(Failure::Refuse { status: got, .. }) => assert_eq!(got, status, "{verb} {message}"),
            other => panic!("{verb} {message}: {other:?}"),
        }
    }
    assert_eq!(
        told(&house.hear(edit(message("m1", 2, "Ann", "again"))).unwrap()),
        ["blocked m1/2 not_shown"]
    );
}

#[test]
fn what_is_no_order_is_refused_with_the_right_status() {
    let house = House::new("");
    for (path, body, status) in [
        ("/api/messages/m1/burn", r#"{"id":"1"}"#, 404),
        ("/api/messages//retract", r#"{"id":"1"}"#, 404),
        ("/api/messages/a%20b/retract", r#"{"id":"1"}"#, 404),
        ("/api/messages/m1/retract", "", 400),
        ("/api/messages/m1/retract", r#"{"id":""}"#, 400),
        ("/api/messages/m1/retract", r#"{"id":"1","why":"x"}"#, 400),
        ("/api/messages/m1/retract", r#""my secret words +14155550123""#, 400),
        ("/api/messages/m1/retract", r#"{"id":"1","secret":"x"}"#, 400),
    ] {
        let request = http::Request::post(path).body(Bytes::from(body.to_owned())).unwrap();
        match house.gate.admit("moderation.door", &request, NOW) {
            Err(Failure::Refuse { status: got, reason, .. }) => {
                assert_eq!(got, status, "{path} {body}");
                assert!(!reason.contains("secret"), "{reason}");
            }
            other => panic!("{path} {body}: {other:?}"),
        }
    }
}

#[test]
fn an_operator_shows_what_is_held_or_does_not() {
    let mut house = House::new("[moderation]\nheld_words = ['grue']");
    for id in ["m1", "m2"] {
        let outcome = house.hear(post(message(id, 1, "Ann", "a grue"))).unwrap();
        assert_eq!(told(&outcome), [format!("held {id}/1 held_word")]);
        assert!(matches!(house.order("retract", id), Err(Failure::Refuse { status: 409, .. })));
    }
    assert_eq!(told(&house.order_outcome("release", "m1").unwrap()), ["1 posted m1/1 a grue"]);
    assert_eq!(told(&house.order_outcome("block", "m2").unwrap()), ["blocked m2/1 operator"]);
    for (verb, id) in [("release", "m1"), ("release", "m2"), ("block", "m1"), ("block", "m2")] {
        assert!(matches!(house.order(verb, id), Err(Failure::Refuse { status: 409, .. })), "{verb} {id}");
    }
    // An edit that waits is no message yet.
    house.hear(edit(message("m3", 2, "Ann", "early"))).unwrap();
    assert!(matches!(house.order("release", "m3"), Err(Failure::Refuse { status: 404, .. })));
}
