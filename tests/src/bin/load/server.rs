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
    directory: tempfile::TempDir,
}

/// The way to a server.
#[derive(Clone)]
pub struct Way {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Who has all sockets; `None` for socket.io.
    pub cookie: Option<String>,
    http: reqwest::Client,
}

impl Way {
    /// A fresh ticket for a socket of ours; socket.io needs none.
    pub async fn ticket(&self) -> Result<Option<String>> {
        let Some(cookie) = &self.cookie else { return Ok(None) };
        let request = self.http.post(format!("http://127.0.0.1:{}/api/tickets", self.port));
        let response = request.header("cookie", cookie).send().await?.error_for_status()?;
        let body: serde_json::Value = response.json().await?;
        Ok(Some(body["ticket"].as_str().context("no ticket")?.to_owned()))
    }
}

const CONFIGURATION: &str = "[rooms.load]\nsms = \"open\"\n[chat]\nsockets = 100000\nsockets_per_address = 100000\n\
     sockets_per_person = 100000\nposts_per_minute = 10000000\nposts_per_minute_per_address = 10000000\n";

impl Server {
    /// Our hub, with one room and nothing in it.
    pub async fn ours() -> Result<Self> {
        Self::in_directory(tempfile::tempdir()?).await
    }

    /// Our hub, with its data in `data` of a directory.
    pub async fn in_directory(directory: tempfile::TempDir) -> Result<Self> {
        std::fs::write(directory.path().join("switchboard.toml"), CONFIGURATION)?;
        let mut command = command();
        command.args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path().join("data"));
        command.current_dir(directory.path()).stderr(Stdio::null());
        let (child, port) = start(command, " at http://127.0.0.1:").await?;
        let http = reqwest::Client::new();
        // A hub that is started again remembers who was there.
        let name = format!("Load {}", rand::random::<u16>());
        let request =
            http.post(format!("http://127.0.0.1:{port}/api/session/guest")).json(&json!({ "name": name }));
        let response = request.send().await?.error_for_status()?;
        let cookie = response.headers().get("set-cookie").context("no cookie")?.to_str()?;
        let cookie = Some(cookie.split(';').next().unwrap_or_default().to_owned());
        Ok(Self { child, name: "switchboard", port, cookie, http, directory })
    }

    /// Ends it, and gives its directory back.
    pub async fn end(mut self) -> Result<tempfile::TempDir> {
        self.child.kill().await?;
        Ok(self.directory)
    }

    /// Asks it as who is signed in.
    pub async fn get(&self, path: &str) -> Result<serde_json::Value> {
        let request = self.http.get(format!("http://127.0.0.1:{}{path}", self.port));
        let request = request.header("cookie", self.cookie.as_deref().unwrap_or_default());
        Ok(request.send().await?.error_for_status()?.json().await?)
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
            directory: tempfile::tempdir()?,
        })
    }

    /// What a socket needs to open.
    pub fn way(&self) -> Way {
        Way { port: self.port, cookie: self.cookie.clone(), http: self.http.clone() }
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
