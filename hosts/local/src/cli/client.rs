//! Talking to a running hub.

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder, Response};

use super::Reach;

/// The address of a hub, as it is given: `http://127.0.0.1:8080`.
///
/// # Errors
/// When it is not one.
pub(super) fn address(text: &str) -> Result<String, &'static str> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("not the address of a hub: write http://HOST:PORT"),
    }
}

/// A request to the hub.
///
/// # Errors
/// When no connection can be made at all.
pub(super) fn request(reach: &Reach, method: Method, path: &str) -> Result<RequestBuilder> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client.request(method, format!("{}{path}", reach.hub));
    // As for `run`, a variable that is set to nothing is no token.
    Ok(match reach.token.as_deref().map(str::trim).filter(|token| !token.is_empty()) {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
}

/// Sends it; an answer other than 2xx is an error with the hub's reason.
///
/// # Errors
/// When the hub cannot be reached or refuses.
pub(super) async fn send(reach: &Reach, request: RequestBuilder) -> Result<Response> {
    let response =
        request.send().await.with_context(|| format!("no hub answers at {}; is it running?", reach.hub))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    let reason = serde_json::from_str::<serde_json::Value>(&body)
        .ok()
        .and_then(|value| value["error"].as_str().map(str::to_owned))
        .unwrap_or(body);
    bail!("the hub says {}: {reason}", status.as_u16())
}

/// A part of a path, with what has a meaning in paths written as `%..`.
pub(super) fn segment(text: &str) -> String {
    let mut url = url::Url::parse("http://hub").unwrap_or_else(|_| unreachable!("it is a URL"));
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push(text);
    }
    url.path().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_empty_is_none() {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (token, sent) in [(None, None), (Some(" "), None), (Some("secret"), Some("Bearer secret"))] {
            let reach = Reach { hub: "http://127.0.0.1:1".into(), token: token.map(str::to_owned) };
            let request = request(&reach, Method::GET, "/").unwrap().build().unwrap();
            let header = request.headers().get("authorization").map(|value| value.to_str().unwrap());
            assert_eq!(header, sent, "{token:?}");
        }
    }
}
