//! Opening a [`House`]: of this machine, or as it is deployed.

use serde_json::{Value, json};
use switchboard_sandbox::{Behaviour, Sandbox, Settings};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{House, Hub, PUBLIC, deployed};

impl House {
    /// A hub with this `switchboard.toml`.
    pub async fn open(configuration: &str) -> Self {
        Self::open_with(configuration, |_| {}).await
    }

    /// The house as it is deployed, whatever this run is about.
    pub async fn open_deployed(configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::build(directory, configuration, |_| {}, true, 0).await
    }

    /// The same, with the secrets in the Secrets Manager and not in the Parameter Store.
    pub async fn open_with_managed_secrets(configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("secrets-in"), "SecretsManager").expect("it is written down");
        Self::build(directory, configuration, |_| {}, true, 0).await
    }

    /// The same, where a listener gives up after so many attempts.
    pub async fn open_impatient(configuration: &str, listener: &str, attempts: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let wiring = directory.path().join("wiring");
        std::fs::create_dir(&wiring).expect("a directory");
        let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/wiring");
        for file in std::fs::read_dir(own).expect("the wiring") {
            let file = file.expect("a file");
            let text = std::fs::read_to_string(file.path()).expect("a rule");
            let mut rule: Value = serde_json::from_str(&text).expect("a rule");
            if rule["listener"] == listener {
                rule["delivery"]["attempts"] = json!(attempts);
            }
            std::fs::write(wiring.join(file.file_name()), rule.to_string()).expect("a rule is written");
        }
        Self::open_in(directory, configuration, |_| {}).await
    }

    /// The same, with other pretend providers.
    pub async fn open_with(configuration: &str, change: impl FnOnce(&mut Settings)) -> Self {
        Self::open_in(tempfile::tempdir().expect("a directory"), configuration, change).await
    }

    /// A hub on this machine, whatever this run is about: for stories of its own process, files and sockets.
    pub async fn open_here(configuration: &str) -> Self {
        Self::open_at(configuration, 0).await
    }

    /// The same, on a port that is known beforehand.
    pub async fn open_at(configuration: &str, port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::build(directory, configuration, |_| {}, false, port).await
    }

    /// A hub on this machine that the providers reach at this address.
    pub async fn open_here_behind(configuration: &str, outside: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let change = |settings: &mut Settings| outside.clone_into(&mut settings.hub_base);
        Self::build(directory, configuration, change, false, 0).await
    }

    async fn open_in(directory: TempDir, configuration: &str, change: impl FnOnce(&mut Settings)) -> Self {
        Self::build(directory, configuration, change, deployed(), 0).await
    }

    async fn build(
        directory: TempDir,
        configuration: &str,
        change: impl FnOnce(&mut Settings),
        deployed: bool,
        port: u16,
    ) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        std::fs::write(directory.path().join("switchboard.toml"), configuration)
            .expect("a configuration file");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/sandbox", listener.local_addr().expect("an address"));
        let hub = if deployed {
            Hub::deployed(directory.path(), configuration, &base).await
        } else {
            Hub::start(directory.path(), &base, port).await
        };

        let mut settings = Settings::for_hub(&hub.base());
        settings.public_base = PUBLIC.into();
        settings.own_base.clone_from(&base);
        settings.behaviour = Behaviour { slack_retry_after_ms: vec![0, 500, 1000], ..Behaviour::default() };
        for room in channels(configuration) {
            settings.slack.channels.push((room.clone(), room.to_lowercase()));
        }
        change(&mut settings);
        let sandbox = Sandbox::new(settings).expect("a sandbox");
        let app = axum::Router::new().nest("/sandbox", sandbox.router());
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("the sandbox serves");
        });
        Self { hub, sandbox, server, base, http: reqwest::Client::new(), directory }
    }
}

/// The channels of a configuration.
fn channels(configuration: &str) -> Vec<String> {
    configuration
        .lines()
        .filter_map(|line| line.trim().strip_prefix("slack_channel = \"")?.strip_suffix('"'))
        .filter(|id| !["C0LOBBY", "C0OPS"].contains(id))
        .map(str::to_owned)
        .collect()
}
