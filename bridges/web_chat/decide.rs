//! What a post means: a message of the room.

use switchboard_core::event::{Detail, MessageSaid};
use switchboard_core::message::display_name;
use switchboard_core::{
    Address, Event, EventId, Failure, Message, MessageId, Outcome, Reply, Revision, Rooms, Sender, Surface,
    Timestamp,
};

use super::wire::{Post, Posted};

/// A person wrote something.
pub(super) fn post(rooms: &Rooms, post: Post, now: Timestamp) -> Result<Outcome, Failure> {
    if rooms.get(&post.room).is_none() {
        let names: Vec<&str> = rooms.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Failure::refuse(404, format!("no room {}; there are: {}", post.room, names.join(", "))));
    }
    let cause = ["web_chat", post.room.as_str(), post.client_id.as_str()];
    let name = display_name(&post.name, "somebody");
    let message = Message {
        id: MessageId::from_cause(&cause),
        revision: Revision::FIRST,
        room: post.room.clone(),
        sender: Sender { surface: Surface::Web, address: Address::new(name.clone()), name },
        text: post.text.clone(),
        attachments: Vec::new(),
        thread_parent: None,
        provider_id: None,
        time: now,
        hops: 0,
    };
    let reply = Reply::json(&Posted { message_id: message.id.clone() })?;
    let id = EventId::from_cause(&[cause[0], cause[1], cause[2], "posted"]);
    let event = Event::new(id, "web_chat", now, Detail::MessagePosted(MessageSaid { message }));
    Ok(Outcome { reply: Some(reply), events: vec![event], ..Outcome::default() })
}
