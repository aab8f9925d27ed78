//! `switchboard trace`: the story of a message, as an operator reads it.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;
use switchboard_hosts::output;

use super::Reach;
use super::client::{request, segment, send};

pub(super) async fn run(reach: &Reach, id: &str, json: bool) -> Result<()> {
    let path = format!("/api/trace/{}", segment(id));
    let story: Value = send(reach, request(reach, Method::GET, &path)?).await?.json().await?;
    if json {
        return Ok(output::line(story)?);
    }
    for traced in list(&story["events"]) {
        let (event, detail) = (&traced["event"], &traced["event"]["detail"]);
        output::line(format_args!(
            "{}  {}  {}",
            text(&traced["at"]),
            text(&event["detail-type"]),
            text(&detail["event_id"])
        ))?;
        output::line(format_args!("    {}", summary(detail)))?;
        for delivery in list(&traced["deliveries"]) {
            output::line(format_args!(
                "    → {}: {}{}",
                text(&delivery["listener"]),
                text(&delivery["state"]),
                notes(delivery)
            ))?;
            for effect in list(&delivery["effects"]) {
                output::line(format_args!(
                    "        {}: {}{}",
                    text(&effect["destination"]),
                    text(&effect["state"]),
                    notes(effect)
                ))?;
                for exchange in list(&effect["exchanges"]) {
                    output::line(format_args!(
                        "            {}  {}  {}  {} ms",
                        text(&exchange["at"]),
                        text(&exchange["request"]),
                        exchange["ended"],
                        exchange["ms"]
                    ))?;
                }
            }
        }
    }
    Ok(())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What the event says, in a line.
fn summary(detail: &Value) -> String {
    let mut parts = Vec::new();
    for (label, value) in [
        ("room", &detail["room"]),
        ("room", &detail["message"]["room"]),
        ("seq", &detail["seq"]),
        ("change", &detail["change"]),
        ("status", &detail["status"]),
        ("to", &detail["surface"]),
        ("provider id", &detail["provider_id"]),
        ("reason", &detail["reason"]),
        ("from", &detail["message"]["sender"]["name"]),
        ("via", &detail["message"]["sender"]["surface"]),
        ("text", &detail["message"]["text"]),
        ("text", &detail["text"]),
    ] {
        match value {
            Value::Null => {}
            Value::String(word) => parts.push(format!("{label} {word:?}")),
            other => parts.push(format!("{label} {other}")),
        }
    }
    for reason in list(&detail["reasons"]) {
        parts.push(format!("because {}: {}", text(&reason["rule"]), text(&reason["found"])));
    }
    parts.join(", ")
}

fn notes(value: &Value) -> String {
    let mut notes = String::new();
    if value["attempts"].as_u64().unwrap_or(0) > 0 {
        notes.push_str(&format!(", {} failed", value["attempts"]));
    }
    if let Some(reason) = value["reason"].as_str() {
        notes.push_str(&format!(": {reason}"));
    }
    notes
}
