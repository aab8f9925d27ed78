//! Telling connections what there is to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use switchboard_core::{Audience, Failure, Pace, Person, Push, RoomName, Timestamp, Word};
use tracing::{info, warn};

use super::line::Told;
use super::rows::{self, Cast, Connected, Group, Place};
use super::{Exchange, MAX_FRAME_BYTES};

/// Connections that are spoken to at once.
const AT_ONCE: usize = 64;
/// How often somebody whose numbers another is to say looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// What an invocation keeps for its end: whatever is unsaid then is said by the next one.
const FOR_THE_END: Duration = Duration::from_secs(3);
/// In a room of more people than this nobody is told who comes and goes: it would be more than what is said.
pub(super) const MAX_PRESENT: usize = 200;

/// What was said to whom, and who turned out to be gone.
#[derive(Default)]
struct Lost {
    gone: Vec<String>,
    cut: Vec<String>,
}

impl Exchange<'_> {
    /// Tells all of it. What is to go out only now and then goes out once.
    pub(super) async fn push(&self, pushes: Vec<Push>) {
        let mut numbered: BTreeMap<RoomName, BTreeMap<u64, String>> = BTreeMap::new();
        let mut others: Vec<Push> = Vec::new();
        for push in pushes {
            if let (Audience::Room(room), Some(seq)) = (&push.to, push.seq) {
                numbered.entry(room.clone()).or_default().insert(seq, push.frame);
                continue;
            }
            if let Pace::First(kind, every) = &push.pace
                && !self.line.is_first(kind, *every)
            {
                continue;
            }
            let same = |other: &&mut Push| match (&other.pace, &push.pace) {
                (Pace::Latest(one, _), Pace::Latest(two, _)) => one == two && other.to == push.to,
                _ => false,
            };
            match others.iter_mut().find(same) {
                Some(other) => *other = push,
                None => others.push(push),
            }
        }
        for (room, frames) in numbered {
            if let Err(failure) = self.cast(&room, frames).await {
                warn!(room = %room, reason = %failure, "what was said could not be shown; it is shown with the next");
            }
        }
        for push in others {
            if let Err(failure) = self.tell(&push).await {
                info!(reason = %failure, "something could not be shown");
            }
        }
    }

    /// Something without a number.
    async fn tell(&self, push: &Push) -> Result<(), Failure> {
        let (table, now) = (&self.settler.table, crate::now());
        let connections = match &push.to {
            Audience::Room(room) => {
                let places = rows::listeners(table, room, now).await?;
                places.into_iter().map(|place| place.connection).collect()
            }
            Audience::Person(person) => rows::of(table, Group::Person(person), now).await?,
            Audience::Session(session) => rows::of(table, Group::Session(session), now).await?,
        };
        let frames = vec![push.frame.clone()];
        let to = connections.iter().map(|connection| (connection.clone(), frames.clone())).collect();
        let lost = self.send(to).await;
        self.lose(Lost { cut: Vec::new(), ..lost }).await?;
        if push.close.is_some() {
            self.lose(Lost { gone: Vec::new(), cut: connections }).await?;
        }
        Ok(())
    }

    /// Says these numbers of a room, and whatever before them has not been said, to all who listen there.
    async fn cast(&self, room: &RoomName, frames: BTreeMap<u64, String>) -> Result<(), Failure> {
        let Some(last) = frames.keys().next_back().copied() else { return Ok(()) };
        let table = &self.settler.table;
        let me = format!("{:032x}", rand::random::<u128>());
        let mut lost = Lost::default();
        // While rounds of ours follow one another: up to which number they have said.
        let mut said = None;
        while self.settler.left() > FOR_THE_END {
            let now = crate::now();
            let mut cast = Cast::of(table, room).await?;
            let begun = cast.by == me;
            if let (true, Some(said)) = (begun, said) {
                cast.sent = cast.sent.max(said);
            }
            if !begun && cast.sent >= last {
                break;
            }
            if !begun && cast.until > now {
                // Somebody is saying something, and says this too; unless they have died.
                if cast.want >= last || (Cast { want: last, ..cast }).save(table, room, now).await? {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                continue;
            }
            // A round: announce, read who listens, say it.
            cast.to = last.max(cast.want).max(cast.to);
            cast.until = now.plus(self.line.lease);
            cast.by.clone_from(&me);
            if !cast.save(table, room, now).await? {
                continue;
            }
            let round = self.round(room, &cast, &frames, now).await;
            // Whatever came of it, the room is free again, unless somebody wants more.
            let sent = if round.is_ok() { cast.to } else { cast.sent };
            let mut end = Cast { sent, until: Timestamp::default(), by: String::new(), ..cast };
            let ended = end.save(table, room, crate::now()).await?;
            let more = round?;
            said = Some(sent);
            lost.gone.extend(more.gone);
            lost.cut.extend(more.cut);
            if ended {
                break;
            }
        }
        self.lose(lost).await
    }

    /// Says what has been announced.
    async fn round(
        &self,
        room: &RoomName,
        cast: &Cast,
        own: &BTreeMap<u64, String>,
        now: Timestamp,
    ) -> Result<Lost, Failure> {
        let places = rows::listeners(&self.settler.table, room, now).await?;
        // What all of them had read before they took their places need not be looked for.
        let Some(read) = places.iter().map(|place| place.after).min() else { return Ok(Lost::default()) };
        let mut from = cast.sent.max(read);
        let mut frames: BTreeMap<u64, String> = BTreeMap::new();
        let known = |seq: u64| own.get(&seq).filter(|frame| !frame.is_empty());
        if (from + 1..=cast.to).all(|seq| known(seq).is_some()) {
            frames.extend((from + 1..=cast.to).filter_map(|seq| Some((seq, known(seq)?.clone()))));
        } else {
            while from < cast.to {
                let missed = self.missed(None, room, Some(from), now).await?;
                if missed.reset {
                    let word = Word::Resumed { room, seq: missed.seq, reset: true };
                    frames.insert(cast.to, self.say(&word));
                    break;
                }
                frames.extend(missed.frames.into_iter().filter(|(seq, _)| *seq <= cast.to));
                if missed.until <= from {
                    break;
                }
                from = missed.until;
            }
        }
        for (seq, frame) in &mut frames {
            if frame.len() > MAX_FRAME_BYTES {
                // More than one frame holds: its readers load the room's newest page instead.
                *frame = self.say(&Word::Resumed { room, seq: *seq, reset: true });
            }
        }
        let for_place = |place: Place| {
            let news = frames.iter().filter(|(seq, _)| **seq > place.after).map(|(_, text)| text.clone());
            (place.connection, news.collect())
        };
        Ok(self.send(places.into_iter().map(for_place).collect()).await)
    }

    /// Gives each connection its frames in order; side by side, so that a slow one delays nobody.
    async fn send(&self, to: Vec<(String, Vec<String>)>) -> Lost {
        let told = futures::stream::iter(to).map(|(connection, frames)| async move {
            for frame in frames.iter().filter(|frame| !frame.is_empty()) {
                match self.line.tell(&connection, frame).await {
                    Told::Yes => {}
                    other => return (connection, other),
                }
            }
            (connection, Told::Yes)
        });
        let mut told = told.buffer_unordered(AT_ONCE);
        let mut lost = Lost::default();
        while let Some((connection, told)) = told.next().await {
            match told {
                Told::Yes => {}
                Told::Gone => lost.gone.push(connection),
                Told::No => lost.cut.push(connection),
            }
        }
        lost
    }

    /// Forgets those that are gone, and lets those go that did not take what they were given: they resume.
    async fn lose(&self, lost: Lost) -> Result<(), Failure> {
        for connection in &lost.cut {
            info!("a connection is let go");
            self.line.let_go(connection).await;
        }
        for connection in lost.gone.iter().chain(&lost.cut) {
            if let Some(connected) = self.forget(connection).await? {
                // Whoever is found gone while this is told is forgotten in the same way: each time there are fewer.
                Box::pin(self.tell_of_leaving(&connected)).await?;
            }
        }
        Ok(())
    }

    /// Forgets a connection; gives what was known of it.
    pub(super) async fn forget(&self, connection: &str) -> Result<Option<Connected>, Failure> {
        let table = &self.settler.table;
        let Some(connected) = Connected::find(table, connection).await? else { return Ok(None) };
        connected.forget(table, crate::now()).await?;
        Ok(Some(connected))
    }

    /// Tells the rooms of a connection that is no more, where its person has no other.
    pub(super) async fn tell_of_leaving(&self, connected: &Connected) -> Result<(), Failure> {
        let person = &connected.connection.person;
        for room in &connected.rooms {
            let places = rows::listeners(&self.settler.table, room, crate::now()).await?;
            let others = people(&places);
            if others.len() < MAX_PRESENT && !others.iter().any(|other| other.id == person.id) {
                self.presence(room, person, false).await?;
            }
        }
        Ok(())
    }

    /// Tells a room that somebody has come or gone, unless there are too many for that.
    pub(super) async fn presence(&self, room: &RoomName, person: &Person, here: bool) -> Result<(), Failure> {
        let frame = self.say(&Word::Presence { room, person, here });
        self.tell(&Push::new(Audience::Room(room.clone()), frame)).await
    }
}

/// The people at these places, each once.
pub(super) fn people(places: &[Place]) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    for place in places {
        if people.len() < MAX_PRESENT && !people.iter().any(|known| known.id == place.person.id) {
            people.push(place.person.clone());
        }
    }
    people
}
