//! Texts that go out: paced, permitted, sent, and found again.

use switchboard_core::{HttpError, Write};

use super::*;

const URL: &str =
    "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json";
const BASIC: &str = "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjphIHRva2VuIG9mIHRoZSBhY2NvdW50";

pub(super) fn fields(request: &SentRequest) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
}

pub(super) fn names(request: &SentRequest) -> Vec<String> {
    fields(request).into_iter().map(|(name, _)| name).collect()
}

/// What goes to Twilio for a text.
pub(super) fn sent(house: &House, event: &Event) -> SentRequest {
    attempt(house, &house.effect(event))
}

/// What goes to Twilio in one attempt.
pub(super) fn attempt(house: &House, effect: &Effect) -> SentRequest {
    assert_eq!(house.permit(effect).unwrap(), Permit::Go);
    let (report, mut requests) = house.act(effect, vec![created("SM1")]);
    report.unwrap();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[test]
fn a_text_is_exactly_this_request() {
    let house = House::new();
    let event = request(ANN, "Ada: hello & \"bye\"", 1);
    let request = sent(&house, &event);
    assert_eq!(request.line, format!("POST {URL}"));
    assert_eq!(request.header("authorization"), Some(BASIC));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let signature = house.sms.config.links.sign("status", &[event.id.as_str()]);
    let callback = format!("https://hub.example/twilio/status?delivery={}&signature={signature}", event.id);
    let expected =
        [("To", ANN), ("From", OURS), ("Body", "Ada: hello & \"bye\""), ("StatusCallback", &callback)];
    let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(fields(&request), expected);
}

#[test]
fn the_request_follows_the_configuration() {
    let mut environment = environment();
    environment.retain(|(name, _)| *name != "TWILIO_FROM");
    environment.push(("TWILIO_MESSAGING_SERVICE_SID", "MG0123456789abcdef0123456789abcdef"));
    environment.push(("TWILIO_API_BASE", "http://127.0.0.1:8080/sandbox/twilio/"));
    let house = House::with("smart_encoding = true\nstatus_callbacks = false", &environment);
    let request = sent(&house, &request(ANN, "hello", 1));
    assert!(request.line.starts_with("POST http://127.0.0.1:8080/sandbox/twilio/2010-04-01/Accounts/AC"));
    assert_eq!(names(&request), ["To", "MessagingServiceSid", "Body", "SmartEncoded"]);
}

#[test]
fn the_sender_is_paced_by_segments() {
    let house = House::with("segments_per_second = 2", &environment());
    let text =
        |to: &str, length: usize, seq: u64| house.effect(&request(to, &"a".repeat(length), seq)).not_before;
    let at = |ms: i64| Some(Timestamp::from_ms(NOW.ms() + ms));
    assert_eq!(text(ANN, 10, 1), None, "the sender is free");
    assert_eq!(text(BOB, 161, 1), at(500), "after one segment");
    assert_eq!(text(ANN, 10, 2), at(1500), "after two more");
    let mut house = house;
    house.pass(60);
    assert_eq!(house.effect(&request(ANN, "a", 3)).not_before, None, "what was not used is not saved up");

    let unlimited = House::with("segments_per_second = 0", &environment());
    let outcome = unlimited.hear("sms.out", &request(ANN, "a", 1)).remove(0);
    assert!(outcome.writes.is_empty() && outcome.effects[0].not_before.is_none());
}

#[test]
fn of_two_reservations_at_once_one_is_decided_again() {
    let house = House::new();
    let snapshot = house.store.snapshot();
    let decide = |event: &Event, store: &MemoryStore| {
        let id = ArrivalId::from_cause(&[event.id.as_str()]);
        house.decide(&id, "sms.out", What::Event { event, part: None }, store).unwrap()
    };
    let first = decide(&request(ANN, "a", 1), &snapshot);
    let second = decide(&request(BOB, "b", 1), &snapshot);
    house.store.commit(&first.writes).unwrap();
    assert!(house.store.commit(&second.writes).is_err());
    assert!(decide(&request(BOB, "b", 1), &house.store).effects[0].not_before.is_some());
}

#[test]
fn twilios_answers_mean() {
    let house = House::new();
    let effect = house.effect(&request(ANN, "hello", 1));
    let error = include_str!("../../../fixtures/twilio/error-invented.json");
    let check = |answer: Answer, expected: &str| {
        let got = match house.act(&effect, vec![answer]).0 {
            Ok(report) => report.0,
            Err(Failure::Retry { after: Some(after), .. }) => format!("after {}", after.as_secs()),
            Err(failure) => {
                let reason = failure.to_string();
                assert!(!reason.contains("5550100"), "{reason}");
                failure.kind().to_owned()
            }
        };
        assert_eq!(got, expected);
    };
    let code = |status: u16, code: u32| {
        let body = error.replace("21211", &code.to_string()).replace("400", &status.to_string());
        ScriptedHttp::json(status, &body)
    };
    check(code(400, 21211), r#"{"Failed":{"code":21211}}"#);
    check(code(400, 21614), r#"{"Failed":{"code":21614}}"#);
    check(code(400, 21610), r#"{"OptedOut":{"code":21610}}"#);
    check(code(400, 21408), "refuse");
    check(code(400, 21212), "refuse");
    check(code(400, 21617), "bug");
    check(code(400, 21611), "after 600");
    check(code(401, 20003), "after 60");
    check(ScriptedHttp::json(401, "no JSON"), "after 60");
    check(code(404, 20404), "refuse");
    check(code(400, 29999), "refuse");
    check(ScriptedHttp::json(400, ""), "refuse");
    check(ScriptedHttp::answer(302, &[("location", "https://evil.example")], ""), "refuse");
    check(code(429, 20429), "after 5");
    check(ScriptedHttp::answer(429, &[("retry-after", "17")], ""), "after 17");
    // Neither does a mistaken one stop a phone's lane for months.
    check(ScriptedHttp::answer(429, &[("retry-after", "9999999999999")], ""), "after 3600");
    check(ScriptedHttp::answer(429, &[("retry-after", "0")], ""), "after 1");
    check(ScriptedHttp::json(500, ""), "unsure");
    check(code(503, 20503), "unsure");
    check(ScriptedHttp::json(408, ""), "unsure");
    check(ScriptedHttp::json(201, "not JSON"), "unsure");
    check(Err(HttpError::Unanswered("time-out".into())), "unsure");
    check(Err(HttpError::NotSent("refused".into())), "retry");
    check(created("SM1"), r#"{"Sent":{"sid":"SM1","status":"queued"}}"#);
}

#[test]
fn who_opted_out_or_left_is_not_texted() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby");
    let event = house.hear("sms.fanout", &web("hello", 1)).remove(0).events.remove(0);
    let effect = house.effect(&event);
    assert_eq!(house.permit(&effect).unwrap(), Permit::Go);

    house.text(ANN, "STOP");
    let Permit::Settled(report) = house.permit(&effect).unwrap() else { panic!("permitted") };
    let outcome = house.settle(&effect, &Settlement::Done(report));
    assert_eq!(said(&outcome), ["Failed - the phone has opted out"]);

    house.text(ANN, "START");
    house.text(ANN, "LEAVE");
    let event = &web("hello", 2);
    assert!(house.hear("sms.fanout", event)[0].events.is_empty());
    let Permit::Settled(report) = house.permit(&effect).unwrap() else { panic!("permitted") };
    assert_eq!(report.0, r#""NotInRoom""#);
}

#[test]
fn each_limit_bites_and_names_its_key() {
    for (section, key) in [
        ("daily_segments = 3", "daily_segments = 3"),
        ("per_phone_daily = 3", "per_phone_daily = 3"),
        ("per_room_daily = 3", "per_room_daily = 3"),
        ("per_calling_code_daily = 3", "per_calling_code_daily = 3"),
        ("calling_code_daily = { \"1\" = 3 }", "calling_code_daily.1 = 3"),
    ] {
        let mut house = House::with(section, &environment());
        house.text(ANN, "JOIN lobby");
        let texts: Vec<Effect> = (1..=3)
            .map(|seq| house.effect(&house.hear("sms.fanout", &web(&"a".repeat(150), seq))[0].events[0]))
            .collect();
        assert_eq!(house.permit(&texts[0]).unwrap(), Permit::Go, "{section}: 1 of 3");
        assert_eq!(house.permit(&texts[0]).unwrap(), Permit::Go, "{section}: an attempt more costs nothing");
        let long = house.effect(&house.hear("sms.fanout", &web(&"a".repeat(300), 4))[0].events[0]);
        assert_eq!(house.permit(&long).unwrap(), Permit::Go, "{section}: 3 of 3");
        let refused = house.permit(&texts[1]).unwrap_err();
        assert!(matches!(&refused, Failure::Refuse { reason, .. } if reason.contains(key)), "{refused}");
        let outcome = house.settle(&texts[1], &Settlement::GaveUp(refused));
        assert!(said(&outcome)[0].starts_with("Failed - [sms] "), "{:?}", said(&outcome));
        house.pass(86_400);
        assert_eq!(house.permit(&texts[1]).unwrap(), Permit::Go, "{section}: another day");
    }
}

#[test]
fn other_countries_can_be_shut_out() {
    let mut house = House::with("allowed_calling_codes = [1]", &environment());
    let effect = house.effect(&request(BOB, "hello", 1));
    let refused = house.permit(&effect).unwrap_err().to_string();
    assert!(refused.contains("allowed_calling_codes does not have 44"), "{refused}");
    assert!(house.text(BOB, "JOIN lobby").events.is_empty(), "nor is it answered");
    assert_eq!(house.permit(&house.effect(&request(ANN, "hello", 1))).unwrap(), Permit::Go);
}

/// What is found of a text whose answer was lost.
fn find(
    house: &House,
    effect: &Effect,
    answers: Vec<Answer>,
) -> (Result<Option<Report>, Failure>, Vec<String>) {
    let http = ScriptedHttp::new(answers);
    let ports = Ports {
        http: &http,
        blobs: &house.blobs,
        notices: &MemoryNotices::default(),
        devices: &MemoryDevices::default(),
        now: house.now,
    };
    let found = block_on(house.sms.find(effect, NOW, &ports));
    (found, http.sent().into_iter().map(|request| request.line).collect())
}

fn list() -> Answer {
    ScriptedHttp::json(200, include_str!("../../../fixtures/twilio/messages-list-invented.json"))
}

fn empty_list() -> Answer {
    ScriptedHttp::json(200, r#"{"messages":[],"next_page_uri":null}"#)
}

#[test]
fn a_lost_answer_is_looked_for() {
    let house = House::new();
    let effect = house.effect(&request(ANN, "Ada: hello", 1));
    let newest = format!("GET {URL}?To=%2B14155550100&PageSize=50");
    let dated = format!("GET {URL}?To=%2B14155550100&DateSent%3E=2023-11-14&PageSize=50");
    let sids = r#"["SM33333333333333333333333333333333","SM44444444444444444444444444444444"]"#;
    for answers in [[list(), list()], [empty_list(), list()], [list(), empty_list()]] {
        let (found, lines) = find(&house, &effect, answers.to_vec());
        assert_eq!(found.unwrap().unwrap().0, format!(r#"{{"Found":{{"sids":{sids}}}}}"#));
        assert_eq!(lines, [newest.clone(), dated.clone()]);
    }
    assert_eq!(find(&house, &effect, vec![empty_list(), empty_list()]).0, Ok(None));

    let more = r#"{"messages":[],"next_page_uri":"/2010-04-01/Accounts/AC/Messages.json?Page=1"}"#;
    let (_, lines) = find(&house, &effect, vec![ScriptedHttp::json(200, more); 9]);
    assert_eq!(lines.len(), 5, "the looking is bounded");
    assert_eq!(lines[2], "GET https://api.twilio.com/2010-04-01/Accounts/AC/Messages.json?Page=1");

    let elsewhere = r#"{"messages":[],"next_page_uri":"https://evil.example/2010-04-01/"}"#;
    let (_, lines) = find(&house, &effect, vec![ScriptedHttp::json(200, elsewhere); 2]);
    assert_eq!(lines, [newest, dated]);

    let (found, _) = find(&house, &effect, vec![ScriptedHttp::json(500, "")]);
    assert!(matches!(found, Err(Failure::Retry { after: None, .. })), "only asked: ask again");
}

#[test]
fn what_is_found_belongs_to_one_delivery_only() {
    let house = House::new();
    let (one, two, three) =
        (request(ANN, "Ada: hello", 1), request(ANN, "Ada: hello", 2), request(ANN, "Ada: hello", 3));
    assert_eq!(
        said(&house.send(&one, "SM33333333333333333333333333333333")),
        ["Queued SM33333333333333333333333333333333 -",]
    );
    let second = house.effect(&two);
    let report = find(&house, &second, vec![list(), list()]).0.unwrap().unwrap();
    let snapshot = house.store.snapshot();
    let outcome = house.settle(&second, &Settlement::Done(report.clone()));
    assert_eq!(said(&outcome), ["Queued SM44444444444444444444444444444444 -"]);
    let Permit::Settled(known) = house.permit(&second).unwrap() else { panic!("it would be sent twice") };
    assert!(house.settle(&second, &Settlement::Done(known)).events.is_empty());

    let third = house.effect(&three);
    let found = Settlement::Done(report.clone());
    let late = block_on(house.sms.settle(&third, &found, NOW, &snapshot)).unwrap();
    assert!(house.store.commit(&late.writes).is_err(), "somebody else has claimed it meanwhile");

    let none_left = block_on(house.sms.settle(&third, &found, NOW, &house.store));
    assert!(matches!(none_left, Err(Failure::Unsure { .. })), "it is still to be sent: {none_left:?}");
    assert_eq!(house.permit(&third).unwrap(), Permit::Go);
    let (report, _) = house.act(&third, vec![created("SM7")]);
    assert_eq!(said(&house.settle(&third, &Settlement::Done(report.unwrap()))), ["Queued SM7 -"]);
}

#[test]
fn how_a_text_ends_is_reported() {
    for (report, expected) in [
        (r#"{"Sent":{"sid":"SM1","status":"accepted"}}"#, &["Queued SM1 -"][..]),
        (r#"{"Sent":{"sid":"SM1","status":null}}"#, &["Queued SM1 -"]),
        (r#"{"Sent":{"sid":"SM1","status":"sent"}}"#, &["Sent SM1 -"]),
        (r#"{"Failed":{"code":21211}}"#, &["Failed - the number is no phone's (21211)"]),
        (r#"{"OptedOut":{"code":21610}}"#, &["Failed - the phone has opted out (21610)", "OptedOut all"]),
    ] {
        let house = House::new();
        let effect = house.effect(&request(ANN, "hello", 1));
        let settlement = Settlement::Done(Report(report.to_owned()));
        assert_eq!(said(&house.settle(&effect, &settlement)), expected, "{report}");
        assert!(house.settle(&effect, &settlement).events.is_empty(), "{report}: once");
    }
    let mut house = House::new();
    house.text(ANN, "JOIN lobby");
    let effect = house.effect(&request(ANN, "hello", 2));
    house.settle(&effect, &Settlement::Done(Report(r#"{"OptedOut":{"code":21610}}"#.to_owned())));
    assert!(house.hear("sms.fanout", &web("hello", 1))[0].events.is_empty(), "what Twilio knows holds here");
}

#[test]
fn no_number_and_no_word_is_in_a_destination() {
    let house = House::new();
    let one = house.effect(&request(ANN, "secret", 1)).destination;
    assert_eq!(one, house.effect(&request(ANN, "other", 2)).destination);
    assert_ne!(one, house.effect(&request(BOB, "secret", 1)).destination);
    assert!(one.starts_with("twilio/") && one.len() == 15, "{one}");
}

#[test]
fn what_is_remembered_of_a_delivery_is_forgotten_in_time() {
    let house = House::new();
    let effect = house.effect(&request(ANN, "hello", 1));
    let permitted = block_on(house.sms.permit(&effect, NOW, &house.store)).unwrap();
    for write in &permitted.writes {
        assert!(
            matches!(write, Write::Put { expires_at: Some(_), .. } | Write::Add { expires_at: Some(_), .. }),
            "{write:?}"
        );
    }
}
