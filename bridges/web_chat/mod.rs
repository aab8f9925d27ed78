//! The chat that is ours: what a person writes on a page or at the command line becomes a message of a room.
//!
//! So far only the door for posting; sockets, history, typing and presence are to come. The request:
//! `POST /api/rooms/{room}/messages` with `{"id", "name", "text"}`, where `id` is the writer's own id for the
//! message, so that a request sent again is one message. The answer: `{"message_id"}`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::{
    Admission, Arrival, Bridge, Declaration, Door, DoorAccess, Failure, Outcome, Rooms, Timestamp, View, What,
};

use crate::settings::{ConfigError, Settings};

mod decide;
mod wire;

#[cfg(test)]
mod tests;

static DECLARATION: Declaration = Declaration {
    name: "web_chat",
    doors: &[Door {
        name: "web_chat.door",
        path: "/api/rooms/{room}/messages",
        methods: &["POST"],
        access: DoorAccess::Private,
        content_types: &["application/json"],
    }],
    listeners: &[],
};

/// The chat.
#[derive(Debug)]
pub struct WebChat {
    rooms: Arc<Rooms>,
}

impl WebChat {
    /// Needs nothing but the rooms.
    ///
    /// # Errors
    /// None yet.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self { rooms: Arc::clone(&settings.rooms) })
    }
}

#[async_trait]
impl Bridge for WebChat {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    fn admit(
        &self,
        _door: &str,
        request: &http::Request<Bytes>,
        _now: Timestamp,
    ) -> Result<Admission, Failure> {
        Ok(Admission::Arrival(wire::read_post(request)?.arrival_id()))
    }

    async fn decide(&self, arrival: &Arrival<'_>, _view: &dyn View) -> Result<Outcome, Failure> {
        match arrival.what {
            What::Request(request) => decide::post(&self.rooms, wire::read_post(request)?, arrival.now),
            What::Event { .. } | What::Timer(_) => Ok(Outcome::nothing()),
        }
    }
}
