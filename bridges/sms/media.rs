//! Files: fetched from Twilio when they come in, and which of them a phone takes when they go out.
//!
//! A file's URL asks for our credentials and redirects to storage that must not see them. So redirects are
//! followed by hand: each URL must be https on a host of the list, and the credentials go to the API
//! only. What arrives must be of a kind that is allowed, by its own first bytes: a page that asks to log in is
//! no picture. A file that cannot be had becomes a note, so that the message still arrives.

use bytes::Bytes;
use futures::future::join_all;
use http::header::{AUTHORIZATION, LOCATION};
use switchboard_core::{Attachment, Blob, BlobId, Failure, HttpError, Ports};
use url::Url;

use super::act::{self, Done, Draft};
use super::config::Config;
use super::wire::RemoteFile;
use crate::provider;

/// Twilio redirects once or twice.
const MAX_REDIRECTS: usize = 4;
/// Most bytes of all files of one outgoing text: <https://www.twilio.com/docs/messaging/guides/accepted-mime-types>.
pub(super) const MAX_SENT_BYTES: u64 = 5_000_000;

/// Why a file is not there.
enum Missing {
    /// It will never be; in words for the room.
    Note(&'static str),
    /// Try again.
    Later(Failure),
}

/// Fetches and stores all files of a message (at most ten), all at once: ten slow ones take the time of one. What is
/// stored stays stored, so that the attempt after one that failed asks only for what is missing.
pub(super) async fn fetch_all(config: &Config, draft: &Draft, ports: &Ports<'_>) -> Result<Done, Failure> {
    let files = draft.files.iter().enumerate();
    let ended = join_all(files.map(|(index, file)| fetch_one(config, draft, index, file, ports))).await;
    let attachments = ended.into_iter().collect::<Result<_, _>>()?;
    Ok(Done::Fetched { attachments })
}

/// The files of a message that was given up, as far as they are stored; in the place of each other one a note.
pub(super) async fn gather(draft: &Draft, ports: &Ports<'_>) -> Result<Done, Failure> {
    let mut attachments = notes(draft);
    for (index, place) in attachments.iter_mut().enumerate() {
        let id = blob_id(draft, index);
        if let Some(blob) = ports.blobs.get(&id).await? {
            *place = kept(index, id, blob);
        }
    }
    Ok(Done::Fetched { attachments })
}

/// A note in the place of each file.
pub(super) fn notes(draft: &Draft) -> Vec<Attachment> {
    let files = draft.files.iter().enumerate();
    files.map(|(index, file)| missing(file, index, "it could not be fetched from Twilio")).collect()
}

fn missing(file: &RemoteFile, index: usize, note: &str) -> Attachment {
    Attachment {
        name: format!("file-{}", index + 1),
        content_type: file.content_type.clone(),
        size: 0,
        blob: None,
        note: Some(note.to_owned()),
    }
}

/// Where a file is kept: known before it is there, so that whoever comes later finds it. What Twilio keeps under one
/// link never changes.
fn blob_id(draft: &Draft, index: usize) -> BlobId {
    BlobId::from_cause(&["twilio", draft.message.id.as_str(), &index.to_string()])
}

fn kept(index: usize, id: BlobId, blob: Blob) -> Attachment {
    let family = blob.content_type.split('/').next().unwrap_or_default();
    let family = if matches!(family, "image" | "audio" | "video") { family } else { "file" };
    Attachment {
        name: format!("{family}-{}.{}", index + 1, ending(&blob.content_type)),
        content_type: blob.content_type,
        size: blob.bytes.len() as u64,
        blob: Some(id),
        note: None,
    }
}

/// One file, or the note in its place.
async fn fetch_one(
    config: &Config,
    draft: &Draft,
    index: usize,
    file: &RemoteFile,
    ports: &Ports<'_>,
) -> Result<Attachment, Failure> {
    let id = blob_id(draft, index);
    if let Some(blob) = ports.blobs.get(&id).await? {
        return Ok(kept(index, id, blob));
    }
    match fetch(config, file, ports).await {
        Ok(blob) => {
            ports.blobs.put(&id, &blob).await?;
            Ok(kept(index, id, blob))
        }
        Err(Missing::Note(note)) => Ok(missing(file, index, note)),
        Err(Missing::Later(failure)) => Err(failure),
    }
}

async fn fetch(config: &Config, file: &RemoteFile, ports: &Ports<'_>) -> Result<Blob, Missing> {
    let text = file.url.as_deref().ok_or(Missing::Note("Twilio gave no link to it"))?;
    let mut url = Url::parse(text).map_err(|_| Missing::Note("Twilio gave no link to it"))?;
    for _ in 0..=MAX_REDIRECTS {
        if !allowed(config, &url) {
            return Err(Missing::Note("it is kept on a host that is not allowed"));
        }
        let mut request = http::Request::get(url.as_str());
        let credentials = takes_credentials(config, &url);
        if credentials {
            request = request.header(AUTHORIZATION, config.authorization().map_err(Missing::Later)?);
        }
        let request = request.body(Bytes::new()).map_err(|_| Missing::Note("Twilio gave no link to it"))?;
        let response = match ports.http.send(request).await {
            Ok(response) => response,
            Err(HttpError::TooLarge(_)) => return Err(Missing::Note("it is too large")),
            // To ask for a file twice does no harm, so an unknown end is a failed one.
            Err(error) => return Err(Missing::Later(Failure::retry(act::no_answer(&error)))),
        };
        match response.status().as_u16() {
            200 => return check(config, file, response.into_body()),
            301 | 302 | 303 | 307 | 308 => {
                let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                let location = location.ok_or(Missing::Note("Twilio's storage sent us nowhere"))?;
                url = url.join(location).map_err(|_| Missing::Note("Twilio's storage sent us nowhere"))?;
            }
            401 if credentials => {
                let reason = "Twilio refuses the credentials for a file".to_owned();
                return Err(Missing::Later(Failure::Retry { reason, after: None, credentials }));
            }
            status @ (401 | 408 | 425 | 429 | 500..) => {
                return Err(Missing::Later(Failure::retry(format!("a file's host answered {status}"))));
            }
            404 | 410 => return Err(Missing::Note("Twilio does not have it any more")),
            _ => return Err(Missing::Note("Twilio's storage refused it")),
        }
    }
    Err(Missing::Note("Twilio's storage sent us in a circle"))
}

/// May we ask this URL for a file? https on a host of the list; the API's own origin; and while the API is a
/// pretend one on this machine, other ports of this machine that are on the list.
fn allowed(config: &Config, url: &Url) -> bool {
    if !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    let listed = config.media_hosts.iter().any(|pattern| pattern.matches(url));
    match url.scheme() {
        "https" => listed || same_origin(url, &config.api_url),
        "http" => {
            let pretend = config.api_url.scheme() == "http" && provider::is_loopback(url);
            same_origin(url, &config.api_url) || pretend && listed
        }
        _ => false,
    }
}

/// The API itself only: its origin and its path, since storage that is sent credentials besides its signed link
/// refuses both. A regional API's files are at Twilio's main one.
fn takes_credentials(config: &Config, url: &Url) -> bool {
    let base = config.api_url.path().trim_end_matches('/');
    if !url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with("/2010-04-01/")) {
        return false;
    }
    let regional = config.api_url.host_str().is_some_and(|host| host.ends_with(".twilio.com"));
    let main = url.scheme() == "https" && url.host_str() == Some("api.twilio.com") && url.port().is_none();
    same_origin(url, &config.api_url) || regional && main
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

fn check(config: &Config, file: &RemoteFile, bytes: Bytes) -> Result<Blob, Missing> {
    if bytes.is_empty() {
        return Err(Missing::Note("it is empty"));
    }
    if bytes.len() as u64 > u64::from(config.section.media_max_bytes) {
        return Err(Missing::Note("it is too large"));
    }
    match sniff(&bytes, &essence(&file.content_type)) {
        Some(content_type) => Ok(Blob { content_type: content_type.to_owned(), bytes }),
        None => Err(Missing::Note("it is not a kind of file that is taken")),
    }
}

/// A media type without its parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The media type that the content shows, if it is one that we take. The declared one only chooses between
/// those that look alike.
fn sniff(bytes: &[u8], declared: &str) -> Option<&'static str> {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"#!AMR", "audio/amr"),
        (b"OggS", "audio/ogg"),
        (b"ID3", "audio/mpeg"),
        (b"\x0b\x77", "audio/ac3"),
        (b"\0\0\x01\xba", "video/mpeg"),
        (b"\0\0\x01\xb3", "video/mpeg"),
        (b"%PDF-", "application/pdf"),
    ];
    let audio = declared.starts_with("audio/");
    if bytes.len() >= 12 {
        match (&bytes[..4], &bytes[4..8], &bytes[8..12]) {
            (b"RIFF", _, b"WEBP") => return Some("image/webp"),
            (b"RIFF", _, b"WAVE") => return Some("audio/wav"),
            (_, b"ftyp", brand) => {
                return Some(match (brand, audio) {
                    (b"heic" | b"heix", _) => "image/heic",
                    (b"mif1" | b"msf1" | b"heif", _) => "image/heif",
                    (b"qt  ", _) => "video/quicktime",
                    (b"M4A ", _) => "audio/mp4",
                    ([b'3', b'g', ..], true) => "audio/3gpp",
                    ([b'3', b'g', ..], false) => "video/3gpp",
                    (_, true) => "audio/mp4",
                    (_, false) => "video/mp4",
                });
            }
            (b"\x1a\x45\xdf\xa3", ..) => return Some(if audio { "audio/webm" } else { "video/webm" }),
            _ => {}
        }
    }
    if let Some((_, found)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(found);
    }
    // MPEG audio without a tag: eleven bits of sync, and a layer.
    if audio && bytes.len() > 2 && bytes[0] == 0xff && bytes[1] & 0xe0 == 0xe0 && bytes[1] & 0x06 != 0 {
        return Some("audio/mpeg");
    }
    if bytes.starts_with(b"PK\x03\x04") && declared == "application/vnd.apple.pkpass" {
        return Some("application/vnd.apple.pkpass");
    }
    sniff_text(bytes, declared)
}

/// Text of a declared kind: it has to begin as its kind does, and never as a page.
fn sniff_text(bytes: &[u8], declared: &str) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |word: &str| start.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    match declared {
        "text/vcard" | "text/x-vcard" | "application/vcard" | "text/directory" if begins("BEGIN:VCARD") => {
            Some("text/vcard")
        }
        "text/calendar" if begins("BEGIN:VCALENDAR") => Some("text/calendar"),
        "text/rtf" | "application/rtf" if begins("{\\rtf") => Some("text/rtf"),
        "text/csv" if !begins("<") && !text.contains('\0') => Some("text/csv"),
        "text/plain" if !begins("<") && !text.contains('\0') => Some("text/plain"),
        _ => None,
    }
}

/// The ending of a file's name.
fn ending(content_type: &str) -> &str {
    match content_type {
        "image/jpeg" => "jpg",
        "image/tiff" => "tif",
        "audio/mpeg" => "mp3",
        "audio/mp4" => "m4a",
        "audio/3gpp" | "video/3gpp" => "3gp",
        "video/mpeg" => "mpg",
        "video/quicktime" => "mov",
        "text/vcard" => "vcf",
        "text/calendar" => "ics",
        "text/plain" => "txt",
        "application/vnd.apple.pkpass" => "pkpass",
        other => other.split('/').nth(1).unwrap_or("bin"),
    }
}

/// Does Twilio pass this kind of file on to phones?
pub(super) fn can_be_sent(content_type: &str) -> bool {
    let essence = essence(content_type);
    matches!(
        essence.as_str(),
        "image/jpeg"
            | "image/jpg"
            | "image/png"
            | "image/gif"
            | "image/bmp"
            | "image/tiff"
            | "image/heic"
            | "image/heif"
            | "audio/basic"
            | "audio/l24"
            | "audio/mp4"
            | "audio/mpeg"
            | "audio/ogg"
            | "audio/3gpp"
            | "audio/ac3"
            | "audio/webm"
            | "audio/amr"
            | "video/mpeg"
            | "video/mp4"
            | "video/quicktime"
            | "video/webm"
            | "video/3gpp"
            | "text/vcard"
            | "text/x-vcard"
            | "text/csv"
            | "text/rtf"
            | "text/calendar"
            | "text/directory"
            | "application/pdf"
            | "application/vcard"
            | "application/vnd.apple.pkpass"
    )
}
