//! Uploading: `files.getUploadURLExternal`, the bytes, `files.completeUploadExternal`; and taking away again
//! what was uploaded, `files.delete`.
//! <https://docs.slack.dev/messaging/working-with-files>
//!
//! Sharing is asynchronous: the answer of the last step names the files and no message; the message and its
//! event come later.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::chat;
use super::files::{StoredFile, media_type};
use super::front::{Answer, ok};
use super::message::{Message, Ts};
use super::mrkdwn;
use super::workspace::Workspace;
use crate::answer;
use crate::body::{LARGEST_BODY, Params, content_type, parts};
use crate::house::{House, locked};
use crate::ids::{now_ms, slack_id};
use crate::signing;
use crate::store::Entry;

fn token(house: &House, file: &str) -> String {
    format!("{file}-{}", signing::link(&house.settings.slack.signing_secret, file))
}

pub(crate) fn get_url(house: &House, params: &Params) -> Answer {
    let name = params.filled("filename").ok_or("invalid_arguments")?.into_owned();
    match params.filled("length").and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > 0 => {}
        _ => return Err("invalid_arguments"),
    }
    let file = StoredFile {
        id: slack_id("F"),
        title: name.clone(),
        mimetype: media_type(&name, b"").to_owned(),
        name,
        user: house.settings.slack.bot_user_id.clone(),
        created_ms: now_ms(),
        shares: Vec::new(),
        bytes: Bytes::new(),
        uploaded: false,
        complete: false,
    };
    let upload_url = format!("{}/slack/upload/{}", house.settings.own_base, token(house, &file.id));
    let answer = ok(&json!({ "upload_url": upload_url, "file_id": file.id })).with_id(&file.id);
    keep(house, file);
    Ok(answer)
}

fn keep(house: &House, file: StoredFile) {
    let file = Arc::new(file);
    let mut workspace = locked(&house.workspace);
    house.keep(&Entry::File(Arc::clone(&file)));
    workspace.files.put(file);
}

/// Takes the bytes, raw or as multipart, with a token or without.
pub(crate) async fn receive(
    State(house): State<Arc<House>>,
    Path(given): Path<String>,
    request: Request,
) -> Response {
    let file = given.split('-').next().unwrap_or_default().to_owned();
    let known = locked(&house.workspace).files.get(&file).cloned();
    let Some(file) = known.filter(|file| token(&house, &file.id) == given) else {
        return answer::text(StatusCode::NOT_FOUND, "no such upload");
    };
    let (head, body) = request.into_parts();
    let Ok(mut bytes) = to_bytes(body, LARGEST_BODY).await else {
        return answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off");
    };
    let media = content_type(&head.headers);
    if media.starts_with("multipart/form-data") {
        match parts(media, &bytes).and_then(|parts| parts.into_iter().find(|part| part.file_name.is_some())) {
            Some(part) => bytes = part.bytes,
            None => return answer::text(StatusCode::BAD_REQUEST, "no file in the form"),
        }
    }
    let length = bytes.len();
    let mimetype = media_type(&file.name, &bytes).to_owned();
    keep(&house, StoredFile { bytes, mimetype, uploaded: true, ..StoredFile::clone(&file) });
    answer::with_type(StatusCode::OK, "text/plain", format!("OK - {length}").into())
}

pub(crate) fn complete(house: &Arc<House>, params: &Params) -> Answer {
    let asked = params.json("files").map_err(|_| "invalid_arguments")?;
    let asked = asked
        .as_ref()
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or("invalid_arguments")?;
    let named = params.filled("channel_id").or_else(|| params.filled("channels"));
    let mut workspace = locked(&house.workspace);
    let mut channels = Vec::new();
    for name in named.as_deref().into_iter().flat_map(|list| list.split(',')) {
        channels.push(workspace.find_channel(name.trim()).ok_or("channel_not_found")?);
    }
    let thread_ts = match params.filled("thread_ts") {
        Some(text) => Some(text.parse::<Ts>().map_err(|_| "invalid_thread_ts")?),
        None => None,
    };
    let mut files = Vec::new();
    for one in asked {
        let id = one["id"].as_str().ok_or("invalid_arguments")?;
        let file = workspace.files.get(id).filter(|file| file.uploaded).ok_or("file_not_found")?;
        let mut file = StoredFile::clone(file);
        file.complete = true;
        if let Some(title) = one["title"].as_str() {
            title.clone_into(&mut file.title);
        }
        files.push(Arc::new(file));
    }
    for file in &files {
        house.keep(&Entry::File(Arc::clone(file)));
        workspace.files.put(Arc::clone(file));
    }
    drop(workspace);
    let ids: Vec<String> = files.iter().map(|file| file.id.clone()).collect();
    let comment = params.text("initial_comment").unwrap_or_default().into_owned();
    if !channels.is_empty() {
        let (house, ids) = (Arc::clone(house), ids.clone());
        let wait = Duration::from_millis(house.behaviour().slack_share_ms);
        house.clone().tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            for channel in channels {
                share(&house, &channel, &ids, comment.clone(), thread_ts);
            }
        });
    }
    let described: Vec<Value> = files.iter().map(|file| file.wire(house)).collect();
    Ok(ok(&json!({ "files": described })).with_id(ids.join(",")))
}

/// Posts the message of a completed upload.
fn share(house: &Arc<House>, channel_id: &str, ids: &[String], comment: String, thread_ts: Option<Ts>) {
    let mut guard = locked(&house.workspace);
    let workspace = &mut *guard;
    let ts = workspace.next_ts();
    let mut message = Message::bare(ts, &workspace.team, mrkdwn::posted(comment));
    message.user = Some(Arc::clone(&workspace.bot_user));
    message.thread_ts = thread_ts;
    for id in ids {
        let Some(file) = workspace.files.get(id) else { continue };
        let mut file = StoredFile::clone(file);
        file.shares.push((channel_id.to_owned(), ts));
        let file = Arc::new(file);
        message.share(file.wire(house));
        house.keep(&Entry::File(Arc::clone(&file)));
        workspace.files.put(file);
    }
    let message = Arc::new(message);
    house.keep(&Entry::Message { channel: channel_id.into(), message: Arc::clone(&message) });
    if let Some(channel) = workspace.channel_mut(channel_id) {
        channel.put(Arc::clone(&message));
    }
    if let Some(channel) = workspace.channel(channel_id) {
        house.echo(|| workspace.posted(channel, &message));
    }
}

/// Takes a file of the hub's away. What stands in a channel keeps a tombstone of it; a message that was nothing
/// but files goes with its last one.
pub(crate) fn delete(house: &Arc<House>, params: &Params) -> Answer {
    let id = params.filled("file").ok_or("file_not_found")?;
    let mut guard = locked(&house.workspace);
    let workspace = &mut *guard;
    let file = workspace.files.get(&id).filter(|file| file.complete).ok_or("file_not_found")?;
    if *file.user != *workspace.bot_user {
        return Err("cant_delete_file");
    }
    let mut gone =
        StoredFile { bytes: Bytes::new(), uploaded: false, complete: false, ..StoredFile::clone(file) };
    let shares = std::mem::take(&mut gone.shares);
    let gone = Arc::new(gone);
    house.keep(&Entry::File(Arc::clone(&gone)));
    workspace.files.put(gone);
    for (channel, ts) in shares {
        bury(house, workspace, &channel, ts, &id);
    }
    drop(guard);
    Ok(ok(&json!({})).with_id(id))
}

fn bury(house: &Arc<House>, workspace: &mut Workspace, channel: &str, ts: Ts, file: &str) {
    let Some(before) = workspace.channel(channel).and_then(|channel| channel.get(ts)).cloned() else {
        return;
    };
    let mut after = Message::clone(&before);
    for shared in after.files.iter_mut().filter(|shared| shared["id"] == file) {
        *shared = json!({ "id": file, "mode": "tombstone" });
    }
    let is_empty = after.text.is_empty() && after.files.iter().all(|shared| shared["mode"] == "tombstone");
    if !is_empty {
        let at = workspace.next_ts();
        chat::replace(house, workspace, channel, &before, &Arc::new(after), at);
    } else if let Some(event) = chat::take_away(house, workspace, channel, ts) {
        house.echo(|| event);
    }
}

pub(crate) fn info(house: &House, params: &Params) -> Answer {
    let id = params.filled("file").ok_or("file_not_found")?;
    let workspace = locked(&house.workspace);
    let file = workspace.files.get(&id).filter(|file| file.complete).ok_or("file_not_found")?;
    Ok(ok(&json!({ "file": file.wire(house), "comments": [], "response_metadata": { "next_cursor": "" } })))
}
