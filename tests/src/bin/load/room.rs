//! Readers and writers of one room, over our protocol or socket.io's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::heard::{Ear, Heard, text};
use crate::server::{Server, Way};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a reader reads at a time. The default would be 128 KiB for each of ten thousand.
const READ_BYTES: usize = 8 * 1024;
/// A reader that is cut hears so many messages between two cuts.
const BETWEEN_CUTS: std::ops::Range<usize> = 50..500;

/// A socket in the room, and the room's number when it was there; `after` is where to listen on from.
async fn open(way: &Way, after: Option<u64>) -> Result<(Stream, Option<u64>)> {
    let ticket = way.ticket().await?;
    let path = match &ticket {
        Some(ticket) => format!("/api/socket?ticket={ticket}"),
        None => "/socket.io/?EIO=4&transport=websocket".to_owned(),
    };
    let address = format!("ws://127.0.0.1:{}{path}", way.port);
    let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
    let (mut stream, _) = tokio_tungstenite::connect_async_with_config(address, Some(config), true).await?;
    let room = after.map_or_else(|| json!({}), |after| json!({ "after": after }));
    let hello = match ticket {
        None => "40".to_owned(),
        Some(_) => json!({ "kind": "hello", "version": 1, "rooms": { "load": room } }).to_string(),
    };
    stream.send(Message::text(hello)).await?;
    loop {
        let text = stream.next().await.context("closed before the hello")??.into_text()?;
        if text.starts_with("40") {
            return Ok((stream, None));
        }
        if text.contains("\"kind\":\"hello\"") {
            let hello: serde_json::Value = serde_json::from_str(&text)?;
            return Ok((stream, after.or(hello["rooms"]["load"]["seq"].as_u64())));
        }
    }
}

/// A reader, as a task of its own. Whatever ends its socket, it resumes; with `cut` it ends it now and then.
pub async fn read(server: &Server, heard: &Arc<Heard>, cut: bool) -> Result<()> {
    let way = server.way();
    let (mut stream, mut last) = open(&way, None).await?;
    let (ear, heard) = (heard.ear(), Arc::clone(heard));
    tokio::spawn(async move {
        let between = || if cut { rand::random_range(BETWEEN_CUTS) } else { usize::MAX };
        let mut left = between();
        loop {
            let goes_on = match stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    if text == "2" {
                        let _ = stream.send(Message::text("3")).await;
                    } else if hear(&ear, &text, &mut last) {
                        left -= 1;
                    }
                    true
                }
                Some(Ok(_)) => true,
                Some(Err(_)) | None => {
                    heard.ended.fetch_add(1, Ordering::Relaxed);
                    false
                }
            };
            if left == 0 {
                heard.cuts.fetch_add(1, Ordering::Relaxed);
            }
            if left == 0 || !goes_on {
                left = between();
                // What does not open again is counted as lost.
                let Ok(again) = open(&way, last).await else { return };
                stream = again.0;
            }
        }
    });
    Ok(())
}

/// Notes a message; whether it was one.
fn hear(ear: &Ear, text: &str, last: &mut Option<u64>) -> bool {
    let seq = number(text);
    if seq.is_none() && !text.starts_with("42") {
        return false;
    }
    ear.note(text, *last, seq);
    if seq.is_some() {
        *last = seq;
    }
    true
}

/// The number of a change, without reading the whole of it.
fn number(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("{\"kind\":\"change\",\"room\":\"load\",\"seq\":")?;
    rest.split(',').next()?.parse().ok()
}

/// Somebody who writes, and reads too.
pub struct Talk {
    sink: SplitSink<Stream, Message>,
    ours: bool,
}

impl Talk {
    /// Joins the room to write in it.
    pub async fn join(server: &Server, heard: &Arc<Heard>) -> Result<Self> {
        let way = server.way();
        let (stream, mut last) = open(&way, None).await?;
        let (sink, mut stream) = stream.split();
        let ear = heard.ear();
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Text(text) = message {
                    hear(&ear, &text, &mut last);
                }
            }
        });
        Ok(Self { sink, ours: way.cookie.is_some() })
    }

    /// Writes message `number`.
    pub async fn post(&mut self, number: usize) -> Result<()> {
        let text = text(number);
        let frame = if self.ours {
            let id = format!("{number}-{}", rand::random::<u32>());
            json!({ "kind": "post", "id": id, "room": "load", "text": text }).to_string()
        } else {
            format!("42{}", json!(["chat message", text]))
        };
        Ok(self.sink.send(Message::text(frame)).await?)
    }
}
