//! One socket's task: it reads frames, has them heard, and lets nobody wait who cannot wait.

mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_core::{ArrivalId, Failure, Frame, Grant, Heard, Reading, RoomName, Word};
use tokio::time::Instant;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::Exchange;
use super::frames::{last_words, ping_frame, text_frame};
use super::sieve::{Sieve, Stream};
use super::socket::{Flushed, Socket};
use crate::bus::inbox::{Answering, Asked, DoorJob, SocketAnswer};

/// The first frame is a hello, within this.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// A socket that has been silent for this is pinged,
const PING_AFTER: Duration = Duration::from_secs(30);
/// and given up after this.
const SILENT: Duration = Duration::from_secs(75);
/// So many mistakes in a minute are one too many.
const MAX_MISTAKES: u32 = 20;
/// Frames of any kind: so many at once, and so many a second; more where a person may post more than that.
const FRAMES_AT_ONCE: u32 = 200;
const FRAMES_A_SECOND: u32 = 50;
/// Changes that a socket has asked for and that are not on the disk yet.
const MAX_ON_THE_WAY: usize = 64;
/// Rooms that one socket listens to.
const MAX_ROOMS: usize = 100;
/// What tungstenite reads at a time.
const READ_BYTES: usize = 1024;

struct Talk<'a> {
    exchange: &'a Arc<Exchange>,
    socket: &'a Arc<Socket>,
    /// The place in each room.
    places: HashMap<RoomName, usize>,
    greeted: bool,
    mistakes: u32,
    mistakes_since: Instant,
    tokens: f64,
    tokens_at: Instant,
    on_the_way: Arc<AtomicUsize>,
}

/// Whether the socket goes on.
type Goes = Result<(), Over>;

/// It is over, with these last bytes.
struct Over(bytes::Bytes);

/// Talks until the end.
pub(super) async fn talk(exchange: &Arc<Exchange>, socket: &Arc<Socket>, before: &[u8]) {
    let now = Instant::now();
    let mut talk = Talk {
        exchange,
        socket,
        places: HashMap::new(),
        greeted: false,
        mistakes: 0,
        mistakes_since: now,
        tokens: f64::from(FRAMES_AT_ONCE.max(exchange.limits.posts_per_minute)),
        tokens_at: now,
        on_the_way: Arc::default(),
    };
    if let Err(Over(last)) = talk.go_on(before).await {
        socket.close(last);
        // What waits is written, if it is taken soon.
        let _ = tokio::time::timeout(Duration::from_secs(5), async {
            while socket.flush() == Flushed::Part {
                if socket.stream.writable().await.is_err() {
                    return;
                }
            }
        })
        .await;
    }
    let person = &socket.connection.person;
    for (room, place) in std::mem::take(&mut talk.places) {
        if let Some(here) = exchange.rooms.get(&room) {
            here.places.leave(place);
        }
        exchange.left(&room, person);
    }
}

impl Talk<'_> {
    async fn go_on(&mut self, before: &[u8]) -> Goes {
        let most = self.exchange.limits.frame_bytes;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let mut context = WebSocketContext::new(Role::Server, Some(config));
        let mut sieve = Sieve::new(most, before);
        let began = Instant::now();
        let (mut heard, mut pinged) = (began, false);
        let mut unread = true;
        loop {
            if unread {
                loop {
                    let mut stream = Stream { socket: self.socket, sieve: &mut sieve };
                    let read = context.read(&mut stream);
                    self.passed_over(&mut sieve)?;
                    match read {
                        Ok(message) => {
                            (heard, pinged) = (Instant::now(), false);
                            Box::pin(self.message(message)).await?;
                        }
                        Err(tungstenite::Error::Io(error))
                            if error.kind() == std::io::ErrorKind::WouldBlock =>
                        {
                            break;
                        }
                        Err(error) => return Err(self.broke(&error)),
                    }
                }
                unread = false;
            }
            let part = match self.socket.flush() {
                Flushed::Over => return Err(Over(bytes::Bytes::new())),
                flushed => flushed == Flushed::Part,
            };
            let now = Instant::now();
            let expires = self.socket.expires_at().since((self.exchange.ground.clock)());
            let mut next = if pinged { heard + SILENT } else { heard + PING_AFTER };
            if !self.greeted {
                next = next.min(began + HELLO_WITHIN);
            }
            if part {
                next = next.min(now + Duration::from_secs(5));
            }
            let next = next.min(now + expires.min(Duration::from_secs(3600)));
            tokio::select! {
                ready = self.socket.stream.readable() => {
                    if ready.is_err() {
                        return Err(Over(bytes::Bytes::new()));
                    }
                    unread = true;
                }
                ready = self.socket.stream.writable(), if part => {
                    if ready.is_err() {
                        return Err(Over(bytes::Bytes::new()));
                    }
                }
                () = self.socket.wake.notified() => {}
                () = tokio::time::sleep_until(next) => {
                    let now = Instant::now();
                    if self.socket.expires_at() <= (self.exchange.ground.clock)() {
                        let word = self.exchange.say(&Word::Resume { reason: "expiring" });
                        return Err(Over(last_words(&word, 4401, "the session is over")));
                    }
                    if !self.greeted && now >= began + HELLO_WITHIN {
                        let word = self.exchange.say(&Word::Error { code: "not_hello", reason: "no hello came" });
                        return Err(Over(last_words(&word, 1008, "no hello")));
                    }
                    if pinged && now >= heard + SILENT {
                        return Err(Over(last_words("", 1001, "silent")));
                    }
                    if !pinged && now >= heard + PING_AFTER {
                        self.socket.send(ping_frame());
                        pinged = true;
                    }
                }
            }
        }
    }

    fn passed_over(&mut self, sieve: &mut Sieve) -> Goes {
        for _ in 0..std::mem::take(&mut sieve.skipped) {
            let most = self.exchange.limits.frame_bytes;
            let reason = format!("a frame has at most {most} bytes");
            let word = Word::Error { code: "too_large", reason: &reason };
            if sieve.broken {
                return Err(Over(last_words(&self.exchange.say(&word), 1009, "too large")));
            }
            self.mistake(&self.exchange.say(&word))?;
        }
        Ok(())
    }

    fn broke(&self, error: &tungstenite::Error) -> Over {
        use tungstenite::Error;
        match error {
            Error::Capacity(_) => Over(last_words("", 1009, "too large")),
            Error::Protocol(_) => Over(last_words("", 1002, "not as RFC 6455 says")),
            Error::Utf8(_) => Over(last_words("", 1007, "not UTF-8")),
            _ => Over(bytes::Bytes::new()),
        }
    }

    /// Says what was wrong; too often, and it is over.
    fn mistake(&mut self, frame: &str) -> Goes {
        if self.mistakes_since.elapsed() > Duration::from_secs(60) {
            (self.mistakes, self.mistakes_since) = (0, Instant::now());
        }
        self.mistakes += 1;
        if self.mistakes > MAX_MISTAKES {
            return Err(Over(last_words(frame, 1008, "too many mistakes")));
        }
        self.socket.send(text_frame(frame));
        Ok(())
    }

    /// A frame more: is it too fast?
    fn too_fast(&mut self) -> bool {
        let now = Instant::now();
        let posts = self.exchange.limits.posts_per_minute;
        let a_second = f64::from(FRAMES_A_SECOND.max(posts / 30));
        let gained = now.duration_since(self.tokens_at).as_secs_f64() * a_second;
        self.tokens = (self.tokens + gained).min(f64::from(FRAMES_AT_ONCE.max(posts)));
        self.tokens_at = now;
        if self.tokens < 1.0 {
            return true;
        }
        self.tokens -= 1.0;
        false
    }

    async fn message(&mut self, message: Message) -> Goes {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                let word = Word::Error { code: "binary", reason: "frames are texts" };
                return self.mistake(&self.exchange.say(&word));
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
            // It has been answered.
            Message::Close(_) => return Ok(()),
        };
        let text = text.as_str();
        if self.too_fast() {
            return self.refuse_as(text, "too_fast", "too many frames");
        }
        let Some(sockets) = self.exchange.sockets() else { return Ok(()) };
        let connection = &self.socket.connection;
        let heard = sockets.hear(connection, text, (self.exchange.ground.clock)());
        if !self.greeted && !matches!(heard, Heard::Watch { hello: true, .. } | Heard::Refused(_)) {
            return self.refuse_as(text, "not_hello", "the first frame is a hello");
        }
        match heard {
            Heard::Refused(frame) => self.mistake(&frame),
            Heard::Answer { frame, pushes } => {
                if let Some(frame) = frame {
                    self.socket.send(text_frame(&frame));
                }
                let listens = |room: &RoomName| self.places.contains_key(room);
                let heard = |push: &switchboard_core::Push| match &push.to {
                    switchboard_core::Audience::Room(room) => listens(room),
                    _ => true,
                };
                self.exchange.push(pushes.into_iter().filter(heard).collect());
                Ok(())
            }
            Heard::Arrival(id) => self.arrival(id, text, false),
            Heard::Renew(id) => self.arrival(id, text, true),
            Heard::Ask => {
                let answer = self.ask(text).await;
                match answer {
                    Ok(frame) => self.socket.send(text_frame(&frame)),
                    Err(failure) => return self.refuse(text, &failure),
                }
                Ok(())
            }
            Heard::Unwatch(room) => {
                if let Some(place) = self.places.remove(&room) {
                    self.socket.unlisten(&room);
                    if let Some(here) = self.exchange.rooms.get(&room) {
                        here.places.leave(place);
                    }
                    self.exchange.left(&room, &connection.person);
                }
                Ok(())
            }
            Heard::Watch { rooms, hello } => {
                if hello && self.greeted {
                    return self.refuse_as(text, "bad_field", "hello was said already");
                }
                self.watch(text, rooms, hello).await
            }
        }
    }

    fn refuse(&mut self, text: &str, failure: &Failure) -> Goes {
        let frame = self.exchange.say(&Word::Refused { frame: text, failure });
        self.mistake(&frame)
    }

    fn refuse_as(&mut self, text: &str, code: &'static str, reason: &str) -> Goes {
        self.refuse(text, &Failure::refuse_as(400, code, reason))
    }

    /// Something that changes what is stored: into the writer's line. Its answer comes when it is on the disk.
    fn arrival(&mut self, id: ArrivalId, text: &str, renews: bool) -> Goes {
        if self.exchange.pace(self.socket).is_err() {
            let reason = "you have said much in the last minute: try again a little later";
            let failure = Failure::refuse_as(429, "too_fast", reason);
            let frame = self.exchange.say(&Word::Refused { frame: text, failure: &failure });
            self.socket.send(text_frame(&frame));
            return Ok(());
        }
        if self.on_the_way.fetch_add(1, Ordering::Relaxed) >= MAX_ON_THE_WAY {
            self.on_the_way.fetch_sub(1, Ordering::Relaxed);
            return self.refuse_as(text, "too_fast", "wait for what you have said to be accepted");
        }
        let frame = Frame { connection: self.socket.connection.clone(), text: text.to_owned() };
        let (exchange, socket) = (Arc::clone(self.exchange), Arc::clone(self.socket));
        let (on_the_way, said) = (Arc::clone(&self.on_the_way), text.to_owned());
        let answer = move |answer: Result<switchboard_core::Reply, Failure>| {
            on_the_way.fetch_sub(1, Ordering::Relaxed);
            let renewed = |body: &str| {
                let grant: Grant = serde_json::from_str(body).ok()?;
                socket.renew(grant.expires_at);
                Some(exchange.say(&Word::Renewed { expires_at: grant.expires_at }))
            };
            let frame = match answer {
                Ok(reply) if renews => renewed(&reply.body).unwrap_or_default(),
                Ok(reply) => reply.body,
                Err(failure) => exchange.say(&Word::Refused { frame: &said, failure: &failure }),
            };
            socket.send_later(text_frame(&frame));
        };
        let asked = Asked::Frame(frame);
        let job = DoorJob {
            door: "web_chat.page",
            arrival: id,
            once: renews,
            asked,
            answer: Answering::Socket(SocketAnswer::new(answer)),
        };
        if let Err(turned_away) = self.exchange.ground.inbox.knock_or_back(job) {
            turned_away.answer.send(Err(Failure::retry("too much is waiting; try again")));
        }
        Ok(())
    }

    async fn ask(&self, text: &str) -> Result<String, Failure> {
        let (connection, said) = (self.socket.connection.clone(), text.to_owned());
        self.exchange
            .read(move |sockets, reading, handle| {
                handle.block_on(sockets.answer(&connection, &said, reading))
            })
            .await
    }
}

impl Exchange {
    /// Reads the bridge's store, off the async threads.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(
            &dyn switchboard_core::Sockets,
            &Reading<'_>,
            &tokio::runtime::Handle,
        ) -> Result<T, Failure>
        + Send
        + 'static,
    ) -> Result<T, Failure> {
        let exchange = Arc::clone(self);
        let handle = tokio::runtime::Handle::current();
        let now = (self.ground.clock)();
        let name = self.bridge.declaration().name;
        self.ground
            .readers
            .read(name, now, move |view| {
                let ground = &exchange.ground;
                let reading = Reading { view, search: Some(&*ground.search), blobs: &ground.blobs, now };
                let sockets = exchange.sockets().ok_or_else(|| Failure::bug("a bridge without sockets"))?;
                work(sockets, &reading, &handle)
            })
            .await
    }
}
