//! Stories: the chat of the deployed house, over the WebSocket API of the emulator.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_core::Timestamp;
use switchboard_stories::chat::{Guest, Socket, guest};
use switchboard_stories::issuer::{Browser, Issuer};
use switchboard_stories::{ANN, CHANNEL, House, LOBBY, PATIENCE, PUBLIC, until};
use tokio_tungstenite::tungstenite::Message;

async fn house(more: &str) -> House {
    House::open_deployed(&format!("{LOBBY}\n[chat]\nguests = true\nsockets_per_person = 2\n{more}")).await
}

#[tokio::test]
async fn two_people_talk_with_a_phone_and_slack_and_a_cut_line_resumes_exactly_once() {
    let house = house("").await;
    house.join("lobby", &[(ANN, "Pat")]).await;
    let (ann, bob) = (Guest::sign_in_to(&house.hub, "Ann").await, Guest::sign_in_to(&house.hub, "Bob").await);
    let mut hers = ann.connect(json!({ "lobby": {} })).await;
    let hello = hers.hear("hello").await;
    assert_eq!((&hello["person"]["id"], &hello["rooms"]["lobby"]["seq"]), (&ann.person["id"], &json!(0)));
    let mut his = bob.connect(json!({ "lobby": {} })).await;
    assert_eq!(his.hear("hello").await["rooms"]["lobby"]["people"].as_array().unwrap().len(), 2);
    let came = |frame: &Value| frame["kind"] == "presence" && frame["person"]["name"] == "Bob";
    assert_eq!(hers.until("Bob is here", came).await["here"], true);

    his.say(json!({ "kind": "typing", "room": "lobby" })).await;
    assert_eq!(hers.hear("typing").await["person"]["name"], "Bob");
    hers.say(json!({ "kind": "ping", "id": "p" })).await;
    assert_eq!(hers.hear("pong").await["id"], "p");

    let id = hers.post("1", "lobby", "hello <b>Bob</b>").await;
    let heard = his.hear("change").await;
    assert_eq!((&heard["seq"], &heard["message"]["message_id"]), (&json!(1), &json!(id)));
    assert_eq!(hers.hear_post().await, "hello <b>Bob</b>", "one's own comes back too");
    let again = json!({ "kind": "post", "id": "1", "room": "lobby", "text": "hello <b>Bob</b>" });
    assert_eq!(hers.change(again).await["message_id"], json!(id), "a resend is the same message");
    house.expect_heard(ANN, &["Ann: hello <b>Bob</b>"]).await;
    house.expect_shown(CHANNEL, &["Ann (web): hello <b>Bob</b>"]).await;
    let words = |frame: &Value| frame["deliveries"].to_string();
    let done = |frame: &Value| {
        frame["kind"] == "deliveries"
            && words(frame).contains("Slack: posted")
            && words(frame).contains("1 phone: 1 delivered")
    };
    assert_eq!(hers.until("both have it", done).await["message_id"], json!(id));

    // Bob's line is cut. What is said meanwhile comes to him once, in order.
    drop(his);
    let left = |frame: &Value| frame["kind"] == "presence" && frame["here"] == false;
    assert_eq!(hers.until("Bob has left", left).await["person"]["name"], "Bob");
    house.text(ANN, "I am here").await;
    assert_eq!(hers.hear_post().await, "I am here");
    house.say(CHANNEL, "U0BOB", "so am I").await;
    assert_eq!(hers.hear_post().await, "so am I");
    let edit = json!({ "kind": "edit", "id": "e", "room": "lobby", "message_id": id, "text": "hello all" });
    assert_eq!(hers.change(edit).await["kind"], "accepted");
    hers.until("the edit", |frame| frame["change"] == "edited").await;
    let mut back = bob.connect(json!({ "lobby": { "after": 1 } })).await;
    assert_eq!(back.hear("hello").await["rooms"]["lobby"]["seq"], 4);
    hers.post("2", "lobby", "welcome back").await;
    for seq in 2..=5 {
        let change = back.hear("change").await;
        assert_eq!(change["seq"], seq, "{change}");
    }
    assert_eq!(back.hear("resumed").await["seq"], 4);
    let history = bob.history("lobby").await;
    let texts: Vec<&str> = history.iter().map(|it| it["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["hello all", "I am here", "so am I", "welcome back"]);
    assert!(!json!([history, heard]).to_string().contains("4155550123"), "a phone's number is on a page");
    house.hub.quiet().await;
    let rest = back.rest(Duration::from_millis(300)).await;
    assert!(rest.iter().all(|frame| frame["kind"] != "change"), "each once: {rest:#?}");

    // Whoever is gone without a word is found gone by the next frame, and forgotten.
    house.hub.stack().unwrap().ask_with(json!({ "do": "lose-connections", "of": "Bob" })).await;
    hers.post("3", "lobby", "is anybody there?").await;
    let rows = || async { house.hub.stack().unwrap().ask("connections").await };
    until("the lost one is forgotten", || async { rows().await == json!({ "connections": 1, "places": 1 }) })
        .await;
    house.close().await;
}

#[tokio::test]
async fn a_ticket_opens_once_and_who_may_not_gets_nothing() {
    let issuer = Issuer::start(PUBLIC).await;
    let accounts = format!("[chat.oidc]\nissuer = \"{}\"\nclient_id = \"hub\"\n", issuer.address);
    let house = house(&accounts).await;
    let base = house.hub.base();
    let ann = Guest::sign_in_to(&house.hub, "Ann").await;
    let http = reqwest::Client::new();
    for name in ["ann", "A\u{200b}nn\u{202e}"] {
        let (status, body, cookie) = guest(&http, &base, name).await;
        assert_eq!((status, body["code"].as_str(), cookie), (409, Some("name_taken"), None), "{name}");
    }
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let request = http.post(format!("{base}/api/session/guest")).json(&json!({ "name": "Eve" }));
        assert_eq!(request.header(name, value).send().await.unwrap().status(), 403, "{name}");
    }
    let own = http.get(format!("{base}/api/session")).header("origin", PUBLIC).send().await.unwrap();
    let session: Value = own.json().await.unwrap();
    assert_eq!((&session["person"], &session["limits"]["frame_bytes"]), (&Value::Null, &json!(32768)));

    let ticket = ann.ticket().await;
    let mut socket = ann.open(&ticket).await.expect("it opens once");
    assert!(ann.open(&ticket).await.is_err(), "and not again");
    assert!(ann.open("invented").await.is_err());
    socket.say(json!({ "kind": "ping" })).await;
    assert_eq!(socket.hear("error").await["code"], "not_hello");
    socket.say(json!({ "kind": "hello", "version": 1, "rooms": { "lobby": {}, "nowhere": {} } })).await;
    assert_eq!(socket.hear("error").await["code"], "unknown_room");
    let hello = socket.hear("hello").await;
    let at = |name: &str| hello[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let life = at("expires_at").since(at("now")).as_secs();
    assert!((6900..7200).contains(&life), "API Gateway ends it after two hours: {life} s");
    for (said, code) in [("{", "bad_json"), ("{\"kind\":\"dance\"}", "unknown_kind")] {
        socket.raw(Message::text(said)).await;
        assert_eq!(socket.hear("error").await["code"], code);
    }
    socket.raw(Message::text("x".repeat(40_000))).await;
    assert_eq!(socket.hear("error").await["code"], "too_large");

    let mut other = ann.connect(json!({})).await;
    other.hear("hello").await;
    assert!(ann.open(&ann.ticket().await).await.is_err(), "more than two");
    let ticket = ann.ticket().await;
    socket.say(json!({ "kind": "renew", "ticket": ticket })).await;
    socket.hear("renewed").await;
    socket.say(json!({ "kind": "unwatch", "room": "lobby" })).await;
    socket.say(json!({ "kind": "watch", "room": "lobby" })).await;
    assert_eq!(socket.hear("watching").await["room"], "lobby");
    socket.say(json!({ "kind": "history", "id": "h", "room": "lobby" })).await;
    assert_eq!(socket.hear("history").await["messages"], json!([]));

    assert_eq!(ann.ask("DELETE", "/api/rooms/lobby/membership", Value::Null).await.0, 200);
    let post = json!({ "kind": "post", "id": "1", "room": "lobby", "text": "hi" });
    assert_eq!(socket.change(post).await["code"], "not_joined");
    assert_eq!(ann.ask("GET", "/api/rooms/lobby/history", Value::Null).await.0, 403);
    assert_eq!(ann.ask("PUT", "/api/rooms/lobby/membership", Value::Null).await.0, 200);
    assert_eq!(ann.ask("GET", "/api/rooms/lobby/search?q=x", Value::Null).await.0, 200);
    let png = b"\x89PNG\r\n\x1a\n and so on".to_vec();
    assert_eq!(ann.upload("lobby", "x.png", "image/png", png).await.0, 200);
    assert_eq!(ann.upload("lobby", "x", "", vec![0; 4 * 1024 * 1024 + 1]).await.1["code"], "too_large");

    assert_eq!(ann.ask("DELETE", "/api/session", Value::Null).await.0, 200);
    socket.rest(PATIENCE).await;
    let (status, body) = ann.ask("POST", "/api/tickets", Value::Null).await;
    assert_eq!((status, &body["code"]), (401, &json!("signed_out")));
    assert_eq!(guest(&http, &base, "Ann").await.0, 200, "the name is free again");
    accounts_sign_in(&base, &issuer).await;
    house.close().await;
}

/// By the issuer's page, and with its token; with one that is none nobody does.
async fn accounts_sign_in(base: &str, issuer: &Issuer) {
    let mut browser = Browser::where_leads(&issuer.http, PUBLIC, base);
    let end = browser.open(&format!("{PUBLIC}/api/session/oidc/start?next=/welcome")).await;
    assert_eq!(end, (format!("{PUBLIC}/welcome"), 200));
    let cookie = browser.cookie(PUBLIC, "switchboard_session").expect("a session");
    let request = issuer.http.get(format!("{base}/api/session")).header("cookie", cookie);
    let session: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(session["person"]["name"], "Ann Account");
    let end = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 600;
    let claims = json!({ "iss": issuer.address, "aud": "hub", "sub": "bob-1", "name": "Bob", "exp": end });
    for (key, expected) in [("ours", 200), ("foreign", 401), ("none", 401)] {
        let token = issuer.mint(key, claims.clone(), json!({})).await;
        let request = issuer.http.post(format!("{base}/api/tickets")).bearer_auth(token);
        assert_eq!(request.send().await.unwrap().status(), expected, "{key}");
    }
}

/// The next frame of a kind; `None` when the line is cut, or silent for long.
async fn heard(socket: &mut Socket, kind: &str) -> Option<Value> {
    let next = async {
        loop {
            match socket.next().await {
                Some(frame) if frame["kind"] == kind => return Some(frame),
                Some(_) => {}
                None => return None,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), next).await.ok().flatten()
}

/// What was killed comes again only when its queue gives it out again: minutes.
#[tokio::test]
#[ignore = "most of two minutes: make soak"]
async fn a_busy_room_is_heard_whole_once_and_in_order_while_lines_are_cut_and_functions_killed() {
    const WRITERS: u64 = 3;
    const EACH: u64 = 8;
    let house = House::open_deployed(&format!("{LOBBY}\n[chat]\nguests = true\n")).await;
    let mut guests = Vec::new();
    for number in 0..WRITERS {
        guests.push(Guest::sign_in_to(&house.hub, &format!("Writer {number}")).await);
    }
    let reader = Guest::sign_in_to(&house.hub, "Reader").await;
    let writing = guests.iter().map(|guest| async move {
        for number in 0..EACH {
            // A line that breaks gives no answer: said again on the next one it is the same message.
            loop {
                let Ok(mut socket) = guest.open(&guest.ticket().await).await else { continue };
                socket.say(json!({ "kind": "hello", "version": 1, "rooms": {} })).await;
                let id = number.to_string();
                socket.say(json!({ "kind": "post", "id": id, "room": "lobby", "text": id })).await;
                if heard(&mut socket, "accepted").await.is_some() {
                    break;
                }
            }
        }
    });
    let killing = async {
        for function in ["WebChatHistory", "WebChatSocket", "ModerationGate", "WebChatHistory"] {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            house.hub.stack().unwrap().ask_with(json!({ "do": "kill", "function": function })).await;
        }
    };
    let reading = async {
        let mut last = 0;
        while last < WRITERS * EACH {
            // Each line hears three changes at most, and is cut.
            let Ok(mut line) = reader.open(&reader.ticket().await).await else { continue };
            let from = json!({ "lobby": { "after": last } });
            line.say(json!({ "kind": "hello", "version": 1, "rooms": from })).await;
            for _ in 0..3 {
                if last == WRITERS * EACH {
                    break;
                }
                let Ok(change) = tokio::time::timeout(Duration::from_secs(15), line.hear("change")).await
                else {
                    break;
                };
                assert_eq!(change["seq"], last + 1, "{change}");
                last += 1;
            }
        }
    };
    // One whose line holds hears all of it too, unless the function that was to tell it was killed: then it resumes.
    let mut steady = reader.connect(json!({ "lobby": { "after": 0 } })).await;
    let ((), (), _) = tokio::join!(reading, killing, futures::future::join_all(writing));
    house.hub.quiet().await;
    let rest = steady.rest(Duration::from_secs(1)).await;
    let heard: Vec<u64> =
        rest.iter().filter(|it| it["kind"] == "change").map(|it| it["seq"].as_u64().unwrap()).collect();
    let mut last = 0;
    for seq in &heard {
        assert!(*seq <= last + 1, "there is a gap before {seq}: {heard:?}");
        last = last.max(*seq);
    }
    assert_eq!(last, WRITERS * EACH, "{heard:?}");
    house.end().await;
}
