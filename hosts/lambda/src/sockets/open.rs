//! From `$connect` to a connection: its page, its ticket, and whether there is room for one more.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use switchboard_core::{Admission, Connection, Failure, Grant, Nonce, Timestamp, What};
use tracing::warn;
use url::form_urlencoded;

use super::Exchange;
use super::rows::{self, Connected, Group, LIFE};
use super::talk::Context;
use crate::page::Page;
use crate::settle::Origin;

/// The protocol's name.
const PROTOCOL: &str = "switchboard.chat.v1";

/// What a browser sent to open a socket.
pub(super) struct Knock<'a> {
    pub(super) context: &'a Context,
    pub(super) headers: &'a BTreeMap<String, String>,
    pub(super) query: &'a BTreeMap<String, String>,
}

impl Exchange<'_> {
    /// The answer to `$connect`: API Gateway opens the connection where it is 200.
    pub(super) async fn connect(&self, page: &Page, knock: &Knock<'_>) -> Value {
        match self.admit(page, knock).await {
            Ok(headers) => json!({ "statusCode": 200, "headers": headers }),
            Err(failure) => {
                let (status, reason) = match &failure {
                    Failure::Refuse { status, reason, .. } => (*status, reason.as_str()),
                    Failure::Retry { reason, .. } | Failure::Unsure { reason } => (503, reason.as_str()),
                    Failure::Bug { reason } => (500, reason.as_str()),
                };
                warn!(door = "web_chat.socket", status, reason, "a socket was refused");
                json!({ "statusCode": status })
            }
        }
    }

    async fn admit(&self, page: &Page, knock: &Knock<'_>) -> Result<Value, Failure> {
        let headers = header_map(knock.headers);
        page.check(&headers)?;
        let protocols = headers.get_all(http::header::SEC_WEBSOCKET_PROTOCOL).iter();
        let mut protocols =
            protocols.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
        let named = headers.contains_key(http::header::SEC_WEBSOCKET_PROTOCOL);
        if named && !protocols.any(|name| name.trim() == PROTOCOL) {
            return Err(Failure::refuse(400, "the subprotocol is switchboard.chat.v1"));
        }
        let address = page.address(&headers, &knock.context.identity.source_ip);
        let (now, since) = (crate::now(), Timestamp::from_ms(knock.context.connected_at));
        self.has_room(page, Group::Address(&address), page.limits.sockets_per_address, now).await?;
        let grant = self.redeem(knock, headers, now).await?;
        self.has_room(page, Group::Person(&grant.person.id), page.limits.sockets_per_person, now).await?;
        let connected = Connected {
            connection: Connection {
                id: knock.context.connection_id.clone(),
                person: grant.person,
                session: grant.session,
                expires_at: grant.expires_at.min(since.plus(LIFE)),
            },
            address,
            since,
            greeted: false,
            rooms: Vec::new(),
        };
        connected.enter(&self.settler.table, now).await?;
        // Who asks for a subprotocol has to be told that it is spoken.
        Ok(if named { json!({ "Sec-WebSocket-Protocol": PROTOCOL }) } else { json!({}) })
    }

    /// Takes the ticket, which opens nothing again.
    async fn redeem(&self, knock: &Knock<'_>, headers: HeaderMap, now: Timestamp) -> Result<Grant, Failure> {
        let query: String =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(knock.query).finish();
        let mut request = http::Request::new(Bytes::new());
        let uri = format!("/api/socket?{query}").parse();
        *request.uri_mut() = uri.map_err(|_| Failure::refuse(400, "the request cannot be read"))?;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(Nonce(rand::random()));
        let bridge = &self.settler.bridge;
        let Admission::Once(arrival) = bridge.admit("web_chat.socket", &request, now)? else {
            return Err(Failure::bug("a ticket is taken once"));
        };
        let origin = Origin { listener: "web_chat.socket".to_owned(), arrival };
        let reply = self.settler.answer_once(&origin, What::Request(&request)).await?;
        serde_json::from_str(&reply.body).map_err(|_| Failure::bug("a ticket grants nothing"))
    }

    async fn has_room(
        &self,
        page: &Page,
        group: Group<'_>,
        most: usize,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let open = rows::of(&self.settler.table, group, now).await?.len();
        if open < most.min(page.limits.sockets) {
            return Ok(());
        }
        let reason = match group {
            Group::Person(_) => format!("a person has at most {most} sockets"),
            _ => format!("from one address come at most {most} sockets"),
        };
        Err(Failure::refuse_as(429, "too_many_connections", reason))
    }
}

fn header_map(headers: &BTreeMap<String, String>) -> HeaderMap {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name: http::HeaderName = name.parse().ok()?;
        Some((name, value.parse().ok()?))
    });
    pairs.collect()
}
