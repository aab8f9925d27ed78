//! `switchboard send`.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use super::Reach;
use super::client::{request, segment, send};
use super::says::say;

pub(super) async fn run(reach: &Reach, room: &str, name: &str, text: &str) -> Result<()> {
    let id = hex::encode(rand::random::<[u8; 16]>());
    let body = json!({ "id": id, "name": name, "text": text });
    let path = format!("/api/rooms/{}/messages", segment(room));
    let posted: serde_json::Value =
        send(reach, request(reach, Method::POST, &path)?.json(&body)).await?.json().await?;
    say(posted["message_id"].as_str().unwrap_or_default())?;
    Ok(())
}
