//! Serves a sandbox alone: `cargo run -p switchboard-sandbox --example serve -- [ADDRESS [HUB [STORE]]]`.
//!
//! ADDRESS is 127.0.0.1:0 unless given, HUB (where webhooks go) http://127.0.0.1:8080, STORE a file that
//! keeps what was received. It prints one line, the address to put before `/twilio` and `/slack`, and ends on Ctrl-C.

use switchboard_sandbox::{Sandbox, Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let hub = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8080".into());
    let store = arguments.next().map(Into::into);
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "a provider is installed already")?;

    let listener = tokio::net::TcpListener::bind(address).await?;
    let own_base = format!("http://{}/sandbox", listener.local_addr()?);
    let mut settings = Settings::for_hub(&hub);
    settings.own_base.clone_from(&own_base);
    settings.store = store;
    let sandbox = Sandbox::new(settings)?;
    println!("{own_base}");

    let app = axum::Router::new().nest("/sandbox", sandbox.router());
    let stopped = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        () = stopped => sandbox.stop().await,
    }
    Ok(())
}
