//! What comes over the WebSocket API: `$connect`, frames, `$disconnect`.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html>
//!
//! All that is said goes by the management API, never in the answer to an event: so there is one way, in one order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_core::{
    ArrivalId, Audience, Failure, Frame, Grant, Heard, Missed, Person, RoomName, Timestamp, What, Word,
};
use tracing::{error, warn};

use super::cast::{MAX_PRESENT, people};
use super::line::Told;
use super::open::Knock;
use super::rows::{self, Cast, Connected, LIFE};
use super::{Exchange, MAX_FRAME_BYTES};
use crate::page::Page;
use crate::settle::Origin;

/// So many mistakes in a minute are one too many.
const MAX_MISTAKES: u64 = 20;
/// Rooms that one socket listens to.
const MAX_ROOMS: usize = 100;
/// How often a client is to say something: API Gateway closes what is idle for ten minutes, and each time costs.
const PING_S: u32 = 120;
/// How long somebody may be away, to come back with another socket, before it is said.
const AWAY: Duration = Duration::from_secs(3);
/// How often a busy room may have announced more while somebody takes a place there.
const MAX_TURNS: usize = 30;

/// An event of a WebSocket API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    request_context: Context,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    query_string_parameters: Option<BTreeMap<String, String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Context {
    event_type: String,
    pub(super) connection_id: String,
    /// In milliseconds.
    pub(super) connected_at: i64,
    pub(super) identity: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    pub(super) source_ip: String,
}

/// The connection is gone, or has been let go: nothing more is to be said to it.
struct Over;

/// Whether the connection goes on.
type Goes = Result<(), Over>;

/// What the sender did wrong is the sender's; what could not be done is the operator's to know.
fn noted(failure: &Failure) {
    if !matches!(failure, Failure::Refuse { .. }) {
        warn!(reason = %failure, "a frame could not be answered");
    }
}

impl Exchange<'_> {
    /// Handles one event; gives API Gateway its answer.
    pub(crate) async fn hear(&self, page: &Page, event: Event) -> Value {
        let done = json!({ "statusCode": 200 });
        let id = &event.request_context.connection_id;
        let handled = match event.request_context.event_type.as_str() {
            "CONNECT" => {
                let (headers, query) =
                    (event.headers.unwrap_or_default(), event.query_string_parameters.unwrap_or_default());
                let context = &event.request_context;
                return self.connect(page, &Knock { context, headers: &headers, query: &query }).await;
            }
            "DISCONNECT" => self.left(id).await,
            _ => {
                let text = event.body.unwrap_or_default();
                self.message(page, id, &text, event.is_base64_encoded).await
            }
        };
        if let Err(failure) = handled {
            match failure {
                Failure::Bug { reason } => error!(reason, "a frame could not be handled"),
                other => warn!(reason = %other, "a frame could not be handled"),
            }
        }
        done
    }

    /// A connection has ended. Its person may come back with another one at once.
    async fn left(&self, id: &str) -> Result<(), Failure> {
        let Some(connected) = self.forget(id).await? else { return Ok(()) };
        if !connected.rooms.is_empty() {
            tokio::time::sleep(AWAY).await;
            self.tell_of_leaving(&connected).await?;
        }
        Ok(())
    }

    async fn message(&self, page: &Page, id: &str, text: &str, binary: bool) -> Result<(), Failure> {
        let table = &self.settler.table;
        let now = crate::now();
        let Some(connected) = Connected::find(table, id).await? else {
            // It was forgotten: found gone, or told to go.
            self.line.let_go(id).await;
            return Ok(());
        };
        let talk = Talk { exchange: *self, page, connected: &connected, now };
        let goes = if connected.connection.expires_at <= now {
            talk.end(&self.say(&Word::Resume { reason: "expiring" })).await
        } else if binary {
            talk.mistake(&self.say(&Word::Error { code: "binary", reason: "frames are texts" })).await
        } else if text.len() > page.limits.frame_bytes {
            let reason = format!("a frame has at most {} bytes", page.limits.frame_bytes);
            talk.mistake(&self.say(&Word::Error { code: "too_large", reason: &reason })).await
        } else {
            Box::pin(talk.frame(text)).await
        };
        if goes.is_err() {
            // Whoever listens is told that its person has gone when API Gateway says so, or the next time that
            // somebody speaks to it.
            self.line.let_go(id).await;
        }
        Ok(())
    }
}

struct Talk<'a> {
    exchange: Exchange<'a>,
    page: &'a Page,
    connected: &'a Connected,
    now: Timestamp,
}

impl Talk<'_> {
    /// Says something to the connection.
    async fn tell(&self, frame: &str) -> Goes {
        if frame.is_empty() {
            return Ok(());
        }
        match self.exchange.line.tell(&self.connected.connection.id, frame).await {
            Told::Yes => Ok(()),
            Told::Gone | Told::No => Err(Over),
        }
    }

    async fn end(&self, frame: &str) -> Goes {
        self.tell(frame).await?;
        Err(Over)
    }

    /// Says what was wrong; too often, and it is over.
    async fn mistake(&self, frame: &str) -> Goes {
        self.tell(frame).await?;
        let what = format!("mistakes/{}", self.connected.connection.id);
        match rows::counted(&self.exchange.settler.table, &what, self.now).await {
            Ok(mistakes) if mistakes > MAX_MISTAKES => Err(Over),
            _ => Ok(()),
        }
    }

    async fn refuse(&self, text: &str, failure: &Failure) -> Goes {
        noted(failure);
        let frame = self.exchange.say(&Word::Refused { frame: text, failure });
        self.mistake(&frame).await
    }

    async fn refuse_as(&self, text: &str, code: &'static str, reason: &str) -> Goes {
        self.refuse(text, &Failure::refuse_as(400, code, reason)).await
    }

    async fn frame(&self, text: &str) -> Goes {
        let connection = &self.connected.connection;
        let heard = self.exchange.bridge.hear(connection, text, self.now);
        let greeted = self.connected.greeted;
        if !greeted && !matches!(heard, Heard::Watch { hello: true, .. } | Heard::Refused(_)) {
            return self.refuse_as(text, "not_hello", "the first frame is a hello").await;
        }
        match heard {
            Heard::Refused(frame) => self.mistake(&frame).await,
            Heard::Answer { frame, pushes } => {
                self.tell(&frame.unwrap_or_default()).await?;
                let listens = |push: &switchboard_core::Push| match &push.to {
                    Audience::Room(room) => self.connected.rooms.contains(room),
                    _ => true,
                };
                self.exchange.push(pushes.into_iter().filter(listens).collect()).await;
                Ok(())
            }
            Heard::Arrival(id) => self.arrival(id, text).await,
            Heard::Renew(id) => self.renewal(id, text).await,
            Heard::Ask => {
                let view = self.exchange.settler.view(self.now);
                let reading = self.exchange.settler.reading(&view, self.now);
                match self.exchange.bridge.answer(connection, text, &reading).await {
                    Ok(frame) if frame.len() > MAX_FRAME_BYTES => {
                        self.refuse_as(text, "too_large", "the answer is too large here: ask for fewer").await
                    }
                    Ok(frame) => self.tell(&frame).await,
                    Err(failure) => self.refuse(text, &failure).await,
                }
            }
            Heard::Unwatch(room) => {
                if self.connected.rooms.contains(&room) {
                    let left = self.unwatch(&room).await;
                    self.stored(text, left).await?;
                }
                Ok(())
            }
            Heard::Watch { hello: true, .. } if greeted => {
                self.refuse_as(text, "bad_field", "hello was said already").await
            }
            Heard::Watch { rooms, hello } => self.watch(text, rooms, hello).await,
        }
    }

    /// The table has done it, or the client is told that it has not.
    async fn stored<T>(&self, text: &str, done: Result<T, Failure>) -> Result<Option<T>, Over> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(failure) => self.refuse(text, &failure).await.map(|()| None),
        }
    }

    async fn unwatch(&self, room: &RoomName) -> Result<(), Failure> {
        let table = &self.exchange.settler.table;
        self.connected.leave(table, room, self.now).await?;
        let rooms = vec![room.clone()];
        self.exchange.tell_of_leaving(&Connected { rooms, ..self.connected.clone() }).await
    }

    /// Whether somebody has done more than they may in this minute.
    async fn too_fast(&self) -> Result<bool, Failure> {
        let table = &self.exchange.settler.table;
        let person = format!("person/{}", self.connected.connection.person.id);
        let address = format!("address/{}", self.connected.address);
        let (person, address) =
            (rows::counted(table, &person, self.now).await?, rows::counted(table, &address, self.now).await?);
        let limits = &self.page.limits;
        Ok(person > u64::from(limits.posts_per_minute)
            || address > u64::from(limits.posts_per_minute_per_address))
    }

    /// Something that changes what is stored. Its answer goes out when it is stored, and its events are published.
    async fn arrival(&self, id: ArrivalId, text: &str) -> Goes {
        if self.stored(text, self.too_fast().await).await?.unwrap_or(true) {
            let reason = "you have said much in the last minute: try again a little later";
            let failure = Failure::refuse_as(429, "too_fast", reason);
            return self.tell(&self.exchange.say(&Word::Refused { frame: text, failure: &failure })).await;
        }
        let frame = Frame { connection: self.connected.connection.clone(), text: text.to_owned() };
        let origin = Origin { listener: "web_chat.socket".to_owned(), arrival: id };
        match self.exchange.settler.answer(&origin, What::Frame(&frame)).await {
            Ok(reply) => self.tell(&reply.body).await,
            Err(failure) => {
                noted(&failure);
                self.tell(&self.exchange.say(&Word::Refused { frame: text, failure: &failure })).await
            }
        }
    }

    /// A new ticket moves the connection's end, up to what API Gateway allows.
    async fn renewal(&self, id: ArrivalId, text: &str) -> Goes {
        let settler = self.exchange.settler;
        let frame = Frame { connection: self.connected.connection.clone(), text: text.to_owned() };
        let origin = Origin { listener: "web_chat.socket".to_owned(), arrival: id };
        let granted = async {
            let reply = settler.answer_once(&origin, What::Frame(&frame)).await?;
            let grant: Result<Grant, _> = serde_json::from_str(&reply.body);
            let grant = grant.map_err(|_| Failure::bug("a ticket grants nothing"))?;
            let expires_at = grant.expires_at.min(self.connected.since.plus(LIFE));
            self.connected.renew(&settler.table, expires_at, self.now).await?;
            Ok(expires_at)
        };
        match self.stored(text, granted.await).await? {
            Some(expires_at) => self.tell(&self.exchange.say(&Word::Renewed { expires_at })).await,
            None => Ok(()),
        }
    }

    /// Begins to listen, and sends what was missed. See the module's essay.
    async fn watch(&self, text: &str, rooms: Vec<(RoomName, Option<u64>)>, hello: bool) -> Goes {
        if self.connected.rooms.len() + rooms.len() > MAX_ROOMS {
            return self.refuse_as(text, "bad_field", "a socket listens to at most 100 rooms").await;
        }
        let (table, person) = (&self.exchange.settler.table, &self.connected.connection.person);
        let mut stand = Vec::new();
        for (room, after) in rooms {
            let read = self.stand(&room, after).await;
            if let Some((announced, missed, here)) = self.stored(text, read).await? {
                stand.push((room, after, announced, missed, here));
            }
        }
        let mut words = Vec::new();
        for (room, _, _, missed, here) in &stand {
            let mut here = here.clone();
            if !here.iter().any(|other| other.id == person.id) && here.len() < MAX_PRESENT {
                here.push(person.clone());
            }
            words.push((room.clone(), missed.seq, here));
        }
        if hello {
            let greeted = self.connected.greet(table, self.now).await;
            if self.stored(text, greeted).await? != Some(true) {
                return Ok(());
            }
            let connection = &self.connected.connection;
            let word = Word::Hello { connection, now: self.now, ping_s: PING_S, rooms: &words };
            self.tell(&self.exchange.say(&word)).await?;
        } else {
            for (room, seq, people) in &words {
                self.tell(&self.exchange.say(&Word::Watching { room, seq: *seq, people })).await?;
            }
        }
        for (room, after, announced, missed, here) in stand {
            self.catch_up(&room, after.is_some(), announced, missed).await?;
            let news = !here.iter().any(|other| other.id == person.id);
            if news && here.len() < MAX_PRESENT {
                let told = self.exchange.presence(&room, person, true).await;
                self.stored(text, told).await?;
            }
        }
        Ok(())
    }

    /// How a room stands for somebody who comes: what has been announced, what was missed, who is there. In this
    /// order: what was announced is among what was missed.
    async fn stand(
        &self,
        room: &RoomName,
        after: Option<u64>,
    ) -> Result<(u64, Missed, Vec<Person>), Failure> {
        let (table, person) = (&self.exchange.settler.table, &self.connected.connection.person);
        let announced = Cast::of(table, room).await?.to;
        let missed = self.exchange.missed(Some(person), room, after, self.now).await?;
        let here = people(&rows::listeners(table, room, self.now).await?);
        Ok((announced, missed, here))
    }

    /// Sends what was missed until nothing more has been announced meanwhile, and takes the place.
    async fn catch_up(&self, room: &RoomName, resumes: bool, announced: u64, missed: Missed) -> Goes {
        let (mut announced, mut missed, mut told) = (announced, missed, !resumes);
        for _ in 0..MAX_TURNS {
            for (seq, frame) in &missed.frames {
                if frame.len() > MAX_FRAME_BYTES {
                    let word = Word::Resumed { room, seq: *seq, reset: true };
                    self.tell(&self.exchange.say(&word)).await?;
                } else {
                    self.tell(frame).await?;
                }
            }
            let whole = missed.reset || missed.until >= missed.seq;
            let read = if whole { missed.seq } else { missed.until };
            if whole && (!told || missed.reset) {
                let word = Word::Resumed { room, seq: missed.seq, reset: missed.reset };
                self.tell(&self.exchange.say(&word)).await?;
                told = true;
            }
            let next = async {
                let table = &self.exchange.settler.table;
                if whole && self.connected.take_place(table, room, read, announced, crate::now()).await? {
                    return Ok(None);
                }
                let person = &self.connected.connection.person;
                let announced = Cast::of(table, room).await?.to;
                let missed = self.exchange.missed(Some(person), room, Some(read), crate::now()).await?;
                Ok::<_, Failure>(Some((announced, missed)))
            };
            match next.await {
                Ok(None) => return Ok(()),
                Ok(Some((more, then))) => (announced, missed) = (more, then),
                Err(failure) => {
                    warn!(reason = %failure, "somebody could not catch up");
                    break;
                }
            }
        }
        // Too much is said here just now, or the store does not answer: the client comes again with what it has.
        self.end(&self.exchange.say(&Word::Resume { reason: "slow_reader" })).await
    }
}
