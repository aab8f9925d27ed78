//! `make bench`: the hub's figures, each beside a peer or a physical limit of the same run.
//!
//! One process makes the load and plays a lean Slack (it answers `chat.postMessage` and notes when each text
//! came), so that what is measured is the hub. Prints a line for each figure; docs/figures.md holds them with
//! their machine and date. `bench NAME…` runs only some of: `ingest`, `end-to-end`, `idle`.

mod end_to_end;
mod ingest;
mod load;
mod peers;

use std::time::Duration;

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|given| given == name);
    if wants("ingest") {
        ingest::run().await;
    }
    if wants("end-to-end") {
        end_to_end::run().await;
    }
    if wants("idle") {
        idle().await;
    }
}

/// Resident memory of a hub that nobody uses, 60 s after `ready`.
async fn idle() {
    let bench = load::Bench::open(1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    println!("idle: VmRSS {} kB after 60 s", load::resident_kb(bench.hub.pid()));
    bench.close().await;
}
