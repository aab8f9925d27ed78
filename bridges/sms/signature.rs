//! `X-Twilio-Signature`: base64 of an HMAC-SHA-1 over the public URL and the form's parameters.
//!
//! - A form: after the URL every parameter, key and value, sorted by key; of a repeated key each different
//!   value once, sorted.
//! - GET: the URL alone, which holds the parameters.
//! - JSON: the URL alone, which holds the body's SHA-256 as `bodySHA256`.
//!
//! Twilio is inconsistent about the port, so the URL is tried without one and with the default one, and some
//! of its back ends sign an escaped form of the query (`'` as `%27`), so that is tried too. The URL is the one
//! that is configured: forwarded headers are never believed.
//! <https://www.twilio.com/docs/usage/security#validating-requests>

use base64::Engine;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use switchboard_core::Secret;
use url::Url;

pub(super) const HEADER: &str = "x-twilio-signature";

/// Is this request signed with one of the tokens? `public_base` is what stands before its path outside.
pub(super) fn verify(tokens: &[Secret], public_base: &str, request: &http::Request<Bytes>) -> bool {
    let mut headers = request.headers().get_all(HEADER).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return false };
    let Ok(signature) = base64::engine::general_purpose::STANDARD.decode(header.as_bytes()) else {
        return false;
    };
    let mut parameters = String::new();
    if request.method() == http::Method::POST {
        if is_json(request) {
            if !body_hash_matches(request) {
                return false;
            }
        } else {
            parameters = sorted_parameters(request.body());
        }
    }
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let candidates = candidates(public_base, path);
    tokens.iter().any(|token| {
        candidates.iter().any(|url| {
            let mut mac = Hmac::<Sha1>::new_from_slice(token.expose().as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(url.as_bytes());
            mac.update(parameters.as_bytes());
            mac.verify_slice(&signature).is_ok()
        })
    })
}

/// Whether the body is JSON, by its declared type.
pub(super) fn is_json(request: &http::Request<Bytes>) -> bool {
    let declared = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn body_hash_matches(request: &http::Request<Bytes>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let mut hashes = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "bodySHA256");
    let (Some((_, hash)), None) = (hashes.next(), hashes.next()) else { return false };
    let Ok(hash) = hex::decode(hash.as_bytes()) else { return false };
    Sha256::digest(request.body()).as_slice().ct_eq(&hash).into()
}

/// Keys and values as they are signed.
fn sorted_parameters(body: &[u8]) -> String {
    let mut pairs: Vec<_> = form_urlencoded::parse(body).collect();
    pairs.sort();
    pairs.dedup();
    let mut text = String::with_capacity(body.len());
    for (key, value) in &pairs {
        text.push_str(key);
        text.push_str(value);
    }
    text
}

/// The URLs that may have been signed.
fn candidates(public_base: &str, path_and_query: &str) -> Vec<String> {
    let mut urls = with_and_without_port(public_base, path_and_query);
    let Some((path, query)) = path_and_query.split_once('?') else { return urls };
    let escaped = escaped_query(public_base, path_and_query);
    for other in [escaped, legacy_query(query)].into_iter().flatten() {
        if other != query {
            urls.extend(with_and_without_port(public_base, &format!("{path}?{other}")));
        }
    }
    urls
}

fn with_and_without_port(public_base: &str, rest: &str) -> Vec<String> {
    let Some((scheme, after)) = public_base.split_once("://") else {
        return vec![format!("{public_base}{rest}")];
    };
    let (authority, base_path) = after.find('/').map_or((after, ""), |slash| after.split_at(slash));
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    // A colon begins a port only after the bracket that closes an IPv6 address.
    let bracket = authority[host_start..].rfind(']').map_or(host_start, |at| host_start + at);
    let port_start = authority[bracket..].find(':').map(|at| bracket + at);
    let without = &authority[..port_start.unwrap_or(authority.len())];
    let with = match (port_start, scheme) {
        (Some(_), _) => authority.to_owned(),
        (None, "https") => format!("{authority}:443"),
        (None, _) => format!("{authority}:80"),
    };
    vec![format!("{scheme}://{without}{base_path}{rest}"), format!("{scheme}://{with}{base_path}{rest}")]
}

/// The query as a URL parser escapes it.
fn escaped_query(public_base: &str, path_and_query: &str) -> Option<String> {
    Url::parse(&format!("{public_base}{path_and_query}")).ok()?.query().map(str::to_owned)
}

/// The query parsed and written again: keys in the order of their first value, spaces as `%20`, and
/// `!'()*-._~` left alone.
fn legacy_query(query: &str) -> Option<String> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let mut text = String::with_capacity(query.len() + 16);
    for (index, (key, _)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == key) {
            continue;
        }
        for (_, value) in pairs.iter().filter(|(other, _)| other == key) {
            if !text.is_empty() {
                text.push('&');
            }
            escape(key, &mut text);
            text.push('=');
            escape(value, &mut text);
        }
    }
    Some(text)
}

fn escape(part: &str, into: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"!'()*-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push_str(&hex::encode_upper([byte]));
        }
    }
}
