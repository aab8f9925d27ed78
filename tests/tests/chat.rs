//! Stories: people talk in the chat, with phones and Slack in the same room; connections break, and nothing is
//! lost or said twice.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::chat::{Guest, Socket, guest};
use switchboard_stories::{House, LOBBY, until};
use tokio_tungstenite::tungstenite::Message;

const PHONE: &str = "+14155550123";
const CHANNEL: &str = "C0LOBBY";

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn two_people_talk_see_each_other_and_nobody_takes_a_name() {
    let house = House::open_here(LOBBY).await;
    let base = house.hub.base();
    let (ann, bob) = (Guest::sign_in(&base, "Ann").await, Guest::sign_in(&base, "Bob").await);
    let http = reqwest::Client::new();
    for name in ["ann", "Αnn", "A\u{200b}nn\u{202e}"] {
        let (status, body, cookie) = guest(&http, &base, name).await;
        assert_eq!((status, body["code"].as_str(), cookie), (409, Some("name_taken"), None), "{name}");
    }
    assert_eq!(guest(&http, &base, " \u{200b} ").await.0, 400);

    let mut first = ann.connect(json!({ "lobby": {} })).await;
    let hello = first.hear("hello").await;
    assert_eq!((&hello["person"]["id"], &hello["rooms"]["lobby"]["seq"]), (&ann.person["id"], &json!(0)));
    let mut second = bob.connect(json!({ "lobby": {} })).await;
    assert_eq!(second.hear("hello").await["rooms"]["lobby"]["people"].as_array().unwrap().len(), 2);
    let here =
        first.until("Bob is here", |frame| frame["kind"] == "presence" && frame["person"]["name"] == "Bob");
    assert_eq!(here.await["here"], true);

    second.say(json!({ "kind": "typing", "room": "lobby" })).await;
    assert_eq!(first.hear("typing").await["person"]["name"], "Bob");
    let id = first.post("1", "lobby", "hello <b>Bob</b>").await;
    let heard = second.hear("change").await;
    assert_eq!((&heard["seq"], &heard["message"]["message_id"]), (&json!(1), &json!(id)));
    assert_eq!(heard["message"]["text"], "hello <b>Bob</b>", "text is text");
    assert_eq!(heard["message"]["sender"]["id"], ann.person["id"]);
    second.post("1", "lobby", "hello Ann").await;
    assert_eq!(first.hear_post().await, "hello <b>Bob</b>", "one's own comes back too");
    assert_eq!(first.hear_post().await, "hello Ann");
    assert_eq!(texts(&ann.history("lobby").await), ["hello <b>Bob</b>", "hello Ann"]);

    let (_, rooms) = bob.ask("GET", "/api/rooms", Value::Null).await;
    assert_eq!(rooms["rooms"][0]["seq"], 2);
    drop(second);
    let gone = first.until("Bob has left", |frame| frame["kind"] == "presence" && frame["here"] == false);
    assert_eq!(gone.await["person"]["name"], "Bob");
    house.close().await;
}

#[tokio::test]
async fn a_phone_and_slack_are_in_the_room_and_each_message_says_where_it_got_to() {
    let house = House::open_here(LOBBY).await;
    house.join("lobby", &[(PHONE, "Pat")]).await;
    let ann = Guest::sign_in(&house.hub.base(), "Ann").await;
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    socket.hear("hello").await;
    let id = socket.post("1", "lobby", "is anybody there?").await;
    house.expect_heard(PHONE, &["Ann: is anybody there?"]).await;
    house.expect_shown(CHANNEL, &["Ann (web): is anybody there?"]).await;
    let words = |frame: &Value, surface: &str| {
        let summaries = frame["deliveries"].as_array().cloned().unwrap_or_default();
        let found = summaries.into_iter().find(|summary| summary["surface"] == surface);
        found.map(|summary| summary["words"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    let done = |frame: &Value| {
        frame["kind"] == "deliveries"
            && words(frame, "slack") == "Slack: posted"
            && words(frame, "sms") == "1 phone: 1 delivered"
    };
    assert_eq!(socket.until("both have it", done).await["message_id"], json!(id));
    let path = format!("/api/rooms/lobby/messages/{id}/deliveries");
    let (status, told) = ann.ask("GET", &path, Value::Null).await;
    let who: Vec<&str> =
        told["deliveries"].as_array().unwrap().iter().map(|one| one["who"].as_str().unwrap()).collect();
    assert_eq!((status, who), (200, vec!["channel C0LOBBY", "phone ending 23"]));

    house.text(PHONE, "I am").await;
    assert_eq!(socket.hear_post().await, "is anybody there?");
    let heard = socket.hear("change").await;
    assert_eq!(
        (heard["message"]["text"].as_str(), heard["message"]["sender"]["name"].as_str()),
        (Some("I am"), Some("Pat"))
    );
    assert_eq!(heard["message"]["sender"]["surface"], "sms");
    house.say(CHANNEL, "U0BOB", "so am I").await;
    assert_eq!(socket.hear_post().await, "so am I");
    let whole = json!([ann.history("lobby").await, told, heard]).to_string();
    assert!(!whole.contains("4155550123"), "a phone's number is on a page: {whole}");

    // What the writer should know before typing.
    house.text(PHONE, "STOP").await;
    let warned = |frame: &Value| frame["kind"] == "warnings" && frame["warnings"] != json!([]);
    let warning = socket.until("a warning", warned).await;
    assert_eq!(warning["warnings"][0]["words"], "1 phone has opted out of texts");
    let (_, rooms) = ann.ask("GET", "/api/rooms", Value::Null).await;
    assert_eq!(rooms["rooms"][0]["warnings"], warning["warnings"]);
    house.settle().await;
    house.end().await;
}

#[tokio::test]
async fn an_edit_a_deletion_a_reaction_and_a_thread_travel() {
    let house = House::open_here(LOBBY).await;
    house.join("lobby", &[(PHONE, "Pat")]).await;
    let base = house.hub.base();
    let (ann, bob) = (Guest::sign_in(&base, "Ann").await, Guest::sign_in(&base, "Bob").await);
    let mut hers = ann.connect(json!({ "lobby": {} })).await;
    let mut his = bob.connect(json!({ "lobby": {} })).await;
    let id = hers.post("1", "lobby", "at five").await;
    let stands = |frame: &Value| frame["kind"] == "change" && frame["message"]["message_id"] == json!(id);
    his.until("it is shown", stands).await;
    house.expect_shown(CHANNEL, &["Ann (web): at five"]).await;

    let edit = json!({ "kind": "edit", "id": "e", "room": "lobby", "message_id": id, "text": "at six" });
    let refused = his.change(edit.clone()).await;
    assert_eq!((&refused["kind"], &refused["code"]), (&json!("refused"), &json!("not_yours")));
    assert_eq!(hers.change(edit).await["kind"], "accepted");
    let edited = his.until("the edit", |frame| frame["change"] == "edited").await;
    assert_eq!((&edited["message"]["text"], &edited["message"]["edited"]), (&json!("at six"), &json!(true)));
    house.expect_shown(CHANNEL, &["Ann (web): at six"]).await;
    house.expect_heard(PHONE, &["Ann: at five", "Correction, Ann: at six"]).await;

    let react = json!({ "kind": "react", "id": "r", "room": "lobby", "message_id": id, "reaction": "thumbsup",
        "added": true });
    assert_eq!(his.change(react).await["kind"], "accepted");
    let reacted = hers.until("the reaction", |frame| frame["change"] == "reacted").await;
    assert_eq!(reacted["message"]["reactions"][0]["people"][0]["name"], "Bob");
    // One may react to one's own message too, and take it away again.
    let mut own = json!({ "kind": "react", "id": "o", "room": "lobby", "message_id": id, "reaction": "tada",
        "added": true });
    assert_eq!(hers.change(own.clone()).await["kind"], "accepted");
    let reacted = his.until("her own", |frame| frame["reaction"]["name"] == "tada").await;
    assert_eq!(
        (&reacted["by"]["name"], &reacted["message"]["reactions"][0]["people"]),
        (&json!("Ann"), &json!([{ "id": ann.person["id"], "name": "Ann" }]))
    );
    (own["id"], own["added"]) = (json!("p"), json!(false));
    assert_eq!(hers.change(own).await["kind"], "accepted");
    let taken = |frame: &Value| frame["reaction"] == json!({ "name": "tada", "added": false });
    let reactions = his.until("it is taken away", taken).await["message"]["reactions"].clone();
    assert_eq!(reactions.as_array().unwrap().len(), 1, "Bob's stays: {reactions}");
    let name =
        |messages: &[Value]| messages.iter().map(|it| it["reactions"][0]["name"].clone()).collect::<Vec<_>>();
    until("it is in Slack", || async { name(&house.channel(CHANNEL).await) == ["thumbsup"] }).await;
    let reply = json!({ "kind": "post", "id": "t", "room": "lobby", "text": "good", "thread_parent": id });
    assert_eq!(his.change(reply).await["kind"], "accepted");
    let answered = hers.until("the answer", |frame| frame["message"]["text"] == "good").await;
    assert_eq!(answered["message"]["thread_parent"], json!(id));
    until("the answer is in Slack's thread", || async {
        let messages = house.channel(CHANNEL).await;
        let head = messages.iter().find(|message| message["shown"] == "at six");
        head.is_some_and(|head| head["replies"].to_string().contains("good"))
    })
    .await;

    let delete = json!({ "kind": "delete", "id": "d", "room": "lobby", "message_id": id });
    assert_eq!(hers.change(delete).await["kind"], "accepted");
    let deleted = his.until("the deletion", |frame| frame["change"] == "deleted").await;
    assert_eq!((&deleted["message"]["text"], &deleted["message"]["gone"]), (&json!(""), &json!("deleted")));
    until("it is gone from Slack", || async { house.shown(CHANNEL).await.is_empty() }).await;
    house.close().await;
}

#[tokio::test]
async fn whoever_is_cut_off_gets_what_was_missed_once_and_in_order() {
    let house = House::open_here(&format!(
        "{LOBBY}\n[chat]\nposts_per_minute = 100000\nposts_per_minute_per_address = 100000\n"
    ))
    .await;
    let base = house.hub.base();
    let writer = Guest::sign_in(&base, "Writer").await;
    let reader = Guest::sign_in(&base, "Reader").await;
    let talk = tokio::spawn(async move {
        let mut socket = writer.connect(json!({ "lobby": {} })).await;
        for number in 0..400 {
            socket.post(&number.to_string(), "lobby", &format!("number {number}")).await;
        }
    });
    let (mut last, mut heard) = (0, Vec::new());
    let mut cuts = 0;
    while heard.len() < 400 {
        let mut socket = reader.connect(json!({ "lobby": { "after": last } })).await;
        // A different number of frames in each life, with the socket dropped in the middle of the talk.
        let mut lives = 5 + cuts * 7 % 23;
        while lives > 0 && heard.len() < 400 {
            let change = socket.hear("change").await;
            let seq = change["seq"].as_u64().unwrap();
            assert_eq!(seq, last + 1, "in order, without a gap");
            last = seq;
            heard.push(change["message"]["text"].as_str().unwrap().to_owned());
            lives -= 1;
        }
        cuts += 1;
    }
    talk.await.unwrap();
    let expected: Vec<String> = (0..400).map(|number| format!("number {number}")).collect();
    assert_eq!(heard, expected);
    assert!(cuts > 10, "it was cut {cuts} times");

    // What was missed may be an edit of something old, and comes in its newest form.
    let mut socket = reader.connect(json!({ "lobby": { "after": 399 } })).await;
    assert_eq!(socket.hear("change").await["seq"], 400);
    assert_eq!(socket.hear("resumed").await["seq"], 400);
    let mut ahead = reader.connect(json!({ "lobby": { "after": 4000 } })).await;
    assert_eq!(ahead.hear("resumed").await["reset"], true);
    house.close().await;
}

#[tokio::test]
async fn what_the_gate_stops_never_appears_and_its_writer_hears_why() {
    let house = House::open_here(&format!("{LOBBY}\n[moderation]\nblocked_words = [\"zorkmid\"]\n")).await;
    let base = house.hub.base();
    let (ann, bob) = (Guest::sign_in(&base, "Ann").await, Guest::sign_in(&base, "Bob").await);
    let mut hers = ann.connect(json!({ "lobby": {} })).await;
    let mut his = bob.connect(json!({ "lobby": {} })).await;
    let id = hers.post("1", "lobby", "a z0rkmid for you").await;
    let judged = hers.hear("judged").await;
    assert_eq!((&judged["message_id"], &judged["verdict"]), (&json!(id), &json!("blocked")));
    assert_eq!(judged["reasons"], json!(["blocked_word: zorkmid"]));
    hers.post("2", "lobby", "a coin for you").await;
    assert_eq!(his.hear_post().await, "a coin for you");
    let rest = his.rest(Duration::from_millis(100)).await;
    assert!(!json!(rest).to_string().contains("z0rkmid"), "{rest:#?}");
    assert_eq!(texts(&bob.history("lobby").await), ["a coin for you"]);
    house.close().await;
}

#[tokio::test]
async fn a_message_sent_ten_times_is_one_also_after_a_restart() {
    let mut house = House::open_here(LOBBY).await;
    let ann = Guest::sign_in(&house.hub.base(), "Ann").await;
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    let post = json!({ "kind": "post", "id": "once", "room": "lobby", "text": "only once" });
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(socket.change(post.clone()).await["message_id"].clone());
    }
    house.hub.stop().await;
    house.start_again().await;
    let ann = Guest { base: house.hub.base(), ..ann };
    let mut socket = ann.connect(json!({ "lobby": { "after": 0 } })).await;
    assert_eq!(socket.hear_post().await, "only once", "the session and the room outlive the process");
    for _ in 0..5 {
        ids.push(socket.change(post.clone()).await["message_id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    house.hub.quiet().await;
    assert_eq!(texts(&ann.history("lobby").await), ["only once"]);
    house.close().await;
}

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
async fn whoever_reads_nothing_is_cut_delays_nobody_and_resumes() {
    let house = House::open_here("[rooms.lobby]\nsms = \"open\"\n[chat]\nposts_per_minute = 100000\nposts_per_minute_per_address = 100000\n").await;
    let base = house.hub.base();
    let (ann, slow) = (Guest::sign_in(&base, "Ann").await, Guest::sign_in(&base, "Slow").await);
    let mut writer = ann.connect(json!({ "lobby": {} })).await;
    let mut sleeper = slow.connect(json!({ "lobby": {} })).await;
    sleeper.hear("hello").await;
    let text = "x".repeat(8000);
    let mut posted: u64 = 0;
    // More than the kernel keeps for one who does not read, on both sides.
    while posted < 900 {
        let ahead: Vec<Value> = (0..30)
            .map(|number| json!({ "kind": "post", "id": format!("{}", posted + number), "room": "lobby", "text": text }))
            .collect();
        for post in ahead {
            writer.say(post).await;
        }
        for _ in 0..30 {
            writer.hear("accepted").await;
            writer.hear("change").await;
            posted += 1;
        }
    }
    let heard = sleeper.rest(Duration::from_secs(20)).await;
    let last = heard.iter().rfind(|frame| frame["kind"] == "change").unwrap()["seq"].as_u64().unwrap();
    assert!(last < posted, "the sleeper got everything: nothing was shown");
    let told = (heard.last().unwrap()["reason"].as_str(), sleeper.closed);
    assert_eq!(told, (Some("slow_reader"), Some(1013)), "it is told why");
    let mut awake = slow.connect(json!({ "lobby": { "after": last } })).await;
    for seq in last + 1..=posted {
        assert_eq!(awake.hear("change").await["seq"], seq);
    }
    house.hub.quiet().await;
    house.end().await;
}

#[tokio::test]
async fn a_file_goes_to_slack_and_to_the_phone_and_a_forged_one_nowhere() {
    let house = House::open_here(LOBBY).await;
    house.join("lobby", &[(PHONE, "Pat")]).await;
    let base = house.hub.base();
    let (ann, bob) = (Guest::sign_in(&base, "Ann").await, Guest::sign_in(&base, "Bob").await);
    let png = b"\x89PNG\r\n\x1a\n and so on".to_vec();
    let (status, file) = ann.upload("lobby", "caf%C3%A9.png", "text/html", png.clone()).await;
    assert_eq!(
        (status, &file["name"], &file["content_type"]),
        (200, &json!("café.png"), &json!("image/png"))
    );
    let mut hers = ann.connect(json!({ "lobby": {} })).await;
    let mut his = bob.connect(json!({ "lobby": {} })).await;
    let post = json!({ "kind": "post", "id": "1", "room": "lobby", "text": "look", "files": [file["file"]] });
    assert_eq!(his.change(post.clone()).await["code"], "bad_file", "it is not his");
    assert_eq!(hers.change(post).await["kind"], "accepted");
    let shown = his.hear("change").await;
    let url = shown["message"]["attachments"][0]["url"].as_str().unwrap().to_owned();
    let response = reqwest::get(format!("{base}{url}")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.bytes().await.unwrap(), png);
    until("Slack has the file", || async {
        json!(house.channel(CHANNEL).await).to_string().contains("café.png")
    })
    .await;
    let large = vec![0; 10 * 1024 * 1024 + 1];
    assert_eq!(ann.upload("lobby", "x", "", large).await.1["code"], "too_large");
    assert_eq!(ann.upload("lobby", "x", "", Vec::new()).await.1["code"], "bad_file");
    house.hub.quiet().await;
    house.close().await;
}

#[tokio::test]
async fn what_was_said_is_found_and_what_was_taken_back_is_not() {
    let mut house = House::open_here(LOBBY).await;
    let ann = Guest::sign_in(&house.hub.base(), "Ann").await;
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    for (id, text) in ["The café opens at noon", "café closed", "a \"quoted\" thing"].iter().enumerate() {
        socket.post(&id.to_string(), "lobby", text).await;
    }
    let last = socket.until("the last", |frame| frame["seq"] == 3).await;
    let find = async |ann: &Guest, words: &str| {
        let query: String = form_urlencoded::byte_serialize(words.as_bytes()).collect();
        let (status, found) =
            ann.ask("GET", &format!("/api/rooms/lobby/search?q={query}"), Value::Null).await;
        assert_eq!(status, 200, "{found}");
        texts(found["messages"].as_array().unwrap()).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(find(&ann, "cafe").await, ["café closed", "The café opens at noon"]);
    assert_eq!(find(&ann, "café op").await, ["The café opens at noon"]);
    assert_eq!(find(&ann, "\"quoted\" OR NEAR(").await, [""; 0]);
    assert_eq!(find(&ann, "\"quo").await, ["a \"quoted\" thing"]);
    let delete =
        json!({ "kind": "delete", "id": "d", "room": "lobby", "message_id": last["message"]["message_id"] });
    socket.change(delete).await;
    socket.until("it is gone", |frame| frame["change"] == "deleted").await;
    assert_eq!(find(&ann, "quoted").await, [""; 0]);

    // Texts without spaces are found by any part. An index that is lost is made again of the rooms' history, though
    // the archive remembers none of it.
    socket.post("6", "lobby", "明日は東京タワーで").await;
    socket.until("it is shown", |frame| frame["change"] == "posted" && frame["seq"] == 5).await;
    assert_eq!(find(&ann, "東京").await, ["明日は東京タワーで"]);
    house.hub.quiet().await;
    house.hub.stop().await;
    let data = house.directory().join("data");
    for file in ["search.sqlite3", "search.sqlite3-wal", "search.sqlite3-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    let archive = rusqlite::Connection::open(data.join("hub.sqlite3")).unwrap();
    let kept =
        "DELETE FROM events WHERE position < (SELECT MAX(position) FROM events); DELETE FROM deliveries;";
    archive.execute_batch(kept).unwrap();
    drop(archive);
    house.start_again().await;
    let ann = Guest { base: house.hub.base(), ..ann };
    assert_eq!(find(&ann, "cafe").await, ["café closed", "The café opens at noon"]);
    assert_eq!(find(&ann, "タワー").await, ["明日は東京タワーで"]);
    assert_eq!(find(&ann, "quoted").await, [""; 0]);
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    socket.post("7", "lobby", "another café").await;
    socket.hear_post().await;
    assert_eq!(find(&ann, "cafe").await[0], "another café", "it goes on from there");
    house.hub.quiet().await;
    house.end().await;
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
