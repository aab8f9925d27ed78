//! Media both ways: the hub fetches what a phone sent, Twilio fetches what the hub sends.
//!
//! A phone's media needs the account's credentials, and the answer leads elsewhere (307), to a link that is
//! signed, expires soon, and must be asked for without credentials, as the real storage wants it:
//! <https://www.twilio.com/docs/messaging/api/media-resource>. The hub's MediaUrl is asked for with HEAD and
//! then GET, and only on this machine.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use subtle::ConstantTimeEq;

use super::front::{Answer, ApiCall};
use super::texts::{FetchedMedia, InboundMedia};
use super::wire::{ApiError, rfc2822};
use crate::answer;
use crate::body::Params;
use crate::house::{House, locked};
use crate::ids::now_ms;
use crate::signing;
use crate::store::Entry;

/// How long a link to the storage holds.
const LINK_HOLDS_MS: u64 = 60_000;
/// The largest media of one message: <https://www.twilio.com/docs/api/errors/11751>
const LARGEST_MEDIA: usize = 5 * 1024 * 1024;

fn find(house: &House, call: &ApiCall<'_>, message: &str, sid: &str) -> Result<Arc<InboundMedia>, ApiError> {
    let media = locked(&house.texts).media(sid.trim_end_matches(".json"));
    media.filter(|media| media.message_sid == message).ok_or_else(|| ApiError::not_found(call.path))
}

fn wire(house: &House, media: &InboundMedia) -> serde_json::Value {
    let account = &house.settings.twilio.account_sid;
    json!({
        "sid": media.sid,
        "account_sid": account,
        "parent_sid": media.message_sid,
        "content_type": media.content_type,
        "date_created": rfc2822(media.created_ms),
        "date_updated": rfc2822(media.created_ms),
        "uri": format!("/2010-04-01/Accounts/{account}/Messages/{}/Media/{}.json", media.message_sid, media.sid),
    })
}

pub(crate) fn list(house: &House, call: &ApiCall<'_>, message: &str) -> Result<Answer, ApiError> {
    let texts = locked(&house.texts);
    let text = texts.get(message).ok_or_else(|| ApiError::not_found(call.path))?;
    let found: Vec<_> = text.media_sids.iter().filter_map(|sid| texts.media(sid)).collect();
    let media_list: Vec<_> = found.iter().map(|media| wire(house, media)).collect();
    let uri = format!("/2010-04-01/{}", call.path);
    let body = json!({
        "media_list": media_list, "page": 0, "page_size": 50, "start": 0,
        "end": media_list.len().saturating_sub(1), "uri": uri,
        "first_page_uri": format!("{uri}?PageSize=50&Page=0"), "next_page_uri": null, "previous_page_uri": null,
    });
    Ok(Answer::json(StatusCode::OK, &body))
}

/// The description for `….json`, else the way to the bytes.
pub(crate) fn fetch(house: &House, call: &ApiCall<'_>, message: &str, sid: &str) -> Result<Answer, ApiError> {
    let media = find(house, call, message, sid)?;
    if sid.ends_with(".json") {
        return Ok(Answer::json(StatusCode::OK, &wire(house, &media)));
    }
    let expires = now_ms() + LINK_HOLDS_MS;
    let signature = link_signature(house, &media.sid, expires);
    let target = format!(
        "{}/twilio/media/{}?expires={expires}&signature={signature}",
        house.settings.own_base, media.sid
    );
    let mut response = answer::text(StatusCode::TEMPORARY_REDIRECT, "");
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(LOCATION, target);
    }
    Ok(Answer { response, id: None })
}

pub(crate) fn delete(
    house: &House,
    call: &ApiCall<'_>,
    message: &str,
    sid: &str,
) -> Result<Answer, ApiError> {
    let media = find(house, call, message, sid)?;
    let mut texts = locked(&house.texts);
    texts.remove_media(&media.sid);
    house.keep(&Entry::MediaGone((&media.sid).into()));
    if let Some(text) = texts.get_mut(message) {
        text.media_sids.retain(|known| *known != media.sid);
    }
    Ok(Answer { response: answer::text(StatusCode::NO_CONTENT, ""), id: None })
}

fn link_signature(house: &House, sid: &str, expires: u64) -> String {
    signing::link(&house.settings.twilio.auth_token, &format!("{sid} {expires}"))
}

/// The storage behind the redirect.
pub(crate) async fn download(
    State(house): State<Arc<House>>,
    Path(sid): Path<String>,
    request: Request,
) -> Response {
    const XML: &str = "application/xml";
    let refuse = |status, code: &str| {
        answer::with_type(status, XML, Bytes::from(format!("<Error><Code>{code}</Code></Error>")))
    };
    if request.headers().contains_key(AUTHORIZATION) {
        // Storage that is given two ways to authenticate takes neither.
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument");
    }
    let params = Params::read(request.headers(), request.uri().query(), b"").unwrap_or_default();
    let expires = params.text("expires").and_then(|text| text.parse().ok()).unwrap_or(0);
    let expected = link_signature(&house, &sid, expires);
    let given = params.text("signature").unwrap_or_default().into_owned();
    if expires < now_ms() || !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
        return refuse(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let media = locked(&house.texts).media(&sid);
    match media {
        Some(media) => answer::with_type(StatusCode::OK, &media.content_type, media.bytes.clone()),
        None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

/// Fetches the hub's media as Twilio does; the code is that of the first failure.
pub(crate) async fn fetch_all(house: &House, urls: &[String]) -> (Vec<FetchedMedia>, Option<u32>) {
    let (mut fetched, mut failure, mut total) = (Vec::new(), None, 0);
    for url in urls {
        let mut media = FetchedMedia { url: url.clone(), content_type: None, bytes: 0, failure: None };
        match fetch_one(house, url, &mut media, LARGEST_MEDIA - total).await {
            Ok(()) => total += media.bytes,
            Err((code, sentence)) => {
                media.failure = Some(sentence);
                failure.get_or_insert(code);
            }
        }
        fetched.push(media);
    }
    (fetched, failure)
}

async fn fetch_one(
    house: &House,
    url: &str,
    media: &mut FetchedMedia,
    room: usize,
) -> Result<(), (u32, String)> {
    let unreachable =
        |error: reqwest::Error| (11200, format!("could not be fetched: {}", error.without_url()));
    let mut at = house.reachable(url);
    if !is_here(house, &at) {
        return Err((11200, "not fetched: the sandbox does not leave this machine".into()));
    }
    let within = Duration::from_secs(15);
    let head = house.http.head(&at).timeout(within).send().await.map_err(unreachable)?;
    if head.status().is_client_error() || head.status().is_server_error() {
        return Err((11200, format!("HEAD was answered with {}", head.status().as_u16())));
    }
    let mut hops = 0;
    let mut response = loop {
        let response = house.http.get(&at).timeout(within).send().await.map_err(unreachable)?;
        let next = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        match next.and_then(|to| url::Url::parse(&at).ok()?.join(to).ok()) {
            Some(next) if response.status().is_redirection() && hops < 5 => {
                at = house.reachable(next.as_str());
                if !is_here(house, &at) {
                    return Err((11200, "not fetched: it leads away from this machine".into()));
                }
                hops += 1;
            }
            _ => break response,
        }
    };
    if !response.status().is_success() {
        return Err((11200, format!("GET was answered with {}", response.status().as_u16())));
    }
    let media_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    media.content_type = media_type.map(str::to_owned);
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        media.bytes += chunk.len();
        if media.bytes > room {
            return Err((11751, "the message's media are larger than 5 MB".into()));
        }
    }
    match media.content_type.as_deref().map(|full| full.split('/').next().unwrap_or_default()) {
        Some("image" | "video" | "audio" | "text" | "application") => Ok(()),
        _ => Err((12300, "it has no media type that Twilio takes".into())),
    }
}

/// Whether an address is the hub's or this machine's.
fn is_here(house: &House, url: &str) -> bool {
    let Ok(parsed) = url::Url::parse(url) else { return false };
    let loopback = match parsed.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let hub = url::Url::parse(&house.settings.hub_base).ok();
    loopback || hub.is_some_and(|hub| hub.origin() == parsed.origin())
}
