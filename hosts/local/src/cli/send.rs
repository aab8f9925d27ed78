//! `switchboard send`.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;
use switchboard_hosts::output;

use super::Reach;
use super::client::{request, segment, send};

pub(super) async fn run(reach: &Reach, room: &str, name: &str, text: &str) -> Result<()> {
    let id = hex::encode(rand::random::<[u8; 16]>());
    let body = json!({ "id": id, "name": name, "text": text });
    let path = format!("/api/rooms/{}/messages", segment(room));
    let posted: serde_json::Value =
        send(reach, request(reach, Method::POST, &path)?.json(&body)).await?.json().await?;
    Ok(output::line(posted["message_id"].as_str().unwrap_or_default())?)
}
