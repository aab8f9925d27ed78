//! Files of the workspace: their bytes, their description, and the place they are served from.
//!
//! <https://docs.slack.dev/reference/objects/file-object>. A file is served to the bot's token only; anyone
//! else gets a login page with status 200, as from the real one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::Ts;
use crate::answer;
use crate::house::{House, locked};

/// How many bytes of files are kept.
const KEPT: usize = 128 * 1024 * 1024;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredFile {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) mimetype: String,
    pub(crate) user: String,
    pub(crate) created_ms: u64,
    pub(crate) shares: Vec<(String, Ts)>,
    #[serde(with = "crate::store::base64_bytes")]
    pub(crate) bytes: Bytes,
    /// Whether its bytes have come.
    pub(crate) uploaded: bool,
    /// Whether `files.completeUploadExternal` was called, or a person shared it.
    pub(crate) complete: bool,
}

impl StoredFile {
    /// The file as Slack describes it.
    pub(crate) fn wire(&self, house: &House) -> Value {
        let extension = self.name.rsplit_once('.').map_or("binary", |(_, extension)| extension);
        let link =
            format!("{}/slack/files/{}-{}/", house.settings.own_base, house.settings.slack.team_id, self.id);
        let name = percent_encoding::utf8_percent_encode(&self.name, percent_encoding::NON_ALPHANUMERIC);
        let mut shares = serde_json::Map::new();
        for (channel, ts) in &self.shares {
            shares.insert(channel.clone(), json!([{ "ts": ts }]));
        }
        json!({
            "id": self.id, "created": self.created_ms / 1_000, "timestamp": self.created_ms / 1_000,
            "name": self.name, "title": self.title, "mimetype": self.mimetype, "filetype": extension,
            "pretty_type": extension.to_uppercase(), "user": self.user, "size": self.bytes.len(),
            "mode": "hosted", "is_external": false, "external_type": "", "is_public": true,
            "editable": false, "file_access": "visible",
            "url_private": format!("{link}{name}"), "url_private_download": format!("{link}download/{name}"),
            "channels": self.shares.iter().map(|(channel, _)| channel).collect::<Vec<_>>(),
            "shares": { "public": shares },
        })
    }
}

#[derive(Default)]
pub(crate) struct Files {
    by_id: HashMap<String, Arc<StoredFile>>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Files {
    /// Adds a file, or replaces the one with its id.
    pub(crate) fn put(&mut self, file: Arc<StoredFile>) {
        self.bytes += file.bytes.len();
        let id = file.id.clone();
        match self.by_id.insert(id.clone(), file) {
            Some(before) => self.bytes -= before.bytes.len(),
            None => self.order.push_back(id),
        }
        while self.bytes > KEPT || self.order.len() > 10_000 {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.by_id.remove(&oldest) {
                self.bytes -= gone.bytes.len();
            }
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<StoredFile>> {
        self.by_id.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<StoredFile>> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }
}

/// Serves `url_private` and `url_private_download`.
pub(crate) async fn download(
    State(house): State<Arc<House>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if bearer != Some(house.slack_secrets().bot_token.as_str()) {
        let page = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in to your \
                    workspace</body></html>";
        return answer::with_type(
            StatusCode::OK,
            "text/html; charset=utf-8",
            Bytes::from_static(page.as_bytes()),
        );
    }
    let id = path.split('/').next().and_then(|first| first.rsplit_once('-')).map(|(_, id)| id);
    let file = id.and_then(|id| locked(&house.workspace).files.get(id).cloned());
    match file.filter(|file| file.uploaded) {
        Some(file) => answer::with_type(StatusCode::OK, &file.mimetype, file.bytes.clone()),
        None => answer::text(StatusCode::NOT_FOUND, "no such file"),
    }
}

/// The media type that a name or the first bytes tell.
pub(crate) fn media_type(name: &str, bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => return "image/png",
        [0xff, 0xd8, 0xff, ..] => return "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => return "image/gif",
        [b'%', b'P', b'D', b'F', ..] => return "application/pdf",
        _ => {}
    }
    match name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("pdf") => "application/pdf",
        Some("txt" | "log" | "md") => "text/plain",
        Some("csv") => "text/csv",
        Some("mp4") => "video/mp4",
        Some("mp3") => "audio/mpeg",
        _ => "application/octet-stream",
    }
}
