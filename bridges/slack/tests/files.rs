//! Files: from Slack into the room, and from the room into the thread of their post.

use switchboard_core::event::Change;
use switchboard_core::{Attachment, Blob, BlobId, Blobs, HttpError, Message, MessageId};

use super::outbound::{POSTED, TS, changed, posted, sms};
use super::*;
use crate::slack::store::{Own, learn};

#[test]
fn a_file_is_fetched_with_the_token_and_kept_for_what_it_is() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let received = house.hear("message_file_share").events.remove(0);
    let effect = only_effect(&house.event("slack.intake", &received)).clone();
    let png = b"\x89PNG\r\n\x1a\n................".to_vec();
    let http = ScriptedHttp::new([
        ScriptedHttp::answer(302, &[("location", "https://cdn.slack.com/cat.png")], ""),
        ScriptedHttp::answer(200, &[("content-type", "image/png")], png.clone()),
    ]);
    let settled = house.carry_out(&effect, &http);
    let sent = http.sent();
    assert_eq!(sent[0].line, "GET https://files.slack.com/files-pri/T0HUB0001-F0PHOTO01/download/cat.png");
    assert_eq!(sent[1].line, "GET https://cdn.slack.com/cat.png");
    assert!(sent.iter().all(|request| request.header("authorization") == Some("Bearer xoxb-token")));
    let Detail::MessagePosted(said) = only_event(&settled) else { panic!("{settled:?}") };
    let file = &said.message.attachments[0];
    assert_eq!((file.name.as_str(), file.content_type.as_str(), file.size), ("cat.png", "image/png", 24));
    let blob = block_on(house.blobs.get(file.blob.as_ref().unwrap())).unwrap().unwrap();
    assert_eq!(blob.bytes, png);

    // An edit of its text has the file as it was fetched.
    let edit = String::from_utf8(fixture("message_changed.json").to_vec()).unwrap();
    let edit = edit
        .replace("1736207085.539649", "1736207150.593159")
        .replace("\"client_msg_id\"", "\"files\": [{\"id\": \"F0PHOTO01\"}], \"client_msg_id\"");
    let outcome = house.knock(&signed("/slack/events", edit)).unwrap().unwrap().1;
    let Detail::MessageEdited(edited) = only_event(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(edited.message.attachments, said.message.attachments);
}

#[test]
fn a_file_that_cannot_be_had_is_named_with_the_reason() {
    let login = "<!DOCTYPE html><html><title>Sign in</title>";
    for (answer, expected) in [
        (ScriptedHttp::answer(200, &[], login), "the app may lack the scope files:read"),
        (ScriptedHttp::answer(404, &[], ""), "Slack answered 404"),
        (ScriptedHttp::answer(302, &[("location", "https://evil.example/")], ""), "sent us elsewhere"),
        (Err(HttpError::TooLarge(1)), "larger than 20 MB"),
    ] {
        let house = House::knowing(&[("U0ANN0001", "Ann")]);
        let received = house.hear("message_file_share").events.remove(0);
        let effect = only_effect(&house.event("slack.intake", &received)).clone();
        let http = ScriptedHttp::new([answer]);
        let settled = house.carry_out(&effect, &http);
        let Detail::MessagePosted(said) = only_event(&settled) else { panic!("{settled:?}") };
        let note = said.message.attachments[0].note.as_deref().unwrap_or_default();
        assert!(note.contains(expected) && said.message.attachments[0].blob.is_none(), "{note}");
        assert_eq!(http.sent().len(), 1, "the token goes nowhere else");
    }
}

/// A message with these files, said in the channel: the effect that fetches them.
fn with_files(house: &House, ids: &[&str]) -> Effect {
    let mut envelope: serde_json::Value =
        json(std::str::from_utf8(&fixture("message_file_share.json")).unwrap());
    let file = envelope["event"]["files"][0].clone();
    let files = ids.iter().map(|id| {
        let mut file = file.clone();
        file["id"] = (*id).into();
        file["url_private_download"] = format!("https://files.slack.com/{id}").into();
        file
    });
    envelope["event"]["files"] = files.collect();
    let (_, outcome) = house.knock(&signed("/slack/events", envelope.to_string())).unwrap().unwrap();
    only_effect(&house.event("slack.intake", &outcome.events[0])).clone()
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n................";

fn png() -> switchboard_core::memory::Answer {
    ScriptedHttp::answer(200, &[("content-type", "image/png")], PNG)
}

fn ill() -> switchboard_core::memory::Answer {
    ScriptedHttp::answer(500, &[], "")
}

fn message(outcome: &Outcome) -> &Message {
    match only_event(outcome) {
        Detail::MessagePosted(said) | Detail::MessageEdited(said) => &said.message,
        other => panic!("{other:?}"),
    }
}

fn notes(outcome: &Outcome) -> Vec<&str> {
    let files = message(outcome).attachments.iter();
    files.map(|file| file.note.as_deref().unwrap_or("here")).collect()
}

const GONE: &str = "could not be fetched from Slack";

fn gave_up() -> Settlement {
    Settlement::GaveUp(Failure::retry("a file of Slack's: answered 500"))
}

/// The host gives the fetching up: what is said.
fn give_up(house: &House, effect: &Effect) -> Outcome {
    let outcome = house.settle(effect, &gave_up());
    assert!(outcome.events.is_empty(), "what is here is not known yet: {outcome:?}");
    let http = ScriptedHttp::new([]);
    let said = house.carry_out(only_effect(&outcome), &http);
    assert!(http.sent().is_empty(), "nothing more is asked of Slack");
    said
}

#[test]
fn a_file_that_never_comes_costs_no_other_file_of_its_message() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let effect = with_files(&house, &["F1", "F2", "F3"]);
    let http = ScriptedHttp::new([png(), ill(), png()]);
    assert_eq!(house.attempt(&effect, &http).unwrap_err().kind(), "retry");
    assert_eq!(http.sent().len(), 3, "one that fails keeps none from being fetched");
    let http = ScriptedHttp::new([ill()]);
    assert_eq!(house.attempt(&effect, &http).unwrap_err().kind(), "retry");
    assert_eq!(http.sent().len(), 1, "what is here is not asked for again");
    assert_eq!(notes(&give_up(&house, &effect)), ["here", GONE, "here"]);
}

#[test]
fn what_comes_after_its_dead_letter_was_redriven_is_a_revision_of_the_message() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let effect = with_files(&house, &["F1", "F2"]);
    house.attempt(&effect, &ScriptedHttp::new([png(), ill()])).unwrap_err();
    let posted = give_up(&house, &effect);
    assert_eq!(notes(&posted), ["here", GONE]);
    assert_eq!(house.settle(&effect, &gave_up()), Outcome::nothing(), "redriven in vain: nothing is new");

    let edited = house.carry_out(&effect, &ScriptedHttp::new([png()]));
    assert_eq!((only_event(&edited).kind(), notes(&edited)), ("MessageEdited", vec!["here", "here"]));
    let (before, after) = (message(&posted), message(&edited));
    assert_eq!((&before.id, &before.text), (&after.id, &after.text));
    assert!(after.revision > before.revision);
    let again = house.carry_out(&effect, &ScriptedHttp::new([]));
    assert!(again.events.is_empty(), "once: {again:?}");
}

#[test]
fn files_that_come_late_leave_the_words_of_an_edit_as_they_are() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let effect = with_files(&house, &["F1"]);
    house.attempt(&effect, &ScriptedHttp::new([ill()])).unwrap_err();
    give_up(&house, &effect);
    let edit = String::from_utf8(fixture("message_changed.json").to_vec()).unwrap();
    let edit = edit
        .replace("1736207085.539649", "1736207150.593159")
        .replace("\"client_msg_id\"", "\"files\": [{\"id\": \"F1\"}], \"client_msg_id\"");
    let edited = house.knock(&signed("/slack/events", edit)).unwrap().unwrap().1;
    assert_eq!(notes(&edited), [GONE]);

    let late = house.carry_out(&effect, &ScriptedHttp::new([png()]));
    assert_eq!((message(&late).text.as_str(), notes(&late)), (message(&edited).text.as_str(), vec!["here"]));
    assert!(message(&late).revision > message(&edited).revision, "or nobody would see it");
}

#[test]
fn the_story_of_a_message_with_files_begins_before_they_are_here() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let received = house.hear("message_file_share").events.remove(0);
    assert!(received.message_id().is_some());
    assert!(received.words().contains(&"1736207150.593159"), "{:?}", received.words());
}

#[test]
fn odd_files_are_asked_about_or_named_and_no_other_host_sees_the_token() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let received = house.hear("message_file_odd_invented").events.remove(0);
    let effect = only_effect(&house.event("slack.intake", &received)).clone();
    let http = ScriptedHttp::new([
        ok(r#"{"ok":true,"file":{"id":"F0CHECK01","name":"../notes.txt","mimetype":"text/plain","size":2,
            "url_private":"https://files.slack.com/notes.txt"}}"#),
        ScriptedHttp::answer(200, &[], "hi"),
    ]);
    let settled = house.carry_out(&effect, &http);
    let lines: Vec<String> = http.sent().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["POST https://slack.test/api/files.info", "GET https://files.slack.com/notes.txt"]);
    let Detail::MessagePosted(said) = only_event(&settled) else { panic!("{settled:?}") };
    let files = &said.message.attachments;
    let notes: Vec<(&str, &str)> =
        files.iter().map(|file| (file.name.as_str(), file.note.as_deref().unwrap_or("here"))).collect();
    assert_eq!(
        notes,
        [
            ("notes.txt", "here"),
            ("Plan", "it is kept elsewhere: https://docs.example/plan"),
            ("film.mp4", "larger than 20 MB"),
            ("file", "it was deleted"),
            ("x.png", "it is not kept at Slack"),
        ]
    );
}

#[test]
fn our_own_files_do_not_come_back() {
    let house = House::new();
    let auth = Own { user: Some("U0HUBBOT1".into()), ..Own::default() };
    let learned = block_on(learn(&house.store, auth)).unwrap();
    house.store.commit(&learned.into_iter().collect::<Vec<_>>()).unwrap();
    // Slack shares what we uploaded in the name of our bot's user; an older envelope does not say who that is.
    let text = String::from_utf8(fixture("message_file_share.json").to_vec()).unwrap();
    let text = text.replace("\"U0HUBBOT1\"", "\"U0SOMEONE\"").replace("\"U0ANN0001\"", "\"U0HUBBOT1\"");
    assert_eq!(house.knock(&signed("/slack/events", text)).unwrap().unwrap().1, Outcome::nothing());
}

pub(super) fn with_file(message: Message, house: &House, bytes: &'static [u8]) -> Message {
    let id = BlobId::from_cause(&["a", message.id.as_str()]);
    let blob = Blob { content_type: "image/png".into(), bytes: Bytes::from_static(bytes) };
    block_on(house.blobs.put(&id, &blob)).unwrap();
    let file = Attachment {
        name: "cat.png".into(),
        content_type: "image/png".into(),
        size: bytes.len() as u64,
        blob: Some(id),
        note: None,
    };
    Message { attachments: vec![file], ..message }
}

#[test]
fn files_follow_their_post_into_its_thread() {
    let house = House::new();
    let message = with_file(sms(""), &house, b"PNG");
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &message));
    let http = ScriptedHttp::new([ok(POSTED)]);
    let settled = house.carry_out(only_effect(&outcome), &http);
    assert_eq!(json(&http.sent()[0].body)["text"], "[cat.png]", "a post has words");
    let errand = &settled.events[1];
    assert_eq!(errand.detail.kind(), "MessageReceived");

    let outcome = house.event("slack.intake", errand);
    let http = ScriptedHttp::new([
        ok(r#"{"ok":true,"upload_url":"https://files.slack.com/upload/v1/abc","file_id":"F1"}"#),
        ScriptedHttp::answer(200, &[], "OK - 3"),
        ok(r#"{"ok":true,"files":[{"id":"F1","title":"cat.png"}]}"#),
    ]);
    house.carry_out(only_effect(&outcome), &http);
    let sent: Vec<(String, String)> = http.sent().into_iter().map(|one| (one.line, one.body)).collect();
    let complete = "files=%5B%7B%22id%22%3A%22F1%22%2C%22title%22%3A%22cat.png%22%7D%5D&channel_id=C0LOBBY01\
        &thread_ts=1736207201.000100";
    let expected = [
        ("POST https://slack.test/api/files.getUploadURLExternal", "filename=cat.png&length=3"),
        ("POST https://files.slack.com/upload/v1/abc", "PNG"),
        ("POST https://slack.test/api/files.completeUploadExternal", complete),
    ];
    assert_eq!(sent, expected.map(|(line, body)| (line.to_owned(), body.to_owned())));
    assert_eq!(http.sent()[1].header("authorization"), None, "the upload's address is its own permission");

    // A deletion takes them away too.
    let outcome = house.event("slack.out", &changed(2, Change::Deleted, &message));
    let http = ScriptedHttp::new([ok(r#"{"ok":true}"#), ok(r#"{"ok":false,"error":"file_deleted"}"#)]);
    house.carry_out(only_effect(&outcome), &http);
    let lines: Vec<String> = http.sent().into_iter().map(|one| one.line).collect();
    assert_eq!(
        lines,
        ["POST https://slack.test/api/chat.delete", "POST https://slack.test/api/files.delete"]
    );
}

fn note(name: &str) -> Attachment {
    Attachment {
        name: name.into(),
        content_type: "image/png".into(),
        size: 0,
        blob: None,
        note: Some("it could not be fetched from Twilio".into()),
    }
}

#[test]
fn a_file_that_comes_after_its_message_was_posted_follows_it_into_the_thread() {
    let house = House::new();
    let here = with_file(sms("look"), &house, b"PNG").attachments.remove(0);
    let message = Message { attachments: vec![note("file-1"), note("file-2")], ..sms("look") };
    let events = posted(&house, &message).events;
    assert_eq!(events.len(), 1, "there is nothing to bring: {events:?}");

    let edited = Message {
        attachments: vec![here.clone(), note("file-2")],
        revision: switchboard_core::Revision(2),
        ..message.clone()
    };
    let outcome = house.event("slack.out", &changed(2, Change::Edited, &edited));
    let http = ScriptedHttp::new([ok(r#"{"ok":true}"#)]);
    house.carry_out(only_effect(&outcome), &http);
    assert_eq!(json(&http.sent()[0].body)["text"], "look\n[file-2: it could not be fetched from Twilio]");
    let upload = only_effect(&house.event("slack.intake", &outcome.events[0])).clone();
    assert!(upload.body.contains("cat.png") && !upload.body.contains("file-2"), "{}", upload.body);

    let again = Message { revision: switchboard_core::Revision(3), text: "see".into(), ..edited };
    let outcome = house.event("slack.out", &changed(3, Change::Edited, &again));
    assert!(outcome.events.is_empty(), "it is brought once: {outcome:?}");
}

#[test]
fn a_file_that_comes_late_follows_a_post_whose_echo_was_faster_than_the_answer() {
    for answered in [true, false] {
        let house = House::new();
        let id = MessageId::from_text("msg_0123456789abcdef0123456789abcdef");
        let message = Message { id, attachments: vec![note("file-1")], ..sms("look") };
        let outcome = house.event("slack.out", &changed(1, Change::Posted, &message));
        let effect = only_effect(&outcome);
        // The answer is on its way when the echo comes, or is lost.
        let answer = ok(&POSTED.replace(TS, "1736207140.000100"));
        let report = answered.then(|| house.attempt(effect, &ScriptedHttp::new([answer])).unwrap());
        house.hear("message_own_echo_invented");
        let report = report.unwrap_or_else(|| house.attempt(effect, &ScriptedHttp::new([])).unwrap());
        house.settle(effect, &Settlement::Done(report));

        let here = with_file(sms(""), &house, b"PNG").attachments;
        let edited = Message { attachments: here, revision: switchboard_core::Revision(2), ..message };
        let outcome = house.event("slack.out", &changed(2, Change::Edited, &edited));
        assert_eq!(outcome.events.len(), 1, "answered: {answered}");
        let upload = only_effect(&house.event("slack.intake", &outcome.events[0])).clone();
        assert!(upload.body.contains("cat.png"), "{}", upload.body);
    }
}

#[test]
fn files_of_a_message_that_was_withdrawn_are_not_brought_or_taken_away_again() {
    let house = House::new();
    let message = with_file(sms("look"), &house, b"PNG");
    let settled = posted(&house, &message);
    let upload = only_effect(&house.event("slack.intake", &settled.events[1])).clone();
    let answers = || {
        ScriptedHttp::new([
            ok(r#"{"ok":true,"upload_url":"https://files.slack.com/upload/v1/abc","file_id":"F1"}"#),
            ScriptedHttp::answer(200, &[], ""),
            ok(r#"{"ok":true}"#),
        ])
    };
    // Withdrawn while they are brought:
    let report = house.attempt(&upload, &answers()).unwrap();
    house.event("slack.out", &changed(2, Change::Retracted, &message));
    let late = house.settle(&upload, &Settlement::Done(report));
    let outcome = house.event("slack.intake", &late.events[0]);
    let http = ScriptedHttp::new([ok(r#"{"ok":true}"#)]);
    house.carry_out(only_effect(&outcome), &http);
    assert_eq!(
        (http.sent()[0].line.as_str(), http.sent()[0].body.as_str()),
        ("POST https://slack.test/api/files.delete", "file=F1")
    );
    // Withdrawn before:
    let http = answers();
    house.carry_out(&upload, &http);
    assert_eq!(http.sent(), []);
}

#[test]
fn a_step_of_an_upload_that_nobody_sees_is_simply_done_again() {
    let house = House::new();
    let message = with_file(sms("look"), &house, b"PNG");
    let settled = posted(&house, &message);
    let upload = only_effect(&house.event("slack.intake", &settled.events[1])).clone();
    let place = || ok(r#"{"ok":true,"upload_url":"https://files.slack.com/upload/v1/abc","file_id":"F1"}"#);
    let done = || ScriptedHttp::answer(200, &[], "");
    let lost = || Err(HttpError::Unanswered("gone".into()));
    let elsewhere = ok(r#"{"ok":true,"upload_url":"https://evil.example/x","file_id":"F1"}"#);
    for (answers, expected) in [
        (vec![lost()], "retry"),
        (vec![place(), lost()], "retry"),
        (vec![place(), ScriptedHttp::answer(500, &[], "")], "retry"),
        (vec![place(), done(), lost()], "unsure"),
        (vec![place(), done(), ScriptedHttp::json(503, "")], "unsure"),
        (vec![elsewhere], "refuse"),
    ] {
        let failure = house.attempt(&upload, &ScriptedHttp::new(answers)).unwrap_err();
        assert_eq!(failure.kind(), expected, "{failure}");
    }
    // Unsure: the thread is looked at.
    let thread = r#"{"ok":true,"messages":[{"ts":"1.1","text":"look"},{"ts":"2.2","files":[{"id":"F1","title":"cat.png"}]}]}"#;
    let http = ScriptedHttp::new([ok(thread)]);
    let found = house.find(&upload, &http).unwrap().unwrap();
    assert_eq!(http.sent()[0].line, "POST https://slack.test/api/conversations.replies");
    assert_eq!(json(&found.0), serde_json::json!({ "did": "uploaded", "files": ["F1"] }));
    let http = ScriptedHttp::new([ok(r#"{"ok":true,"messages":[{"ts":"1.1","text":"look"}]}"#)]);
    assert_eq!(house.find(&upload, &http).unwrap(), None);
}
