//! What comes in at the doors.

use sha2::{Digest, Sha256};
use switchboard_core::Secret;

use super::*;
use crate::sms::signature;

fn status_of<T: std::fmt::Debug>(result: Result<T, Failure>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(Failure::Refuse { status, .. }) => status,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn twilios_own_signature_vectors_hold() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../fixtures/twilio/signatures.json")).unwrap();
    let tokens = [Secret::new("another"), Secret::new(vectors["token"].as_str().unwrap())];
    for case in vectors["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str();
        let (content_type, body) = match text("json") {
            Some(json) => ("application/json", json),
            None => {
                let body = text("body").unwrap_or(vectors["body"].as_str().unwrap());
                ("application/x-www-form-urlencoded", body)
            }
        };
        let request = http::Request::post(text("path").unwrap())
            .header("content-type", content_type)
            .header("x-twilio-signature", text("signature").unwrap())
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        let base = text("base").unwrap();
        let name = &case["name"];
        assert_eq!(signature::verify(&tokens, base, &request), case["refused"] != true, "{name}");
        assert!(!signature::verify(&tokens[..1], base, &request), "{name}: another token");
        let mut tampered = request.clone();
        *tampered.body_mut() = Bytes::from(format!("{body}&more=1"));
        assert!(!signature::verify(&tokens, base, &tampered), "{name}: another body");
    }
}

#[test]
fn a_text_as_twilio_sends_it_is_posted() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby");
    let body = include_str!("../../../fixtures/twilio/inbound-text.form");
    let outcome = house.knock(&signed_form(body)).unwrap();
    assert_eq!(said(&outcome), ["posted lobby phone …0100: hi there, 2+3=4"]);
    let Detail::MessagePosted(said) = &outcome.events[0].detail else { panic!("{outcome:?}") };
    let sid = "SM60566ee207e123ee2765abcc55c9b9c9";
    assert_eq!(said.message.id, MessageId::from_cause(&["twilio", sid]));
    assert_eq!(outcome.events[0].id, EventId::from_cause(&["twilio", sid]));
    assert_eq!(said.message.sender.address.as_str(), ANN);
    assert_eq!(said.message.sender.surface, Surface::Sms);
    assert!(said.unknown.is_empty(), "{:?}", said.unknown);
    assert_eq!(outcome, house.knock(&signed_form(body)).unwrap(), "the same cause, the same outcome");
}

#[test]
fn what_twilio_says_beside_is_kept_as_far_as_there_is_room() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby");
    let long = "é".repeat(300);
    let many: Vec<String> = (0..30).map(|number| format!("Also{number}x")).collect();
    let mut pairs = vec![("MessageSid", "SM1"), ("From", ANN), ("Body", "hi"), ("NumMedia", "0")];
    pairs.extend([
        ("Mood", "good"),
        ("Story", &long),
        (&long, "a name of 600 bytes"),
        ("FromCity", "OAKLAND"),
    ]);
    pairs.extend(many.iter().map(|name| (name.as_str(), "")));
    let outcome = house.knock(&signed_form(&form(&pairs))).unwrap();
    // As whoever hears it has it.
    let event = Event::decode(&outcome.events[0].encode().unwrap()).unwrap();
    let Detail::MessagePosted(said) = &event.detail else { panic!("{event:?}") };
    assert_eq!((said.unknown["Mood"].as_str(), said.unknown.len()), ("good", 20));
    assert_eq!(said.unknown["Story"], "é".repeat(200));
    let known = |name: &str| name == "Mood" || name == "Story" || name.starts_with("Also");
    assert!(said.unknown.keys().all(|name| known(name)), "{:?}", said.unknown);
}

#[test]
fn a_request_is_admitted_only_with_a_good_signature() {
    let house = House::new();
    let body = form(&[("MessageSid", "SM1"), ("From", ANN), ("Body", "hi"), ("Brand-new", "")]);
    let unsigned = http::Request::post("/twilio/messages")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body.clone()))
        .unwrap();
    let mut twice = signed_form(&body);
    twice.headers_mut().append("x-twilio-signature", "AAAA".parse().unwrap());
    let mut elsewhere = signed_form(&body);
    *elsewhere.uri_mut() = "/twilio/messages?x=1".parse().unwrap();
    let other_account = form(&[("MessageSid", "SM1"), ("From", ANN), ("AccountSid", "AC1")]);
    let no_account = form(&[("MessageSid", "SM1"), ("From", ANN), ("AccountSid", "")]);
    for (name, request, status) in [
        ("signed", signed_form(&body), 200),
        ("signed with the next token", post_form("/twilio/messages", &body, "the next token"), 200),
        ("unsigned", unsigned, 403),
        ("signed with another token", post_form("/twilio/messages", &body, "another"), 403),
        ("with a second signature", twice, 403),
        ("for another query", elsewhere, 403),
        ("of another account", signed_form(&other_account), 403),
        ("of no account", signed_form(&no_account), 403),
        ("without a message", signed_form(&form(&[("From", ANN)])), 400),
        ("of a bad message", signed_form(&form(&[("MessageSid", "../1"), ("From", ANN)])), 400),
        ("from nobody", signed_form(&form(&[("MessageSid", "SM1")])), 400),
        (
            "with a bad count",
            signed_form(&form(&[("MessageSid", "SM1"), ("From", ANN), ("NumMedia", "x")])),
            400,
        ),
        (
            "too long",
            signed_form(&form(&[("MessageSid", "SM1"), ("From", ANN), ("Body", &"x".repeat(40_001))])),
            413,
        ),
        ("status without a status", post_form("/twilio/status", &form(&[("MessageSid", "SM1")]), TOKEN), 400),
    ] {
        assert_eq!(status_of(house.admit(&request)), status, "{name}");
    }
}

#[test]
fn a_refusal_says_what_the_signature_lacks_and_shows_no_query() {
    let house = House::new();
    let body = form(&[("MessageSid", "SM1"), ("From", ANN)]);
    let another = post_form("/twilio/messages?secret=1", &body, "another");
    let mut without = another.clone();
    without.headers_mut().remove("x-twilio-signature");
    for (request, expected) in [
        (without, "there is no X-Twilio-Signature"),
        (another, "not this account's token over https://hub.example/twilio/messages (see PUBLIC_BASE_URL)"),
    ] {
        let refused = house.admit(&request).unwrap_err().to_string();
        assert!(refused.contains(expected) && !refused.contains("secret"), "{refused}");
    }
}

#[test]
fn get_and_json_are_read_too() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby Ann");
    let path =
        format!("/twilio/messages?{}", form(&[("MessageSid", "SM7"), ("From", ANN), ("Body", "by GET")]));
    let get = http::Request::get(&path)
        .header("x-twilio-signature", signature(TOKEN, &format!("https://hub.example{path}"), ""))
        .body(Bytes::new())
        .unwrap();
    assert_eq!(said(&house.knock(&get).unwrap()), ["posted lobby Ann: by GET"]);

    let json = |body: String, hash_of: &str| {
        let path = format!("/twilio/messages?bodySHA256={}", hex::encode(Sha256::digest(hash_of)));
        http::Request::post(&path)
            .header("content-type", "application/json; charset=utf-8")
            .header("x-twilio-signature", signature(TOKEN, &format!("https://hub.example{path}"), ""))
            .body(Bytes::from(body))
            .unwrap()
    };
    let body = format!(
        r#"{{"MessageSid":"SM8","From":"{ANN}","To":"{OURS}","AccountSid":"{ACCOUNT}","Body":"by JSON","NumMedia":0}}"#
    );
    assert_eq!(said(&house.knock(&json(body.clone(), &body)).unwrap()), ["posted lobby Ann: by JSON"]);
    assert_eq!(status_of(house.admit(&json(body.clone(), "{}"))), 403, "the hash of another body");
    assert_eq!(status_of(house.admit(&json("[1]".to_owned(), "[1]"))), 400);
    let mut no_hash = json(body.clone(), &body);
    *no_hash.uri_mut() = "/twilio/messages".parse().unwrap();
    let url = "https://hub.example/twilio/messages";
    no_hash.headers_mut().insert("x-twilio-signature", signature(TOKEN, url, "").parse().unwrap());
    assert_eq!(status_of(house.admit(&no_hash)), 403, "a body that nothing vouches for");
}

#[test]
fn arrivals_are_told_apart_by_message_and_by_status() {
    let house = House::new();
    let id = |path: &str, pairs: &[(&str, &str)]| house.admit(&post_form(path, &form(pairs), TOKEN)).unwrap();
    let text =
        |sid: &str, body: &str| id("/twilio/messages", &[("MessageSid", sid), ("From", ANN), ("Body", body)]);
    assert_eq!(text("SM1", "one"), text("SM1", "sent again"));
    assert_ne!(text("SM1", "one"), text("SM2", "one"));
    let status =
        |sid: &str, status: &str| id("/twilio/status", &[("MessageSid", sid), ("MessageStatus", status)]);
    assert_eq!(status("SM1", "sent"), status("SM1", "sent"));
    assert_ne!(status("SM1", "sent"), status("SM1", "delivered"));
    assert_ne!(status("SM1", "sent"), text("SM1", "one"));
}

#[test]
fn nothing_of_a_text_reaches_twiml() {
    let mut house = House::new();
    let attack = "</Response><Response><Message>&owned;</Message>";
    let texts = ["JOIN lobby ", "", "LEAVE ", "JOIN ", "STOP ", "LEAVE lobby"];
    for text in texts {
        let outcome = house.text(ANN, &format!("{text}{attack}"));
        let reply = outcome.reply.unwrap();
        assert_eq!((reply.status, reply.content_type.as_str()), (200, "text/xml"));
        assert_eq!(reply.body, "<Response/>");
    }
    for pairs in [&[("MessageSid", attack), ("From", ANN)][..], &[("MessageSid", "SM1"), ("From", attack)]] {
        match house.knock(&signed_form(&form(pairs))) {
            Ok(outcome) => assert_eq!(outcome.reply.unwrap().body, "<Response/>"),
            Err(failure) => assert!(!failure.to_string().contains("owned")),
        }
    }
}

#[test]
fn machines_and_ourselves_are_not_heard() {
    let mut house = House::new();
    house.text(ANN, "JOIN lobby");
    for (from, why) in [
        ("12345", "short code"),
        ("TWILIO", "short code or a name"),
        ("whatsapp:+14155550100", "by another channel than SMS"),
        (OURS, "our own number"),
        ("", "short code or a name"),
    ] {
        let (outcome, log) = logged(|| house.text(from, "JOIN lobby"));
        assert!(log.contains("WARN") && log.contains(why), "{from}: {log}");
        assert!(!log.contains("4155550"), "no number: {log}");
        assert_eq!(outcome.reply.as_ref().unwrap().body, "<Response/>");
        assert!(outcome.events.is_empty() && outcome.writes.is_empty(), "{from}: {outcome:?}");
    }
    let looped = form(&[("MessageSid", "SM99"), ("From", ANN), ("To", ANN), ("Body", "hello")]);
    assert!(house.knock(&signed_form(&looped)).unwrap().events.is_empty());
}
