//! A room's changes become texts.

use super::*;

#[test]
fn a_phone_joins_and_hears_the_room() {
    let mut house = House::new();
    let outcome = house.text(ANN, " join Lobby  Ann ");
    assert_eq!(
        said(&outcome),
        [
            "Joined lobby",
            "text +14155550100 #1: You are in The lobby. Everyone there sees what you text. To leave, text \
             LEAVE lobby. For no more texts at all, text STOP.",
        ]
    );
    assert_eq!(said(&house.text(ANN, "hello")), ["posted lobby Ann: hello"]);
    let outcomes = house.hear("sms.fanout", &web("hi Ann", 1));
    assert_eq!(said(&outcomes[0]), ["text +14155550100 #2: Ada: hi Ann"]);
    let outcome = house.send(&outcomes[0].events[0], "SM1");
    assert_eq!(said(&outcome), ["Queued SM1 -"]);
}
