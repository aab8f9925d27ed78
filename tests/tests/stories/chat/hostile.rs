//! Frames, tickets and pages that mean no good.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::chat::{Guest, Socket, guest};
use switchboard_stories::{House, LOBBY};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::texts;

#[tokio::test]
async fn hostile_frames_get_a_code_and_the_socket_lives_unless_it_repeats() {
    let house = House::open_here(LOBBY).await;
    let base = house.hub.base();
    let ann = Guest::sign_in(&base, "Ann").await;
    let ticket = ann.ticket().await;
    let mut socket = Socket::open(&base, &ticket).await.unwrap_or_else(|status| panic!("{status}"));
    assert_eq!(Socket::open(&base, &ticket).await.err(), Some(401), "a ticket opens one socket");
    assert_eq!(Socket::open(&base, "invented").await.err(), Some(401));
    assert_eq!(Socket::open(&base, "").await.err(), Some(401));
    let code = |frame: Value| frame["code"].as_str().unwrap_or_default().to_owned();

    socket.say(json!({ "kind": "ping" })).await;
    assert_eq!(code(socket.hear("error").await), "not_hello");
    socket.say(json!({ "kind": "hello", "version": 1, "rooms": { "lobby": {} } })).await;
    socket.hear("hello").await;
    for (message, expected) in [
        (Message::text("{"), "bad_json"),
        (Message::text("[1]"), "bad_json"),
        (Message::text(r#"{"kind":"sing"}"#), "unknown_kind"),
        (Message::text(r#"{"kind":"typing","room":7}"#), "bad_field"),
        (Message::binary(vec![1, 2, 3]), "binary"),
        (Message::text("x".repeat(1_000_000)), "too_large"),
        (Message::text(r#"{"kind":"watch","room":"attic"}"#), "unknown_room"),
    ] {
        socket.raw(message).await;
        assert_eq!(code(socket.hear("error").await), expected);
    }
    // As a browser sends what is longer than 64 KiB.
    for at in 0..20 {
        let kind = if at == 0 { Data::Text } else { Data::Continue };
        let piece = Frame::message(vec![b'x'; 60_000], OpCode::Data(kind), at == 19);
        socket.raw(Message::Frame(piece)).await;
    }
    assert_eq!(code(socket.hear("error").await), "too_large");
    let long = "x".repeat(8001);
    for (frame, expected) in [
        (json!({ "kind": "post", "id": "1", "room": "lobby", "text": " " }), "empty"),
        (json!({ "kind": "post", "id": "2", "room": "lobby", "text": long }), "too_long"),
        (json!({ "kind": "post", "id": "3", "room": "attic", "text": "hi" }), "unknown_room"),
        (json!({ "kind": "post", "id": "4", "room": "lobby", "text": "hi", "admin": true }), "bad_field"),
        (
            json!({ "kind": "post", "id": "5", "room": "lobby", "text": "hi", "files": ["forged.00"] }),
            "bad_file",
        ),
        (
            json!({ "kind": "edit", "id": "6", "room": "lobby", "message_id": "msg_0", "text": "x" }),
            "unknown_message",
        ),
    ] {
        let answer = socket.change(frame).await;
        assert_eq!((answer["kind"].as_str(), code(answer.clone())), (Some("refused"), expected.to_owned()));
    }
    socket.post("7", "lobby", "still here").await;

    let mut flood = ann.connect(json!({})).await;
    flood.hear("hello").await;
    for _ in 0..30 {
        flood.raw(Message::text("no")).await;
    }
    flood.rest(Duration::from_secs(30)).await;
    assert_eq!(flood.closed, Some(1008), "too many mistakes");
    house.hub.quiet().await;
    assert_eq!(texts(&ann.history("lobby").await), ["still here"]);
    house.close().await;
}

#[tokio::test]
async fn a_page_of_another_site_and_who_has_signed_out_get_nothing() {
    let house = House::open_here(&format!("{LOBBY}\n[chat]\nsockets_per_person = 2\n")).await;
    let base = house.hub.base();
    let http = reqwest::Client::new();
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")]
    {
        let request = http.post(format!("{base}/api/session/guest")).json(&json!({ "name": "Eve" }));
        assert_eq!(request.header(name, value).send().await.unwrap().status(), 403, "{name}");
    }
    let ann = Guest::sign_in(&base, "Ann").await;
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    socket.hear("hello").await;
    let mut other = ann.connect(json!({})).await;
    other.hear("hello").await;
    assert_eq!(Socket::open(&base, &ann.ticket().await).await.err(), Some(429), "more than two");
    let ticket = ann.ticket().await;
    socket.say(json!({ "kind": "renew", "ticket": ticket })).await;
    socket.hear("renewed").await;

    assert_eq!(ann.ask("DELETE", "/api/rooms/lobby/membership", Value::Null).await.0, 200);
    let post = json!({ "kind": "post", "id": "1", "room": "lobby", "text": "hi" });
    assert_eq!(socket.change(post).await["code"], "not_joined");
    assert_eq!(ann.ask("GET", "/api/rooms/lobby/history", Value::Null).await.0, 403);
    assert_eq!(ann.ask("PUT", "/api/rooms/lobby/membership", Value::Null).await.0, 200);
    assert_eq!(ann.ask("GET", "/api/rooms/lobby/history", Value::Null).await.0, 200);

    assert_eq!(ann.ask("DELETE", "/api/session", Value::Null).await.0, 200);
    socket.rest(Duration::from_secs(30)).await;
    assert_eq!(socket.closed, Some(4401));
    let (status, body) = ann.ask("POST", "/api/tickets", Value::Null).await;
    assert_eq!((status, &body["code"]), (401, &json!("signed_out")));
    assert_eq!(guest(&http, &base, "Ann").await.0, 200, "the name is free again");
    house.close().await;
}
