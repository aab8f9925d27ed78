//! People talk, with phones and Slack in the room: everything travels, and says where it has got to.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::chat::{Guest, guest};
use switchboard_stories::{ANN, CHANNEL, House, LOBBY, until};

use super::texts;

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
    house.join("lobby", &[(ANN, "Pat")]).await;
    let ann = Guest::sign_in(&house.hub.base(), "Ann").await;
    let mut socket = ann.connect(json!({ "lobby": {} })).await;
    socket.hear("hello").await;
    let id = socket.post("1", "lobby", "is anybody there?").await;
    house.expect_heard(ANN, &["Ann: is anybody there?"]).await;
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

    house.text(ANN, "I am").await;
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
    house.text(ANN, "STOP").await;
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
    house.join("lobby", &[(ANN, "Pat")]).await;
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
    house.expect_heard(ANN, &["Ann: at five", "Correction, Ann: at six"]).await;

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
async fn what_the_gate_stops_never_appears_and_its_writer_hears_why() {
    let house = House::open_here(&format!("{LOBBY}\n[moderation]\nblocked_words = [\"zorkmid\"]\n")).await;
    let base = house.hub.base();
    let (ann, bob) = (Guest::sign_in(&base, "Ann").await, Guest::sign_in(&base, "Bob").await);
    let mut hers = ann.connect(json!({ "lobby": {} })).await;
    let mut his = bob.connect(json!({ "lobby": {} })).await;
    let id = hers.post("1", "lobby", "a z0rkmid for you").await;
    let judged = hers.hear("judged").await;
    assert_eq!((&judged["message_id"], &judged["verdict"]), (&json!(id), &json!("blocked")));
    assert_eq!(judged["reasons"], json!(["the word “zorkmid”"]));
    hers.post("2", "lobby", "a coin for you").await;
    assert_eq!(his.hear_post().await, "a coin for you");
    let rest = his.rest(Duration::from_millis(100)).await;
    assert!(!json!(rest).to_string().contains("z0rkmid"), "{rest:#?}");
    assert_eq!(texts(&bob.history("lobby").await), ["a coin for you"]);
    house.close().await;
}

#[tokio::test]
async fn a_file_goes_to_slack_and_to_the_phone_and_a_forged_one_nowhere() {
    let house = House::open_here(LOBBY).await;
    house.join("lobby", &[(ANN, "Pat")]).await;
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
