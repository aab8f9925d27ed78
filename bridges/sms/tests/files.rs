//! Files of incoming messages: where they are fetched from, with which credentials, and what is kept.

use switchboard_core::{Attachment, HttpError};

use super::*;

pub(super) const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01";
pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
pub(super) const API_FILE: &str = "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages/\
                        MM0fe83458b74a1f626eb0da4685ab28b5/Media/ME29644fd97901859108bc35e210b588f6";
const STORED: &str = "https://mms.twiliocdn.com/AC/file?Expires=1&Signature=x";

pub(super) fn ok(body: &[u8]) -> Answer {
    ScriptedHttp::answer(200, &[("content-type", "image/jpeg")], body.to_vec())
}

fn to(location: &str) -> Answer {
    ScriptedHttp::answer(307, &[("location", location)], "")
}

/// The effect that a message with files leads to.
pub(super) fn effect(house: &House, request: &http::Request<Bytes>) -> Effect {
    let outcome = house.knock(request).unwrap();
    assert_eq!(said(&outcome), ["received"]);
    house.hear("sms.intake", &outcome.events[0]).remove(0).effects.remove(0)
}

pub(super) fn joined(environment: &[(&str, &str)]) -> House {
    let mut house = House::with("media_max_bytes = 1000", environment);
    house.text(ANN, "JOIN lobby Ann");
    house
}

pub(super) fn with_files(files: &[(&str, &str)]) -> http::Request<Bytes> {
    let count = files.len().to_string();
    let mut pairs = vec![("MessageSid", "MM1"), ("From", ANN), ("Body", "look"), ("NumMedia", &count)];
    pairs.push(("Mood", "good"));
    let names: Vec<_> = (0..files.len())
        .map(|index| (format!("MediaUrl{index}"), format!("MediaContentType{index}")))
        .collect();
    for ((url_name, type_name), (url, content_type)) in names.iter().zip(files) {
        pairs.push((url_name, url));
        pairs.push((type_name, content_type));
    }
    signed_form(&form(&pairs))
}

/// One file: what was asked, with credentials or without, and what became of it.
fn check(url: &str, content_type: &str, answers: Vec<Answer>, asked: &[&str], expected: &str) {
    check_at(&environment(), url, content_type, answers, asked, expected);
}

fn check_at(
    environment: &[(&str, &str)],
    url: &str,
    content_type: &str,
    answers: Vec<Answer>,
    asked: &[&str],
    expected: &str,
) {
    let house = joined(environment);
    let effect = effect(&house, &with_files(&[(url, content_type)]));
    let (report, requests) = house.act(&effect, answers);
    let lines: Vec<String> = requests
        .iter()
        .map(|request| {
            let credentials = request.header("authorization").map_or("", |_| " with credentials");
            format!("{}{credentials}", request.line.trim_start_matches("GET "))
        })
        .collect();
    assert_eq!(lines, asked, "{url}");
    let got = match report {
        Ok(report) => {
            let outcome = house.settle(&effect, &Settlement::Done(report));
            let Detail::MessagePosted(said) = &outcome.events[0].detail else { panic!("{outcome:?}") };
            one_line(&said.message.attachments[0])
        }
        Err(failure) => failure.kind().to_owned(),
    };
    assert_eq!(got, expected, "{url}");
}

pub(super) fn one_line(file: &Attachment) -> String {
    match &file.blob {
        Some(_) => format!("{} {} {}", file.name, file.content_type, file.size),
        None => format!("{}: {}", file.name, file.note.as_deref().unwrap()),
    }
}

#[test]
fn a_picture_as_twilio_sends_it_is_fetched_stored_and_posted() {
    let house = joined(&environment());
    let body = include_str!("../../../fixtures/twilio/inbound-mms.form");
    let effect = effect(&house, &signed_form(body));
    assert_eq!(effect.destination, "twilio/media");
    assert_eq!(house.permit(&effect).unwrap(), Permit::Go);
    let (report, requests) = house.act(&effect, vec![to(STORED), ok(JPEG)]);
    assert_eq!(requests[0].line, format!("GET {API_FILE}"));
    assert!(requests[0].header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(requests[1].header("authorization"), None);
    let outcome = house.settle(&effect, &Settlement::Done(report.unwrap()));
    assert_eq!(said(&outcome), ["posted lobby Ann: "]);
    let sid = "MM0fe83458b74a1f626eb0da4685ab28b5";
    assert_eq!(outcome.events[0].id, EventId::from_cause(&["twilio", sid]));
    let Detail::MessagePosted(said) = &outcome.events[0].detail else { panic!() };
    let file = &said.message.attachments[0];
    assert_eq!(one_line(file), "image-1.jpg image/jpeg 13");
    let blob =
        block_on(switchboard_core::Blobs::get(&house.blobs, file.blob.as_ref().unwrap())).unwrap().unwrap();
    assert_eq!((blob.content_type.as_str(), &blob.bytes[..]), ("image/jpeg", JPEG));
    let (again, _) = house.act(&effect, vec![to(STORED), ok(JPEG)]);
    let again = house.settle(&effect, &Settlement::Done(again.unwrap()));
    assert_eq!(again.events, outcome.events, "the same cause, the same ids");
}

#[test]
fn credentials_stay_with_the_api_and_no_other_host_is_asked() {
    let with = format!("{API_FILE} with credentials");
    let jpeg = "image/jpeg";
    check(API_FILE, jpeg, vec![ok(JPEG)], &[&with], "image-1.jpg image/jpeg 13");
    let s3 = "https://s3-external-1.amazonaws.com/media.twiliocdn.com/AC/x";
    check(API_FILE, jpeg, vec![to(s3), ok(JPEG)], &[&with, s3], "image-1.jpg image/jpeg 13");
    let not_allowed = "file-1: it is kept on a host that is not allowed";
    for evil in [
        "https://evil.example/x",
        "https://api.twilio.com.evil.example/x",
        "https://eviltwiliocdn.com/x",
        "https://twiliocdn.com.evil.example/x",
        "http://api.twilio.com/x",
        "http://mms.twiliocdn.com/x",
        "https://mms.twiliocdn.com:8443/x",
        "https://user:pass@mms.twiliocdn.com/x",
        "https://api.twilio.com@evil.example/x",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:8080/api/rooms",
        "file:///etc/passwd",
    ] {
        check(evil, jpeg, vec![ok(JPEG)], &[], not_allowed);
        check(API_FILE, jpeg, vec![to(evil), ok(JPEG)], &[&with], not_allowed);
    }
    let circle = vec![to(API_FILE); 9];
    check(API_FILE, jpeg, circle, &[with.as_str(); 5], "file-1: Twilio's storage sent us in a circle");
    let relative = vec![to("/2010-04-01/other"), ok(JPEG)];
    let other = "https://api.twilio.com/2010-04-01/other with credentials";
    check(API_FILE, jpeg, relative, &[&with, other], "image-1.jpg image/jpeg 13");
    check("not a link", jpeg, vec![], &[], "file-1: Twilio gave no link to it");
}

#[test]
fn a_pretend_api_on_this_machine_needs_no_https() {
    let mut environment = environment();
    environment.push(("TWILIO_API_BASE", "http://127.0.0.1:8080/sandbox/twilio"));
    let file = "http://127.0.0.1:8080/sandbox/twilio/2010-04-01/Accounts/AC/Media/ME";
    let with = format!("{file} with credentials");
    let jpeg = "image/jpeg";
    check_at(&environment, file, jpeg, vec![ok(JPEG)], &[&with], "image-1.jpg image/jpeg 13");
    let stored = "http://127.0.0.1:8080/sandbox/twilio/media/ME?expires=1&signature=x";
    let answers = vec![to(stored), ok(JPEG)];
    check_at(&environment, file, jpeg, answers, &[&with, stored], "image-1.jpg image/jpeg 13");
    let not_allowed = "file-1: it is kept on a host that is not allowed";
    check_at(&environment, "http://127.0.0.1:9999/x", jpeg, vec![ok(JPEG)], &[], not_allowed);
    check_at(&environment, "http://mms.twiliocdn.com/x", jpeg, vec![ok(JPEG)], &[], not_allowed);
    let real = "https://api.twilio.com/x";
    check_at(&environment, real, jpeg, vec![ok(JPEG)], &[real], "image-1.jpg image/jpeg 13");

    let mut regional = super::environment();
    regional.push(("TWILIO_API_BASE", "https://api.dublin.ie1.twilio.com"));
    let with = format!("{API_FILE} with credentials");
    check_at(&regional, API_FILE, jpeg, vec![ok(JPEG)], &[&with], "image-1.jpg image/jpeg 13");
}

#[test]
fn what_arrives_is_what_it_says_or_a_note() {
    let with = format!("{API_FILE} with credentials");
    let wrong = "file-1: it is not a kind of file that is taken";
    for (declared, body, expected) in [
        ("image/png", PNG, "image-1.png image/png 16"),
        ("image/jpeg; x=y", PNG, "image-1.png image/png 16"),
        ("image/gif", b"GIF89a....", "image-1.gif image/gif 10"),
        ("image/webp", b"RIFF\0\0\0\0WEBPVP8 ", "image-1.webp image/webp 16"),
        ("image/heic", b"\0\0\0\x18ftypheic\0\0\0\0", "image-1.heic image/heic 16"),
        ("video/mp4", b"\0\0\0\x18ftypisom\0\0\0\0", "video-1.mp4 video/mp4 16"),
        ("audio/mp4", b"\0\0\0\x18ftypisom\0\0\0\0", "audio-1.m4a audio/mp4 16"),
        ("video/3gpp", b"\0\0\0\x18ftyp3gp4\0\0\0\0", "video-1.3gp video/3gpp 16"),
        ("audio/amr", b"#!AMR\n....", "audio-1.amr audio/amr 10"),
        ("audio/mpeg", b"\xff\xfb\x90\x44....", "audio-1.mp3 audio/mpeg 8"),
        ("application/pdf", b"%PDF-1.7\n", "file-1.pdf application/pdf 9"),
        ("text/x-vcard", b"BEGIN:VCARD\r\nEND:VCARD", "file-1.vcf text/vcard 22"),
        ("text/plain", b"just words", "file-1.txt text/plain 10"),
        ("image/jpeg", b"<!DOCTYPE html><html>Log in</html>", wrong),
        ("text/plain", b" <html>Log in</html>", wrong),
        ("text/vcard", b"<html>BEGIN:VCARD</html>", wrong),
        ("image/svg+xml", b"<svg onload='x'/>", wrong),
        ("text/html", b"words", wrong),
        ("application/zip", b"PK\x03\x04....", wrong),
        ("application/octet-stream", b"MZ......", wrong),
        ("image/jpeg", b"", "file-1: it is empty"),
        ("image/jpeg", &[b"\xff\xd8\xff".to_vec(), vec![0; 1000]].concat(), "file-1: it is too large"),
    ] {
        check(API_FILE, declared, vec![ok(body)], &[&with], expected);
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_will_not_is_a_note() {
    let with = format!("{API_FILE} with credentials");
    let status = |status| vec![ScriptedHttp::answer(status, &[], "")];
    for (answers, expected) in [
        (status(500), "retry"),
        (status(503), "retry"),
        (status(429), "retry"),
        (status(401), "retry"),
        (vec![Err(HttpError::Unanswered("time-out".into()))], "retry"),
        (vec![Err(HttpError::NotSent("refused".into()))], "retry"),
        (vec![Err(HttpError::TooLarge(1))], "file-1: it is too large"),
        (status(400), "file-1: Twilio's storage refused it"),
        (status(403), "file-1: Twilio's storage refused it"),
        (status(404), "file-1: Twilio does not have it any more"),
        (status(302), "file-1: Twilio's storage sent us nowhere"),
    ] {
        check(API_FILE, "image/jpeg", answers, &[&with], expected);
    }
}

/// The message's text, and a line for each of its files.
pub(super) fn shown(event: &Event) -> (String, Vec<String>) {
    match &event.detail {
        Detail::MessagePosted(said) | Detail::MessageEdited(said) => {
            (said.message.text.clone(), said.message.attachments.iter().map(one_line).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_401_of_the_api_is_about_our_credentials_and_one_of_the_storage_is_not() {
    let house = joined(&environment());
    let effect = effect(&house, &with_files(&[(API_FILE, "image/jpeg")]));
    let no = || ScriptedHttp::answer(401, &[], "");
    for (answers, ours) in [(vec![no()], true), (vec![to(STORED), no()], false)] {
        match house.act(&effect, answers).0.unwrap_err() {
            Failure::Retry { after: None, credentials, .. } => assert_eq!(credentials, ours),
            other => panic!("each attempt counts: {other:?}"),
        }
    }
}

/// A provider that answers nobody before `crowd` requests are with it.
struct Slow {
    crowd: usize,
    waiting: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl switchboard_core::Http for Slow {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        use std::sync::atomic::Ordering::Relaxed;
        self.waiting.fetch_add(1, Relaxed);
        for _ in 0..100 {
            if self.waiting.load(Relaxed) >= self.crowd {
                return ok(JPEG);
            }
            tokio::task::yield_now().await;
        }
        Err(HttpError::Unanswered("each was asked for when the one before it had come".into()))
    }
}

#[test]
fn ten_slow_files_take_the_time_of_one() {
    let house = joined(&environment());
    let effect = effect(&house, &with_files(&[(API_FILE, "image/jpeg"); 10]));
    let http = Slow { crowd: 10, waiting: 0.into() };
    let report = block_on(house.sms.act(
        &effect,
        &Ports {
            http: &http,
            blobs: &house.blobs,
            notices: &MemoryNotices::default(),
            devices: &MemoryDevices::default(),
            now: house.now,
        },
    ));
    let outcome = house.settle(&effect, &Settlement::Done(report.unwrap()));
    assert_eq!(shown(&outcome.events[0]).1.len(), 10);
}

#[test]
fn the_story_of_a_message_with_files_begins_before_they_are_here() {
    let house = joined(&environment());
    let outcome = house.knock(&with_files(&[(API_FILE, "image/jpeg")])).unwrap();
    let message = MessageId::from_cause(&["twilio", "MM1"]);
    let event = Event::decode(&outcome.events[0].encode().unwrap()).unwrap();
    assert_eq!(event.message_id(), Some(&message));
    assert!(event.words().contains(&"MM1"), "{:?}", event.words());
}

#[test]
fn each_of_several_files_is_kept_or_noted() {
    let house = joined(&environment());
    let files = [(API_FILE, "image/jpeg"), ("https://evil.example/x", "image/png"), (API_FILE, "image/png")];
    let effect = effect(&house, &with_files(&files));
    let (report, _) = house.act(&effect, vec![ok(JPEG), ok(PNG)]);
    let outcome = house.settle(&effect, &Settlement::Done(report.unwrap()));
    let Detail::MessagePosted(said) = &outcome.events[0].detail else { panic!("{outcome:?}") };
    assert_eq!(
        said.message.attachments.iter().map(one_line).collect::<Vec<_>>(),
        [
            "image-1.jpg image/jpeg 13",
            "file-2: it is kept on a host that is not allowed",
            "image-3.png image/png 16",
        ]
    );
    assert_eq!(said.unknown["Mood"], "good", "what Twilio said beside is kept meanwhile");
}

#[test]
fn more_than_ten_files_and_strangers_files_are_left_alone() {
    let house = joined(&environment());
    let effect = effect(&house, &with_files(&[(API_FILE, "image/jpeg"); 12]));
    assert_eq!(house.act(&effect, (0..12).map(|_| ok(JPEG)).collect()).1.len(), 10);
    let pairs = [("MessageSid", "MM2"), ("From", BOB), ("NumMedia", "1"), ("MediaUrl0", API_FILE)];
    let mut stranger = House::new();
    stranger.text(BOB, "leave guard");
    let outcome = stranger.knock(&signed_form(&form(&pairs))).unwrap();
    assert!(outcome.events.iter().all(|event| event.detail.kind() == "SmsRequested"), "{outcome:?}");
}
