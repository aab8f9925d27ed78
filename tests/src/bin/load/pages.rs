//! How long the newest page of a room takes, however much was said in it.
//!
//! The rooms are written into the hub's file as `bridges/web_chat/store.rs` says, while the hub does not run; the
//! messages' ids are random, as real ones are, so that what a page reads lies at random places.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::server::Server;

/// Pages that are asked for.
const TIMES: usize = 500;
/// Messages of one transaction.
const AT_ONCE: u64 = 100_000;

/// Measures rooms of these sizes, each in a file of its own.
pub async fn run(sizes: &[u64]) -> Result<()> {
    for size in sizes {
        let directory = Server::ours().await?.end().await?;
        let path = directory.path().join("data/hub.sqlite3");
        let filling = Instant::now();
        let (room, file) = (*size, path.clone());
        tokio::task::spawn_blocking(move || fill(&file, room)).await??;
        let mib = std::fs::metadata(&path)?.len() >> 20;
        let filled = filling.elapsed().as_secs();
        let server = Server::in_directory(directory).await?;
        for (what, path) in [
            ("the newest page", "/api/rooms/load/history".to_owned()),
            ("a page in the middle", format!("/api/rooms/load/history?before={}", size / 2)),
        ] {
            let mut took = Vec::new();
            for _ in 0..TIMES {
                let began = Instant::now();
                let page = server.get(&path).await?;
                took.push(began.elapsed().as_secs_f64() * 1000.0);
                let messages = page["messages"].as_array().context("no messages")?.len();
                ensure!(messages == 50 && page["seq"] == *size, "not a whole page: {messages}");
            }
            let first = took[0];
            took.sort_by(f64::total_cmp);
            println!(
                "{size} messages ({mib} MiB, filled in {filled} s): {what}: first {first:.2} ms, p50 {:.2} ms, p99 {:.2} ms",
                took[TIMES / 2],
                took[TIMES * 99 / 100]
            );
        }
        server.end().await?;
    }
    Ok(())
}

fn id(seq: u64) -> [u8; 16] {
    let hash = Sha256::digest(seq.to_be_bytes());
    std::array::from_fn(|at| hash[at])
}

fn fill(path: &std::path::Path, messages: u64) -> Result<()> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "synchronous", "OFF")?;
    let mut write = |numbers: &[([u8; 16], u64)], place: bool| -> Result<()> {
        for some in numbers.chunks(usize::try_from(AT_ONCE)?) {
            let transaction = db.transaction()?;
            let mut insert = transaction.prepare(
                "INSERT INTO items_web_chat (partition, sort, body, version, count, expires) VALUES (?1, ?2, ?3, 1, 0, NULL)",
            )?;
            for (id, seq) in some {
                let id = format!("msg_{}", hex::encode(id));
                if place {
                    let body = format!(r#"{{"room":"load","seq":{seq},"counts":{{}}}}"#);
                    insert.execute(params![format!("message/{id}"), "at", body])?;
                } else {
                    let body = format!(
                        r#"{{"message_id":"{id}","revision":1,"sender":{{"surface":"web","id":"guest_1","name":"Ann"}},"text":"message {seq} of a long talk","time":"2026-11-22T08:00:00.000Z"}}"#
                    );
                    insert.execute(params!["room/load", format!("{seq:020}"), body])?;
                }
            }
            drop(insert);
            transaction.commit()?;
        }
        Ok(())
    };
    let mut numbers: Vec<([u8; 16], u64)> = (1..=messages).map(|seq| (id(seq), seq)).collect();
    write(&numbers, false)?;
    // In the order of their keys, which fills the tree as evenly as chance does, and sooner.
    numbers.sort_unstable();
    write(&numbers, true)
}
