//! Files both ways: fetched from Slack with the bot's token, from its own hosts only; brought to Slack by its
//! three-step upload. <https://docs.slack.dev/messaging/working-with-files>

use bytes::Bytes;
use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_core::message::display_name;
use switchboard_core::{Attachment, Blob, BlobId, Failure, HttpError, MessageId, Ports};
use url::Url;

use super::Slack;
use super::deeds::{Done, Upload};
use super::said::SlackFile;
use super::web_api::{Trouble, Twice, WebApi};
use crate::file_type;

/// How often Slack may send us on to another of its hosts.
const MAX_REDIRECTS: usize = 3;

/// The files of a message, all at once: ten slow ones take the time of one. What is kept stays, so that the attempt
/// after one that failed asks only for what is missing.
///
/// # Errors
/// As [`fetch`], when one of them fails.
pub(super) async fn fetch_all(
    slack: &Slack,
    ports: &Ports<'_>,
    message: &MessageId,
    files: &[SlackFile],
) -> Result<Vec<Attachment>, Failure> {
    let fetched = join_all(files.iter().map(|file| fetch(slack, ports, message, file))).await;
    fetched.into_iter().collect()
}

/// The files of a message that was given up, as far as we have them; in the place of each other one a note.
pub(super) async fn gather(
    message: &MessageId,
    files: &[SlackFile],
    ports: &Ports<'_>,
) -> Result<Vec<Attachment>, Failure> {
    let mut attachments = Vec::with_capacity(files.len());
    for file in files {
        let id = blob_id(message, file);
        attachments.push(match ports.blobs.get(&id).await? {
            Some(blob) => kept(file, id, &blob),
            None => given_up(file),
        });
    }
    Ok(attachments)
}

fn blob_id(message: &MessageId, file: &SlackFile) -> BlobId {
    BlobId::from_cause(&["slack", message.as_str(), &file.id])
}

/// A file of a message in our keeping; where it cannot be had, its name and why not.
///
/// # Errors
/// [`Failure::Retry`] where a later attempt may fare better.
async fn fetch(
    slack: &Slack,
    ports: &Ports<'_>,
    message: &MessageId,
    file: &SlackFile,
) -> Result<Attachment, Failure> {
    let mut file = file.clone();
    if is_stub(&file) {
        let api = WebApi::new(slack, ports.http);
        match api.form::<FileAnswer>("files.info", &[("file", &file.id)], Twice::Harmless).await {
            Ok(answer) => file = answer.file,
            Err(trouble) if trouble.is_final() => return Ok(noted(&file, "Slack does not let us see it")),
            Err(trouble) => return Err(trouble.counted("files.info")),
        }
    }
    // An earlier attempt may have fetched it before another file or name failed.
    let id = blob_id(message, &file);
    if let Some(blob) = ports.blobs.get(&id).await? {
        return Ok(kept(&file, id, &blob));
    }
    let url = match address(slack, &file) {
        Ok(url) => url,
        Err(note) => return Ok(noted(&file, &note)),
    };
    let bytes = match download(slack, ports, url).await? {
        Ok(bytes) => bytes,
        Err(note) => return Ok(noted(&file, &note)),
    };
    let declared = file.mimetype.as_deref().unwrap_or_default();
    let as_declared = file.size.is_none_or(|size| size == bytes.len() as u64) && declared == "text/html";
    if file_type::is_html(&bytes) && !as_declared {
        return Ok(noted(&file, "Slack did not give it to us: the app may lack the scope files:read"));
    }
    let blob = Blob { content_type: file_type::content_type(&bytes, declared), bytes };
    ports.blobs.put(&id, &blob).await?;
    Ok(kept(&file, id, &blob))
}

fn kept(file: &SlackFile, id: BlobId, blob: &Blob) -> Attachment {
    Attachment {
        name: name(file),
        content_type: blob.content_type.clone(),
        size: blob.bytes.len() as u64,
        blob: Some(id),
        note: None,
    }
}

/// A file of which nothing is known but that it is there, and that it could not be had.
pub(super) fn given_up(file: &SlackFile) -> Attachment {
    noted(file, "could not be fetched from Slack")
}

#[derive(Deserialize)]
struct FileAnswer {
    file: SlackFile,
}

/// Does the event hold the id only, or the file before Slack had finished with it?
fn is_stub(file: &SlackFile) -> bool {
    let kept = !matches!(file.mode.as_deref(), Some("tombstone" | "hidden_by_limit" | "external"));
    kept && (file.file_access.as_deref() == Some("check_file_info") || file.url_private.is_none())
}

fn noted(file: &SlackFile, note: &str) -> Attachment {
    Attachment {
        name: name(file),
        content_type: file.mimetype.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
        size: file.size.unwrap_or_default(),
        blob: None,
        note: Some(note.to_owned()),
    }
}

/// A name that is no path.
fn name(file: &SlackFile) -> String {
    let given = file.name.as_deref().or(file.title.as_deref()).unwrap_or_default();
    display_name(given.rsplit(['/', '\\']).next().unwrap_or_default(), "file")
}

/// Where to fetch it from; or why it is not fetched, for the people in the room.
fn address(slack: &Slack, file: &SlackFile) -> Result<Url, String> {
    let most = slack.config.file_max_bytes as u64;
    match file.mode.as_deref() {
        Some("tombstone") => return Err("it was deleted".to_owned()),
        Some("hidden_by_limit") => return Err("Slack no longer shows it".to_owned()),
        _ => {}
    }
    let url = file.url_private_download.as_deref().or(file.url_private.as_deref()).unwrap_or_default();
    if file.is_external == Some(true) || file.mode.as_deref() == Some("external") {
        return Err(format!("it is kept elsewhere: {}", url.chars().take(500).collect::<String>()));
    }
    if file.size.is_some_and(|size| size > most) {
        return Err(format!("larger than {} MB", most / (1024 * 1024)));
    }
    let url = url.parse::<Url>().map_err(|_| "Slack has not finished with it".to_owned())?;
    if may_have_token(slack, &url) { Ok(url) } else { Err("it is not kept at Slack".to_owned()) }
}

/// Is this a host that may see the bot's token? Plain HTTP is for the host of `SLACK_API_BASE` only.
fn may_have_token(slack: &Slack, url: &Url) -> bool {
    let place =
        |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    if place(url) == place(&slack.api_base) {
        return true;
    }
    let plain = url.scheme() == "https" && url.username().is_empty();
    plain && slack.file_hosts.iter().any(|pattern| pattern.matches(url))
}

async fn download(slack: &Slack, ports: &Ports<'_>, url: Url) -> Result<Result<Bytes, String>, Failure> {
    let token = slack.bot_token.as_ref().ok_or_else(|| Failure::retry("SLACK_BOT_TOKEN is not set"))?;
    let most = slack.config.file_max_bytes;
    let too_large = || format!("larger than {} MB", most / (1024 * 1024));
    let mut url = url;
    for _ in 0..=MAX_REDIRECTS {
        let request = http::Request::get(url.as_str())
            .header("authorization", format!("Bearer {}", token.expose()))
            .body(Bytes::new())
            .map_err(|error| Failure::bug(format!("a file's address: {error}")))?;
        let answer = match ports.http.send(request).await {
            Ok(answer) => answer,
            Err(HttpError::TooLarge(_)) => return Ok(Err(too_large())),
            Err(error) => return Err(Failure::retry(format!("a file of Slack's: {error}"))),
        };
        let status = answer.status();
        if status.is_redirection() {
            let next = answer.headers().get("location").and_then(|to| url.join(to.to_str().ok()?).ok());
            match next.filter(|next| may_have_token(slack, next)) {
                Some(next) => url = next,
                None => return Ok(Err("Slack sent us elsewhere for it".to_owned())),
            }
            continue;
        }
        return match status.as_u16() {
            200 if answer.body().len() > most => Ok(Err(too_large())),
            200 => Ok(Ok(answer.into_body())),
            429 | 500.. => Err(Failure::retry(format!("a file of Slack's: answered {}", status.as_u16()))),
            status => Ok(Err(format!("Slack answered {status}"))),
        };
    }
    Ok(Err("Slack sent us round in a circle".to_owned()))
}

#[derive(Deserialize)]
struct UploadUrl {
    upload_url: String,
    file_id: String,
}

/// Brings files into a thread. Until the last step nobody sees anything, so whatever fails before it may simply
/// be done again.
pub(super) async fn upload(slack: &Slack, upload: &Upload, ports: &Ports<'_>) -> Result<Done, Failure> {
    let api = WebApi::new(slack, ports.http);
    let mut brought = Vec::new();
    for file in &upload.files {
        let Some(id) = &file.blob else { continue };
        // Forgotten meanwhile, or empty, which Slack does not take: nothing to show.
        let Some(blob) = ports.blobs.get(id).await?.filter(|blob| !blob.bytes.is_empty()) else { continue };
        let length = blob.bytes.len().to_string();
        let fields = [("filename", file.name.as_str()), ("length", length.as_str())];
        let method = "files.getUploadURLExternal";
        let answer: Result<UploadUrl, Trouble> = api.form(method, &fields, Twice::Harmless).await;
        let place = answer.map_err(|trouble| trouble.failure(method))?;
        send(slack, ports, &place.upload_url, blob).await?;
        brought.push((place.file_id, file.name.as_str()));
    }
    let files: Vec<String> = brought.iter().map(|(id, _)| id.clone()).collect();
    if files.is_empty() {
        return Ok(Done::Uploaded { files });
    }
    let listed: Vec<Value> = brought.iter().map(|(id, title)| json!({ "id": id, "title": title })).collect();
    let listed = Value::from(listed).to_string();
    let fields =
        [("files", listed.as_str()), ("channel_id", &upload.channel), ("thread_ts", upload.thread.as_str())];
    let method = "files.completeUploadExternal";
    let answer: Result<Value, Trouble> = api.form(method, &fields, Twice::Seen).await;
    answer.map_err(|trouble| trouble.failure(method))?;
    Ok(Done::Uploaded { files })
}

async fn send(slack: &Slack, ports: &Ports<'_>, url: &str, blob: Blob) -> Result<(), Failure> {
    let url = url.parse::<Url>().ok().filter(|url| may_have_token(slack, url));
    let url = url.ok_or_else(|| {
        Failure::refuse(502, "Slack names a place for an upload that is not in [slack] file_hosts")
    })?;
    let request = http::Request::post(url.as_str())
        .header("content-type", "application/octet-stream")
        .body(blob.bytes)
        .map_err(|error| Failure::bug(format!("an upload's address: {error}")))?;
    let answer =
        ports.http.send(request).await.map_err(|error| Failure::retry(format!("an upload: {error}")))?;
    match answer.status().as_u16() {
        200..300 => Ok(()),
        status => Err(Failure::retry(format!("an upload: Slack answered {status}"))),
    }
}

/// Takes files away; what is gone already is well.
pub(super) async fn delete(api: &WebApi<'_>, files: &[String]) -> Result<(), Failure> {
    for file in files {
        match api.form::<Value>("files.delete", &[("file", file)], Twice::Harmless).await {
            Err(trouble) if !trouble.is(&["file_not_found", "file_deleted"]) => {
                return Err(trouble.failure("files.delete"));
            }
            _ => {}
        }
    }
    Ok(())
}
