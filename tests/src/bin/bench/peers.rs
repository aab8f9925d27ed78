//! What the hub is measured beside: a lean Slack, a bare handler, the disk.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use tokio::net::TcpListener;

/// Answers `chat.postMessage`, and notes when each text came.
#[derive(Clone)]
pub(crate) struct Slack {
    pub(crate) base: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    count: AtomicU64,
    times: Mutex<HashMap<u64, Instant>>,
}

impl Slack {
    /// Listens on a free port.
    pub(crate) async fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let app = Router::new()
            .route("/sandbox/slack/api/chat.postMessage", post(post_message))
            .with_state(Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/sandbox", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, seen }
    }

    /// Posts so far.
    pub(crate) fn count(&self) -> u64 {
        self.seen.count.load(Ordering::Relaxed)
    }

    /// When each text came, by its number; forgets them.
    pub(crate) fn take_times(&self) -> HashMap<u64, Instant> {
        std::mem::take(&mut self.seen.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn post_message(
    State(seen): State<Arc<Seen>>,
    body: Bytes,
) -> ([(&'static str, &'static str); 1], String) {
    let number = number_of(&body).expect("a text of the load");
    let count = seen.count.fetch_add(1, Ordering::Relaxed);
    seen.times.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Instant::now());
    let answer = format!(
        r#"{{"ok":true,"channel":"C0","ts":"1700000000.{count:06}","message":{{"bot_id":"B0BENCH","app_id":"A0BENCH"}}}}"#
    );
    ([("content-type", "application/json")], answer)
}

/// The number in `"text":"text 123"`.
fn number_of(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let rest = &text[text.find("text 1").or_else(|| text.find("\"text "))?..];
    let digits: String =
        rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A handler that does nothing but read the request and answer what the hub's door answers.
pub(crate) async fn bare() -> u16 {
    async fn answer(_body: Bytes) -> ([(&'static str, &'static str); 1], &'static str) {
        (
            [("content-type", "text/xml; charset=utf-8")],
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>",
        )
    }
    let app = Router::new().route("/twilio/messages", post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

/// How often a second the disk under this directory syncs 4 KiB.
pub(crate) fn syncs_a_second() -> f64 {
    let mut file = tempfile::tempfile_in(".").expect("a file on the disk of the repository");
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(3) {
        file.write_all(&[0; 4096]).expect("written");
        file.sync_data().expect("synced");
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}
