//! Twilio's reports of how a text fares.

use super::*;

const SID: &str = "SM00000000000000000000000000000001";

/// A text that is on its way, and its delivery's id.
fn on_its_way(house: &House) -> (Effect, EventId) {
    let event = request(ANN, "hello", 1);
    let effect = house.effect(&event);
    assert_eq!(house.permit(&effect).unwrap(), Permit::Go);
    (effect, event.id)
}

fn path(house: &House, delivery: &EventId) -> String {
    let signature = house.sms.config.links.sign("status", &[delivery.as_str()]);
    format!("/twilio/status?delivery={delivery}&signature={signature}")
}

fn report(house: &House, delivery: &EventId, status: &str, code: &str) -> Vec<String> {
    let mut pairs = vec![("MessageSid", SID), ("MessageStatus", status)];
    if !code.is_empty() {
        pairs.push(("ErrorCode", code));
    }
    let outcome = house.knock(&post_form(&path(house, delivery), &form(&pairs), TOKEN)).unwrap();
    assert_eq!(outcome.reply.as_ref().unwrap().body, "<Response/>");
    said(&outcome)
}

fn settle_sent(house: &House, effect: &Effect) -> Vec<String> {
    let sent = Settlement::Done(Report(format!(r#"{{"Sent":{{"sid":"{SID}","status":"queued"}}}}"#)));
    said(&house.settle(effect, &sent))
}

#[test]
fn reports_in_order_are_each_told_once() {
    let house = House::new();
    let (effect, delivery) = on_its_way(&house);
    assert_eq!(settle_sent(&house, &effect), [format!("Queued {SID} -")]);
    for (status, expected) in [
        ("queued", None),
        ("sending", None),
        ("sent", Some("Sent")),
        ("sent", None),
        ("delivered", Some("Delivered")),
        ("read", None),
        ("undelivered", None),
        ("some_day_unknown", None),
    ] {
        let expected: Vec<String> = expected.iter().map(|word| format!("{word} {SID} -")).collect();
        assert_eq!(report(&house, &delivery, status, ""), expected, "{status}");
    }
}

/// All orders of these.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    (0..items.len())
        .flat_map(|first| {
            let mut rest = items.to_vec();
            let head = rest.remove(first);
            orders(&rest).into_iter().map(move |mut order| {
                order.insert(0, head.clone());
                order
            })
        })
        .collect()
}

#[test]
fn in_whatever_order_reports_come_the_furthest_holds() {
    for end in ["delivered", "undelivered", "failed"] {
        for order in orders(&["our record", "queued", "sent", end]) {
            let house = House::new();
            let (effect, delivery) = on_its_way(&house);
            let mut told = Vec::new();
            for step in &order {
                if *step == "our record" {
                    told.extend(settle_sent(&house, &effect));
                } else {
                    told.extend(report(&house, &delivery, step, ""));
                }
            }
            let last = told.last().unwrap().to_lowercase();
            assert!(last.starts_with(end), "{order:?}: {told:?}");
            let mut once = told.clone();
            once.dedup();
            assert_eq!(told, once, "{order:?}");
        }
    }
}

#[test]
fn a_report_faster_than_our_record_completes_it() {
    let house = House::new();
    let (effect, delivery) = on_its_way(&house);
    assert_eq!(report(&house, &delivery, "sent", ""), [format!("Sent {SID} -")]);
    let Permit::Settled(known) = house.permit(&effect).unwrap() else { panic!("it would be sent twice") };
    assert!(house.settle(&effect, &Settlement::Done(known)).events.is_empty());
    let gave_up = Settlement::GaveUp(Failure::unsure("no answer"));
    assert!(house.settle(&effect, &gave_up).events.is_empty(), "it was sent, whatever became of the answer");
}

#[test]
fn a_report_as_twilio_sends_it_is_read() {
    let house = House::new();
    let (_, delivery) = on_its_way(&house);
    let body = include_str!("../../../fixtures/twilio/status-delivered.form");
    let outcome = house.knock(&post_form(&path(&house, &delivery), body, TOKEN)).unwrap();
    assert_eq!(said(&outcome), [format!("Delivered {SID} -")]);
    // A later one that names no delivery is known by its message.
    let pairs = [("MessageSid", SID), ("MessageStatus", "read")];
    let outcome = house.knock(&post_form("/twilio/status", &form(&pairs), TOKEN)).unwrap();
    assert_eq!(outcome.writes.len(), 1);
    let pairs = [("MessageSid", "SM9"), ("MessageStatus", "sent")];
    let outcome = house.knock(&post_form("/twilio/status", &form(&pairs), TOKEN)).unwrap();
    assert!(outcome.events.is_empty() && outcome.writes.is_empty(), "not ours to tell");
}

#[test]
fn a_failure_says_why_and_an_opt_out_is_noted() {
    for (status, code, expected) in [
        (
            "undelivered",
            "30005",
            &["Undelivered SM00000000000000000000000000000001 the number is not in use (30005)"][..],
        ),
        (
            "failed",
            "30007",
            &["Failed SM00000000000000000000000000000001 the carrier filtered the text out (30007)"],
        ),
        (
            "failed",
            "39999",
            &[
                "Failed SM00000000000000000000000000000001 Twilio's error 39999: https://www.twilio.com/docs/api/errors/39999",
            ],
        ),
        (
            "failed",
            "21610",
            &["Failed SM00000000000000000000000000000001 the phone has opted out (21610)", "OptedOut all"],
        ),
        (
            "undelivered",
            "30004",
            &[
                "Undelivered SM00000000000000000000000000000001 the phone blocks our texts (30004)",
                "OptedOut all",
            ],
        ),
    ] {
        let house = House::new();
        let (_, delivery) = on_its_way(&house);
        assert_eq!(report(&house, &delivery, status, code), expected);
        assert!(report(&house, &delivery, status, code).is_empty(), "once");
        let effect = house.effect(&request(ANN, "more", 2));
        let blocked = matches!(house.permit(&effect).unwrap(), Permit::Settled(_));
        assert_eq!(blocked, expected.len() == 2, "{code}");
    }
}

/// The carrier's refusal with this code, and the request that follows from it once its time has come.
fn sent_again(house: &mut House, delivery: &EventId, status: &str, code: &str, after: u64) -> Event {
    let pairs = [("MessageSid", SID), ("MessageStatus", status), ("ErrorCode", code)];
    let outcome = house.knock(&post_form(&path(house, delivery), &form(&pairs), TOKEN)).unwrap();
    let [errand, told] = outcome.events.as_slice() else { panic!("{code}: {outcome:?}") };
    let told = sentence(told);
    let so_far = if status == "failed" { "Queued" } else { "Sent" };
    assert!(told.starts_with(so_far), "no end yet: {told}");
    assert!(told.ends_with(&format!("({code}); it is sent once more in {after} s")), "{told}");
    let errand = Event::decode(&errand.encode().unwrap()).unwrap();
    let effect = house.hear("sms.intake", &errand).remove(0).effects.remove(0);
    house.pass(after);
    assert_eq!(effect.not_before, Some(house.now));
    let (report, asked) = house.act(&effect, Vec::new());
    assert!(asked.is_empty());
    house.settle(&effect, &Settlement::Done(report.unwrap())).events.remove(0)
}

#[test]
fn what_the_carrier_may_take_later_is_sent_once_more_and_no_third_time() {
    for (status, code, after) in [
        ("failed", "30001", 600),
        ("undelivered", "30003", 900),
        ("undelivered", "30008", 60),
        ("undelivered", "30022", 60),
        ("failed", "63017", 60),
        ("failed", "63018", 60),
    ] {
        let mut house = House::new();
        let (effect, delivery) = on_its_way(&house);
        settle_sent(&house, &effect);
        let again = sent_again(&mut house, &delivery, status, code, after);
        assert_ne!(again.id, delivery, "a delivery of its own");
        assert_eq!(sentence(&again), format!("text {ANN} #1: hello"), "in the phone's lane");
        assert!(report(&house, &delivery, status, code).is_empty(), "once");

        let effect = house.effect(&again);
        assert_eq!(house.permit(&effect).unwrap(), Permit::Go);
        let sid = "SM00000000000000000000000000000002";
        let (sent, requests) = house.act(&effect, vec![created(sid)]);
        assert!(requests[0].body.contains("Body=hello"), "{}", requests[0].body);
        house.settle(&effect, &Settlement::Done(sent.unwrap()));
        let pairs = [("MessageSid", sid), ("MessageStatus", status), ("ErrorCode", code)];
        let outcome = house.knock(&post_form(&path(&house, &again.id), &form(&pairs), TOKEN)).unwrap();
        let end = if status == "failed" { "Failed" } else { "Undelivered" };
        assert_eq!(outcome.events.len(), 1, "{code}: {outcome:?}");
        assert!(sentence(&outcome.events[0]).starts_with(&format!("{end} {sid}")), "{code}");
    }
}

#[test]
fn what_is_sent_once_more_asks_again_whether_it_may() {
    let mut house = House::new();
    let (effect, delivery) = on_its_way(&house);
    settle_sent(&house, &effect);
    let again = sent_again(&mut house, &delivery, "undelivered", "30003", 900);
    house.text(ANN, "STOP");
    let effect = house.effect(&again);
    assert!(matches!(house.permit(&effect).unwrap(), Permit::Settled(_)), "it has opted out meanwhile");
}

#[test]
fn a_text_that_is_there_is_forgotten() {
    let house = House::new();
    let (_, delivery) = on_its_way(&house);
    let stored = || format!("{:?}", house.store.snapshot());
    assert!(stored().contains("hello"), "it may have to be sent once more");
    report(&house, &delivery, "delivered", "");
    assert!(!stored().contains("hello"));
}

#[test]
fn what_is_no_phones_own_fault_is_in_the_log_and_a_loop_is_an_alarm() {
    for (code, level) in [
        ("14107", "ERROR"),
        ("30034", "ERROR"),
        ("11200", "ERROR"),
        ("30007", "WARN"),
        ("39999", "WARN"),
        ("30005", ""),
        ("21610", ""),
    ] {
        let house = House::new();
        let (_, delivery) = on_its_way(&house);
        let (told, log) = logged(|| report(&house, &delivery, "failed", code));
        assert!(told[0].starts_with("Failed"), "{told:?}");
        assert_eq!(log.is_empty(), level.is_empty(), "{code}: {log}");
        assert!(log.contains(level) && !log.contains(&ANN[1..]), "{code}: {log}");
        let (_, log) = logged(|| report(&house, &delivery, "failed", code));
        assert!(log.is_empty(), "once");
    }
}

#[test]
fn nobody_can_report_on_a_delivery_by_guessing_it() {
    let house = House::new();
    let (_, delivery) = on_its_way(&house);
    let pairs = [("MessageSid", SID), ("MessageStatus", "delivered")];
    let other = house.sms.config.links.sign("status", &["ev_another"]);
    for path in [
        format!("/twilio/status?delivery={delivery}"),
        format!("/twilio/status?delivery={delivery}&signature={other}"),
        format!("/twilio/status?delivery={delivery}&signature=zz"),
    ] {
        match house.admit(&post_form(&path, &form(&pairs), TOKEN)) {
            Err(Failure::Refuse { status: 403, .. }) => {}
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn of_a_report_and_our_record_at_once_one_is_decided_again() {
    let house = House::new();
    let (effect, delivery) = on_its_way(&house);
    let snapshot = house.store.snapshot();
    assert_eq!(report(&house, &delivery, "delivered", ""), [format!("Delivered {SID} -")]);
    let sent = Settlement::Done(Report(format!(r#"{{"Sent":{{"sid":"{SID}","status":"queued"}}}}"#)));
    let late = block_on(house.sms.settle(&effect, &sent, NOW, &snapshot)).unwrap();
    assert!(house.store.commit(&late.writes).is_err(), "it would take the delivery back to queued");
    assert!(house.settle(&effect, &sent).events.is_empty());
}
