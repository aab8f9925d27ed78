//! What a bridge is: it knows one outside world, keeps its own store, and meets the others only through events.
//!
//! ```text
//!   request ─ admit ─┐
//!   event ───────────┼─ decide ── Outcome ── committed ──┬─ reply
//!   timer ───────────┘     │                             ├─ events → bus
//!                      reads its store                   └─ effects ── permit ── act ── Report ── settle ── Outcome
//!                                                                        find ┘ (when an attempt's end is unknown)
//! ```
//!
//! `admit` and `act` touch no store; `decide`, `permit` and `settle` touch nothing else. So a decision can be
//! made again after a conflict or a crash, and only `act` ever has to be kept from happening twice.

use async_trait::async_trait;
use bytes::Bytes;

use crate::event::Event;
use crate::failure::Failure;
use crate::id::ArrivalId;
use crate::outcome::{Effect, Outcome, Reply, Report};
use crate::ports::{Blobs, Ports, Search};
use crate::socket::{Frame, Sockets};
use crate::store::{View, Write};
use crate::time::Timestamp;

/// One outside world.
#[async_trait]
pub trait Bridge: Send + Sync {
    /// Its name, doors and listeners.
    fn declaration(&self) -> &Declaration;

    /// Is this request from whom it says, and which arrival is it? Pure: no store, no I/O.
    ///
    /// # Errors
    /// [`Failure::Refuse`] with the status to answer: nothing is recorded.
    fn admit(
        &self,
        door: &str,
        request: &http::Request<Bytes>,
        now: Timestamp,
    ) -> Result<Admission, Failure> {
        let _ = (request, now);
        Err(Failure::refuse(404, format!("no door {door}")))
    }

    /// What does this arrival mean? Reads its own store through the view; no other I/O.
    ///
    /// # Errors
    /// [`Failure::Refuse`] at a door; [`Failure::Retry`] to be asked again; [`Failure::Bug`].
    async fn decide(&self, arrival: &Arrival<'_>, view: &dyn View) -> Result<Outcome, Failure>;

    /// The answer to a request that only asks ([`Admission::Read`]): carried out beside the writer, on what is
    /// committed.
    ///
    /// # Errors
    /// As [`Bridge::decide`] at a door.
    async fn read(&self, request: &http::Request<Bytes>, reading: &Reading<'_>) -> Result<Reply, Failure> {
        let (_, _) = (request, reading);
        Err(Failure::bug("nothing can be read here"))
    }

    /// What it does with sockets, where people are connected to it.
    fn sockets(&self) -> Option<&dyn Sockets> {
        None
    }

    /// May this effect be attempted now? Asked immediately before each attempt, in the transaction that records
    /// the attempt.
    ///
    /// # Errors
    /// [`Failure::Refuse`] and [`Failure::Bug`] end the effect as a dead letter; [`Failure::Retry`] puts it off.
    async fn permit(&self, effect: &Effect, now: Timestamp, view: &dyn View) -> Result<Permitted, Failure> {
        let _ = (effect, now, view);
        Ok(Permitted::go())
    }

    /// One exchange with the provider: a request, or a flow such as an upload. Touches no store.
    ///
    /// # Errors
    /// [`Failure::Unsure`] where the request may have been carried out; the others as their names say.
    async fn act(&self, effect: &Effect, ports: &Ports<'_>) -> Result<Report, Failure> {
        let _ = ports;
        Err(Failure::bug(format!("nothing to do for {}", effect.destination)))
    }

    /// Was this already done? Asked before an attempt that follows one whose end is unknown. `None`: no, or the
    /// provider cannot say. `since` is when it was first tried.
    ///
    /// # Errors
    /// As [`Bridge::act`]: the asking itself can fail.
    async fn find(
        &self,
        effect: &Effect,
        since: Timestamp,
        ports: &Ports<'_>,
    ) -> Result<Option<Report>, Failure> {
        let _ = (effect, since, ports);
        Ok(None)
    }

    /// What does the end of an effect mean?
    ///
    /// # Errors
    /// [`Failure::Retry`] to be asked again; [`Failure::Unsure`] when what was found turned out to be another's,
    /// so that the effect is still to be done: it is attempted again without a `find`; [`Failure::Bug`].
    async fn settle(
        &self,
        effect: &Effect,
        settlement: &Settlement,
        now: Timestamp,
        view: &dyn View,
    ) -> Result<Outcome, Failure> {
        let _ = (effect, settlement, now, view);
        Ok(Outcome::nothing())
    }
}

/// A bridge's name and the places where things arrive.
#[derive(Debug)]
pub struct Declaration {
    /// The folder's name, such as `sms`.
    pub name: &'static str,
    /// Where requests come in.
    pub doors: &'static [Door],
    /// What hears the bus, such as `sms.out`; each has a wiring file of its name.
    pub listeners: &'static [&'static str],
}

/// Where requests come in.
#[derive(Debug)]
pub struct Door {
    /// Its name, such as `sms.door`. Several paths may share one.
    pub name: &'static str,
    /// The path, with `{…}` for a part that varies.
    pub path: &'static str,
    /// Which methods; others are answered 405.
    pub methods: &'static [&'static str],
    /// Who may knock.
    pub access: DoorAccess,
    /// The content types that it takes, without parameters; others are answered 415. Empty for any.
    pub content_types: &'static [&'static str],
    /// Most bytes of a body; more are answered 413.
    pub max_bytes: usize,
}

/// Most bytes of a body where nothing else is said: no webhook comes near it.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Who may knock at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorAccess {
    /// Anyone: the bridge checks the provider's signature in `admit`.
    Signed,
    /// Loopback, or who holds the hub's token: the host checks.
    Private,
    /// The hub's own page, or no browser: the host checks that, and adds a [`Nonce`] to the request; the bridge
    /// checks who is signed in.
    Page,
    /// The same, and when the reply is 200 with a [`Grant`](crate::socket::Grant) it becomes a socket.
    Socket,
}

/// Fresh randomness, in the extensions of each request at a [`DoorAccess::Page`] door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 32]);

/// Who the host has verified by a token of the configured issuer, in the extensions of such a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who says so.
    pub issuer: String,
    /// Whom they mean: never changes.
    pub subject: String,
    /// What they are called.
    pub name: String,
    /// By which words roles may be given: the subject, an e-mail address that the issuer has verified, groups.
    pub known_as: Vec<String>,
    /// Until when the token is good.
    pub expires_at: Timestamp,
}

/// What a reading may reach.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The bridge's own store, as it is committed.
    pub view: &'a dyn View,
    /// The search; without one the bridge looks through what it keeps.
    pub search: Option<&'a dyn Search>,
    /// Files.
    pub blobs: &'a dyn Blobs,
    /// The time now.
    pub now: Timestamp,
}

/// A request that was let in.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission {
    /// It is this arrival: decide, unless it has been.
    Arrival(ArrivalId),
    /// It is this arrival, and no other request ever is: nothing of it is remembered but what follows from it.
    Once(ArrivalId),
    /// It only asks: [`Bridge::read`].
    Read,
    /// Nothing to decide: answer so. (Slack's `url_verification`.)
    Answer(Reply),
}

/// Something has come.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// At which door or listener: `sms.door`, `sms.out`. A timer's is the bridge's name.
    pub listener: &'a str,
    /// Which: the same for a repeat.
    pub id: &'a ArrivalId,
    /// The time now.
    pub now: Timestamp,
    /// What.
    pub what: What<'a>,
}

/// What has come.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// A request at a door that `admit` let in.
    Request(&'a http::Request<Bytes>),
    /// A frame of a socket that `hear` took for an arrival.
    Frame(&'a Frame),
    /// An event of the bus; `part` is what an earlier [`Outcome::next_part`] said.
    Event {
        /// The event.
        event: &'a Event,
        /// Where to go on.
        part: Option<&'a str>,
    },
    /// A timer of this bridge.
    Timer(&'a TimerFired),
}

/// A timer that has come due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerFired {
    /// The bridge's name for it.
    pub key: String,
    /// When it was due.
    pub due: Timestamp,
    /// The words that were set with it.
    pub body: String,
}

/// The answer to [`Bridge::permit`], with what has to be written about it (tokens taken, money counted).
#[derive(Debug, Clone, PartialEq)]
pub struct Permitted {
    /// Whether.
    pub permit: Permit,
    /// Committed with it.
    pub writes: Vec<Write>,
}

impl Permitted {
    /// Yes, and nothing to write.
    pub fn go() -> Self {
        Self { permit: Permit::Go, writes: Vec::new() }
    }
}

/// Whether an effect may be attempted.
#[derive(Debug, Clone, PartialEq)]
pub enum Permit {
    /// Yes.
    Go,
    /// Not before this. Does not count as an attempt.
    NotBefore(Timestamp),
    /// It need not: this is known already (an echo came first), or must not be (the phone has opted out).
    Settled(Report),
    /// What it was for is gone: it ends so, unless the end of an attempt is unknown. Then it is looked for first, since
    /// it may have happened.
    Needless(Report),
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// The provider answered.
    Done(Report),
    /// It became a dead letter, for this reason.
    GaveUp(Failure),
}
