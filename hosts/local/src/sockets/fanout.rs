//! A room's task: what is pushed to the room goes to all its sockets, rendered once, many frames in one write
//! where they come fast.
//!
//! A write to a socket costs some microseconds of the processor, whatever its size. So a room that has just
//! spoken waits a little before it speaks again, the longer the more readers it has, and says everything that
//! came meanwhile at once. A quiet or a small room does not wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use switchboard_core::{Pace, Push, RoomName};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

use super::frames::text_frame;
use super::places::Places;
use super::socket::{Batch, Numbered};

/// How long a room rests after it spoke, for each reader; and at most.
const REST_A_READER: Duration = Duration::from_micros(40);
const REST: Duration = Duration::from_millis(50);
/// Most bytes of one batch.
const BATCH_BYTES: usize = 128 * 1024;
/// Most bytes that wait for a room's task. More: its readers resume from what is stored.
const MAX_WAITING: usize = 32 * 1024 * 1024;
/// How many sockets are written to before others have a turn on this thread.
const AT_ONCE: usize = 256;
/// Keys of paces that are remembered before old ones are dropped.
const MAX_PACES: usize = 4096;

/// The way into a room's task.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    sender: UnboundedSender<Push>,
    waiting: Arc<AtomicUsize>,
    /// Something found no room.
    dropped: Arc<AtomicBool>,
}

impl Cast {
    /// A room's way in, and what its task takes from.
    pub(crate) fn new() -> (Self, UnboundedReceiver<Push>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (Self { sender, waiting: Arc::default(), dropped: Arc::default() }, receiver)
    }

    /// Never waits.
    pub(crate) fn push(&self, push: Push) {
        let size = push.frame.len();
        if self.waiting.load(Ordering::Relaxed) + size > MAX_WAITING {
            // What waits wakes the task, and it looks at this first.
            self.dropped.store(true, Ordering::Release);
            return;
        }
        self.waiting.fetch_add(size, Ordering::Relaxed);
        // Without a task the hub is ending.
        let _ = self.sender.send(push);
    }
}

/// What may not go out now.
#[derive(Debug, Default)]
struct Paced {
    /// The latest of each key, and when it goes out.
    latest: HashMap<String, (Instant, Push)>,
    /// When the key's last went out.
    spoken: HashMap<String, Instant>,
}

impl Paced {
    /// What of a push goes out at once.
    fn now(&mut self, push: Push, now: Instant) -> Option<Push> {
        match &push.pace {
            Pace::AtOnce => Some(push),
            Pace::First(key, every) => {
                if self.spoken.get(key).is_some_and(|last| now.duration_since(*last) < *every) {
                    return None;
                }
                self.remember(key.clone(), now);
                Some(push)
            }
            Pace::Latest(key, every) => {
                if let Some((_, waiting)) = self.latest.get_mut(key) {
                    *waiting = push;
                    return None;
                }
                match self.spoken.get(key).map(|last| *last + *every).filter(|due| *due > now) {
                    Some(due) => {
                        self.latest.insert(key.clone(), (due, push));
                        None
                    }
                    None => {
                        self.remember(key.clone(), now);
                        Some(push)
                    }
                }
            }
        }
    }

    fn remember(&mut self, key: String, now: Instant) {
        if self.spoken.len() >= MAX_PACES {
            self.spoken.retain(|_, last| now.duration_since(*last) < Duration::from_secs(10));
        }
        self.spoken.insert(key, now);
    }

    /// What has waited long enough.
    fn due(&mut self, now: Instant) -> Vec<Push> {
        let keys: Vec<String> =
            self.latest.iter().filter(|(_, (due, _))| *due <= now).map(|(key, _)| key.clone()).collect();
        let mut due = Vec::new();
        for key in keys {
            if let Some((_, push)) = self.latest.remove(&key) {
                self.remember(key, now);
                due.push(push);
            }
        }
        due
    }

    fn next(&self) -> Option<Instant> {
        self.latest.values().map(|(due, _)| *due).min()
    }
}

/// Works until the hub ends.
pub(crate) async fn cast(
    room: RoomName,
    cast: Cast,
    mut pushes: UnboundedReceiver<Push>,
    places: Arc<Places>,
) {
    let mut paced = Paced::default();
    let mut spoke = Instant::now();
    loop {
        let next = paced.next();
        let wait = async {
            match next {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let mut waiting: Vec<Push> = Vec::new();
        tokio::select! {
            push = pushes.recv() => match push {
                Some(push) => waiting.push(push),
                None => return,
            },
            () = wait => {}
        }
        let rest = REST.min(REST_A_READER.saturating_mul(u32::try_from(places.count()).unwrap_or(u32::MAX)));
        if spoke.elapsed() < rest {
            tokio::time::sleep_until(spoke + rest).await;
        }
        let mut size: usize = waiting.iter().map(|push| push.frame.len()).sum();
        while size < BATCH_BYTES
            && let Ok(push) = pushes.try_recv()
        {
            size += push.frame.len();
            waiting.push(push);
        }
        if cast.dropped.swap(false, Ordering::Acquire) {
            // More came than could be said, and some of it was dropped: nobody is said the rest.
            while let Ok(push) = pushes.try_recv() {
                size += push.frame.len();
            }
            cast.waiting.fetch_sub(size, Ordering::Relaxed);
            tracing::warn!(room = %room, "a room's readers were too many for what was said; they resume");
            each(&places, |socket| socket.cut()).await;
            continue;
        }
        cast.waiting.fetch_sub(size, Ordering::Relaxed);
        let now = Instant::now();
        let mut pushes: Vec<Push> = waiting.into_iter().filter_map(|push| paced.now(push, now)).collect();
        pushes.extend(paced.due(now));
        if pushes.is_empty() {
            continue;
        }
        let batch = batch(&pushes);
        each(&places, |socket| socket.hear(&room, &batch)).await;
        spoke = Instant::now();
    }
}

async fn each(places: &Places, say: impl Fn(&super::socket::Socket)) {
    let mut from = 0;
    loop {
        let (sockets, next) = places.some(from, AT_ONCE);
        sockets.iter().for_each(|socket| say(socket));
        let Some(next) = next else { return };
        from = next;
        tokio::task::yield_now().await;
    }
}

fn batch(pushes: &[Push]) -> Batch {
    let mut parts = Vec::with_capacity(pushes.len());
    let mut numbers: Option<(u64, u64)> = None;
    for push in pushes {
        parts.push(Numbered { seq: push.seq, bytes: text_frame(&push.frame) });
        if let Some(seq) = push.seq {
            numbers = Some(numbers.map_or((seq, seq), |(first, last)| (first.min(seq), last.max(seq))));
        }
    }
    let whole = match parts.as_slice() {
        [one] => one.bytes.clone(),
        parts => {
            let mut whole = BytesMut::with_capacity(parts.iter().map(|part| part.bytes.len()).sum());
            parts.iter().for_each(|part| whole.extend_from_slice(&part.bytes));
            Bytes::from(whole)
        }
    };
    Batch { parts, whole, numbers }
}

#[cfg(test)]
mod tests {
    use switchboard_core::Audience;

    use super::super::socket::tests::{heard, pair};
    use super::super::socket::{Flushed, Socket};
    use super::*;

    fn push(text: &str, pace: Pace) -> Push {
        let room = "lobby".parse().unwrap();
        Push { pace, ..Push::new(Audience::Room(room), text.into()) }
    }

    #[tokio::test]
    async fn when_more_comes_than_a_room_can_be_said_its_readers_resume_and_the_room_goes_on() {
        let (way, pushes) = Cast::new();
        let places = Arc::new(Places::default());
        let room: RoomName = "lobby".parse().unwrap();
        let (early, mut their_end) = pair().await;
        let early = Arc::new(early);
        let listen = |socket: &Arc<Socket>| {
            socket.listen(&room);
            places.enter(Arc::clone(socket));
            socket.caught_up(&room, 0, Bytes::new());
        };
        listen(&early);
        tokio::spawn(cast(room.clone(), way.clone(), pushes, Arc::clone(&places)));
        // The task has no turn before this one waits.
        let text = "x".repeat(64 * 1024);
        for seq in 1..=600 {
            way.push(Push { seq: Some(seq), ..push(&text, Pace::AtOnce) });
            assert!(way.waiting.load(Ordering::Relaxed) <= MAX_WAITING);
        }
        assert!(way.dropped.load(Ordering::Relaxed), "37 MiB do not fit");
        while way.waiting.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(early.flush(), Flushed::Over, "it is told to resume, and cut");
        assert_eq!(heard(&mut their_end)[0], "slow", "and nothing with a gap was said");

        let (late, mut their_end) = pair().await;
        let late = Arc::new(late);
        listen(&late);
        way.push(Push { seq: Some(601), ..push("after it", Pace::AtOnce) });
        while way.waiting.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(heard(&mut their_end), ["after it"]);
    }

    #[tokio::test]
    async fn of_what_comes_too_fast_the_latest_goes_out_later_or_the_first_alone() {
        let mut paced = Paced::default();
        let every = Duration::from_millis(250);
        let latest = |text: &str| push(text, Pace::Latest("summary".into(), every));
        let start = Instant::now();
        assert_eq!(paced.now(latest("1"), start).unwrap().frame, "1");
        assert_eq!(paced.now(latest("2"), start), None);
        assert_eq!(paced.now(latest("3"), start), None);
        assert!(paced.due(start).is_empty());
        assert_eq!(paced.next(), Some(start + every));
        let due: Vec<String> = paced.due(start + every).into_iter().map(|push| push.frame).collect();
        assert_eq!(due, ["3"]);
        assert_eq!(paced.now(latest("4"), start + every), None, "its time has begun again");

        let first = |text: &str| push(text, Pace::First("typing".into(), every));
        assert!(paced.now(first("a"), start).is_some());
        assert!(paced.now(first("b"), start).is_none());
        assert!(paced.now(first("c"), start + every).is_some());
    }
}
