//! The hub as a process: started from the binary that was built, watched, killed, asked.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::aws::Stack;
use crate::{HUB_NUMBER, PATIENCE, PUBLIC, SLACK_SECRET, TWILIO_ACCOUNT, TWILIO_TOKEN, until};

/// A running hub: a process on this machine, or the house as it is deployed.
pub struct Hub {
    runs: Runs,
    /// Where it listens on 127.0.0.1; 0 for a deployed one.
    pub port: u16,
    log: PathBuf,
    http: reqwest::Client,
}

enum Runs {
    Here(Child),
    Deployed(Box<Stack>),
}

/// The hub under test: beside this test's own.
pub fn binary() -> PathBuf {
    beside("switchboard")
}

/// A program of ours: beside this test's own.
pub fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this test has a path");
    let mut directory = own.parent().expect("a directory");
    if directory.ends_with("deps") {
        directory = directory.parent().expect("a directory");
    }
    let binary = directory.join(name);
    assert!(binary.exists(), "{} is missing: cargo build --workspace --bins", binary.display());
    binary
}

/// A command of the hub with nothing of this machine's environment in it.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// `run` with the pretend providers' credentials.
pub fn run_command(directory: &Path, sandbox: &str, port: u16) -> Command {
    let mut command = command();
    command.arg("run");
    let wiring = directory.join("wiring");
    if wiring.exists() {
        command.arg("--wiring").arg(wiring);
    }
    command
        .arg("--data")
        .arg(directory.join("data"))
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .current_dir(directory)
        .env("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT)
        .env("TWILIO_AUTH_TOKEN", format!("{TWILIO_TOKEN},the-secondary-token"))
        .env("TWILIO_FROM", HUB_NUMBER)
        .env("TWILIO_API_BASE", format!("{sandbox}/twilio"))
        .env("SLACK_SIGNING_SECRET", SLACK_SECRET)
        .env("SLACK_BOT_TOKEN", "xoxb-sandbox")
        .env("SLACK_API_BASE", format!("{sandbox}/slack/api"))
        .env("PUBLIC_BASE_URL", PUBLIC);
    command
}

impl Hub {
    /// Starts it in a directory, with a `switchboard.toml` there; port 0 takes a free one. Waits for `ready`.
    pub async fn start(directory: &Path, sandbox: &str, port: u16) -> Self {
        Self::start_command(run_command(directory, sandbox, port), directory, port).await
    }

    /// Starts one without credentials: its pretend providers are inside it, and it takes a free port.
    pub async fn start_alone(directory: &Path) -> Self {
        let mut command = command();
        command.arg("run").arg("--data").arg(directory.join("data"));
        command.args(["--listen", "127.0.0.1:0"]).current_dir(directory);
        Self::start_command(command, directory, 0).await
    }

    async fn start_command(mut command: Command, directory: &Path, port: u16) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let log = directory.join("hub.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        command.stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut child = command.spawn().expect("the hub starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut port = port;
        loop {
            let line =
                tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("the hub says something");
            let Some(line) = line.expect("the hub's output") else {
                panic!("the hub ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            };
            if let Some(rest) = line.split(" at http://127.0.0.1:").nth(1) {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                port = digits.parse().expect("a port");
            }
            if line == "ready" {
                break;
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { runs: Runs::Here(child), port, log, http: reqwest::Client::new() }
    }

    /// The house as it is deployed, between the same pretend providers.
    pub async fn deployed(directory: &Path, configuration: &str, sandbox: &str) -> Self {
        let wiring = directory.join("wiring");
        let secrets_in = std::fs::read_to_string(directory.join("secrets-in"));
        let secrets_in = secrets_in.unwrap_or_else(|_| "ParameterStore".to_owned());
        let stack =
            Stack::deploy(configuration, sandbox, wiring.exists().then_some(&*wiring), &secrets_in).await;
        let (log, http) = (PathBuf::new(), reqwest::Client::new());
        Self { runs: Runs::Deployed(Box::new(stack)), port: 0, log, http }
    }

    /// The stack of a deployed one.
    pub fn stack(&self) -> Option<&Stack> {
        match &self.runs {
            Runs::Here(_) => None,
            Runs::Deployed(stack) => Some(stack),
        }
    }

    fn child(&mut self) -> &mut Child {
        match &mut self.runs {
            Runs::Here(child) => child,
            Runs::Deployed(_) => panic!("a deployed house has no process; see needs_one_machine"),
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn base(&self) -> String {
        match &self.runs {
            Runs::Here(_) => format!("http://127.0.0.1:{}", self.port),
            Runs::Deployed(stack) => stack.base().to_owned(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        match &self.runs {
            Runs::Here(child) => child.id().expect("it runs"),
            Runs::Deployed(_) => panic!("a deployed house has no process; see needs_one_machine"),
        }
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        self.child().kill().await.expect("it can be killed");
    }

    /// SIGTERM: it must end by itself, with status 0.
    pub async fn stop(&mut self) {
        if let Runs::Deployed(_) = &self.runs {
            return;
        }
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs");
        assert!(sent.success());
        let ended = tokio::time::timeout(PATIENCE, self.child().wait()).await.expect("the hub ends in time");
        let status = ended.expect("a status");
        assert!(status.success(), "the hub ended with {status}\n{}", self.log());
    }

    /// Waits until it has ended by itself; gives its exit status.
    pub async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.child().wait()).await.expect("the hub ends in time");
        ended.expect("a status").code()
    }

    /// Everything it has logged, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it; any status.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let mut request = self.http.get(format!("{}{path}", self.base()));
        if self.stack().is_some() {
            request = request.bearer_auth(crate::aws::TOKEN);
        }
        let response = request.send().await.expect("the hub answers");
        (response.status().as_u16(), response.text().await.expect("the hub answers"))
    }

    /// Orders something of it; any status.
    pub async fn order(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.base()));
        if self.stack().is_some() {
            request = request.bearer_auth(crate::aws::TOKEN);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the hub answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the hub answers");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Everything that it knows of an id, a provider's id or an address: events with what became of them, oldest
    /// first; none where it knows nothing.
    pub async fn trace(&self, id: &str) -> Vec<Value> {
        if let Runs::Deployed(stack) = &self.runs {
            let traced = stack.ask_with(json!({ "do": "trace", "word": id })).await;
            return traced.as_array().cloned().unwrap_or_default();
        }
        let (_, text) = self.get(&format!("/api/trace/{id}")).await;
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["events"].as_array().cloned().unwrap_or_default()
    }

    /// A sum over the samples of a metric.
    pub async fn metric(&self, name: &str) -> f64 {
        let (status, text) = self.get("/metrics").await;
        assert_eq!(status, 200);
        text.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until nothing is under way: no delivery open, and no event published for a while.
    pub async fn quiet(&self) {
        if let Runs::Deployed(stack) = &self.runs {
            return stack.quiet().await;
        }
        let began = Instant::now();
        let mut last = (-1.0, Instant::now());
        loop {
            let open = self.metric("switchboard_open_deliveries").await;
            let events = self.metric("switchboard_events_total").await;
            if open > 0.0 || last.0 != events {
                last = (events, Instant::now());
            } else if last.1.elapsed() > Duration::from_millis(300) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE * 2,
                "the hub does not come to rest: {open} open\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The dead letters.
    pub async fn dead_letters(&self) -> Vec<Value> {
        if let Runs::Deployed(stack) = &self.runs {
            return stack.ask("dead-letters").await.as_array().expect("a list").clone();
        }
        let (status, text) = self.get("/api/dead-letters").await;
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["dead_letters"].as_array().expect("a list").clone()
    }

    /// Has a dead letter tried again.
    pub async fn redrive(&self, letter: &Value) {
        if let Runs::Deployed(stack) = &self.runs {
            stack.ask_with(json!({ "do": "redrive", "number": letter["id"] })).await;
            return;
        }
        let path = format!("/api/dead-letters/{}/redrive", letter["id"]);
        assert_eq!(self.order("POST", &path, Value::Null).await.0, 200, "{letter:#}");
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        until("the hub is ready", || async { self.get("/readyz").await.0 == 200 }).await;
    }

    /// Runs a command against it; gives (exit status, standard output, standard error).
    pub async fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = command().args(arguments).args(["--hub", &self.base()]).output().await.expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}
