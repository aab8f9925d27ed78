//! What waits for the writer thread, in bounded memory.
//!
//! Doors are turned away (503) when too many requests or too many bytes wait already; reports of effects are
//! never turned away, and there are at most as many as effects may be under way at once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use switchboard_core::{ArrivalId, Failure, Frame, Reply};
use switchboard_rules::wiring::Wiring;
use tokio::sync::oneshot;

/// Most requests that wait at once. At some thousands a second each waits well under a second.
const MAX_DOORS: usize = 2048;
/// Most bytes of waiting bodies.
const MAX_DOOR_BYTES: usize = 64 * 1024 * 1024;
/// Most requests that the writer takes into one batch, so that none waits long for its fsync.
const MAX_DOORS_A_BATCH: usize = 512;

/// A request that was admitted and waits to be decided.
pub(crate) struct DoorJob {
    pub(crate) door: &'static str,
    pub(crate) arrival: ArrivalId,
    /// No other is ever this arrival: it is not remembered.
    pub(crate) once: bool,
    pub(crate) asked: Asked,
    pub(crate) answer: Answering,
}

/// Where the answer goes.
pub(crate) enum Answering {
    /// To a request that waits for it.
    Request(oneshot::Sender<Answer>),
    /// To a socket: nobody waits, and it is said before whatever is pushed because of it.
    Socket(SocketAnswer),
}

/// Says an answer on a socket; that it could not be stored, when it is dropped unsaid.
pub(crate) struct SocketAnswer(Option<Box<dyn FnOnce(Answer) + Send>>);

impl SocketAnswer {
    pub(crate) fn new(say: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self(Some(Box::new(say)))
    }
}

impl Drop for SocketAnswer {
    fn drop(&mut self) {
        if let Some(say) = self.0.take() {
            say(Err(Failure::retry("it could not be stored; try again")));
        }
    }
}

impl Answering {
    /// Gives it.
    pub(crate) fn send(self, answer: Answer) {
        match self {
            // Who asked may have hung up; what followed is recorded all the same.
            Self::Request(waiting) => drop(waiting.send(answer)),
            Self::Socket(mut socket) => {
                if let Some(say) = socket.0.take() {
                    say(answer);
                }
            }
        }
    }
}

/// What was let in.
pub(crate) enum Asked {
    Request(http::Request<Bytes>),
    Frame(Frame),
}

impl Asked {
    fn bytes(&self) -> usize {
        match self {
            Self::Request(request) => request.body().len(),
            Self::Frame(frame) => frame.text.len(),
        }
    }
}

/// What a request is answered with.
pub(crate) type Answer = Result<Reply, Failure>;

/// What an attempt of an effect came to.
#[derive(Debug, Clone)]
pub(crate) struct Attempted {
    pub(crate) effect: i64,
    pub(crate) result: switchboard_hosts::attempt::Attempted,
    /// One line of JSON for each exchange with the provider.
    pub(crate) exchanges: Vec<String>,
}

/// Done, or why not.
pub(crate) type Obeyed = Result<(), Failure>;

/// What an operator asks for.
pub(crate) enum Order {
    /// Try a dead letter again.
    Redrive(i64, oneshot::Sender<Obeyed>),
    /// Give a dead letter up.
    Discard(i64, oneshot::Sender<Obeyed>),
}

/// Another wiring, and where to say whether it was taken.
pub(crate) type Rewiring = (Box<Wiring>, oneshot::Sender<Result<(), String>>);

/// What a turn takes in.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) attempted: Vec<Attempted>,
    pub(crate) doors: Vec<DoorJob>,
    pub(crate) orders: Vec<Order>,
}

impl Work {
    pub(crate) fn is_nothing(&self) -> bool {
        self.attempted.is_empty() && self.doors.is_empty() && self.orders.is_empty()
    }
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Jobs {
    pub(crate) work: Work,
    pub(crate) wirings: Vec<Rewiring>,
    pub(crate) stop: bool,
}

#[derive(Default)]
struct Waiting {
    attempted: Vec<Attempted>,
    doors: VecDeque<DoorJob>,
    door_bytes: usize,
    orders: Vec<Order>,
    wirings: Vec<Rewiring>,
    stop: bool,
}

impl Waiting {
    fn work(&mut self) -> Work {
        let most = self.doors.len().min(MAX_DOORS_A_BATCH);
        let doors: Vec<DoorJob> = self.doors.drain(..most).collect();
        self.door_bytes -= doors.iter().map(|job| job.asked.bytes()).sum::<usize>();
        Work {
            attempted: std::mem::take(&mut self.attempted),
            doors,
            orders: std::mem::take(&mut self.orders),
        }
    }
}

/// The writer's inbox.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    something: Condvar,
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request in line; `false` when the line is too long.
    pub(crate) fn knock(&self, job: DoorJob) -> bool {
        self.knock_or_back(job).is_ok()
    }

    /// The same; what is turned away is given back.
    pub(crate) fn knock_or_back(&self, job: DoorJob) -> Result<(), Box<DoorJob>> {
        let mut waiting = self.lock();
        let bytes = job.asked.bytes();
        if waiting.stop || waiting.doors.len() >= MAX_DOORS || waiting.door_bytes + bytes > MAX_DOOR_BYTES {
            return Err(Box::new(job));
        }
        waiting.door_bytes += bytes;
        waiting.doors.push_back(job);
        drop(waiting);
        self.something.notify_one();
        Ok(())
    }

    /// Says how an attempt ended.
    pub(crate) fn attempted(&self, attempted: Attempted) {
        self.lock().attempted.push(attempted);
        self.something.notify_one();
    }

    /// Puts back what a failed batch could not take in.
    pub(crate) fn put_back(&self, attempted: Vec<Attempted>) {
        self.lock().attempted.splice(0..0, attempted);
    }

    /// Asks for something.
    pub(crate) fn order(&self, order: Order) {
        self.lock().orders.push(order);
        self.something.notify_one();
    }

    /// Asks for another wiring.
    pub(crate) fn rewire(&self, rewiring: Rewiring) {
        self.lock().wirings.push(rewiring);
        self.something.notify_one();
    }

    /// Lets whoever waits for work look whether that is still worth it.
    pub(crate) fn nudge(&self) {
        self.something.notify_one();
    }

    /// No more requests; the writer ends when what is under way has ended.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.something.notify_one();
    }

    /// Waits for something to do, at most so long, and takes it. `stopping`: the writer knows that it is to stop.
    pub(crate) fn take(&self, at_most: Duration, stopping: bool) -> Jobs {
        let mut waiting = self.lock();
        let idle = |w: &mut Waiting| {
            let nothing = w.attempted.is_empty() && w.doors.is_empty() && w.orders.is_empty();
            nothing && w.wirings.is_empty() && (stopping || !w.stop)
        };
        if !at_most.is_zero() {
            let (woken, _) = self
                .something
                .wait_timeout_while(waiting, at_most, idle)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
        }
        Jobs { work: waiting.work(), wirings: std::mem::take(&mut waiting.wirings), stop: waiting.stop }
    }

    /// Waits for work, at most so long and only while `worth_it`, and takes it.
    pub(crate) fn take_work(&self, at_most: Duration, worth_it: impl Fn() -> bool) -> Work {
        let idle = |w: &mut Waiting| {
            w.attempted.is_empty() && w.doors.is_empty() && w.orders.is_empty() && worth_it()
        };
        let (mut waiting, _) = self
            .something
            .wait_timeout_while(self.lock(), at_most, idle)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.work()
    }

    /// Requests in line.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().doors.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(bytes: usize) -> DoorJob {
        let answer = Answering::Request(oneshot::channel().0);
        let asked = Asked::Request(http::Request::new(Bytes::from(vec![0; bytes])));
        DoorJob { door: "test.door", arrival: ArrivalId::from_cause(&["1"]), once: false, asked, answer }
    }

    #[test]
    fn the_line_is_bounded_in_number_and_in_bytes() {
        let inbox = Inbox::default();
        for _ in 0..MAX_DOORS {
            assert!(inbox.knock(job(1)));
        }
        assert!(!inbox.knock(job(1)), "too many");
        assert_eq!(inbox.take(Duration::ZERO, false).work.doors.len(), MAX_DOORS_A_BATCH);
        assert!(inbox.knock(job(1)), "there is room again");
        let inbox = Inbox::default();
        assert!(inbox.knock(job(MAX_DOOR_BYTES)));
        assert!(!inbox.knock(job(1)), "too large");
        inbox.take(Duration::ZERO, false);
        assert!(inbox.knock(job(1)), "taken bytes do not count");
    }

    #[test]
    fn after_stop_nobody_is_let_in() {
        let inbox = Inbox::default();
        inbox.stop();
        assert!(!inbox.knock(job(1)));
        assert!(inbox.take(Duration::from_secs(60), false).stop, "and the writer does not wait");
    }
}
