//! Searching what was said.

use serde_json::{Value, json};
use switchboard_stories::chat::Guest;
use switchboard_stories::{House, LOBBY};

use super::texts;

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
