//! Everything that the chat's functions may do, done once.

use serde_json::{Value, json};
use switchboard_stories::chat::Guest;
use switchboard_stories::{House, until};

use crate::stack;

/// Somebody signs in, comes, says, leaves and comes again; somebody else is lost.
pub(super) async fn tour(house: &House) {
    let (ann, bob) = (Guest::sign_in_to(&house.hub, "Ann").await, Guest::sign_in_to(&house.hub, "Bob").await);
    for (method, path) in [
        ("DELETE", "/api/rooms/lobby/membership"),
        ("PUT", "/api/rooms/lobby/membership"),
        ("GET", "/api/rooms/lobby/history"),
    ] {
        assert_eq!(ann.ask(method, path, Value::Null).await.0, 200, "{method} {path}");
    }
    let file = ann.upload("lobby", "a.png", "image/png", b"\x89PNG\r\n\x1a\n and so on".to_vec()).await;
    assert_eq!(file.0, 200);
    let mut hers = ann.connect(json!({ "lobby": {} })).await;
    hers.hear("hello").await;
    let mut his = bob.connect(json!({ "lobby": {} })).await;
    his.hear("hello").await;
    hers.until("Bob is here", |frame| frame["kind"] == "presence" && frame["person"]["name"] == "Bob").await;
    hers.say(json!({ "kind": "unwatch", "room": "lobby" })).await;
    hers.say(json!({ "kind": "watch", "room": "lobby" })).await;
    hers.hear("watching").await;
    hers.post("1", "lobby", "from the chat").await;
    his.hear("change").await;
    house.hub.quiet().await;
    // Only the history speaks to whoever is lost: nothing else is under way.
    stack(house).ask_with(json!({ "do": "lose-connections", "of": "Bob" })).await;
    hers.post("2", "lobby", "are you there?").await;
    let left = json!({ "connections": 1, "places": 1 });
    until("Bob is forgotten", || async { stack(house).ask("connections").await == left }).await;
    assert_eq!(ann.ask("DELETE", "/api/session", Value::Null).await.0, 200);
    let nobody = json!({ "connections": 0, "places": 0 });
    until("nobody is left", || async { stack(house).ask("connections").await == nobody }).await;
    house.hub.quiet().await;
}
