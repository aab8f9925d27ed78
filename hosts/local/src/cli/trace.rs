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
    if story["earlier"] == true {
        output::complain(format_args!(
            "there are earlier events than these {}; ask for a message, or for what a provider calls it",
            list(&story["events"]).count()
        ));
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
        ("address", &detail["address"]),
        ("phone", &detail["phone"]),
        ("provider id", &detail["provider_id"]),
        ("reason", &detail["reason"]),
        ("from", &detail["message"]["sender"]["name"]),
        ("via", &detail["message"]["sender"]["surface"]),
        ("address", &detail["message"]["sender"]["address"]),
        ("text", &detail["message"]["text"]),
        ("text", &detail["text"]),
        ("beside", &detail["unknown"]),
    ] {
        match value {
            Value::Null => {}
            Value::String(word) => parts.push(format!("{label} {word:?}")),
            other => parts.push(format!("{label} {other}")),
        }
    }
    // A text's lane is its phone; a change's lane is its room, which stands there already.
    if detail["message"].is_null()
        && let Some(phone) = detail["lane"].as_str()
    {
        parts.push(format!("phone {phone:?}"));
    }
    for file in list(&detail["attachments"]).chain(list(&detail["message"]["attachments"])) {
        parts.push(match file["note"].as_str() {
            Some(note) => format!("without {}: {note}", text(&file["name"])),
            None => format!("with {} ({} bytes)", text(&file["name"]), file["size"]),
        });
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_which_phone_it_is_about_and_why_a_file_is_not_there() {
        let file = json!({ "name": "file-1", "content_type": "image/png", "note": "it is too large" });
        let kept = json!({ "name": "image-2.png", "content_type": "image/png", "size": 9, "blob": "b" });
        let sender = json!({ "surface": "sms", "address": "+14155550100", "name": "Ann" });
        let message =
            json!({ "room": "lobby", "sender": sender, "text": "look", "attachments": [file, kept] });
        let posted = summary(&json!({ "message": message }));
        assert_eq!(
            posted,
            "room \"lobby\", from \"Ann\", via \"sms\", address \"+14155550100\", text \"look\", without \
             file-1: it is too large, with image-2.png (9 bytes)"
        );
        let changed =
            json!({ "lane": "lobby", "seq": 1, "change": "posted", "message": { "room": "lobby" } });
        assert_eq!(summary(&changed), "room \"lobby\", seq 1, change \"posted\"");
        let requested = json!({ "lane": "+447700900513", "seq": 3, "text": "Ann: look" });
        assert_eq!(summary(&requested), "seq 3, text \"Ann: look\", phone \"+447700900513\"");
        let reported = json!({ "surface": "sms", "address": "+447700900513", "status": "failed" });
        assert_eq!(summary(&reported), "status \"failed\", to \"sms\", address \"+447700900513\"");
    }
}
