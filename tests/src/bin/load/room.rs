//! Readers and writers of one room, over our protocol or socket.io's.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::server::Server;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What all readers have heard.
#[derive(Default)]
pub struct Heard {
    there: AtomicUsize,
    count: AtomicUsize,
    wrong: AtomicUsize,
    cuts: AtomicUsize,
    /// Microseconds from the post to the reader.
    took: Mutex<Vec<u32>>,
}

impl Heard {
    /// Waits until so many listen.
    pub async fn all_are_there(&self, readers: usize) -> Result<()> {
        until(|| self.there.load(Ordering::Relaxed) >= readers, "listeners").await
    }

    /// Waits until so much was heard in all.
    pub async fn wait_for(&self, count: usize) -> Result<()> {
        until(|| self.count.load(Ordering::Relaxed) >= count, "messages").await
    }

    /// Numbers that did not follow the one before.
    pub fn wrong(&self) -> usize {
        self.wrong.load(Ordering::Relaxed)
    }

    /// Sockets that were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }

    /// How long it took.
    pub fn print(&self, what: &str) {
        let mut took = self.took.lock().unwrap_or_else(|broken| broken.into_inner()).clone();
        took.sort_unstable();
        let at = |part: f64| {
            f64::from(took.get((took.len() as f64 * part) as usize).copied().unwrap_or(0)) / 1000.0
        };
        println!("{what}: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(0.5), at(0.99), at(0.999_999));
    }

    fn note(&self, text: &str) {
        if let Some(sent) = text.find("sent=").and_then(|at| {
            let digits: String = text[at + 5..].chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u64>().ok()
        }) {
            let took = u32::try_from(now_us().saturating_sub(sent)).unwrap_or(u32::MAX);
            self.took.lock().unwrap_or_else(|broken| broken.into_inner()).push(took);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn until(there: impl Fn() -> bool, what: &str) -> Result<()> {
    let began = Instant::now();
    while !there() {
        if began.elapsed() > Duration::from_secs(60) {
            bail!("not all {what} within a minute");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A socket in the room; `after` is where to listen on from.
async fn open(port: u16, ticket: Option<&str>, after: Option<u64>) -> Result<Stream> {
    let path = match ticket {
        Some(ticket) => format!("/api/socket?ticket={ticket}"),
        None => "/socket.io/?EIO=4&transport=websocket".to_owned(),
    };
    let address = format!("ws://127.0.0.1:{port}{path}");
    let (mut stream, _) = tokio_tungstenite::connect_async_with_config(address, None, true).await?;
    let hello = match (ticket, after) {
        (None, _) => "40".to_owned(),
        (_, None) => json!({ "kind": "hello", "version": 1, "rooms": { "load": {} } }).to_string(),
        (_, Some(after)) => {
            json!({ "kind": "hello", "version": 1, "rooms": { "load": { "after": after } } }).to_string()
        }
    };
    stream.send(Message::text(hello)).await?;
    loop {
        let text = stream.next().await.context("closed before the hello")??.into_text()?;
        if text.contains("\"kind\":\"hello\"") || text.starts_with("40") {
            return Ok(stream);
        }
    }
}

/// A reader, as a task of its own; with `cut` it is cut off now and then and resumes.
pub async fn read(server: &Server, heard: Arc<Heard>, cut: bool) -> Result<()> {
    let http = server.http.clone();
    let ours = server.cookie.is_some();
    let ticket = if ours { Some(server.ticket(&http).await?) } else { None };
    let mut stream = open(server.port, ticket.as_deref(), None).await?;
    heard.there.fetch_add(1, Ordering::Relaxed);
    let (port, cookie) = (server.port, server.cookie.clone());
    tokio::spawn(async move {
        let mut last: Option<u64> = None;
        let mut left = if cut { rand::random_range(50..500) } else { usize::MAX };
        while let Some(Ok(message)) = stream.next().await {
            let Message::Text(text) = message else { continue };
            if text == "2" {
                let _ = stream.send(Message::text("3")).await;
                continue;
            }
            if ours {
                let Some(seq) = number(&text) else { continue };
                if last.is_some_and(|last| seq != last + 1) {
                    heard.wrong.fetch_add(1, Ordering::Relaxed);
                }
                last = Some(seq);
            }
            heard.note(&text);
            left -= 1;
            if left == 0 {
                left = rand::random_range(50..500);
                heard.cuts.fetch_add(1, Ordering::Relaxed);
                drop(stream);
                let request = http.post(format!("http://127.0.0.1:{port}/api/tickets"));
                let answer = request.header("cookie", cookie.as_deref().unwrap_or_default()).send().await;
                let Ok(answer) = answer else { return };
                let Ok(body) = answer.json::<serde_json::Value>().await else { return };
                let Ok(again) = open(port, body["ticket"].as_str(), last).await else { return };
                stream = again;
            }
        }
    });
    Ok(())
}

/// The number of a change, without reading the whole of it.
fn number(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("{\"kind\":\"change\",\"room\":\"load\",\"seq\":")?;
    rest.split(',').next()?.parse().ok()
}

/// Somebody who writes.
pub struct Talk {
    sink: SplitSink<Stream, Message>,
    ours: bool,
}

impl Talk {
    /// Joins the room to write in it.
    pub async fn join(server: &Server) -> Result<Self> {
        let ours = server.cookie.is_some();
        let ticket = if ours { Some(server.ticket(&server.http).await?) } else { None };
        let stream = open(server.port, ticket.as_deref(), None).await?;
        let (sink, mut heard) = stream.split();
        tokio::spawn(async move { while let Some(Ok(_)) = heard.next().await {} });
        Ok(Self { sink, ours })
    }

    /// Writes a message of some 100 characters.
    pub async fn post(&mut self, number: usize) -> Result<()> {
        let text = format!("sent={} {}", now_us(), "and so on, and on ".repeat(5));
        let frame = if self.ours {
            let id = format!("{number}-{}", rand::random::<u32>());
            json!({ "kind": "post", "id": id, "room": "load", "text": text }).to_string()
        } else {
            format!("42{}", json!(["chat message", text]))
        };
        Ok(self.sink.send(Message::text(frame)).await?)
    }
}
