//! Sockets on AWS: API Gateway holds the connections, the bridge's table says whose they are and who listens where,
//! and what is said goes out by the management API.
//!
//! ```text
//!   browser ══ WebSocket API ── $connect, frames, $disconnect ──▶ `talk` (the function web_chat.socket)
//!      ▲                                                            │ hear, decide, answer, take a place
//!      └──── @connections/{id} ◀── `cast`: any function of the bridge that has something to show
//! ```
//! # Constraints
//! No process lives as long as a connection; frames of one connection may be handled side by side; two functions may
//! have something to show in one room at the same moment. Yet a connection hears each number of a room once, in order.
//!
//! # How
//! - **One casts at a time in a room.** Its row `s#cast` has a lease, and three numbers: `sent` (all up to it has been
//!   said), `to` (announced: a round is saying what comes up to it), `want` (somebody who found the lease taken wants
//!   this said too). A round announces first, then reads who listens, then says `sent + 1 ..= to` to each; it ends only
//!   when nobody wants more. Who was killed is followed by the next one, from `sent`.
//! - **Taking a place without a gap.** Who comes reads `to`, then what was missed, up to the room's last number; and
//!   takes its place, from that number on, in a transaction that demands that `to` is still what it was. So every round
//!   that has not seen the place has announced no more than what the newcomer has read itself; every later one sees it.
//! - A connection that is gone (410) is forgotten, with all its places. One that does not take what it is given is let
//!   go, and resumes. Others do not wait for it: they are spoken to side by side.
//!
//! # Rejected
//! A row for each recipient and number (a write each, as dear as the message itself); casting without a lease (two
//! functions overtake each other, and every reader asks for what it seems to have missed); places that listen before
//! they have caught up (numbers out of order).

mod cast;
mod line;
mod open;
mod rows;
mod talk;

#[cfg(test)]
mod tests;

pub(crate) use line::Line;

use switchboard_core::{Failure, Missed, Person, Push, RoomName, Sockets, Timestamp, Word};

use crate::settle::Settler;

/// Most bytes of one frame to a connection.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
const MAX_FRAME_BYTES: usize = 128 * 1024;

/// The sockets of one function's bridge.
#[derive(Clone, Copy)]
pub(crate) struct Exchange<'a> {
    settler: &'a Settler,
    line: &'a Line,
    bridge: &'a dyn Sockets,
}

impl Settler {
    /// The sockets, where this bridge has some and this function reaches them.
    pub(crate) fn exchange(&self) -> Option<Exchange<'_>> {
        let (line, bridge) = (self.line.as_ref()?, self.bridge.sockets()?);
        Some(Exchange { settler: self, line, bridge })
    }

    /// Keeps what is to be shown until [`Settler::send_shown`].
    pub(crate) fn show(&self, pushes: impl IntoIterator<Item = Push>) {
        self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(pushes);
    }

    /// Sends what was kept. Best effort: who misses something finds it in what is stored.
    pub(crate) async fn send_shown(&self) {
        let pushes =
            std::mem::take(&mut *self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if let (false, Some(exchange)) = (pushes.is_empty(), self.exchange()) {
            Box::pin(exchange.push(pushes)).await;
        }
    }
}

impl Exchange<'_> {
    fn say(&self, word: &Word<'_>) -> String {
        self.bridge.say(word)
    }

    /// What happened in a room after a number, as the bridge tells it; see [`Sockets::missed`].
    async fn missed(
        &self,
        person: Option<&Person>,
        room: &RoomName,
        after: Option<u64>,
        now: Timestamp,
    ) -> Result<Missed, Failure> {
        let view = self.settler.view(now);
        let reading = self.settler.reading(&view, now);
        self.bridge.missed(person, room, after, &reading).await
    }
}
