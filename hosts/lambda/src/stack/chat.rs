//! The chat as a browser finds it, for `doctor`: its pages, its session, its socket, each behind the one address.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_SECURITY_POLICY, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use serde_json::Value;
use switchboard_core::Http;

use super::doctor::Finding;
use crate::Clients;

/// What is asked for, and what a healthy chat answers.
const PARTS: [(&str, &str); 3] = [("pages", "/"), ("session", "/api/session"), ("socket", "/api/socket")];

/// Asks for each part at the chat's address.
pub(super) async fn examine(clients: &Clients, address: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (part, path) in PARTS {
        let wrong = match request(part, &format!("{address}{path}")) {
            Err(_) => Some("it is no address — to mend it: deploy with another PagesAddress".to_owned()),
            Ok(request) => match clients.http.send(request).await {
                Ok(answer) => wrong(part, &answer),
                Err(error) => Some(format!("{error} — to mend it: {}", mend(part))),
            },
        };
        findings.push(Finding { about: format!("the chat's {part} at {address}{path}"), wrong });
    }
    findings
}

fn request(part: &str, address: &str) -> http::Result<http::Request<Bytes>> {
    let request = http::Request::get(address);
    let request = match part {
        // The opening of RFC 6455, with the example's key, and without a ticket.
        "socket" => request
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        _ => request,
    };
    request.body(Bytes::new())
}

/// What is wrong with an answer, with the mend.
fn wrong(part: &str, answer: &http::Response<Bytes>) -> Option<String> {
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = answer.status().as_u16();
    let what = match part {
        "pages" if status != 200 => format!("it is answered {status} and not 200"),
        "pages" if !header(CONTENT_SECURITY_POLICY).contains("default-src 'none'") => {
            "it comes without the pages' policy".to_owned()
        }
        "session" if status != 200 => format!("it is answered {status} and not 200"),
        "session" => {
            let said: Option<BTreeMap<String, Value>> = serde_json::from_slice(answer.body()).ok();
            let known = said.is_some_and(|said| said.contains_key("person") && said.contains_key("limits"));
            (!known).then(|| "what it answers is no session".to_owned())?
        }
        // Without a ticket the chat's function says 401; a way that leads elsewhere says 403 or 404.
        "socket" if status != 401 => format!("without a ticket it is answered {status} and not 401"),
        _ => return None,
    };
    Some(format!("{what} — to mend it: {}", mend(part)))
}

fn mend(part: &str) -> &'static str {
    match part {
        "pages" => "switchboard-aws pages; with PagesAddress, see that its name leads to the distribution",
        _ => "make deploy; with PagesAddress, see that its name leads to the distribution and not to an API",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, policy: bool, body: &str) -> http::Response<Bytes> {
        let answer = http::Response::builder().status(status);
        let answer =
            if policy { answer.header(CONTENT_SECURITY_POLICY, "default-src 'none'; x") } else { answer };
        answer.body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn each_part_of_the_chat_that_is_not_there_is_told_with_its_mend() {
        let session = r#"{"person":null,"limits":{},"version":1}"#;
        for (part, answered, expected) in [
            ("pages", answer(200, true, "<!doctype html>"), None),
            (
                "pages",
                answer(403, true, ""),
                Some("answered 403 and not 200 — to mend it: switchboard-aws pages"),
            ),
            ("pages", answer(200, false, ""), Some("without the pages' policy")),
            ("session", answer(200, false, session), None),
            ("session", answer(200, false, "<!doctype html>"), Some("no session — to mend it: make deploy")),
            ("session", answer(502, false, session), Some("answered 502")),
            ("socket", answer(401, false, ""), None),
            ("socket", answer(403, false, ""), Some("answered 403 and not 401 — to mend it: make deploy")),
            ("socket", answer(200, true, "<!doctype html>"), Some("answered 200")),
        ] {
            let found = wrong(part, &answered);
            match expected {
                None => assert_eq!(found, None, "{part}"),
                Some(words) => {
                    assert!(found.as_deref().unwrap_or_default().contains(words), "{part}: {found:?}")
                }
            }
        }
        let asked = request("socket", "https://chat.example/api/socket").unwrap();
        assert_eq!(asked.headers()[UPGRADE], "websocket");
    }
}
