//! Stories: files both ways, and what stands in their place when they cannot be had.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use switchboard_stories::{ANN, BOB, CHANNEL, House, LOBBY, details, until};

/// As a login page begins, whatever it is declared to be.
const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>";

/// A phone sends a text with files.
async fn send(house: &House, text: &str, media: Value) {
    let sent =
        house.control("POST", &format!("/phone/{ANN}/text"), json!({ "body": text, "media": media })).await;
    assert_eq!(sent["webhook"]["status"], 200);
}

/// The files that stand in the thread of a channel's message, by name; empty until they are there.
fn files_of(message: &Value) -> Vec<String> {
    let replies = message["replies"].as_array().cloned().unwrap_or_default();
    let files = replies
        .iter()
        .chain([message])
        .flat_map(|shown| shown["files"].as_array().cloned().unwrap_or_default());
    files.map(|file| file["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The attachments of the message that a trace is about.
async fn attachments(house: &House, id: &str) -> Vec<Value> {
    let posted = details(&house.hub.trace(id).await, "MessagePosted");
    posted.last().expect("a message")["message"]["attachments"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_picture_from_a_phone_is_a_file_in_slack_and_a_picture_on_other_phones() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    send(&house, "look", json!([{ "content_type": "image/png" }])).await;
    send(&house, "", json!([{ "content_type": "image/png" }, { "content_type": "image/png" }])).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): look", "Ann (SMS): [image-1.png]\n[image-2.png]"]).await;
    until("the files are there", || async {
        let shown = house.channel(CHANNEL).await;
        files_of(&shown[0]) == ["image-1.png"] && files_of(&shown[1]) == ["image-1.png", "image-2.png"]
    })
    .await;
    house.expect_heard(BOB, &["Ann: look", "Ann sent 2 files."]).await;
    let received = || async {
        let phone = house.control("GET", &format!("/phone/{BOB}"), Value::Null).await;
        phone["received"].as_array().unwrap()[1]["media"].as_array().unwrap().clone()
    };
    until("Twilio has fetched it", || async { !received().await.is_empty() }).await;
    let media = received().await;
    assert_eq!((&media[0]["content_type"], &media[0]["failure"]), (&json!("image/png"), &Value::Null));
    // It is no message of its own that would come back.
    house.hub.quiet().await;
    assert_eq!(house.heard(BOB).await.len(), 2);
    assert!(house.heard(ANN).await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_shown_is_a_note_and_the_message_goes_on() {
    let house = House::open(&format!("{LOBBY}media_max_bytes = 2000\n")).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let large = STANDARD.encode([b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 3000]].concat());
    for (text, media, note) in [
        ("large", json!({ "content_type": "image/png", "base64": large }), "it is too large"),
        (
            "program",
            json!({ "content_type": "application/x-msdownload", "text": "MZ..." }),
            "it is not a kind of file that is taken",
        ),
        (
            "page",
            json!({ "content_type": "image/png", "text": LOGIN_PAGE }),
            "it is not a kind of file that is taken",
        ),
    ] {
        send(&house, text, json!([media])).await;
        let (slack, phone) =
            (format!("Ann (SMS): {text}\n[file-1: {note}]"), format!("Ann: {text}\n[file-1: {note}]"));
        until("the message is shown", || async {
            house.shown(CHANNEL).await.last() == Some(&slack) && house.heard(BOB).await.last() == Some(&phone)
        })
        .await;
        let notes = attachments(&house, ANN).await;
        assert_eq!(notes[0]["note"], note, "the reason is on its trace");
    }
    // Gone from Twilio, and slow: the one is said, the other is waited for.
    let fault = |fault: Value| {
        let mut fault = fault;
        fault["provider"] = json!("twilio");
        fault["method"] = json!("media.fetch");
        fault["times"] = json!(1);
        fault
    };
    house.fault(fault(json!({ "kind": "error", "error": "20404", "status": 404 }))).await;
    send(&house, "gone", json!([{ "content_type": "image/png" }])).await;
    until("it is said", || async {
        house
            .shown(CHANNEL)
            .await
            .last()
            .is_some_and(|last| last == "Ann (SMS): gone\n[file-1: Twilio does not have it any more]")
    })
    .await;
    house.fault(fault(json!({ "kind": "slow", "delay_ms": 1500 }))).await;
    send(&house, "slow", json!([{ "content_type": "image/png" }])).await;
    // What has no file does not wait for what has one.
    house.text(ANN, "meanwhile").await;
    until("it is shown in the end", || async {
        let shown = house.shown(CHANNEL).await;
        shown.ends_with(&["Ann (SMS): meanwhile".to_owned(), "Ann (SMS): slow".to_owned()])
    })
    .await;
    until("with its file", || async {
        files_of(house.channel(CHANNEL).await.last().unwrap()) == ["image-1.png"]
    })
    .await;
    house.close().await;
}

#[tokio::test]
async fn a_file_that_never_comes_is_given_up_and_the_message_goes_on() {
    let house = House::open_impatient(LOBBY, "sms.intake", 2).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    house
        .fault(json!({ "provider": "twilio", "method": "media.fetch", "kind": "status", "status": 503 }))
        .await;
    send(&house, "look", json!([{ "content_type": "image/png" }])).await;
    house.expect_shown(CHANNEL, &["Ann (SMS): look\n[file-1: it could not be fetched from Twilio]"]).await;
    house.close_with_dead_letters(&["a file's host answered 503"]).await;
}

#[tokio::test]
async fn a_file_from_slack_is_a_picture_on_the_phone() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let files = json!([{ "content_type": "image/png", "name": "map.png" },
                       { "content_type": "application/zip", "name": "a.zip", "base64": STANDARD.encode(b"PK\x03\x04....") }]);
    let said = json!({ "user": "U0BOB", "text": "the way", "files": files });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/say"), said).await;
    house.expect_heard(ANN, &["Bob: the way\n[a.zip: a kind of file that phones do not take]"]).await;
    let media = || async {
        let phone = house.control("GET", &format!("/phone/{ANN}"), Value::Null).await;
        phone["received"].as_array().unwrap()[1]["media"].clone()
    };
    until("Twilio has fetched it", || async { !media().await.as_array().unwrap().is_empty() }).await;
    let media = media().await;
    assert_eq!(media.as_array().unwrap().len(), 1);
    assert_eq!((&media[0]["content_type"], &media[0]["failure"]), (&json!("image/png"), &Value::Null));
    let link = media[0]["url"].as_str().unwrap().replace(switchboard_stories::PUBLIC, &house.hub.base());
    let client = reqwest::Client::new();
    let head = client.head(&link).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-type"].to_str().unwrap()),
        (200, "image/png")
    );
    let forged = format!("{}0", link.rsplit_once("signature=").unwrap().0.to_owned() + "signature=");
    assert_eq!(client.get(&forged).send().await.unwrap().status(), 403, "only with our signature");
    house.close().await;
}

#[tokio::test]
async fn a_file_that_slack_does_not_give_is_a_note() {
    // Without the scope files:read Slack answers 200 and a page to log in.
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let file = json!([{ "content_type": "image/png", "name": "map.png", "text": LOGIN_PAGE }]);
    let said = json!({ "user": "U0BOB", "text": "the way", "files": file });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/say"), said).await;
    house
        .expect_heard(
            ANN,
            &["Bob: the way\n[map.png: Slack did not give it to us: the app may lack the scope files:read]"],
        )
        .await;
    house.close().await;
}

#[tokio::test]
async fn files_reach_slack_once_however_the_upload_fails() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let ways = [
        ("files.getUploadURLExternal", json!({ "kind": "status", "status": 503 })),
        ("files.completeUploadExternal", json!({ "kind": "reset" })),
        ("files.completeUploadExternal", json!({ "kind": "lose_answer" })),
        ("files.completeUploadExternal", json!({ "kind": "status", "status": 429, "retry_after_s": 1 })),
    ];
    for (number, (method, mut way)) in ways.into_iter().enumerate() {
        way["provider"] = json!("slack");
        way["method"] = json!(method);
        way["times"] = json!(1);
        house.fault(way).await;
        send(&house, &format!("number {number}"), json!([{ "content_type": "image/png" }])).await;
        until("the file is there", || async {
            house
                .channel(CHANNEL)
                .await
                .get(number)
                .is_some_and(|message| files_of(message) == ["image-1.png"])
        })
        .await;
    }
    house.hub.quiet().await;
    for message in house.channel(CHANNEL).await {
        assert_eq!(files_of(&message), ["image-1.png"], "{}", message["shown"]);
    }
    house.close().await;
}
