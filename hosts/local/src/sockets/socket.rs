//! One socket: what waits to be written to it. Where it stands in each room is in `listening`.
//!
//! Whoever has something to say writes it at once, as far as the kernel takes it; only what it does not take is
//! queued, and the socket's own task writes that when there is room. So a message to a thousand readers wakes
//! nobody. The queue is bounded: a reader that is too slow is told to resume, and cut.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus::IntCounter;
use switchboard_core::{Connection, Timestamp};
use tokio::net::TcpStream;
use tokio::sync::Notify;

mod listening;

use listening::Listening;
pub(crate) use listening::{Batch, Numbered};

/// Most bytes that wait for one socket, besides what the kernel holds.
const MAX_WAITING: usize = 256 * 1024;
/// How long the kernel may take nothing before the reader counts as one that never reads.
const STUCK: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Bytes>,
    /// How much of the first has been written.
    written: usize,
    waiting_bytes: usize,
    stuck_since: Option<Instant>,
    rooms: Vec<Listening>,
    /// Nothing more is taken: it is closed when what waits is written.
    closing: bool,
    broken: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) number: u64,
    pub(crate) connection: Connection,
    pub(crate) address: std::net::IpAddr,
    pub(crate) stream: TcpStream,
    pub(crate) wake: Notify,
    expires_ms: AtomicI64,
    state: Mutex<State>,
    too_slow: TooSlow,
}

/// What becomes of a reader that is too slow.
#[derive(Debug)]
pub(crate) struct TooSlow {
    /// The frames of its end.
    pub(crate) last: Bytes,
    /// How often that happened, to all.
    pub(crate) counted: IntCounter,
}

impl Socket {
    pub(crate) fn new(
        number: u64,
        connection: Connection,
        address: std::net::IpAddr,
        stream: TcpStream,
        too_slow: TooSlow,
    ) -> Self {
        let expires_ms = AtomicI64::new(connection.expires_at.ms());
        Self {
            number,
            connection,
            address,
            stream,
            wake: Notify::new(),
            expires_ms,
            state: Mutex::default(),
            too_slow,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        Timestamp::from_ms(self.expires_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn renew(&self, until: Timestamp) {
        self.expires_ms.store(until.ms(), Ordering::Relaxed);
    }

    /// Says something; at once, if the kernel takes it.
    pub(crate) fn send(&self, bytes: Bytes) {
        let mut state = self.lock();
        self.put(&mut state, bytes, true);
    }

    /// Says something, and leaves the writing to the socket's own task: for the writer thread, which has other
    /// things to do. What is said after it comes after it.
    pub(crate) fn send_later(&self, bytes: Bytes) {
        let mut state = self.lock();
        self.put(&mut state, bytes, false);
    }

    fn put(&self, state: &mut State, bytes: Bytes, now: bool) {
        if state.closing || state.broken || bytes.is_empty() {
            return;
        }
        if now && state.waiting.is_empty() {
            match self.stream.try_write(&bytes) {
                Ok(written) if written == bytes.len() => return,
                // The whole of it waits, so that who gives up knows that it is begun.
                Ok(written) => state.written = written,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    state.broken = true;
                    self.wake.notify_one();
                    return;
                }
            }
        }
        state.waiting_bytes += bytes.len();
        state.waiting.push_back(bytes);
        if state.waiting_bytes > MAX_WAITING {
            self.give_up(state);
        }
        self.wake.notify_one();
    }

    /// It reads too slowly: nothing is kept for it but word that it is to resume.
    fn give_up(&self, state: &mut State) {
        // The first may be half written: the other half has to follow.
        let first = state.waiting.pop_front().filter(|_| state.written > 0);
        state.waiting.clear();
        state.waiting.extend(first);
        state.waiting.push_back(self.too_slow.last.clone());
        state.closing = true;
        self.too_slow.counted.inc();
    }

    /// Cut as a slow reader.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        if !state.closing {
            self.give_up(&mut state);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Says a last thing, then closes.
    pub(crate) fn close(&self, last: Bytes) {
        let mut state = self.lock();
        self.put(&mut state, last, false);
        state.closing = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Writes what waits, as far as the kernel takes it.
    pub(crate) fn flush(&self) -> Flushed {
        let mut state = self.lock();
        loop {
            if state.broken {
                return Flushed::Over;
            }
            let Some(first) = state.waiting.front() else {
                state.stuck_since = None;
                return if state.closing { Flushed::Over } else { Flushed::All };
            };
            let first = first.slice(state.written..);
            match self.stream.try_write(&first) {
                Ok(written) => {
                    state.stuck_since = None;
                    if written == first.len() {
                        let whole = state.waiting.pop_front().unwrap_or_default();
                        state.waiting_bytes = state.waiting_bytes.saturating_sub(whole.len());
                        state.written = 0;
                    } else {
                        state.written += written;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let since = *state.stuck_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > STUCK {
                        return Flushed::Over;
                    }
                    return Flushed::Part;
                }
                Err(_) => state.broken = true,
            }
        }
    }
}

/// What came of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    All,
    /// The kernel takes no more now.
    Part,
    /// The end: it is closed, broken, or nobody reads it.
    Over,
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;

    use switchboard_core::Person;

    use super::super::frames::{last_words, text_frame};
    use switchboard_core::RoomName;

    use super::*;

    /// A socket, and the other end of it.
    pub(crate) async fn pair() -> (Socket, std::net::TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let person = Person { id: "guest_1".into(), name: "Ann".into(), roles: Vec::new() };
        let connection = Connection {
            id: "1".into(),
            person,
            session: "s".into(),
            expires_at: Timestamp::from_secs(2_000_000_000),
        };
        let last = last_words("slow", 1013, "");
        let counted = IntCounter::new("slow", "slow").unwrap();
        (Socket::new(1, connection, peer.ip(), stream, TooSlow { last, counted }), client)
    }

    fn batch(numbers: &[u64]) -> Batch {
        let parts: Vec<Numbered> = numbers
            .iter()
            .map(|seq| Numbered { seq: Some(*seq), bytes: text_frame(&seq.to_string()) })
            .collect();
        let whole: Vec<u8> = parts.iter().flat_map(|part| part.bytes.to_vec()).collect();
        let numbers = numbers.first().zip(numbers.last()).map(|(first, last)| (*first, *last));
        Batch { parts, whole: whole.into(), numbers }
    }

    /// The texts that have come, each a frame of less than 126 bytes.
    pub(crate) fn heard(client: &mut std::net::TcpStream) -> Vec<String> {
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut bytes = Vec::new();
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = client.read(&mut some) {
            bytes.extend_from_slice(&some[..read]);
        }
        let mut texts = Vec::new();
        let mut rest = bytes.as_slice();
        while let [_, length, after @ ..] = rest {
            let (text, next) = after.split_at(usize::from(*length));
            texts.push(String::from_utf8_lossy(text).into_owned());
            rest = next;
        }
        texts
    }

    #[tokio::test]
    async fn what_is_said_while_a_room_is_read_follows_it_once_and_in_order() {
        let (socket, mut client) = pair().await;
        let room: RoomName = "lobby".parse().unwrap();
        socket.hear(&room, &batch(&[1]));
        socket.listen(&room);
        socket.hear(&room, &batch(&[2, 3]));
        socket.hear(&room, &batch(&[4]));
        socket.caught_up(&room, 3, text_frame("resumed"));
        socket.hear(&room, &batch(&[4, 5]));
        socket.hear(&room, &batch(&[6]));
        socket.hear(&room, &batch(&[6]));
        assert_eq!(heard(&mut client), ["resumed", "4", "5", "6"]);
    }

    #[tokio::test]
    async fn who_never_reads_is_told_to_resume_and_cut_and_what_waits_is_bounded() {
        let (socket, mut client) = pair().await;
        let large = text_frame(&"x".repeat(60_000));
        for _ in 0..1000 {
            socket.send(large.clone());
            assert!(socket.lock().waiting_bytes <= MAX_WAITING + large.len());
        }
        assert!(socket.lock().closing);
        assert_eq!(socket.too_slow.counted.get(), 1);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        while socket.flush() != Flushed::Over {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(socket);
        let all = reader.join().unwrap();
        let last = last_words("slow", 1013, "");
        assert!(all.ends_with(&last), "the last word is whole");
        let before = all.len() - last.len();
        assert_eq!(
            before % large.len(),
            0,
            "and so is every frame before it: otherwise it is read as a part of one"
        );
        assert!(all[..before].chunks(large.len()).all(|frame| frame == large));
    }
}
