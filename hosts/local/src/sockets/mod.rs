//! The sockets of this machine: who is connected, which rooms each listens to, and how what is said reaches them.
//!
//! ```text
//!   writer thread ── pushes, after the commit ──▶ a task for each room ── one rendering ──▶ every socket of it
//!   a socket's task ◀── frames ── browser            │ `talk`: hear, answer, resume      (`socket`: bounded)
//! ```
//! **Resuming without a gap.** A socket first takes its place in the room, where what is said is held for it;
//! then what it missed is read from the store, up to the room's last number, and sent; then what was held and has
//! a greater number; from then on it hears the room. Nothing is missed, because whatever was committed after the
//! reading was pushed after the place was taken; nothing comes twice, because the numbers are compared.
//!
//! What a frame means is the bridge's: `core::socket`. Nothing here is durable: who is cut off resumes.

mod fanout;
mod frames;
pub(crate) mod open;
mod pace;
mod places;
mod sieve;
mod socket;
mod talk;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use switchboard_bridges::web_chat::Chat;
use switchboard_core::{Audience, Bridge, Failure, Person, Push, RoomName, Sockets, Timestamp, Word};
use tokio::sync::watch;

use crate::bus::inbox::Inbox;
use crate::bus::readers::Readers;
use crate::outside::FileBlobs;
use fanout::Cast;
use frames::{last_words, text_frame};
use pace::Buckets;
use places::Places;
use socket::Socket;

/// In a room of more people than this nobody is told who comes and goes: it would be more than what is said.
const MAX_PRESENT: usize = 200;
/// How long somebody may be away, to come back with another socket, before it is said.
const AWAY: Duration = Duration::from_secs(3);
/// How long sockets have to take their last frame when the hub stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What the sockets need of the hub.
pub(crate) struct Ground {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) search: crate::search::Shared,
    pub(crate) blobs: FileBlobs,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) slow_readers: IntCounter,
}

/// A room's sockets.
struct Room {
    places: Arc<Places>,
    cast: Cast,
    /// Who is there, and with how many sockets.
    present: Mutex<HashMap<String, (Person, usize)>>,
}

/// Sockets by something.
type Groups<K> = Mutex<HashMap<K, Vec<Arc<Socket>>>>;

/// See the module.
pub(crate) struct Exchange {
    bridge: Arc<dyn Bridge>,
    limits: Chat,
    ground: Ground,
    rooms: HashMap<RoomName, Room>,
    people: Groups<String>,
    sessions: Groups<String>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    open: AtomicUsize,
    next: AtomicU64,
    by_person: Mutex<Buckets<String>>,
    by_address: Mutex<Buckets<IpAddr>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Exchange {
    /// The sockets of the bridge that has some, with a task for each room.
    pub(crate) fn new(
        bridge: Arc<dyn Bridge>,
        limits: Chat,
        rooms: impl IntoIterator<Item = RoomName>,
        ground: Ground,
    ) -> Arc<Self> {
        let mut made = HashMap::new();
        for name in rooms {
            let (cast, pushes) = Cast::new();
            let places = Arc::new(Places::default());
            tokio::spawn(fanout::cast(name.clone(), cast.clone(), pushes, Arc::clone(&places)));
            made.insert(name, Room { places, cast, present: Mutex::default() });
        }
        Arc::new(Self {
            bridge,
            ground,
            rooms: made,
            people: Mutex::default(),
            sessions: Mutex::default(),
            addresses: Mutex::default(),
            open: AtomicUsize::new(0),
            next: AtomicU64::new(1),
            by_person: Mutex::new(Buckets::new(limits.posts_per_minute)),
            by_address: Mutex::new(Buckets::new(limits.posts_per_minute_per_address)),
            limits,
        })
    }

    /// The bridge that the sockets are connected to.
    pub(crate) fn bridge(&self) -> &dyn Bridge {
        &*self.bridge
    }

    fn sockets(&self) -> Option<&dyn Sockets> {
        self.bridge.sockets()
    }

    /// The host's words in the bridge's protocol.
    fn say(&self, word: &Word<'_>) -> String {
        self.sockets().map(|sockets| sockets.say(word)).unwrap_or_default()
    }

    /// Shows frames, without waiting.
    pub(crate) fn push(&self, pushes: Vec<Push>) {
        for push in pushes {
            let group =
                |groups: &Groups<String>, key: &str| lock(groups).get(key).cloned().unwrap_or_default();
            let sockets = match &push.to {
                Audience::Room(room) => {
                    if let Some(room) = self.rooms.get(room) {
                        room.cast.push(push);
                    }
                    continue;
                }
                Audience::Person(person) => group(&self.people, person),
                Audience::Session(session) => group(&self.sessions, session),
            };
            for socket in sockets {
                match push.close {
                    Some(code) => socket.close(last_words(&push.frame, code, "")),
                    None => socket.send_later(text_frame(&push.frame)),
                }
            }
        }
    }

    /// A place for one more socket of a person at an address; the reason where there is none.
    fn admit(&self, person: &str, address: IpAddr) -> Result<(), Failure> {
        let many = |reason: String| Err(Failure::refuse_as(429, "too_many_connections", reason));
        let limits = &self.limits;
        if lock(&self.people).get(person).is_some_and(|sockets| sockets.len() >= limits.sockets_per_person) {
            return many(format!("a person has at most {} sockets", limits.sockets_per_person));
        }
        let mut addresses = lock(&self.addresses);
        let here = addresses.entry(address).or_insert(0);
        if *here >= limits.sockets_per_address {
            return many(format!("from one address come at most {} sockets", limits.sockets_per_address));
        }
        if self.open.fetch_add(1, Ordering::Relaxed) >= limits.sockets {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return many(format!("the hub has at most {} sockets", limits.sockets));
        }
        *here += 1;
        Ok(())
    }

    fn dismiss(&self, address: IpAddr) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut addresses = lock(&self.addresses);
        if let Some(here) = addresses.get_mut(&address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                addresses.remove(&address);
            }
        }
    }

    /// Sockets that are open.
    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether somebody may change something more now.
    fn pace(&self, socket: &Socket) -> Result<(), Duration> {
        let now = Instant::now();
        lock(&self.by_person).take(socket.connection.person.id.clone(), now)?;
        lock(&self.by_address).take(socket.address, now)
    }

    fn enter(&self, socket: &Arc<Socket>) {
        let connection = &socket.connection;
        let add = |groups: &Groups<String>, key: &str| {
            lock(groups).entry(key.to_owned()).or_default().push(Arc::clone(socket));
        };
        add(&self.people, &connection.person.id);
        add(&self.sessions, &connection.session);
    }

    fn leave(&self, socket: &Arc<Socket>) {
        let connection = &socket.connection;
        let remove = |groups: &Groups<String>, key: &str| {
            let mut groups = lock(groups);
            if let Some(sockets) = groups.get_mut(key) {
                sockets.retain(|other| other.number != socket.number);
                if sockets.is_empty() {
                    groups.remove(key);
                }
            }
        };
        remove(&self.people, &connection.person.id);
        remove(&self.sessions, &connection.session);
        self.dismiss(socket.address);
    }

    /// Somebody listens to a room. Those who were there hear of it, when it is news to them.
    fn arrived(&self, room: &RoomName, person: &Person) -> Vec<Person> {
        let Some(here) = self.rooms.get(room) else { return Vec::new() };
        let mut present = lock(&here.present);
        let entry = present.entry(person.id.clone()).or_insert_with(|| (person.clone(), 0));
        entry.1 += 1;
        let news = entry.1 == 1;
        let few = present.len() <= MAX_PRESENT;
        let people = present.values().take(MAX_PRESENT).map(|(person, _)| person.clone()).collect();
        drop(present);
        if news && few {
            self.presence(room, person, true);
        }
        people
    }

    fn presence(&self, room: &RoomName, person: &Person, here: bool) {
        let frame = self.say(&Word::Presence { room, person, here });
        self.push(vec![Push::new(Audience::Room(room.clone()), frame)]);
    }

    /// Somebody listens no more with one socket; it is said when they have not come back.
    fn left(self: &Arc<Self>, room: &RoomName, person: &Person) {
        let (exchange, room, person) = (Arc::clone(self), room.clone(), person.clone());
        if *self.ground.stopping.borrow() {
            return;
        }
        tokio::spawn(async move {
            tokio::time::sleep(AWAY).await;
            let Some(here) = exchange.rooms.get(&room) else { return };
            let mut present = lock(&here.present);
            let Some(entry) = present.get_mut(&person.id) else { return };
            entry.1 = entry.1.saturating_sub(1);
            if entry.1 > 0 {
                return;
            }
            present.remove(&person.id);
            let few = present.len() <= MAX_PRESENT;
            drop(present);
            if few {
                exchange.presence(&room, &person, false);
            }
        });
    }

    /// Everybody is told to come back, and let go.
    pub(crate) async fn stop(&self) {
        let last = last_words(&self.say(&Word::Resume { reason: "restarting" }), 1012, "restarting");
        let all: Vec<Arc<Socket>> = lock(&self.people).values().flatten().cloned().collect();
        for socket in all {
            socket.close(last.clone());
        }
        let began = Instant::now();
        while self.count() > 0 && began.elapsed() < STOP_WITHIN {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
