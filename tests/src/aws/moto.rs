//! moto: a second emulator that isn't ours. It runs no functions; it is asked for a second opinion where the first is
//! more lenient than AWS.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::PATIENCE;
use crate::clients::tools;

/// A running moto, which ends when it is dropped.
pub struct Moto {
    _child: Child,
    port: u16,
}

impl Moto {
    /// Starts it on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let program = tools().join("moto/bin/moto_server");
        assert!(program.exists(), "moto is not installed: make soak installs it");
        // Between finding a free port and taking it somebody else may take it: then another is tried.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let mut command = Command::new(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            let mut child = command.spawn().expect("moto starts");
            let began = Instant::now();
            while began.elapsed() < PATIENCE && child.try_wait().expect("a status").is_none() {
                let asked = reqwest::get(format!("http://127.0.0.1:{port}/moto-api/data.json")).await;
                if asked.is_ok_and(|answer| answer.status().is_success()) {
                    return Self { _child: child, port };
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        panic!("moto does not start");
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
