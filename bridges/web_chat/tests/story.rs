//! The room's story: kept in its newest form, read back in pages, resumed from anywhere.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_edited_deleted_and_reacted_to_is_kept_in_its_newest_form_and_resumed_from_anywhere() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    house.change(1, Change::Posted, message("m1", 1, "one"));
    let shown = house.change(2, Change::Posted, message("m2", 1, "two"));
    assert_eq!(shown.pushes[0].seq, Some(2));
    house.change(3, Change::Edited, message("m1", 2, "uno"));
    house.change(4, Change::Reacted, message("m2", 1, "two"));
    house.change(5, Change::Deleted, message("m1", 2, "uno"));
    let again = house.change(5, Change::Deleted, message("m1", 2, "uno"));
    assert_eq!(again, Outcome::nothing(), "a redelivery changes nothing and is not pushed");
    assert_eq!(house.change(1, Change::Posted, message("m1", 1, "one")), Outcome::nothing());

    let page = house.page(&ann, "");
    let texts: Vec<&str> =
        page["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!((texts, &page["seq"], &page["before"]), (vec!["", "two"], &json!(5), &Value::Null));
    assert_eq!(page["messages"][0]["gone"], "deleted");
    assert_eq!(
        page["messages"][1]["reactions"],
        json!([{ "name": "wave", "people": [{ "id": "guest_b", "name": "Bob" }] }])
    );
    let (frames, _) = house.missed(1);
    let story: Vec<(u64, &str, &str)> = frames
        .iter()
        .map(|(seq, frame)| {
            (*seq, frame["change"].as_str().unwrap(), frame["message"]["text"].as_str().unwrap())
        })
        .collect();
    assert_eq!(story, [(2, "posted", "two"), (3, "edited", ""), (4, "reacted", "two"), (5, "deleted", "")]);
    assert!(house.missed(6).1, "a client that is ahead loads the room again");
}

#[test]
fn pages_meet_without_a_gap_in_both_directions() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    for seq in 1..=25 {
        house.change(seq, Change::Posted, message(&format!("m{seq}"), 1, &seq.to_string()));
    }
    let numbers = |page: &Value| -> Vec<u64> {
        page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect()
    };
    let (mut all, mut query) = (Vec::new(), "?limit=10".to_owned());
    loop {
        let page = house.page(&ann, &query);
        all.splice(0..0, numbers(&page));
        let Some(before) = page["before"].as_u64() else { break };
        query = format!("?limit=10&before={before}");
    }
    assert_eq!(all, (1..=25).collect::<Vec<_>>());
    let page = house.page(&ann, "?limit=10&after=3");
    assert_eq!(
        (numbers(&page), &page["after"], &page["before"]),
        ((4..=13).collect(), &json!(13), &json!(4))
    );
    let page = house.page(&ann, "?limit=10&message=m12");
    assert_eq!(
        (numbers(&page), &page["before"], &page["after"]),
        ((8..=17).collect(), &json!(8), &json!(17))
    );
    for (query, code) in
        [("?before=x", "bad_field"), ("?before=1&after=1", "bad_field"), ("?message=no", "unknown_message")]
    {
        assert_eq!(
            refused(house.request("GET", &format!("/api/rooms/lobby/history{query}"), &ann, "")).1,
            code
        );
    }
}

#[test]
fn reports_in_any_order_are_counted_once_and_no_number_is_shown() {
    let mut house = House::new();
    let ann = house.sign_in("Ann").unwrap();
    let report = |address: &str, surface, status, reason: Option<&str>| {
        let reported = DeliveryReported {
            message_id: Some(MessageId::from_text("m1")),
            room: Some("lobby".parse().unwrap()),
            surface,
            address: Address::new(address),
            status,
            provider_id: None,
            reason: reason.map(str::to_owned),
        };
        Detail::DeliveryReported(reported)
    };
    // The first report is faster than the message.
    house.hear("1", report("+14155550101", Surface::Sms, DeliveryStatus::Queued, None));
    house.change(1, Change::Posted, message("m1", 1, "one"));
    house.hear("2", report("+14155550101", Surface::Sms, DeliveryStatus::Delivered, None));
    assert_eq!(
        house.hear("3", report("+14155550101", Surface::Sms, DeliveryStatus::Sent, None)),
        Outcome::nothing()
    );
    house.hear(
        "4",
        report("+14155550102", Surface::Sms, DeliveryStatus::Failed, Some("the phone has opted out (21610)")),
    );
    house.hear("5", report("+14155550103", Surface::Sms, DeliveryStatus::Undelivered, Some("30005")));
    let last = house.hear("6", report("C024", Surface::Slack, DeliveryStatus::Delivered, None));
    let page = house.page(&ann, "");
    let words: Vec<&str> = page["messages"][0]["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["words"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["Slack: posted", "3 phones: 1 delivered, 1 opted out, 1 failed (30005)"]);
    let told = house.request("GET", "/api/rooms/lobby/messages/m1/deliveries", &ann, "").unwrap();
    let all = format!("{page}{}{}", reply(&told).body, last.pushes[0].frame);
    assert!(!all.contains("41555501") && all.contains("phone ending 03"), "{all}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever happens in a room, and wherever a client was cut off: it gets what it missed, once and in order,
    /// and has then what the room's pages show.
    #[test]
    fn whatever_was_missed_comes_once_and_in_order(
        steps in prop::collection::vec((0_u8..5, 0_usize..40), 1..450),
        after in 0_u64..450,
    ) {
        let house = House::new();
        let mut posted: Vec<String> = Vec::new();
        for (seq, (kind, which)) in (1..).zip(&steps) {
            let id = posted.get(*which % posted.len().max(1)).cloned();
            match (kind, id) {
                (0..=1, _) | (_, None) => {
                    let id = format!("m{seq}");
                    house.change(seq, Change::Posted, message(&id, 1, "x"));
                    posted.push(id);
                }
                (2, Some(id)) => drop(house.change(seq, Change::Edited, message(&id, seq + 1, "y"))),
                (3, Some(id)) => drop(house.change(seq, Change::Reacted, message(&id, 1, "x"))),
                (_, Some(id)) => drop(house.change(seq, Change::Retracted, message(&id, 1, "x"))),
            }
        }
        let last = steps.len() as u64;
        let (frames, reset) = house.missed(after);
        prop_assert_eq!(reset, after > last);
        let numbers: Vec<u64> = frames.iter().map(|(seq, _)| *seq).collect();
        prop_assert_eq!(numbers, if reset { Vec::new() } else { (after + 1..=last).collect::<Vec<_>>() });
    }
}
