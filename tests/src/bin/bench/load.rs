//! A hub under load: many connections, each sending signed webhooks one after another.

use std::time::{Duration, Instant};

use switchboard_stories::{Hub, sign};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peers::Slack;

/// Connections of the load.
pub(crate) const CONNECTIONS: u32 = 64;

/// A hub with its lean Slack.
pub(crate) struct Bench {
    pub(crate) hub: Hub,
    pub(crate) slack: Slack,
    _directory: TempDir,
}

impl Bench {
    /// A hub with so many rooms, each with a phone and a channel.
    pub(crate) async fn open(rooms: u32) -> Self {
        let directory = tempfile::tempdir_in(".").expect("a directory on the disk of the repository");
        let mut configuration = String::from("[sms]\nsegments_per_second = 0\n");
        for room in 0..rooms {
            let phone = phone(room);
            configuration.push_str(&format!(
                "[rooms.room{room}]\nslack_channel = \"C0ROOM{room}\"\nsms = \"listed\"\nphones = [\"{phone}\"]\n"
            ));
        }
        std::fs::write(directory.path().join("switchboard.toml"), configuration).expect("a configuration");
        let slack = Slack::start().await;
        let hub = Hub::start(directory.path(), &slack.base, 0).await;
        Self { hub, slack, _directory: directory }
    }

    /// Ends the hub.
    pub(crate) async fn close(mut self) {
        self.hub.stop().await;
    }
}

/// The phone of a room.
pub(crate) fn phone(room: u32) -> String {
    format!("+1415556{room:04}")
}

/// A signed webhook as bytes for the wire.
pub(crate) fn webhook(number: u64, room: u32) -> Vec<u8> {
    let sid = format!("SM{number:032x}");
    let signed =
        sign::twilio("/twilio/messages", &sign::text_form(&sid, &phone(room), &format!("text {number}")));
    let mut bytes = format!(
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\n",
        signed.path, signed.content_type
    );
    for (name, value) in &signed.headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str(&format!("Content-Length: {}\r\n\r\n{}", signed.body.len(), signed.body));
    bytes.into_bytes()
}

/// A keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to a port of this machine.
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: vec![0; 16 * 1024] }
    }

    /// Sends a request and reads its answer; gives the status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.expect("sent");
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[read..]).await.expect("read");
            assert!(more > 0, "the connection was closed");
            read += more;
            let text = String::from_utf8_lossy(&self.buffer[..read]);
            if let Some(end) = text.find("\r\n\r\n") {
                let head = text[..end].to_ascii_lowercase();
                let length =
                    head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                if read >= end + 4 + length.unwrap_or(0) {
                    return text[9..12].parse().expect("a status");
                }
            }
        }
    }
}

/// Sends until the time is over, from all connections; gives requests a second and the sorted times in ms.
pub(crate) async fn drive(
    port: u16,
    seconds: u64,
    requests: impl Fn(u64) -> Vec<u8> + Clone + Send + 'static,
) -> (f64, Vec<f64>) {
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for connection in 0..u64::from(CONNECTIONS) {
        let requests = requests.clone();
        tasks.push(tokio::spawn(async move {
            let mut own = Connection::open(port).await;
            let (mut times, mut number) = (Vec::new(), connection << 40);
            while Instant::now() < until {
                let request = requests(number);
                number += 1;
                let sent = Instant::now();
                assert_eq!(own.exchange(&request).await, 200);
                times.push(sent.elapsed().as_secs_f64() * 1000.0);
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a connection's times"));
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    (rate, times)
}

/// The value below which this part of the sorted times lies.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let index = (sorted.len() as f64 * part) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// A process's resident memory.
pub(crate) fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

/// A process's processor time so far, in seconds.
pub(crate) fn processor_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // utime and stime, in hundredths of a second; the state letter does not parse, so the rest moves by one.
    (fields.get(10).unwrap_or(&0.0) + fields.get(11).unwrap_or(&0.0)) / 100.0
}
