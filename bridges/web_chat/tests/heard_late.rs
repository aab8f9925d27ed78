//! Events of a phone that are heard in another order than they happened: they have no lane.

use proptest::prelude::*;
use proptest::sample::select;
use switchboard_core::event::{SubscriberChange, SubscriberChanged};

use super::*;

fn happened(house: &House, at: i64, change: SubscriberChange) {
    let room = matches!(change, SubscriberChange::Joined | SubscriberChange::Left);
    let changed = SubscriberChanged {
        phone: "+14155550123".parse().unwrap(),
        room: room.then(|| "lobby".parse().unwrap()),
        change,
    };
    let id = format!("heard {at}");
    let time = Timestamp::from_ms(NOW.ms() + at);
    let event = Event::new(EventId::from_cause(&[&id]), "sms", time, Detail::SubscriberChanged(changed));
    house.decide(What::Event { event: &event, part: None }, &ArrivalId::from_cause(&[&id])).unwrap();
}

fn told(house: &mut House) -> Value {
    let cookie = house.sign_in("Zoe").unwrap();
    let rooms = body(&house.request("GET", "/api/rooms", &cookie, "").unwrap());
    house.request("DELETE", "/api/session", &cookie, "").unwrap();
    json!([rooms["rooms"][0]["surfaces"]["phones"], rooms["rooms"][0]["warnings"]])
}

proptest! {
    #[test]
    fn in_whatever_order_they_are_heard_and_however_often_the_last_that_happened_holds(
        changes in prop::collection::vec(select(vec![
            SubscriberChange::Joined, SubscriberChange::Left, SubscriberChange::OptedOut, SubscriberChange::OptedIn,
        ]), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut in_order = House::new();
        let all: Vec<(i64, SubscriberChange)> = (1..).zip(changes).collect();
        all.iter().for_each(|(at, change)| happened(&in_order, *at, *change));
        let mut late = House::new();
        order.iter().map(|index| index.get(&all)).for_each(|(at, change)| happened(&late, *at, *change));
        all.iter().rev().for_each(|(at, change)| happened(&late, *at, *change));
        prop_assert_eq!(told(&mut late), told(&mut in_order));
    }
}
