//! Load on the chat: idle sockets, a busy room, and the same room served by socket.io.
//!
//! ```text
//!   load idle [SOCKETS]                          memory of a socket, and one message to all of them
//!   load busy [READERS] [MESSAGES_A_SECOND] [SECONDS] [--cut]
//!   load peer [READERS] [MESSAGES_A_SECOND] [SECONDS]    socket.io instead of us; needs `make setup`
//! ```
//! Server and readers share the machine; the server's processor time is its own process's. `ulimit -n` has to
//! allow the sockets twice.

mod room;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use room::{Heard, Talk};
use server::Server;

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
        _ => bail!("load idle | busy | peer; see the top of the program"),
    }
}

async fn idle(sockets: usize) -> Result<()> {
    let server = Server::ours().await?;
    let before = server.memory_kib()?;
    let heard = Arc::new(Heard::default());
    let began = Instant::now();
    for _ in 0..sockets {
        room::read(&server, Arc::clone(&heard), false).await?;
    }
    heard.all_are_there(sockets).await?;
    let opened = began.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = server.memory_kib()?;
    println!(
        "{sockets} idle sockets, opened in {:.1} s: {:.1} KiB a socket in the server's process",
        opened.as_secs_f64(),
        (after - before) as f64 / sockets as f64
    );
    let mut writer = Talk::join(&server).await?;
    for round in 0..5 {
        writer.post(round).await?;
        heard.wait_for((round + 1) * sockets).await?;
    }
    heard.print("one message to all of them");
    Ok(())
}

async fn busy(server: &Server, readers: usize, a_second: usize, seconds: usize, cut: bool) -> Result<()> {
    let heard = Arc::new(Heard::default());
    for _ in 0..readers {
        room::read(server, Arc::clone(&heard), cut).await?;
    }
    heard.all_are_there(readers).await?;
    let mut writers = Vec::new();
    for _ in 0..100.min(a_second.max(1)) {
        writers.push(Talk::join(server).await?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (processor, began) = (server.processor_s()?, Instant::now());
    let total = a_second * seconds;
    let many = writers.len();
    for number in 0..total {
        let due = Duration::from_secs_f64(number as f64 / a_second as f64);
        tokio::time::sleep_until((began + due).into()).await;
        writers[number % many].post(number).await?;
    }
    heard.wait_for(total * readers).await.context("not everything arrived")?;
    let (spent, took) = (server.processor_s()? - processor, began.elapsed().as_secs_f64());
    let deliveries = (total * readers) as f64;
    println!(
        "{}: {readers} readers, {a_second} messages/s for {seconds} s: {:.0} deliveries/s, {:.0} per second of the server's processor",
        server.name,
        deliveries / took,
        deliveries / spent
    );
    heard.print("from post to each reader");
    println!("lost 0, out of order or twice {}, cuts {}", heard.wrong(), heard.cuts());
    Ok(())
}
