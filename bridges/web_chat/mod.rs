//! The chat that is ours: rooms on a page, instant, ordered, resumable, shared with phones and Slack.
//!
//! Its protocol is ours too and is written down in docs/chat.md: HTTP for signing in, pages of history, files
//! and search; a WebSocket for everything that moves. What people do becomes an event like any other's
//! (`decide`); the gate judges and numbers it; what may be shown comes back as `RoomChanged`, is kept
//! (`history`) and goes to the sockets. `deliveries` keeps where each message has got to.
//!
//! Deliberately absent: sockets themselves, who listens where, rates and numbers of connections (the host's);
//! OpenID Connect (the host verifies who somebody is, `sign_in` begins their session). There is no `act.rs`: the
//! chat asks nobody. Reading order: `store`, `history`, `frames`, `decide`, `sign_in`, `deliveries`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_core::{
    Admission, Arrival, Bridge, Connection, Declaration, Detail, Door, DoorAccess, Expect, Failure, Heard,
    Links, MAX_BODY_BYTES, Missed, Outcome, Person, Reading, Reply, Room, RoomName, Rooms, SmsAccess,
    Sockets, Timestamp, Told, View, What, Word, Write,
};

use crate::settings::{ConfigError, Keys, LINK_KEY, Settings};

mod config;
mod decide;
mod deliveries;
mod files;
mod frames;
mod history;
mod names;
mod search;
mod shown;
mod sign_in;
mod store;
mod wire;
pub mod words;

#[cfg(test)]
mod described;
#[cfg(test)]
mod tests;

pub use config::{Chat, Issuer};
use frames::Said;
use wire::Ask;

/// The socket's protocol for programs: an AsyncAPI document, <https://www.asyncapi.com/docs/reference/specification/v3.1.0>.
pub const ASYNCAPI: &str = include_str!("asyncapi.json");

/// Most bytes of an uploaded file that is read at all; `[chat] file_bytes` says how many are taken.
const MAX_UPLOAD_BYTES: usize = 33 * 1024 * 1024;
/// Most matches of a search.
const MAX_FOUND: usize = 100;

const fn page(path: &'static str, methods: &'static [&'static str]) -> Door {
    Door {
        name: "web_chat.page",
        path,
        methods,
        access: DoorAccess::Page,
        content_types: &[],
        max_bytes: MAX_BODY_BYTES,
    }
}

/// What it is configured with.
pub(crate) const KEYS: Keys = Keys {
    names: &["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_REACHED_AT"],
    section: "chat",
    secrets: &[
        ("OIDC_CLIENT_SECRET", &["web_chat.page"]),
        (LINK_KEY, &["web_chat.page", "web_chat.socket", "web_chat.history", "web_chat.deliveries"]),
    ],
};

static DECLARATION: Declaration = Declaration {
    name: "web_chat",
    doors: &[
        Door {
            name: "web_chat.door",
            path: "/api/rooms/{room}/messages",
            methods: &["POST"],
            access: DoorAccess::Private,
            content_types: &["application/json"],
            max_bytes: MAX_BODY_BYTES,
        },
        // By a name of its own: on AWS sockets are a function of their own.
        Door { name: "web_chat.socket", access: DoorAccess::Socket, ..page("/api/socket", &["GET"]) },
        page("/api/session", &["GET", "DELETE"]),
        Door { content_types: &["application/json"], ..page("/api/session/guest", &["POST"]) },
        page("/api/tickets", &["POST"]),
        page("/api/rooms", &["GET"]),
        page("/api/rooms/{room}/membership", &["PUT", "DELETE"]),
        page("/api/rooms/{room}/history", &["GET"]),
        page("/api/rooms/{room}/search", &["GET"]),
        page("/api/rooms/{room}/messages/{message}/deliveries", &["GET"]),
        Door { max_bytes: MAX_UPLOAD_BYTES, ..page("/api/rooms/{room}/files", &["POST"]) },
    ],
    listeners: &["web_chat.history", "web_chat.deliveries"],
};

/// The chat.
#[derive(Debug)]
pub struct WebChat {
    rooms: Arc<Rooms>,
    links: Links,
    config: Chat,
    guests: bool,
    pages: &'static [&'static str],
}

impl WebChat {
    /// Reads `[chat]`.
    ///
    /// # Errors
    /// What is wrong in it, where, and the mend.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let config = Chat::read(settings)?;
        Ok(Self {
            rooms: Arc::clone(&settings.rooms),
            links: settings.links.clone(),
            guests: config.takes_guests(settings.listens_on),
            pages: settings.pages,
            config,
        })
    }

    fn is_listed(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|room| room.sms == SmsAccess::Listed)
    }

    async fn ask(
        &self,
        request: &http::Request<Bytes>,
        now: Timestamp,
        view: &dyn View,
    ) -> Result<Outcome, Failure> {
        match wire::read(request)? {
            Ask::Post(post) => decide::post(self, post, now),
            Ask::Guest { name } => sign_in::guest(self, &name, request, now, view).await,
            Ask::Issuer => sign_in::account(self, request, now, view).await,
            Ask::SignOut => sign_in::sign_out(self, request, now, view).await,
            Ask::Ticket => sign_in::ticket(self, request, now, view).await,
            Ask::Socket { ticket } => sign_in::redeem(&ticket, view).await.map(|(_, outcome)| outcome),
            Ask::Membership { room, join } => {
                decide::known(&self.rooms, &room)?;
                let person = sign_in::signed_in(self, request, now, view).await?.person;
                let key = store::left_key(&person.id, &room);
                let write = match join {
                    true => Write::Delete { key, expect: Expect::Any },
                    false => Write::put(key, &now, Expect::Any)?,
                };
                let reply = Reply::json(&json!({ "room": room, "joined": join }))?;
                Ok(Outcome { reply: Some(reply), writes: vec![write], ..Outcome::default() })
            }
            Ask::Session
            | Ask::Rooms
            | Ask::History { .. }
            | Ask::Search { .. }
            | Ask::Deliveries { .. }
            | Ask::File { .. } => Err(Failure::bug("a request that only asks was decided")),
        }
    }

    async fn room_shown(
        &self,
        name: &RoomName,
        room: &Room,
        person: &Person,
        view: &dyn View,
    ) -> Result<Value, Failure> {
        let joined = view.get(&store::left_key(&person.id, name)).await?.is_none();
        let known = deliveries::Phones::of(name, None, view).await?;
        let (sms, phones) = match room.sms {
            SmsAccess::Open => ("open", known.all),
            SmsAccess::Listed => ("listed", u32::try_from(room.phones.len()).unwrap_or(u32::MAX)),
            SmsAccess::Off => ("off", 0),
        };
        let surfaces = json!({ "slack": room.slack_channel.is_some(), "sms": sms, "phones": phones });
        let title = room.title.as_deref().unwrap_or(name.as_str());
        let seq = store::head(view, name).await?;
        Ok(json!({ "name": name, "title": title, "seq": seq, "joined": joined, "surfaces": surfaces,
            "warnings": known.warnings() }))
    }

    async fn search(
        &self,
        room: &RoomName,
        words: &str,
        before: Option<u64>,
        limit: usize,
        reading: &Reading<'_>,
    ) -> Result<Reply, Failure> {
        if words.trim().is_empty() || words.chars().count() > 200 {
            return Err(wire::bad("q has 1 to 200 characters"));
        }
        let limit = limit.clamp(1, MAX_FOUND);
        let (numbers, next) = match reading.search {
            Some(index) => {
                let numbers = index.find(room, words, before, limit).await?;
                let next = if numbers.len() == limit { numbers.last().copied() } else { None };
                (numbers, next)
            }
            None => search::look(room, words, before, limit, reading.view).await?,
        };
        let messages = history::messages(&self.links, room, &numbers, reading.now, reading.view).await?;
        Reply::json(&json!({ "room": room, "messages": messages, "before": next }))
    }
}

#[async_trait]
impl Bridge for WebChat {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    fn admit(
        &self,
        _door: &str,
        request: &http::Request<Bytes>,
        _now: Timestamp,
    ) -> Result<Admission, Failure> {
        wire::admission(&wire::read(request)?, request)
    }

    async fn decide(&self, arrival: &Arrival<'_>, view: &dyn View) -> Result<Outcome, Failure> {
        match arrival.what {
            What::Request(request) => self.ask(request, arrival.now, view).await,
            What::Frame(frame) => decide::frame_said(self, frame, arrival.now, view).await,
            What::Event { event, .. } => match &event.detail {
                Detail::RoomChanged(changed) => {
                    history::room_changed(&self.links, changed, arrival.now, view).await
                }
                Detail::DeliveryReported(reported) => {
                    deliveries::reported(self, reported, arrival.now, view).await
                }
                Detail::SubscriberChanged(changed) => {
                    deliveries::subscriber(self, changed, event.time, view).await
                }
                Detail::MessageHeld(judged) => Ok(deliveries::judged(judged, "held")),
                Detail::MessageBlocked(judged) => Ok(deliveries::judged(judged, "blocked")),
                _ => Ok(Outcome::nothing()),
            },
            What::Timer(_) => Ok(Outcome::nothing()),
        }
    }

    async fn read(&self, request: &http::Request<Bytes>, reading: &Reading<'_>) -> Result<Reply, Failure> {
        let (now, view) = (reading.now, reading.view);
        let ask = wire::read(request)?;
        let grant = sign_in::signed_in(self, request, now, view).await;
        if ask == Ask::Session {
            return match grant {
                Ok(grant) => Reply::json(&sign_in::session_body(self, Some(&grant))),
                Err(Failure::Refuse { .. }) => Reply::json(&sign_in::session_body(self, None)),
                Err(failure) => Err(failure),
            };
        }
        let grant = grant?;
        let person = &grant.person;
        match ask {
            Ask::Rooms => {
                let mut rooms = Vec::new();
                for (name, room) in self.rooms.iter() {
                    rooms.push(self.room_shown(name, room, person, view).await?);
                }
                Reply::json(&json!({ "rooms": rooms }))
            }
            Ask::History { room, span, limit } => {
                decide::joined(self, person, &room, view).await?;
                Reply::json(&history::page(&self.links, &room, &span, limit, now, view).await?)
            }
            Ask::Search { room, words, before, limit } => {
                decide::joined(self, person, &room, view).await?;
                self.search(&room, &words, before, limit, reading).await
            }
            Ask::Deliveries { room, message } => {
                decide::joined(self, person, &room, view).await?;
                let place: Option<store::Place> = store::get(view, &store::place_key(&message)).await?;
                if place.is_none_or(|place| place.room != room) {
                    let reason = "no such message in this room";
                    return Err(Failure::refuse_as(404, "unknown_message", reason));
                }
                Reply::json(&deliveries::told(&message, view).await?)
            }
            Ask::File { room } => {
                decide::joined(self, person, &room, view).await?;
                files::store(self, &grant, request, reading).await
            }
            _ => Err(Failure::bug("a request that changes something was read")),
        }
    }

    fn sockets(&self) -> Option<&dyn Sockets> {
        Some(self)
    }
}

#[async_trait]
impl Sockets for WebChat {
    fn hear(&self, connection: &Connection, text: &str, now: Timestamp) -> Heard {
        frames::hear(connection, text, now)
    }

    async fn answer(
        &self,
        connection: &Connection,
        text: &str,
        reading: &Reading<'_>,
    ) -> Result<String, Failure> {
        let Said::History { id, room, before, after, limit } = frames::read(text)? else {
            return Err(Failure::bug("a frame that asks nothing was asked about"));
        };
        decide::joined(self, &connection.person, &room, reading.view).await?;
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        let span = wire::span(text(before), text(after), None)?;
        let limit = limit.unwrap_or(history::MAX_PAGE / 2);
        let mut page = history::page(&self.links, &room, &span, limit, reading.now, reading.view).await?;
        if let Some(page) = page.as_object_mut() {
            page.insert("id".to_owned(), id.into());
        }
        Ok(shown::frame(shown::Kind::History, page))
    }

    async fn missed(
        &self,
        person: Option<&Person>,
        room: &RoomName,
        after: Option<u64>,
        reading: &Reading<'_>,
    ) -> Result<Missed, Failure> {
        if let Some(person) = person {
            decide::joined(self, person, room, reading.view).await?;
        }
        history::missed(&self.links, room, after, reading.now, reading.view).await
    }

    async fn told(&self, room: &RoomName, after: u64, view: &dyn View) -> Result<Told, Failure> {
        history::told(room, after, view).await
    }

    fn say(&self, word: &Word<'_>) -> String {
        frames::say(word)
    }
}
