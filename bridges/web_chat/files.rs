//! Files that people add to a message: stored first, named by a signed handle, and only then posted.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use switchboard_core::store::{from_json, to_json};
use switchboard_core::{Attachment, Blob, BlobId, Failure, Grant, Links, Reading, Reply, Timestamp};

use super::WebChat;
use super::shown::file_url;
use super::wire;
use crate::file_type;

/// How long a stored file waits for its post.
const HANDLE: Duration = Duration::from_secs(3600);

/// What a handle says.
#[derive(Serialize, Deserialize)]
struct Handle {
    person: String,
    until: Timestamp,
    file: Attachment,
}

/// `POST /api/rooms/{room}/files`. What is stored is named by its content: the same file again changes nothing.
pub(super) async fn store(
    chat: &WebChat,
    grant: &Grant,
    request: &http::Request<Bytes>,
    reading: &Reading<'_>,
) -> Result<Reply, Failure> {
    let bytes = request.body().clone();
    if bytes.is_empty() {
        return Err(Failure::refuse_as(400, "bad_file", "the file is empty"));
    }
    if bytes.len() > chat.config.file_bytes {
        let most = chat.config.file_bytes;
        return Err(Failure::refuse_as(413, "too_large", format!("the file has more than {most} bytes")));
    }
    let declared = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = file_type::content_type(&bytes, declared.unwrap_or_default());
    let digest = hex::encode(Sha256::digest(&bytes));
    let blob = BlobId::from_cause(&["web_chat", &grant.person.id, &digest, &content_type]);
    let size = bytes.len() as u64;
    reading.blobs.put(&blob, &Blob { content_type: content_type.clone(), bytes }).await?;
    let file = Attachment {
        name: wire::file_name(request),
        content_type: content_type.clone(),
        size,
        blob: Some(blob.clone()),
        note: None,
    };
    let (name, url) = (file.name.clone(), file_url(&chat.links, reading.now, &blob));
    let handle = Handle { person: grant.person.id.clone(), until: reading.now.plus(HANDLE), file };
    let payload = URL_SAFE_NO_PAD.encode(to_json(&handle)?);
    let signature = chat.links.sign("web_chat.file", &[&payload]);
    let file = format!("{payload}.{signature}");
    Reply::json(
        &json!({ "file": file, "name": name, "content_type": content_type, "size": size, "url": url }),
    )
}

/// The file that a handle names.
pub(super) fn open(links: &Links, handle: &str, person: &str, now: Timestamp) -> Result<Attachment, Failure> {
    let bad = || Failure::refuse_as(400, "bad_file", "not a file of yours, or uploaded too long ago");
    let (payload, signature) = handle.split_once('.').ok_or_else(bad)?;
    if !links.verify("web_chat.file", &[payload], signature) {
        return Err(bad());
    }
    let json = URL_SAFE_NO_PAD.decode(payload).ok().and_then(|json| String::from_utf8(json).ok());
    let handle: Handle = from_json(&json.ok_or_else(bad)?)?;
    if handle.person != person || handle.until < now {
        return Err(bad());
    }
    Ok(handle.file)
}
