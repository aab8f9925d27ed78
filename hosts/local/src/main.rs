//! `switchboard`: the hub on one machine, and the commands that talk to a running one.
//!
//! Reading order: `config` and `hub` (how it starts and ends), `bus` (the durable heart), `web` (its doors),
//! `outside` (how it reaches providers), `sandbox` (the pretend ones), `moving` (to another machine or to AWS), `cli`.

mod config;
mod hub;

mod bus;
mod moving;
mod outside;
mod sandbox;
mod sockets;
mod web;
mod wiring;

mod metrics;
mod search;
mod trace;
mod upkeep;

mod cli;

/// Requests and their outcomes are many small pieces of memory on several threads; the system's allocator spends
/// a tenth of the processor on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
