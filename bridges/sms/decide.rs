//! What a phone's message means, and what a requested text becomes.

use std::time::Duration;

use switchboard_core::event::{
    Detail, MessageReceived, MessageSaid, SmsRequested, SubscriberChange, SubscriberChanged,
};
use switchboard_core::message::display_name;
use switchboard_core::{
    Address, Effect, Event, EventId, Expect, Failure, Message, MessageId, Outcome, PhoneNumber, Revision,
    RoomName, Sender, SmsAccess, Surface, Timestamp, View, Write,
};

use super::act::{Draft, Errand, SendText, Task};
use super::config::Config;
use super::store::{self, NewText, Pace, Phone, Stored};
use super::wire::{self, Inbound};
use super::words::{self, Word};
use super::{segments, text};

/// How often a phone is told what changes nothing: how to join, or that it is in a room already.
const HELP_EVERY: Duration = Duration::from_secs(3600);
/// Most rooms that one text lists.
const MAX_ROOMS_LISTED: usize = 12;
/// What a text with files counts as, in segments: about what it costs.
const SEGMENTS_OF_FILES: u32 = 3;

/// A phone has texted.
pub(super) async fn message(
    config: &Config,
    inbound: Inbound,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let number = match person(config, &inbound) {
        Ok(number) => number,
        Err(reason) => {
            tracing::warn!(sid = inbound.sid, reason, "a text was answered and not passed on");
            return Ok(Outcome::reply(wire::twiml()));
        }
    };
    let stored: Stored<Phone> = Stored::load(view, &store::phone_key(&number)).await?;
    let mut desk = Desk {
        config,
        cause: EventId::from_cause(&["twilio", &inbound.sid]),
        number,
        stored,
        now,
        outcome: Outcome::reply(wire::twiml()),
    };
    match words::read(&inbound.text, inbound.opt_out.as_deref()) {
        Word::Stop => desk.opt(true)?,
        Word::Start { only_if_stopped } if desk.stored.value.opted_out || !only_if_stopped => {
            desk.opt(false)?
        }
        Word::Help => {}
        Word::Join { room, name } => match desk.joinable(room) {
            Some(room) => desk.join(&room, name)?,
            // "Join us for lunch": a message, where there is a room that it can go to.
            None if !name.is_empty() && desk.home().is_some() => desk.post(inbound)?,
            None => desk.help()?,
        },
        Word::Leave { room, more } => match desk.leavable(room) {
            Some(room) if !more => desk.leave(&room)?,
            // "Leave it to me": a message too.
            _ if more && desk.home().is_some() => desk.post(inbound)?,
            _ => desk.help()?,
        },
        Word::Start { .. } | Word::Text => desk.post(inbound)?,
    }
    Ok(desk.outcome)
}

/// The number of the phone that has texted; or why its text is nobody's, for the log, which names no number.
fn person(config: &Config, inbound: &Inbound) -> Result<PhoneNumber, &'static str> {
    match &inbound.from {
        None if inbound.channel => {
            Err("it came by another channel than SMS, such as whatsapp: or messenger:")
        }
        None => Err("its sender is a short code or a name: a machine"),
        Some(number) if number.as_str() == inbound.to || config.is_ours(number) => {
            Err("it is from our own number: to pass it on would be a circle")
        }
        Some(number) => Ok(number.clone()),
    }
}

/// One message of one phone, being dealt with.
struct Desk<'a> {
    config: &'a Config,
    /// The id that everything here is derived from.
    cause: EventId,
    number: PhoneNumber,
    stored: Stored<Phone>,
    now: Timestamp,
    outcome: Outcome,
}

impl Desk<'_> {
    fn home(&self) -> Option<RoomName> {
        self.stored.value.home(self.config, &self.number)
    }

    /// The room of that name, if the phone may join it.
    fn joinable(&self, name: &str) -> Option<RoomName> {
        let room = name.to_lowercase().parse().ok()?;
        let reachable = self.config.allows_code(self.number.calling_code());
        (reachable && self.config.may_join(&room, &self.number)).then_some(room)
    }

    /// The room of that name, or else the phone's own, if the phone is in it.
    fn leavable(&self, name: Option<&str>) -> Option<RoomName> {
        let Some(name) = name else { return self.home() };
        let room = name.to_lowercase().parse().ok()?;
        self.stored.value.is_in(self.config, &room, &self.number).then_some(room)
    }

    fn opt(&mut self, out: bool) -> Result<(), Failure> {
        if self.stored.value.opted_out == out {
            return Ok(());
        }
        self.stored.value.opted_out = out;
        let change = if out { SubscriberChange::OptedOut } else { SubscriberChange::OptedIn };
        self.changed(None, change);
        self.save()
    }

    fn join(&mut self, room: &RoomName, name: &str) -> Result<(), Failure> {
        let before = self.stored.value.clone();
        let was_in = before.is_in(self.config, room, &self.number);
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = display_name(&name, "");
        if !name.is_empty() {
            self.stored.value.name = Some(name);
        }
        self.stored.value.join(room);
        if self.config.access(room) == SmsAccess::Open {
            self.outcome.writes.push(Write::Put {
                key: store::member_key(room, &self.number),
                body: "{}".to_owned(),
                expect: Expect::Any,
                expires_at: None,
            });
        }
        if !was_in {
            self.changed(Some(room), SubscriberChange::Joined);
        }
        if self.stored.value == before {
            if !self.may_help() {
                return Ok(());
            }
            self.stored.value.helped_at = Some(self.now);
        }
        self.answer(format!(
            "You are in {}. Everyone there sees what you text. To leave, text LEAVE {room}. For no more texts \
             at all, text STOP.",
            self.title(room)
        ));
        self.save()
    }

    fn leave(&mut self, room: &RoomName) -> Result<(), Failure> {
        self.stored.value.leave(room);
        self.outcome
            .writes
            .push(Write::Delete { key: store::member_key(room, &self.number), expect: Expect::Any });
        self.changed(Some(room), SubscriberChange::Left);
        let next = match self.home() {
            Some(home) => format!(" Your texts go to {} now.", self.title(&home)),
            None => String::new(),
        };
        self.answer(format!("You have left {}.{next} To come back, text JOIN {room}.", self.title(room)));
        self.save()
    }

    /// Has it been an hour since it was told what it could know?
    fn may_help(&self) -> bool {
        self.stored.value.helped_at.is_none_or(|at| self.now >= at.plus(HELP_EVERY))
    }

    /// Says once an hour how to join; nothing is posted.
    fn help(&mut self) -> Result<(), Failure> {
        if !self.may_help() {
            return Ok(());
        }
        let rooms: Vec<&str> = self
            .config
            .rooms
            .iter()
            .filter(|(name, _)| self.config.may_join(name, &self.number))
            .map(|(name, _)| name.as_str())
            .take(MAX_ROOMS_LISTED)
            .collect();
        let words = match rooms.as_slice() {
            [] => "This text went nowhere: there is no room here that your phone may join.".to_owned(),
            [first, ..] => format!(
                "This text went nowhere. To join a room, text JOIN and its name, such as JOIN {first}. Rooms: \
                 {}. For no more texts, text STOP.",
                rooms.join(", ")
            ),
        };
        self.stored.value.helped_at = Some(self.now);
        self.answer(words);
        self.save()
    }

    /// A message of the room; with files, once they are fetched.
    fn post(&mut self, inbound: Inbound) -> Result<(), Failure> {
        let Some(room) = self.home() else { return self.help() };
        let said = text::plain(&inbound.text);
        if said.trim().is_empty() && inbound.files.is_empty() {
            return Ok(());
        }
        let name = self.stored.value.name.clone().unwrap_or_else(|| text::phone_name(&self.number));
        let message = Message {
            id: MessageId::from_cause(&["twilio", &inbound.sid]),
            revision: Revision::FIRST,
            room,
            sender: Sender { surface: Surface::Sms, address: Address::new(self.number.as_str()), name },
            text: said,
            attachments: Vec::new(),
            thread_parent: None,
            provider_id: Some(inbound.sid.clone()),
            time: self.now,
            hops: 0,
        };
        let event = if inbound.files.is_empty() {
            posted(
                &inbound.sid,
                MessageSaid { unknown: inbound.unknown, ..MessageSaid::new(message) },
                self.now,
            )
        } else {
            let id = EventId::from_cause(&["twilio", &inbound.sid, "received"]);
            let (message_id, provider_id) = (Some(message.id.clone()), Some(inbound.sid.clone()));
            let draft = Draft { sid: inbound.sid, message, files: inbound.files, unknown: inbound.unknown };
            let payload = serde_json::to_value(draft)
                .map_err(|error| Failure::bug(format!("a draft cannot be written: {error}")))?;
            let received = MessageReceived { message_id, provider_id, payload };
            Event::new(id, "sms", self.now, Detail::MessageReceived(received))
        };
        self.outcome.events.push(event);
        Ok(())
    }

    fn changed(&mut self, room: Option<&RoomName>, change: SubscriberChange) {
        let id = EventId::from_cause(&[self.cause.as_str(), "SubscriberChanged"]);
        let detail = SubscriberChanged { phone: self.number.clone(), room: room.cloned(), change };
        self.outcome.events.push(Event::new(id, "sms", self.now, Detail::SubscriberChanged(detail)));
    }

    /// The hub's own words to this phone, unless it wants none or may not be texted.
    fn answer(&mut self, words: String) {
        let phone = &mut self.stored.value;
        if phone.opted_out || !self.config.allows_code(self.number.calling_code()) {
            return;
        }
        let text = NewText {
            to: self.number.clone(),
            text: text::fit(&words, text::MAX_BODY_UNITS),
            attachments: Vec::new(),
            message_id: None,
            change: None,
            room: None,
        };
        self.outcome.events.push(phone.request(&self.cause, text, self.now));
    }

    fn title(&self, room: &RoomName) -> String {
        let title = self.config.rooms.get(room).and_then(|room| room.title.as_deref());
        text::plain(title.unwrap_or(room.as_str()))
    }

    fn save(&mut self) -> Result<(), Failure> {
        let write = self.stored.write(store::phone_key(&self.number))?;
        self.outcome.writes.push(write);
        Ok(())
    }
}

/// A phone said this.
pub(super) fn posted(sid: &str, said: MessageSaid, now: Timestamp) -> Event {
    Event::new(EventId::from_cause(&["twilio", sid]), "sms", now, Detail::MessagePosted(said))
}

/// An errand: a message with files, which are to be fetched; a text that is to be sent once more, in a while.
pub(super) fn received(received: &MessageReceived) -> Result<Outcome, Failure> {
    let errand: Errand = serde::Deserialize::deserialize(&received.payload)
        .map_err(|error| Failure::bug(format!("an errand of ours that we cannot read: {error}")))?;
    let effect = match errand {
        Errand::Fetch(draft) => Effect::new("twilio/media", &Task::FetchFiles(draft))?,
        Errand::Again { again } => {
            let not_before = Some(again.not_before);
            Effect { not_before, ..Effect::new("twilio/again", &Task::Wait(again))? }
        }
    };
    Ok(Outcome { effects: vec![effect], ..Outcome::default() })
}

/// A text to send: one request to Twilio, when the sender is free.
pub(super) async fn requested(
    config: &Config,
    event: &Event,
    requested: &SmsRequested,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let (body, files) = text::with_files(&requested.text, &requested.attachments, config.reachable);
    let counted = segments::count(&body, config.section.smart_encoding).count;
    let segments = if files.is_empty() { counted } else { counted.max(SEGMENTS_OF_FILES) };

    let mut writes = Vec::new();
    let mut not_before = None;
    if config.section.segments_per_second > 0.0 {
        let mut pace: Stored<Pace> = Stored::load(view, &store::pace_key()).await?;
        let start = pace.value.reserve(now, segments, config.section.segments_per_second);
        not_before = (start > now).then_some(start);
        writes.push(pace.write(store::pace_key())?);
    }
    let task = SendText {
        delivery: event.id.clone(),
        to: requested.lane.clone(),
        body,
        media_urls: Vec::new(),
        files: files.into_iter().cloned().collect(),
        segments,
        message_id: requested.message_id.clone(),
        change: requested.change,
        room: requested.room.clone(),
    };
    let mut effect = Effect::new(destination(config, &requested.lane), &Task::SendText(task))?;
    effect.not_before = not_before;
    Ok(Outcome { writes, effects: vec![effect], ..Outcome::default() })
}

/// Names a phone without its number: the same for the same phone.
fn destination(config: &Config, phone: &PhoneNumber) -> String {
    let id = EventId::from_cause(&["destination", &config.account, phone.as_str()]);
    format!("twilio/{}", id.as_str().get(3..11).unwrap_or_default())
}
