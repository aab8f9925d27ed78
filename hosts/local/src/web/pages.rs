//! The pages: what `web/` built, embedded in the program (`build.rs`), with the headers that keep them safe and fast.
//!
//! A page is for anyone, since it holds nothing: what it shows comes from doors that ask who is there.
//! A file whose name has its hash (`/assets/…`) never changes and is kept for a year; the others are asked about
//! each time by their ETag. Which form is sent, Brotli, gzip or plain, follows `Accept-Encoding`.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

/// One file, with its compressed forms where they are smaller.
struct Page {
    path: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

const PAGES: &[Page] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Where each page is, and its file.
const NAMES: [(&str, &str); 2] = [("/", "/index.html"), ("/sandbox", "/sandbox.html")];

/// What a browser gets in place of a page; `{reason}` in it is replaced.
const TROUBLE: &str = "/trouble.html";

/// Everything comes from the hub itself: no inline script or style, no frame around it, no plug-in, no form that
/// leaves. Text becomes markup nowhere but in Svelte's own templates, which have a policy of that name.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
     media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types svelte-trusted-html switchboard-worker";

const MISSING: &str = "The pages are not in this program: it was built without web/dist. \
     To mend it: run `make build`, which needs Node.js 20.19 or later with npm.\n";

/// A year: as long as anybody keeps anything.
const FOREVER: &str = "public, max-age=31536000, immutable";

pub(super) fn routes() -> Router {
    let mut router = Router::new();
    for (name, file) in NAMES {
        // The pretend providers have their own `/sandbox`, which leads to `sandbox_page` for browsers.
        if name != "/sandbox" {
            router = router.route(name, get(move |request: Request| async move { answer(&request, file) }));
        }
    }
    let named = |page: &&Page| page.path != TROUBLE && NAMES.iter().all(|(_, file)| page.path != *file);
    for page in PAGES.iter().filter(named) {
        router =
            router.route(page.path, get(move |request: Request| async move { answer(&request, page.path) }));
    }
    router
}

/// The sandbox's page.
pub(crate) fn sandbox_page(request: &Request) -> Response {
    answer(request, "/sandbox.html")
}

/// Are the pages in this program?
pub(crate) fn are_built() -> bool {
    !PAGES.is_empty()
}

/// Why a browser does not get what it asked for, as a page for its reader.
pub(super) fn trouble_page(status: StatusCode, reason: &str) -> Response {
    let page = PAGES.iter().find(|page| page.path == TROUBLE);
    let Some(page) = page else { return (status, format!("{reason}\n")).into_response() };
    let escaped = reason.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let page = String::from_utf8_lossy(page.plain).replace("{reason}", &escaped);
    guarded((status, [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response())
}

fn answer(request: &Request, path: &str) -> Response {
    guarded(match PAGES.iter().find(|page| page.path == path) {
        Some(page) => send(page, request.method(), request.headers()),
        None => (StatusCode::SERVICE_UNAVAILABLE, MISSING).into_response(),
    })
}

/// With what keeps a page safe.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn send(page: &Page, method: &Method, headers: &HeaderMap) -> Response {
    let (body, encoding) = match (page.brotli, page.gzip) {
        (Some(brotli), _) if accepts(headers, "br") => (brotli, Some("br")),
        (_, Some(gzip)) if accepts(headers, "gzip") => (gzip, Some("gzip")),
        _ => (page.plain, None),
    };
    // Each form is a representation of its own.
    let tag =
        format!("\"{}{}\"", &hex::encode(Sha256::digest(page.plain))[..20], encoding.unwrap_or_default());
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|list| list.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    });
    let hashed = page.path.starts_with("/assets/");
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if method == Method::HEAD {
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        response
    } else {
        Body::from(Bytes::from_static(body)).into_response()
    };
    let answer = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.insert(header::ETAG, tag);
    }
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding, accept"));
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(switchboard_hosts::pages::content_type(page.path)),
    );
    let kept = if hashed { FOREVER } else { "no-cache" };
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    if let Some(encoding) = encoding {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// Whether an encoding is acceptable; `q=0` says that it is not.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|part| {
        let mut part = part.split(';').map(str::trim);
        let refused = |weight: &str| {
            weight
                .strip_prefix("q=")
                .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        };
        part.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding)) && !part.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    const FILE: Page =
        Page { path: "/assets/chat-1.js", plain: b"plain", brotli: Some(b"br"), gzip: Some(b"gz") };

    fn sent(page: &Page, headers: &[(&'static str, &str)]) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        send(page, &Method::GET, &map)
    }

    fn header_of<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[test]
    fn a_file_is_sent_in_the_smallest_form_that_the_browser_takes() {
        for (accepted, encoding) in [
            ("gzip, deflate, br", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("identity", ""),
            ("", ""),
        ] {
            let response = sent(&FILE, &[("accept-encoding", accepted)]);
            assert_eq!(header_of(&response, "content-encoding"), encoding, "{accepted}");
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again_and_a_hashed_file_is_not_even_asked_for() {
        let first = sent(&FILE, &[("accept-encoding", "br")]);
        assert_eq!(header_of(&first, "cache-control"), FOREVER);
        let tag = header_of(&first, "etag").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            let again = sent(&FILE, &[("accept-encoding", "br"), ("if-none-match", &known)]);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        }
        assert_eq!(sent(&FILE, &[("if-none-match", &tag)]).status(), StatusCode::OK, "another form");
        let page = Page { path: "/index.html", ..FILE };
        assert_eq!(header_of(&sent(&page, &[]), "cache-control"), "no-cache");
    }

    #[test]
    fn no_page_allows_inline_script_or_a_frame_around_it() {
        let request = Request::new(Body::empty());
        let response = answer(&request, "/no-such-page");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let policy = header_of(&response, "content-security-policy");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(header_of(&response, "x-content-type-options"), "nosniff");
    }

    #[test]
    fn a_reason_on_a_page_is_text() {
        let response = trouble_page(StatusCode::NOT_FOUND, "<img src=x> & more");
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let body = block_on(axum::body::to_bytes(response.into_body(), 1 << 20)).unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            !are_built() || (body.contains("&lt;img src=x&gt; &amp; more") && !body.contains("<img src=x>"))
        );
    }
}
