//! Load on the chat: idle sockets, a busy room, the same room served by socket.io, and how long a room may grow.
//!
//! ```text
//!   load idle [SOCKETS]                          memory of a socket, and one message to all of them
//!   load busy [READERS] [MESSAGES_A_SECOND] [SECONDS] [--cut]
//!   load peer [READERS] [MESSAGES_A_SECOND] [SECONDS]    socket.io instead of us; needs `make setup`
//!   load pages [MESSAGES…]                       the newest page of rooms of so many messages
//! ```
//! A hundred people write in the busy room, and read it too. Server and readers share the machine; the server's
//! processor time is its own process's. Server and load need a file for each socket: `ulimit -n` has to allow them.
//! The exit status is 1 when anything was lost, came twice or out of order.

mod heard;
mod pages;
mod room;
mod server;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use heard::Heard;
use room::Talk;
use server::Server;

/// Who writes in the busy room.
const WRITERS: usize = 100;
/// Messages to all idle sockets.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let cut = arguments.iter().any(|argument| argument == "--cut");
    match arguments.first().map(String::as_str) {
        Some("idle") => idle(number(1, 10_000)).await,
        Some("busy") => {
            let server = Server::ours().await?;
            busy(&server, number(1, 1000), number(2, 40), number(3, 20), cut).await
        }
        Some("peer") => {
            let server = Server::socket_io().await?;
            busy(&server, number(1, 1000), number(2, 40), number(3, 20), false).await
        }
        Some("pages") => {
            let sizes: Vec<u64> = arguments[1..].iter().filter_map(|text| text.parse().ok()).collect();
            pages::run(if sizes.is_empty() { &[1_000, 100_000, 10_000_000] } else { &sizes }).await
        }
        _ => bail!("load idle | busy | peer | pages; see the top of the program"),
    }
}

async fn idle(sockets: usize) -> Result<()> {
    let server = Server::ours().await?;
    let before = server.memory_kib()?;
    let heard = Heard::of(ROUNDS);
    let began = Instant::now();
    for _ in 0..sockets {
        room::read(&server, &heard, false).await?;
    }
    let opened = began.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = server.memory_kib()?;
    println!(
        "{sockets} idle sockets, opened in {:.1} s: {:.1} KiB a socket in the server's process",
        opened.as_secs_f64(),
        (after - before) as f64 / sockets as f64
    );
    let mut writer = Talk::join(&server, &heard).await?;
    for round in 0..ROUNDS {
        writer.post(round).await?;
        heard.wait_for(round + 1).await;
    }
    heard.print("one message to all of them");
    heard.judge()
}

async fn busy(server: &Server, readers: usize, a_second: usize, seconds: usize, cut: bool) -> Result<()> {
    let total = a_second * seconds;
    let heard = Heard::of(total);
    for _ in 0..readers {
        room::read(server, &heard, cut).await?;
    }
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(Talk::join(server, &heard).await?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (processor, began) = (server.processor_s()?, Instant::now());
    for number in 0..total {
        let due = Duration::from_secs_f64(number as f64 / a_second as f64);
        tokio::time::sleep_until((began + due).into()).await;
        writers[number % WRITERS].post(number).await?;
    }
    heard.wait_for(total).await;
    let (spent, took) = (server.processor_s()? - processor, began.elapsed().as_secs_f64());
    let deliveries = heard.count() as f64;
    println!(
        "{}: {readers} readers and {WRITERS} writers, {a_second} messages/s for {seconds} s: {:.0} deliveries/s, {:.0} per second of the server's processor",
        server.name,
        deliveries / took,
        deliveries / spent
    );
    heard.print("from post to each reader");
    heard.judge()
}
