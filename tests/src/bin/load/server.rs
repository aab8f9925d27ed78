//! A server under load: ours, or socket.io's in Node.

use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::json;
use switchboard_stories::clients::{scripts, tools};
use switchboard_stories::hub::command;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running server.
pub struct Server {
    child: Child,
    /// What it is called in the results.
    pub name: &'static str,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The cookie of the one person who has all sockets; `None` for socket.io.
    pub cookie: Option<String>,
    /// Asks it over connections that are kept.
    pub http: reqwest::Client,
    _directory: tempfile::TempDir,
}

const CONFIGURATION: &str = "[rooms.load]\nsms = \"open\"\n[chat]\nsockets = 100000\nsockets_per_address = 100000\n\
     sockets_per_person = 100000\nposts_per_minute = 10000000\nposts_per_minute_per_address = 10000000\n";

impl Server {
    /// Our hub, with one room.
    pub async fn ours() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("switchboard.toml"), CONFIGURATION)?;
        let mut command = command();
        command.args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path().join("data"));
        command.current_dir(directory.path()).stderr(Stdio::null());
        let (child, port) = start(command, " at http://127.0.0.1:").await?;
        let http = reqwest::Client::new();
        let request =
            http.post(format!("http://127.0.0.1:{port}/api/session/guest")).json(&json!({ "name": "Load" }));
        let response = request.send().await?.error_for_status()?;
        let cookie = response.headers().get("set-cookie").context("no cookie")?.to_str()?;
        let cookie = Some(cookie.split(';').next().unwrap_or_default().to_owned());
        Ok(Self { child, name: "switchboard", port, cookie, http, _directory: directory })
    }

    /// socket.io's chat, as its own tutorial has it: what one says goes to all.
    pub async fn socket_io() -> Result<Self> {
        let mut command = Command::new("node");
        command.env("NODE_MODULES", tools().join("node/node_modules")).arg(scripts().join("socket_io.mjs"));
        let (child, port) = start(command, "port ").await?;
        Ok(Self {
            child,
            name: "socket.io",
            port,
            cookie: None,
            http: reqwest::Client::new(),
            _directory: tempfile::tempdir()?,
        })
    }

    /// A fresh ticket for a socket of ours.
    pub async fn ticket(&self, http: &reqwest::Client) -> Result<String> {
        let request = http.post(format!("http://127.0.0.1:{}/api/tickets", self.port));
        let request = request.header("cookie", self.cookie.as_deref().unwrap_or_default());
        let body: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
        Ok(body["ticket"].as_str().context("no ticket")?.to_owned())
    }

    fn of_process(&self, file: &str) -> Result<String> {
        let id = self.child.id().context("it has ended")?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }

    /// What it has in memory, in KiB.
    pub fn memory_kib(&self) -> Result<u64> {
        let status = self.of_process("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
    }

    /// The processor's time that it has used, in seconds: its own and the kernel's for it.
    pub fn processor_s(&self) -> Result<f64> {
        let stat = self.of_process("stat")?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        // Linux counts in hundredths for every program.
        Ok((ticks(11) + ticks(12)) / 100.0)
    }
}

/// Starts it and waits for the line that names its port.
async fn start(mut command: Command, before: &str) -> Result<(Child, u16)> {
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut port = None;
    while let Some(line) = lines.next_line().await? {
        if let Some(rest) = line.split(before).nth(1) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            port = digits.parse().ok();
        }
        if line == "ready" {
            break;
        }
    }
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, port.context("it did not say where it listens")?))
}
