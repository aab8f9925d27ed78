//! Who somebody is: sessions, guests' names, and the tickets that open sockets.
//!
//! A session is a random secret in a cookie that no script reads; here it is known by its hash. A browser cannot
//! give headers to a socket, so a ticket in the address opens it: good once, and for half a minute.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_core::{
    Audience, Expect, Failure, Grant, Outcome, Person, Push, Reply, Role, Timestamp, Verified, View, Write,
};

use super::WebChat;
use super::names;
use super::shown::time;
use super::store::{self, Seen, Session, Ticket};
use super::wire;

/// How long a ticket waits for its socket.
const TICKET: Duration = Duration::from_secs(30);
/// The close code of a socket whose session has ended.
pub(super) const SIGNED_OUT: u16 = 4401;

fn signed_out() -> Failure {
    Failure::refuse_as(401, "signed_out", "nobody is signed in")
}

/// Whose request it is: the person, their session and its end.
pub(super) async fn signed_in(
    chat: &WebChat,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Grant, Failure> {
    if let Some(verified) = request.extensions().get::<Verified>() {
        let person = person_of(chat, verified);
        let session = store::secret_hash(&format!("bearer {}", person.id));
        return Ok(Grant { person, session, expires_at: verified.expires_at });
    }
    let secret = wire::session_secret(request).ok_or_else(signed_out)?;
    let hash = store::secret_hash(secret);
    let session: Option<Session> = store::get(view, &store::session_key(&hash)).await?;
    let session = session.filter(|session| session.expires_at > now).ok_or_else(signed_out)?;
    Ok(Grant { person: session.person, session: hash, expires_at: session.expires_at })
}

fn person_of(chat: &WebChat, verified: &Verified) -> Person {
    let named = |list: &[String]| list.iter().any(|known| verified.known_as.contains(known));
    let mut roles = vec![Role::Member];
    if named(&chat.config.moderators) {
        roles.push(Role::Moderator);
    }
    if named(&chat.config.operators) {
        roles.extend([Role::Moderator, Role::Operator]);
        roles.dedup();
    }
    let id = store::secret_hash(&format!("{}\n{}", verified.issuer, verified.subject));
    let name = names::clean(&verified.name, chat.config.name_chars).unwrap_or_else(|| "somebody".to_owned());
    Person { id: format!("account_{}", &id[..20]), name, roles }
}

/// `GET /api/session`.
pub(super) fn session_body(chat: &WebChat, grant: Option<&Grant>) -> Value {
    let person = grant.map(|grant| {
        let Person { id, name, roles } = &grant.person;
        json!({ "id": id, "name": name, "roles": roles, "expires_at": time(grant.expires_at) })
    });
    let issuer = chat.config.oidc.as_ref();
    let oidc = issuer.map(|issuer| json!({ "title": issuer.title, "start": "/api/session/oidc/start" }));
    let config = &chat.config;
    json!({
        "person": person,
        "sign_in": { "guests": chat.guests, "oidc": oidc },
        "limits": {
            "text_chars": config.text_chars, "files": config.files, "file_bytes": config.file_bytes,
            "frame_bytes": config.frame_bytes, "name_chars": config.name_chars,
        },
        "pages": chat.pages,
        "version": 1,
    })
}

/// `POST /api/session/guest`.
pub(super) async fn guest(
    chat: &WebChat,
    name: &str,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    if !chat.guests {
        return Err(Failure::refuse_as(403, "guests_off", "guests cannot sign in here"));
    }
    let name = names::clean(name, chat.config.name_chars).ok_or_else(|| {
        let most = chat.config.name_chars;
        Failure::refuse_as(
            400,
            "bad_name",
            format!("a name has a letter or digit, and at most {most} characters"),
        )
    })?;
    let secret = hex::encode(wire::nonce(request)?);
    let id = store::secret_hash(&format!("person {secret}"));
    let person = Person { id: format!("guest_{}", &id[..20]), name, roles: vec![Role::Member] };
    begin(chat, person, &secret, request, now, view, false).await
}

/// `GET /api/session/oidc/callback`, when the host has verified who it is.
pub(super) async fn account(
    chat: &WebChat,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let verified = request.extensions().get::<Verified>().ok_or_else(signed_out)?;
    let secret = hex::encode(wire::nonce(request)?);
    begin(chat, person_of(chat, verified), &secret, request, now, view, true).await
}

/// Begins a session, under a name that nobody else has. An account that finds its name taken gets another.
async fn begin(
    chat: &WebChat,
    mut person: Person,
    secret: &str,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
    another_name: bool,
) -> Result<Outcome, Failure> {
    // Who was signed in before, in this browser, is so no more.
    let mut outcome = end(request, now, view).await?;
    let freed = outcome.writes.iter().map(|write| write.key().clone()).collect::<Vec<_>>();
    let lasts = Duration::from_secs(u64::from(chat.config.session_hours) * 3600);
    let expires_at = now.plus(lasts);
    let mut skeleton = names::skeleton(&person.name);
    let mut holder: Seen<String> = store::seen(view, &store::name_key(&skeleton)).await?;
    let taken = |holder: &Seen<String>, skeleton: &str| {
        let free = freed.contains(&store::name_key(skeleton));
        !free && holder.value.as_ref().is_some_and(|holder| *holder != person.id)
    };
    if taken(&holder, &skeleton) {
        if !another_name {
            return Err(Failure::refuse_as(409, "name_taken", "somebody here has this name, or one like it"));
        }
        let end = person.id.get(person.id.len() - 4..).unwrap_or_default().to_owned();
        person.name = format!("{} {end}", person.name);
        skeleton = names::skeleton(&person.name);
        holder = store::seen(view, &store::name_key(&skeleton)).await?;
    }
    let name_key = store::name_key(&skeleton);
    outcome.writes.retain(|write| *write.key() != name_key);
    outcome.writes.push(Write::put(name_key, &person.id, holder.expect)?.expiring(expires_at));
    let hash = store::secret_hash(secret);
    let session = Session { person: person.clone(), expires_at, name: skeleton };
    outcome
        .writes
        .push(Write::put(store::session_key(&hash), &session, Expect::Absent)?.expiring(expires_at));
    let grant = Grant { person, session: hash, expires_at };
    let mut reply = Reply::json(&session_body(chat, Some(&grant)))?;
    reply.headers.push(cookie(request, secret, lasts));
    outcome.reply = Some(reply);
    Ok(outcome)
}

fn cookie(request: &http::Request<Bytes>, value: &str, lasts: Duration) -> (String, String) {
    let secure = if wire::over_tls(request) { "; Secure" } else { "" };
    let name = wire::COOKIE;
    let seconds = lasts.as_secs();
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    ("set-cookie".to_owned(), cookie)
}

/// Ends the session of a request, if there is one: its name is free, its sockets close.
async fn end(request: &http::Request<Bytes>, now: Timestamp, view: &dyn View) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::nothing();
    let Some(secret) = wire::session_secret(request) else { return Ok(outcome) };
    let hash = store::secret_hash(secret);
    let key = store::session_key(&hash);
    let Seen { value, expect } = store::seen::<Session>(view, &key).await?;
    let Some(session) = value.filter(|session| session.expires_at > now) else { return Ok(outcome) };
    outcome.writes.push(Write::Delete { key, expect });
    let name_key = store::name_key(&session.name);
    let Seen { value: holder, expect } = store::seen::<String>(view, &name_key).await?;
    // A guest is nobody after signing out; an account may have other sessions under its name.
    if holder.as_ref() == Some(&session.person.id) && session.person.id.starts_with("guest_") {
        outcome.writes.push(Write::Delete { key: name_key, expect });
    }
    let push = Push::new(Audience::Session(hash), String::new());
    outcome.pushes.push(Push { close: Some(SIGNED_OUT), ..push });
    Ok(outcome)
}

/// `DELETE /api/session`.
pub(super) async fn sign_out(
    chat: &WebChat,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let mut outcome = end(request, now, view).await?;
    let mut reply = Reply::json(&session_body(chat, None))?;
    reply.headers.push(cookie(request, "", Duration::ZERO));
    outcome.reply = Some(reply);
    Ok(outcome)
}

/// `POST /api/tickets`.
pub(super) async fn ticket(
    chat: &WebChat,
    request: &http::Request<Bytes>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let grant = signed_in(chat, request, now, view).await?;
    let secret = hex::encode(wire::nonce(request)?);
    let expires_at = now.plus(TICKET);
    let ticket = Ticket { person: grant.person, session: grant.session, session_until: grant.expires_at };
    let key = store::ticket_key(&store::secret_hash(&secret));
    let write = Write::put(key, &ticket, Expect::Absent)?.expiring(expires_at);
    let reply = Reply::json(&json!({ "ticket": secret, "expires_at": time(expires_at) }))?;
    Ok(Outcome { reply: Some(reply), writes: vec![write], ..Outcome::default() })
}

/// Takes a ticket: what it opens. It cannot be taken again.
pub(super) async fn redeem(secret: &str, view: &dyn View) -> Result<(Grant, Outcome), Failure> {
    let key = store::ticket_key(&store::secret_hash(secret));
    let Seen { value, expect } = store::seen::<Ticket>(view, &key).await?;
    let ticket = value.ok_or_else(|| {
        Failure::refuse_as(401, "bad_ticket", "not a ticket, or it was used already, or it is too old")
    })?;
    let grant = Grant { person: ticket.person, session: ticket.session, expires_at: ticket.session_until };
    let reply = Reply::json(&grant)?;
    let writes = vec![Write::Delete { key, expect }];
    Ok((grant, Outcome { reply: Some(reply), writes, ..Outcome::default() }))
}
