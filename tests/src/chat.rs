//! A person at the chat: signs in over HTTP, talks over a socket, and keeps what was heard.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{Hub, PATIENCE};

/// Somebody signed in.
#[derive(Clone)]
pub struct Guest {
    /// `http://127.0.0.1:port`.
    pub base: String,
    /// Its connections.
    pub http: reqwest::Client,
    /// `name=value`.
    pub cookie: String,
    /// As the hub knows them.
    pub person: Value,
    /// Where sockets are opened, if not at the hub itself.
    pub sockets: Option<String>,
}

impl Guest {
    /// Signs in; fails the test when the hub refuses.
    pub async fn sign_in(base: &str, name: &str) -> Self {
        let http = reqwest::Client::new();
        let (status, body, cookie) = guest(&http, base, name).await;
        assert_eq!(status, 200, "{body}");
        Self {
            base: base.to_owned(),
            http,
            cookie: cookie.expect("a cookie"),
            person: body["person"].clone(),
            sockets: None,
        }
    }

    /// The same at a hub that may be the deployed one.
    pub async fn sign_in_to(hub: &Hub, name: &str) -> Self {
        Self {
            sockets: hub.stack().map(|stack| stack.sockets().to_owned()),
            ..Self::sign_in(&hub.base(), name).await
        }
    }

    /// Asks the hub; any status.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let request =
            self.http.request(method, format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.expect("the hub answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// Stores a file.
    pub async fn upload(&self, room: &str, name: &str, content_type: &str, bytes: Vec<u8>) -> (u16, Value) {
        let request = self.http.post(format!("{}/api/rooms/{room}/files", self.base));
        let request = request.header("cookie", &self.cookie).header("content-type", content_type);
        let response = request.header("x-file-name", name).body(bytes).send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// A fresh ticket.
    pub async fn ticket(&self) -> String {
        let (status, body) = self.ask("POST", "/api/tickets", Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// Opens a socket and says hello; `rooms` as in the protocol. From now on it hears what is said in them.
    pub async fn connect(&self, rooms: Value) -> Socket {
        let mut socket = self.open(&self.ticket().await).await.expect("the socket opens");
        socket.say(json!({ "kind": "hello", "version": 1, "rooms": rooms })).await;
        let hello = socket.until("hello", |frame| frame["kind"] == "hello").await;
        socket.heard.push_front(hello);
        socket
    }

    /// Opens a socket with a ticket; the status where the hub refuses.
    pub async fn open(&self, ticket: &str) -> Result<Socket, u16> {
        match &self.sockets {
            // The emulator speaks no subprotocol, so a client that asks for one would take its answer for wrong.
            Some(sockets) => Socket::open_at(sockets, ticket, false).await,
            None => Socket::open(&self.base, ticket).await,
        }
    }

    /// The newest page of a room.
    pub async fn history(&self, room: &str) -> Vec<Value> {
        let (status, body) = self.ask("GET", &format!("/api/rooms/{room}/history"), Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body["messages"].as_array().expect("messages").clone()
    }
}

/// Asks to be signed in as a guest: status, body, cookie.
pub async fn guest(http: &reqwest::Client, base: &str, name: &str) -> (u16, Value, Option<String>) {
    let request = http.post(format!("{base}/api/session/guest")).json(&json!({ "name": name }));
    let response = request.send().await.expect("the hub answers");
    let status = response.status().as_u16();
    let cookie = response.headers().get("set-cookie").map(|value| value.to_str().expect("text").to_owned());
    let cookie = cookie.map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned());
    (status, response.json().await.unwrap_or(Value::Null), cookie)
}

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heard: VecDeque<Value>,
    /// The close code, when it was closed.
    pub closed: Option<u16>,
}

impl Socket {
    /// Opens it with a ticket; the status where the hub refuses.
    pub async fn open(base: &str, ticket: &str) -> Result<Self, u16> {
        Self::open_at(&format!("{base}/api/socket"), ticket, true).await
    }

    async fn open_at(address: &str, ticket: &str, named: bool) -> Result<Self, u16> {
        let address = address.replace("http://", "ws://");
        let mut request = format!("{address}?ticket={ticket}").into_client_request().expect("a URL");
        if named {
            let protocol = HeaderValue::from_static("switchboard.chat.v1");
            request.headers_mut().insert("sec-websocket-protocol", protocol);
        }
        match tokio_tungstenite::connect_async_with_config(request, None, true).await {
            Ok((stream, _)) => Ok(Self { stream, heard: VecDeque::new(), closed: None }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no socket: {error}"),
        }
    }

    /// Says something.
    pub async fn say(&mut self, frame: Value) {
        self.raw(Message::text(frame.to_string())).await;
    }

    /// Sends any message; that the socket is closed already is no fault.
    pub async fn raw(&mut self, message: Message) {
        let _ = self.stream.send(message).await;
    }

    /// The next frame, or `None` when it is closed.
    pub async fn next(&mut self) -> Option<Value> {
        if let Some(heard) = self.heard.pop_front() {
            return Some(heard);
        }
        self.read().await
    }

    async fn read(&mut self) -> Option<Value> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            // Pings are no frames: whoever hears nothing else has waited long enough.
            let message = tokio::time::timeout_at(until, self.stream.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => self.closed = frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame that fits; others are kept for later.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.heard.iter().position(&fits) {
            return self.heard.remove(found).expect("it is there");
        }
        loop {
            let Some(frame) = self.read().await else {
                panic!("the socket closed ({:?}) before {what}; heard {:#?}", self.closed, self.heard)
            };
            if fits(&frame) {
                return frame;
            }
            self.heard.push_back(frame);
        }
    }

    /// The next frame of a kind.
    pub async fn hear(&mut self, kind: &str) -> Value {
        self.until(kind, |frame| frame["kind"] == kind).await
    }

    /// Posts, and waits until it is accepted; gives the message's id.
    pub async fn post(&mut self, id: &str, room: &str, text: &str) -> String {
        self.say(json!({ "kind": "post", "id": id, "room": room, "text": text })).await;
        let accepted = self
            .until("accepted", |frame| {
                frame["id"] == id && (frame["kind"] == "accepted" || frame["kind"] == "refused")
            })
            .await;
        assert_eq!(accepted["kind"], "accepted", "{accepted}");
        accepted["message_id"].as_str().expect("an id").to_owned()
    }

    /// Says something that changes something, and gives the answer to it.
    pub async fn change(&mut self, frame: Value) -> Value {
        let id = frame["id"].clone();
        self.say(frame).await;
        self.until("an answer", |heard| heard["id"] == id).await
    }

    /// The text of the next change that is a posting.
    pub async fn hear_post(&mut self) -> String {
        let change =
            self.until("a posting", |frame| frame["kind"] == "change" && frame["change"] == "posted");
        change.await["message"]["text"].as_str().expect("a text").to_owned()
    }

    /// Everything that comes until it is silent for so long, or closed.
    pub async fn rest(&mut self, silence: Duration) -> Vec<Value> {
        let mut rest: Vec<Value> = self.heard.drain(..).collect();
        while let Ok(Some(frame)) = tokio::time::timeout(silence, self.read()).await {
            rest.push(frame);
        }
        rest
    }
}
