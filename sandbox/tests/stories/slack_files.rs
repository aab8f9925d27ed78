//! Files both ways.

use serde_json::{Value, json};

use crate::support::Town;

#[tokio::test]
async fn a_file_is_uploaded_in_three_steps_and_its_message_comes_later() {
    let town = Town::new().await;
    let asked = town.slack("files.getUploadURLExternal", json!({ "filename": "cat.png", "length": 3 })).await;
    let upload = asked["upload_url"].as_str().unwrap();
    let complete = json!({ "files": [{ "id": asked["file_id"], "title": "Cat" }], "channel_id": "C0LOBBY", "initial_comment": "look" });
    assert_eq!(town.slack("files.completeUploadExternal", complete.clone()).await["error"], "file_not_found");
    let response = town.http.post(upload).body("cat").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (200, "OK - 3"));
    let multipart =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.png\"\r\n\r\nmeow\r\n--x--\r\n";
    let response =
        town.http.post(upload).header("content-type", "multipart/form-data; boundary=x").body(multipart);
    assert_eq!(response.send().await.unwrap().text().await.unwrap(), "OK - 4");
    assert_eq!(town.http.post(format!("{upload}0")).body("x").send().await.unwrap().status(), 404);
    let completed = town.slack("files.completeUploadExternal", complete).await;
    assert_eq!((&completed["ok"], &completed["files"][0]["title"]), (&json!(true), &json!("Cat")));
    assert_eq!(completed["files"][0]["shares"]["public"], json!({}), "no ts in the answer");
    let event = town.hub_receives("/slack/events", 1).await[0].event();
    assert_eq!((&event["subtype"], &event["text"]), (&json!("file_share"), &json!("look")));
    assert_eq!(
        (&event["user"], &event["files"][0]["id"]),
        (&json!(town.settings.slack.bot_user_id), &asked["file_id"])
    );
    let info = town.slack("files.info", json!({ "file": asked["file_id"] })).await;
    assert_eq!(info["file"]["shares"]["public"]["C0LOBBY"][0]["ts"], event["ts"]);
    assert_eq!(info["file"]["size"], 4);
}

#[tokio::test]
async fn a_file_that_the_app_uploaded_can_be_taken_away_and_its_message_goes_with_the_last_one() {
    let town = Town::new().await;
    let mut ids = Vec::new();
    for name in ["a.png", "b.png"] {
        let asked = town.slack("files.getUploadURLExternal", json!({ "filename": name, "length": 3 })).await;
        town.http.post(asked["upload_url"].as_str().unwrap()).body("cat").send().await.unwrap();
        ids.push(json!({ "id": asked["file_id"] }));
    }
    town.slack("files.completeUploadExternal", json!({ "files": ids, "channel_id": "C0LOBBY" })).await;
    town.hub_receives("/slack/events", 1).await;
    let delete = |at: usize| json!({ "file": ids[at]["id"] });
    assert_eq!(town.slack("files.delete", delete(0)).await["ok"], true);
    assert_eq!(town.slack("files.delete", delete(0)).await["error"], "file_not_found");
    town.hub_receives("/slack/events", 2).await;
    let view = town.look("/slack/channels/C0LOBBY").await;
    let modes: Vec<&Value> =
        view["messages"][0]["files"].as_array().unwrap().iter().map(|f| &f["mode"]).collect();
    assert_eq!(modes, ["tombstone", "hosted"]);
    assert_eq!(town.slack("files.delete", delete(1)).await["ok"], true);
    assert_eq!(town.look("/slack/channels/C0LOBBY").await["messages"], json!([]));
    let events = town.hub_receives("/slack/events", 3).await;
    assert_eq!(events[1].event()["subtype"], "message_changed");
    assert_eq!(events[2].event()["subtype"], "message_deleted");
}

#[tokio::test]
async fn a_persons_file_is_served_to_the_bot_and_a_login_page_to_others() {
    let town = Town::new().await;
    let order = json!({ "user": "U0ANN", "text": "see", "files": [{ "name": "a b.txt", "content_type": "text/plain", "text": "inside" }] });
    town.tell("/slack/channels/C0LOBBY/say", order).await;
    let event = town.hub_receives("/slack/events", 1).await[0].event();
    let file = &event["files"][0];
    assert_eq!(
        (&event["subtype"], &file["mimetype"], &file["size"]),
        (&json!("file_share"), &json!("text/plain"), &json!(6))
    );
    for field in ["url_private", "url_private_download"] {
        let url = file[field].as_str().unwrap();
        let with = town.http.get(url).bearer_auth(&town.settings.slack.bot_token).send().await.unwrap();
        assert_eq!(with.headers()["content-type"], "text/plain");
        assert_eq!(with.text().await.unwrap(), "inside");
        let without = town.http.get(url).send().await.unwrap();
        assert_eq!(without.status(), 200);
        assert!(without.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    }
    let view = town.look("/slack/channels/C0LOBBY").await;
    assert_eq!(view["messages"][0]["files"][0]["name"], "a b.txt");
}

#[tokio::test]
async fn the_api_takes_forms_and_multipart_as_well_as_json() {
    let town = Town::new().await;
    let token = &town.settings.slack.bot_token;
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("token", token.as_str()),
            ("channel", "C0LOBBY"),
            ("text", "form"),
            ("metadata", "{\"event_type\":\"t\",\"event_payload\":{\"message_id\":\"m9\"}}"),
        ])
        .finish();
    let multipart = format!(
        "--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--x\r\nContent-Disposition: form-data; name=\"channel\"\r\n\r\nC0LOBBY\r\n--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nmultipart\r\n--x--\r\n"
    );
    for (media_type, body) in
        [("application/x-www-form-urlencoded", form), ("multipart/form-data; boundary=x", multipart)]
    {
        let url = format!("{}/slack/api/chat.postMessage", town.base);
        let answer = town.http.post(url).header("content-type", media_type).body(body).send().await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
    }
    let url = format!("{}/slack/api/conversations.history?channel=C0LOBBY&limit=1", town.base);
    let answer = town.http.get(url).bearer_auth(token).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&answer["messages"][0]["text"], &answer["has_more"]), (&json!("multipart"), &json!(true)));
    assert_eq!(town.look("/calls/count?method=chat.postMessage&key=m9").await["effects"], 1);
    assert!(!town.look("/calls").await.to_string().contains(token.as_str()), "tokens are not kept");
}
