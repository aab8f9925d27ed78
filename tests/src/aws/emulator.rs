//! ministack: a process on a free port of 127.0.0.1, with a directory of its own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::PATIENCE;
use crate::clients::tools;

/// A running emulator.
pub struct Emulator {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Emulator {
    /// Starts it. With `enforcing` every request needs a grant of IAM.
    pub async fn start(enforcing: bool) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let program = tools().join("aws/bin/ministack");
        assert!(program.exists(), "the emulator is not installed: make setup");
        let directory = tempfile::tempdir().expect("a directory");
        // Between finding a free port and taking it somebody else may take it: then another is tried.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let log = std::fs::File::create(directory.path().join("emulator.log")).expect("a log file");
            let mut command = Command::new(&program);
            command
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", directory.path())
                .env("TMPDIR", directory.path())
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string())
                // Functions inherit it; without it they would ask the real AWS.
                .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
                .env("AWS_REGION", "us-east-1")
                .env("IOT_MTLS_ENABLED", "0")
                // The keys of user pools, among others.
                .env("STATE_DIR", directory.path().join("state"))
                .env("SFTP_ENABLED", "0")
                // Which function asks for what: the grants of the template are compared with it, so every call is kept.
                .env("CLOUDTRAIL_RECORDING", "1")
                .env("CLOUDTRAIL_MAX_EVENTS", "200000")
                .env("AUTH", if enforcing { "true" } else { "false" })
                .current_dir(directory.path())
                .stdout(Stdio::from(log.try_clone().expect("a log file")))
                .stderr(Stdio::from(log))
                .process_group(0)
                .kill_on_drop(true);
            let mut child = command.spawn().expect("the emulator starts");
            if Self::healthy(&mut child, port).await {
                return Self { child, port, directory };
            }
        }
        panic!("the emulator does not start");
    }

    async fn healthy(child: &mut Child, port: u16) -> bool {
        let began = Instant::now();
        let client = reqwest::Client::new();
        while began.elapsed() < PATIENCE {
            if child.try_wait().expect("a status").is_some() {
                return false;
            }
            let asked = client.get(format!("http://127.0.0.1:{port}/_ministack/health")).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        false
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A directory that ends with the emulator.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Ends it, and with it the functions that it runs.
    pub async fn stop(self) {
        drop(self);
    }
}

impl Drop for Emulator {
    /// Ends the whole group: the functions that it runs are processes too.
    fn drop(&mut self) {
        let Some(pid) = self.child.id() else { return };
        let group = format!("-{pid}");
        for signal in ["-TERM", "-KILL"] {
            let _ = std::process::Command::new("kill")
                .args([signal, "--", &group])
                .stderr(Stdio::null())
                .status();
            let began = Instant::now();
            while signal == "-TERM" && began.elapsed() < Duration::from_secs(5) {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
