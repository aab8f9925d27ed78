//! Requests as an HTTP API of API Gateway gives them (payload format 2.0), and their answers.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//!
//! A body that API Gateway takes for binary comes in base64, and forms are among them: a signature is over the
//! decoded bytes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use switchboard_core::{Admission, Bridge, Door, DoorAccess, Failure, Reply, Secret, What};
use switchboard_hosts::limits::guarded_later;
use tracing::{error, warn};

use crate::page::Page;
use crate::settle::{Origin, Settler};

/// What API Gateway sends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl Event {
    /// The request as the bridges know it.
    pub(crate) fn into_request(self) -> Result<http::Request<Bytes>, Failure> {
        let wrong = |what: &str| Failure::refuse(400, format!("{what} cannot be read"));
        let body = match self.body {
            None => Bytes::new(),
            Some(text) if self.is_base64_encoded => {
                Bytes::from(STANDARD.decode(text).map_err(|_| wrong("the body"))?)
            }
            Some(text) => Bytes::from(text),
        };
        let query = if self.raw_query_string.is_empty() {
            String::new()
        } else {
            format!("?{}", self.raw_query_string)
        };
        let mut request = http::Request::builder()
            .method(self.request_context.http.method.as_str())
            .uri(format!("{}{query}", self.raw_path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.cookies.is_empty() {
            request = request.header(header::COOKIE, self.cookies.join("; "));
        }
        request.body(body).map_err(|_| wrong("the request"))
    }
}

/// Lets a request in, or says why not, and answers it.
pub(crate) async fn answer(
    settler: &Settler,
    function: &str,
    token: Option<&Secret>,
    page: Option<&Page>,
    event: Event,
) -> (u16, Value) {
    let reply = match event.into_request() {
        Ok(request) => knock(settler, function, token, page, request).await,
        Err(failure) => Err(failure),
    };
    settler.send_shown().await;
    match reply {
        Ok(reply) => (reply.status, to_response(&reply)),
        Err(failure) => refuse(function, &failure),
    }
}

async fn knock(
    settler: &Settler,
    function: &str,
    token: Option<&Secret>,
    page: Option<&Page>,
    mut request: http::Request<Bytes>,
) -> Result<Reply, Failure> {
    if let Some(page) = page
        && let Some(reply) = page.sign_in(settler, &request).await
    {
        return reply;
    }
    let door = door_of(&*settler.bridge, function, &request)?;
    let now = crate::now();
    match (door.access, page) {
        (DoorAccess::Signed, _) => {}
        (DoorAccess::Private, _) => check_token(&request, token)?,
        (DoorAccess::Page, Some(page)) => page.let_in(&mut request, now).await?,
        (DoorAccess::Page, None) => return Err(Failure::bug("a function without pages has a page's door")),
        (DoorAccess::Socket, _) => return Err(Failure::refuse(426, "this is a WebSocket")),
    }
    let origin = |arrival| Origin { listener: door.name.to_owned(), arrival };
    match settler.bridge.admit(door.name, &request, now)? {
        Admission::Answer(reply) => Ok(reply),
        Admission::Arrival(arrival) => settler.answer(&origin(arrival), What::Request(&request)).await,
        Admission::Once(arrival) => settler.answer_once(&origin(arrival), What::Request(&request)).await,
        Admission::Read => {
            let view = settler.view(now);
            guarded_later(settler.bridge.read(&request, &settler.reading(&view, now))).await
        }
    }
}

/// The door of a path; its method and content type are checked here, as in every host.
fn door_of<'a>(
    bridge: &'a dyn Bridge,
    function: &str,
    request: &http::Request<Bytes>,
) -> Result<&'a Door, Failure> {
    let mut doors = bridge.declaration().doors.iter().filter(|door| door.name == function);
    let door = doors
        .find(|door| fits(door.path, request.uri().path()))
        .ok_or_else(|| Failure::refuse(404, "no such door"))?;
    if !door.methods.contains(&request.method().as_str()) {
        return Err(Failure::refuse(405, "not a method of this door"));
    }
    if request.body().len() > door.max_bytes {
        return Err(Failure::refuse_as(413, "too_large", "the body is too large for this door"));
    }
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let plain = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let known = door.content_types.iter().any(|known| known.eq_ignore_ascii_case(plain));
    if request.method() != http::Method::GET && !door.content_types.is_empty() && !known {
        return Err(Failure::refuse(415, "not a content type of this door"));
    }
    Ok(door)
}

/// Whether a path is of this form, `{…}` being any one part.
fn fits(form: &str, path: &str) -> bool {
    let (mut form, mut path) = (form.split('/'), path.split('/'));
    loop {
        match (form.next(), path.next()) {
            (None, None) => return true,
            (Some(form), Some(part)) if form == part => {}
            (Some(form), Some(part)) if form.starts_with('{') && !part.is_empty() => {}
            _ => return false,
        }
    }
}

/// There is no loopback on AWS: a private door is for the bearer of the token.
pub(crate) fn check_token(request: &http::Request<Bytes>, token: Option<&Secret>) -> Result<(), Failure> {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let Some(token) = token else {
        return Err(Failure::refuse(403, "there is no token that would open this door"));
    };
    if given.is_empty() {
        return Err(Failure::refuse(401, "a bearer token is wanted"));
    }
    if bool::from(given.as_bytes().ct_eq(token.expose().as_bytes())) {
        Ok(())
    } else {
        Err(Failure::refuse(403, "not the token"))
    }
}

fn refuse(function: &str, failure: &Failure) -> (u16, Value) {
    let (status, code, reason) = match failure {
        Failure::Refuse { status, code, reason } => (*status, *code, reason.as_str()),
        Failure::Retry { reason, .. } | Failure::Unsure { reason } => (503, "", reason.as_str()),
        Failure::Bug { reason } => {
            error!(door = function, reason, "a request could not be decided");
            (500, "", "the hub is at fault")
        }
    };
    warn!(door = function, status, reason, "a request was refused");
    // What the store or the bus said is for the log only.
    let said = if status == 503 { "it could not be stored; try again" } else { reason };
    let mut body = json!({ "error": said });
    if !code.is_empty() {
        body["code"] = json!(code);
    }
    let mut answer = response(status, "application/json", &body.to_string());
    if status == 503 {
        answer["headers"]["retry-after"] = json!("1");
    }
    (status, answer)
}

/// A door's reply. Cookies have a place of their own, since a header stands there once.
fn to_response(reply: &Reply) -> Value {
    let mut answer = response(reply.status, &reply.content_type, &reply.body);
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("set-cookie");
    let cookies: Vec<&str> =
        reply.headers.iter().filter(|(name, _)| is_cookie(name)).map(|(_, value)| value.as_str()).collect();
    if !cookies.is_empty() {
        answer["cookies"] = json!(cookies);
    }
    for (name, value) in reply.headers.iter().filter(|(name, _)| !is_cookie(name)) {
        answer["headers"][name.to_ascii_lowercase()] = json!(value);
    }
    answer
}

/// An answer in the form that API Gateway takes.
pub(crate) fn response(status: u16, content_type: &str, body: &str) -> Value {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK).as_u16();
    json!({ "statusCode": status, "headers": { "content-type": content_type }, "body": body, "isBase64Encoded": false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_in_base64_is_the_bytes_that_were_signed() {
        let event: Event =
            serde_json::from_str(include_str!("../../../fixtures/aws/http_api_form_invented.json")).unwrap();
        let request = event.into_request().unwrap();
        assert_eq!(request.body().as_ref(), b"Body=caf%C3%A9&From=%2B14155550100");
        assert_eq!(request.uri(), "/twilio/messages?hub=1%20x");
        assert_eq!(request.headers()["x-twilio-signature"], "c2ln");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
    }

    #[test]
    fn a_path_fits_its_form() {
        assert!(fits("/api/rooms/{room}/messages", "/api/rooms/lobby/messages"));
        for other in ["/api/rooms//messages", "/api/rooms/lobby", "/api/rooms/a/b/messages", "/"] {
            assert!(!fits("/api/rooms/{room}/messages", other), "{other}");
        }
    }

    #[test]
    fn a_private_door_wants_the_token() {
        let request = |value: Option<&str>| {
            let mut request = http::Request::builder();
            if let Some(value) = value {
                request = request.header("authorization", value);
            }
            request.body(Bytes::new()).unwrap()
        };
        let token = Secret::new("t");
        let status = |value, token: Option<&Secret>| match check_token(&request(value), token) {
            Ok(()) => 200,
            Err(Failure::Refuse { status, .. }) => status,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(status(Some("Bearer t"), Some(&token)), 200);
        assert_eq!(status(Some("Bearer u"), Some(&token)), 403);
        assert_eq!(status(Some("Bearer "), Some(&token)), 401);
        assert_eq!(status(None, Some(&token)), 401);
        assert_eq!(status(Some("Bearer "), None), 403, "no token is no token");
    }
}
