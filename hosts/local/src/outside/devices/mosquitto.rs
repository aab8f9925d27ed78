//! A broker that isn't ours, Debian's mosquitto, started by the test on a free port of 127.0.0.1, and its own clients.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long a test waits for what is to come.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// A topic of the test's own, by which it knows how far a subscriber has read.
const MARK: &str = "mark";

/// The user that may do all, and the one that may only read.
pub(super) const HUB: (&str, &str) = ("hub", "p@ss:word");
pub(super) const GUEST: (&str, &str) = ("guest", "guest");

/// A running broker.
pub(super) struct Mosquitto {
    child: Child,
    pub(super) port: u16,
    directory: TempDir,
}

impl Mosquitto {
    /// Starts one that knows two users, with TLS where there are certificates.
    pub(super) async fn start(certificates: Option<&Certificates>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("passwords"), "").unwrap();
        for (user, password) in [HUB, GUEST] {
            run(Command::new("mosquitto_passwd").arg("-b").arg(at("passwords")).args([user, password])).await;
        }
        std::fs::write(at("access"), "user hub\ntopic readwrite #\nuser guest\ntopic read #\n").unwrap();
        // Between finding a free port and taking it somebody else may take it: then another is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = begin(directory.path(), port, certificates).await {
                return Self { child, port, directory };
            }
        }
        panic!("mosquitto does not start: {}", std::fs::read_to_string(at("log")).unwrap_or_default());
    }

    /// Kills it.
    pub(super) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again, where it was.
    pub(super) async fn start_again(&mut self) {
        let began = Instant::now();
        self.child = loop {
            // Meanwhile somebody else's connection may have been given the port.
            assert!(began.elapsed() < PATIENCE, "its port is not free again");
            if let Some(child) = begin(self.directory.path(), self.port, None).await {
                break child;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
    }

    /// One who hears all that is published from now on.
    pub(super) async fn subscriber(&self) -> Subscriber {
        self.mark("beginning", true).await;
        let mut subscriber = self.subscribe(&["#"]);
        while subscriber.next().await != (MARK.to_owned(), b"beginning".to_vec()) {}
        subscriber
    }

    /// What it keeps for a topic.
    pub(super) async fn kept(&self, topic: &str) -> Option<Vec<u8>> {
        // What is kept is sent in the order of the topics: nothing before the mark is nothing at all.
        self.mark("kept", true).await;
        let (came, payload) = self.subscribe(&[topic, MARK]).next().await;
        (came == topic).then_some(payload)
    }

    async fn mark(&self, text: &str, kept: bool) {
        let mut command = Command::new("mosquitto_pub");
        command.args(self.access()).args(["-t", MARK, "-m", text, "-q", "1"]);
        run(if kept { command.arg("-r") } else { &mut command }).await;
    }

    fn subscribe(&self, topics: &[&str]) -> Subscriber {
        let mut command = Command::new("mosquitto_sub");
        command.args(self.access()).args(["-q", "1", "-F", "%x %t"]);
        command.args(topics.iter().flat_map(|topic| ["-t", topic]));
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("mosquitto_sub");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Subscriber { _child: child, lines }
    }

    fn access(&self) -> Vec<String> {
        let port = self.port.to_string();
        ["-h", "127.0.0.1", "-p", &port, "-u", HUB.0, "-P", HUB.1, "-V", "5"].map(str::to_owned).to_vec()
    }
}

/// One who subscribes.
pub(super) struct Subscriber {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    async fn next(&mut self) -> (String, Vec<u8>) {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("in time");
        let line = line.unwrap().expect("the subscriber is connected");
        let (payload, topic) = line.split_once(' ').unwrap();
        (topic.to_owned(), hex::decode(payload).unwrap())
    }

    /// All that was published until now and was not given yet.
    pub(super) async fn until_now(&mut self, broker: &Mosquitto) -> Vec<(String, Vec<u8>)> {
        broker.mark("now", false).await;
        let mut came = Vec::new();
        loop {
            match self.next().await {
                (topic, payload) if topic == MARK && payload == b"now" => return came,
                (topic, _) if topic == MARK => {}
                other => came.push(other),
            }
        }
    }
}

/// An authority's certificate, and a server's for `localhost`.
pub(super) struct Certificates {
    pub(super) authority: PathBuf,
    server: PathBuf,
    key: PathBuf,
}

impl Certificates {
    /// Made by openssl, in this directory.
    pub(super) async fn make(directory: &Path) -> Self {
        let at = |name: &str| directory.join(name);
        std::fs::write(at("extensions"), "subjectAltName=DNS:localhost\n").unwrap();
        let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for line in [
            format!("{new} -x509 -days 2 -subj /CN=authority -keyout authority.key -out authority.pem"),
            format!("{new} -subj /CN=localhost -keyout server.key -out server.csr"),
            "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
             -extfile extensions -out server.pem"
                .to_owned(),
        ] {
            run(Command::new("openssl").args(line.split_whitespace()).current_dir(directory)).await;
        }
        Self { authority: at("authority.pem"), server: at("server.pem"), key: at("server.key") }
    }
}

/// Starts the broker of this directory; `None` when it cannot, the port having been taken.
async fn begin(directory: &Path, port: u16, certificates: Option<&Certificates>) -> Option<Child> {
    let tls = certificates.map_or_else(String::new, |it| {
        format!("certfile {}\nkeyfile {}\n", it.server.display(), it.key.display())
    });
    let (place, file) = (directory.display(), directory.join("configuration"));
    let configuration = format!(
        "user root\npersistence false\nallow_anonymous false\npassword_file {place}/passwords\n\
         acl_file {place}/access\nlistener {port} 127.0.0.1\n{tls}"
    );
    std::fs::write(&file, configuration).unwrap();
    let log = std::fs::File::create(directory.join("log")).unwrap();
    // Debian has it where only root looks for programs.
    let system = Path::new("/usr/sbin/mosquitto");
    let mut command = Command::new(if system.exists() { system } else { Path::new("mosquitto") });
    command.arg("-c").arg(&file).stderr(Stdio::from(log)).kill_on_drop(true);
    let mut child = command.spawn().expect("mosquitto is not installed: make setup");
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if std::fs::read_to_string(directory.join("log")).unwrap().contains(" running") {
            return Some(child);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

async fn run(command: &mut Command) {
    let ended = command.output().await.expect("it is not installed: make setup");
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}
