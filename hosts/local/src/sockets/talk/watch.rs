//! Beginning to listen to rooms: a place in each, then what was missed there. See the essay of `sockets`.

use std::sync::Arc;
use std::time::Duration;

use switchboard_core::{Failure, Person, RoomName, Timestamp, Word};

use super::{Goes, MAX_ROOMS, Over, PING_AFTER, Talk};
use crate::sockets::frames::text_frame;
use crate::sockets::socket::Flushed;

impl Talk<'_> {
    /// Begins to listen, and sends what was missed. See the module's essay.
    pub(super) async fn watch(
        &mut self,
        text: &str,
        rooms: Vec<(RoomName, Option<u64>)>,
        hello: bool,
    ) -> Goes {
        if self.places.len() + rooms.len() > MAX_ROOMS {
            return self.refuse_as(text, "bad_field", "a socket listens to at most 100 rooms");
        }
        let person = self.socket.connection.person.clone();
        let mut stand = Vec::new();
        for (room, after) in rooms {
            if !self.exchange.rooms.contains_key(&room) {
                let failure = Failure::refuse_as(404, "unknown_room", format!("no room {room}"));
                self.refuse(text, &failure)?;
                continue;
            }
            self.take_place(&room);
            match self.missed(&person, &room, after).await {
                Ok(missed) => stand.push((room, after, missed)),
                Err(failure) => {
                    self.leave_place(&room);
                    self.refuse(text, &failure)?;
                }
            }
        }
        let mut words = Vec::new();
        for (room, _, missed) in &stand {
            words.push((room.clone(), missed.seq, self.exchange.arrived(room, &person)));
        }
        if hello {
            self.greeted = true;
            let now: Timestamp = (self.exchange.ground.clock)();
            let (connection, ping_s) = (&self.socket.connection, PING_AFTER.as_secs() as u32);
            let word = Word::Hello { connection, now, ping_s, rooms: &words };
            self.socket.send(text_frame(&self.exchange.say(&word)));
        } else {
            for (room, seq, people) in &words {
                let word = Word::Watching { room, seq: *seq, people };
                self.socket.send(text_frame(&self.exchange.say(&word)));
            }
        }
        for (room, after, mut missed) in stand {
            loop {
                for (_, frame) in &missed.frames {
                    self.give(text_frame(frame)).await?;
                }
                if missed.reset || missed.until >= missed.seq {
                    break;
                }
                // More than one reading holds. What comes after the first's last number is held.
                match self.missed(&person, &room, Some(missed.until)).await {
                    Ok(next) if next.until > missed.until || next.reset => {
                        missed = next;
                    }
                    Ok(_) | Err(_) => {
                        self.socket.cut();
                        return Ok(());
                    }
                }
            }
            let last = match after {
                Some(_) => {
                    let word = Word::Resumed { room: &room, seq: missed.seq, reset: missed.reset };
                    text_frame(&self.exchange.say(&word))
                }
                None => bytes::Bytes::new(),
            };
            self.socket.caught_up(&room, missed.seq, last);
        }
        Ok(())
    }

    /// Gives the socket what it missed, no faster than it takes it.
    async fn give(&self, bytes: bytes::Bytes) -> Goes {
        self.socket.send(bytes);
        loop {
            match self.socket.flush() {
                Flushed::All => return Ok(()),
                Flushed::Over => return Err(Over(bytes::Bytes::new())),
                Flushed::Part => {
                    let writable =
                        tokio::time::timeout(Duration::from_secs(5), self.socket.stream.writable());
                    if let Ok(Err(_)) = writable.await {
                        return Err(Over(bytes::Bytes::new()));
                    }
                }
            }
        }
    }

    fn take_place(&mut self, room: &RoomName) {
        if self.places.contains_key(room) {
            self.leave_place(room);
            self.exchange.left(room, &self.socket.connection.person);
        }
        self.socket.listen(room);
        if let Some(here) = self.exchange.rooms.get(room) {
            let place = here.places.enter(Arc::clone(self.socket));
            self.places.insert(room.clone(), place);
        }
    }

    pub(super) fn leave_place(&mut self, room: &RoomName) {
        if let (Some(place), Some(here)) = (self.places.remove(room), self.exchange.rooms.get(room)) {
            here.places.leave(place);
            self.socket.unlisten(room);
        }
    }

    async fn missed(
        &self,
        person: &Person,
        room: &RoomName,
        after: Option<u64>,
    ) -> Result<switchboard_core::Missed, Failure> {
        let (person, room) = (person.clone(), room.clone());
        self.exchange
            .read(move |sockets, reading, handle| {
                handle.block_on(sockets.missed(Some(&person), &room, after, reading))
            })
            .await
    }
}
