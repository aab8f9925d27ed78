//! From a request to a socket: RFC 6455, 4.2.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use switchboard_core::{Connection, Failure, Grant, Word};
use tokio::net::TcpStream;
use tracing::debug;
use tungstenite::handshake::derive_accept_key;

use super::Exchange;
use super::frames::last_words;
use super::socket::{Socket, TooSlow};
use super::talk::talk;

/// The protocol's name.
const PROTOCOL: &str = "switchboard.chat.v1";
/// What the kernel keeps for one socket that reads slowly. There may be tens of thousands.
const KERNEL_BYTES: usize = 64 * 1024;

/// Whether a request asks for a socket that we have; with the key of the answer.
pub(crate) fn handshake(headers: &HeaderMap) -> Result<String, (StatusCode, &'static str)> {
    let has = |name: http::HeaderName, word: &str| {
        headers.get_all(name).iter().any(|value| {
            value
                .to_str()
                .is_ok_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        })
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        return Err((StatusCode::UPGRADE_REQUIRED, "this is a WebSocket"));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 is spoken here"));
    }
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) && !has(header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL)
    {
        return Err((StatusCode::BAD_REQUEST, "the subprotocol is switchboard.chat.v1"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let key = key.ok_or((StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing"))?;
    Ok(derive_accept_key(key.as_bytes()))
}

impl Exchange {
    /// Takes the socket's place and answers the request; when the connection has changed over, it is talked on.
    ///
    /// # Errors
    /// Where there are too many.
    pub(crate) fn open(
        self: &Arc<Self>,
        grant: Grant,
        address: IpAddr,
        accept: &str,
        named: bool,
        upgrade: OnUpgrade,
    ) -> Result<Response, Failure> {
        self.admit(&grant.person.id, address)?;
        let exchange = Arc::clone(self);
        tokio::spawn(async move {
            let stream = match upgrade.await.map(Upgraded::downcast::<TokioIo<TcpStream>>) {
                Ok(Ok(parts)) => (parts.io.into_inner(), parts.read_buf),
                Ok(Err(_)) => {
                    debug!("a socket's connection is of another kind");
                    exchange.dismiss(address);
                    return;
                }
                Err(error) => {
                    debug!(%error, "a socket was not opened");
                    exchange.dismiss(address);
                    return;
                }
            };
            exchange.begin(grant, address, stream).await;
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Ok(accept) = HeaderValue::from_str(accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if named {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        }
        Ok(response)
    }

    async fn begin(self: Arc<Self>, grant: Grant, address: IpAddr, (stream, before): (TcpStream, Bytes)) {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Err(error) = socket2::SockRef::from(&stream).set_send_buffer_size(KERNEL_BYTES) {
            debug!(%error, "a socket keeps the kernel's own buffer");
        }
        let Grant { person, session, expires_at } = grant;
        let connection = Connection { id: number.to_string(), person, session, expires_at };
        let last = last_words(&self.say(&Word::Resume { reason: "slow_reader" }), 1013, "slow reader");
        let counted = self.ground.slow_readers.clone();
        let socket = Arc::new(Socket::new(number, connection, address, stream, TooSlow { last, counted }));
        self.enter(&socket);
        // A socket that was opened while the hub stops is not among those that were told.
        if !*self.ground.stopping.borrow() {
            talk(&self, &socket, &before).await;
        }
        self.leave(&socket);
    }
}
