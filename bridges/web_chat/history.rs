//! The room's story, built from `RoomChanged` alone: kept, shown on sockets, and read back in pages.

use serde_json::{Value, json};
use switchboard_core::event::{Change, RoomChanged};
use switchboard_core::socket::found_by;
use switchboard_core::{
    Audience, Expect, Failure, Item, Links, MessageId, Missed, Order, Outcome, Push, Revision, RoomName,
    Sender, Surface, Timestamp, Told, ToldMessage, View, Write,
};

use super::shown::{change_frame, shown};
use super::store::{self, Entry, Gone, Logged, Place, Reactor, Seen, Who};

/// Most changes that a socket is sent when it resumes; who missed more loads the newest page.
const MAX_MISSED: u64 = 1000;
/// How many of them at a time.
const MISSED_AT_ONCE: usize = 200;
/// Messages of a part for an index.
const TOLD_AT_ONCE: usize = 100;
/// Most messages of a page.
pub(super) const MAX_PAGE: usize = 100;

/// How pages know a sender: people of the chat by their own id, others by a hash with the hub's key.
pub(super) fn who(links: &Links, sender: &Sender) -> Who {
    let id = match sender.surface {
        Surface::Web => sender.address.as_str().to_owned(),
        surface => {
            let hash = address_hash(links, surface, sender.address.as_str());
            format!("{}_{hash}", surface.as_str())
        }
    };
    Who { surface: sender.surface, id, name: sender.name.clone() }
}

/// What an address is known by here.
pub(super) fn address_hash(links: &Links, surface: Surface, address: &str) -> String {
    let mut hash = links.sign("web_chat.address", &[surface.as_str(), address]);
    hash.truncate(20);
    hash
}

/// Keeps a change, and shows it.
pub(super) async fn room_changed(
    links: &Links,
    changed: &RoomChanged,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let message = &changed.message;
    let (room, seq) = (&message.room, changed.seq);
    let place_key = store::place_key(&message.id);
    let Seen { value: place, expect: place_expect } = store::seen::<Place>(view, &place_key).await?;
    let mut outcome = Outcome::nothing();
    if changed.change == Change::Posted {
        if place.as_ref().is_some_and(|place| place.seq.is_some()) {
            return Ok(outcome);
        }
        let entry = Entry::new(message, who(links, &message.sender));
        let counts = place.map(|place| place.counts).unwrap_or_default();
        let place = Place { room: room.clone(), seq: Some(seq), counts };
        let frame = change_frame(seq, shown(links, now, room, seq, &entry, Some(&place)), None)?;
        outcome.writes.push(Write::put(store::entry_key(room, seq), &entry, Expect::Absent)?);
        outcome.writes.push(Write::put(place_key, &place, place_expect)?);
        outcome.pushes.push(numbered(room, seq, frame));
        return Ok(outcome);
    }
    // What was posted before there was a chat is not in it.
    let Some((place, at)) = place.and_then(|place| place.seq.map(|at| (place, at))) else {
        return Ok(outcome);
    };
    let change_key = store::change_key(room, seq);
    if view.get(&change_key).await?.is_some() {
        return Ok(outcome);
    }
    let key = store::entry_key(room, at);
    let Seen { value: entry, expect } = store::seen::<Entry>(view, &key).await?;
    let Some(mut entry) = entry else { return Ok(outcome) };
    // Where nobody is named, the message's own sender did it.
    let own = (changed.change == Change::Reacted).then_some(&changed.message.sender);
    let by = changed.by.as_ref().or(own).map(|by| who(links, by));
    alter(&mut entry, changed, by.as_ref());
    let logged = Logged { change: changed.change, at, by, reaction: changed.reaction.clone() };
    let frame = change_frame(seq, shown(links, now, room, at, &entry, Some(&place)), Some(&logged))?;
    outcome.writes.push(Write::put(key, &entry, expect)?);
    outcome.writes.push(Write::put(change_key, &logged, Expect::Absent)?);
    outcome.pushes.push(numbered(room, seq, frame));
    Ok(outcome)
}

fn numbered(room: &RoomName, seq: u64, frame: String) -> Push {
    Push { seq: Some(seq), ..Push::new(Audience::Room(room.clone()), frame) }
}

fn alter(entry: &mut Entry, changed: &RoomChanged, by: Option<&Who>) {
    let message = &changed.message;
    match changed.change {
        Change::Posted => {}
        Change::Edited => {
            entry.edited = message.revision > Revision::FIRST;
            entry.revision = message.revision.0;
            entry.text.clone_from(&message.text);
            entry.attachments.clone_from(&message.attachments);
        }
        Change::Deleted | Change::Retracted => {
            let deleted = changed.change == Change::Deleted;
            entry.gone = Some(if deleted { Gone::Deleted } else { Gone::Retracted });
            entry.text.clear();
            entry.attachments.clear();
            entry.reactions.clear();
        }
        Change::Reacted => {
            let (Some(by), Some(reaction)) = (by, &changed.reaction) else { return };
            let people = entry.reactions.entry(reaction.name.clone()).or_default();
            people.retain(|person| person.id != by.id);
            if reaction.added {
                people.push(Reactor { id: by.id.clone(), name: by.name.clone() });
            }
            entry.reactions.retain(|_, people| !people.is_empty());
        }
    }
}

/// Which part of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    /// The newest, or those before a number.
    Before(Option<u64>),
    /// Those after a number.
    After(u64),
    /// Those around a message.
    Around(MessageId),
}

/// A page of a room: `{room, seq, messages, before, after}`.
pub(super) async fn page(
    links: &Links,
    room: &RoomName,
    span: &Span,
    limit: usize,
    now: Timestamp,
    view: &dyn View,
) -> Result<Value, Failure> {
    let limit = limit.clamp(1, MAX_PAGE);
    let seq = store::head(view, room).await?;
    let (older, newer) = match span {
        Span::Before(before) => (Some((*before, limit)), None),
        Span::After(after) => (None, Some((*after, limit))),
        Span::Around(message) => {
            let place: Option<Place> = store::get(view, &store::place_key(message)).await?;
            let at = place.filter(|place| place.room == *room).and_then(|place| place.seq);
            let at =
                at.ok_or_else(|| Failure::refuse_as(404, "unknown_message", "no such message in this room"))?;
            let half = (limit / 2).max(1);
            (Some((Some(at + 1), half)), Some((at, half)))
        }
    };
    let mut items: Vec<Item> = Vec::new();
    let (mut before, mut after) = (None, None);
    if let Some((from, limit)) = older {
        let page = store::numbered_page(view, "room", room, from, Order::Descending, limit).await?;
        if let Some(next) = &page.next {
            before = Some(store::number(next)?);
        }
        items.extend(page.items.into_iter().rev());
        if from.is_some()
            && newer.is_none()
            && let Some(last) = items.last()
        {
            after = Some(store::number(&last.sort)?);
        }
    }
    if let Some((from, limit)) = newer {
        let page = store::numbered_page(view, "room", room, Some(from), Order::Ascending, limit).await?;
        if let Some(next) = &page.next {
            after = Some(store::number(next)?);
        }
        if older.is_none()
            && from > 0
            && let Some(first) = page.items.first()
        {
            before = Some(store::number(&first.sort)?);
        }
        items.extend(page.items);
    }
    let messages = render(links, room, &items, now, view).await?;
    Ok(json!({ "room": room, "seq": seq, "messages": messages, "before": before, "after": after }))
}

/// The messages with these numbers, in this order; those that are gone are left out.
pub(super) async fn messages(
    links: &Links,
    room: &RoomName,
    numbers: &[u64],
    now: Timestamp,
    view: &dyn View,
) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::with_capacity(numbers.len());
    for seq in numbers {
        let Some(item) = view.get(&store::entry_key(room, *seq)).await? else { continue };
        if item.read::<Entry>()?.gone.is_none() {
            found.push(item);
        }
    }
    render(links, room, &found, now, view).await
}

async fn render(
    links: &Links,
    room: &RoomName,
    items: &[Item],
    now: Timestamp,
    view: &dyn View,
) -> Result<Vec<Value>, Failure> {
    let mut messages = Vec::with_capacity(items.len());
    for item in items {
        let entry: Entry = item.read()?;
        let place: Option<Place> = store::get(view, &store::place_key(&entry.message_id)).await?;
        let shown = shown(links, now, room, store::number(&item.sort)?, &entry, place.as_ref());
        messages.push(serde_json::to_value(shown).map_err(|error| Failure::bug(error.to_string()))?);
    }
    Ok(messages)
}

/// What stands in a room after a number.
pub(super) async fn told(room: &RoomName, after: u64, view: &dyn View) -> Result<Told, Failure> {
    let page = store::numbered_page(view, "room", room, Some(after), Order::Ascending, TOLD_AT_ONCE).await?;
    let mut messages = Vec::with_capacity(page.items.len());
    for item in &page.items {
        let entry: Entry = item.read()?;
        if entry.gone.is_some() {
            continue;
        }
        let found_by = found_by(&entry.text, &entry.sender.name, &entry.attachments);
        let Entry { message_id, time, attachments, .. } = entry;
        let files = attachments.into_iter().filter_map(|file| file.blob).collect();
        messages.push(ToldMessage { seq: store::number(&item.sort)?, message_id, time, found_by, files });
    }
    let next = page.next.map(|next| store::number(&next)).transpose()?;
    Ok(Told { messages, next })
}

/// What happened in a room after a number.
///
/// The room's last number is read first: what has it or a smaller one is committed, whatever else is committed
/// between this reading and the next.
pub(super) async fn missed(
    links: &Links,
    room: &RoomName,
    after: Option<u64>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Missed, Failure> {
    let seq = store::head(view, room).await?;
    let nothing = Missed { frames: Vec::new(), until: seq, seq, reset: false };
    let Some(after) = after else { return Ok(nothing) };
    if after > seq || seq - after > MAX_MISSED {
        return Ok(Missed { reset: true, ..nothing });
    }
    let page = |kind| store::numbered_page(view, kind, room, Some(after), Order::Ascending, MISSED_AT_ONCE);
    let (posted, others) = (page("room").await?, page("changes").await?);
    // Beyond the end of the shorter of two pages that are not the last, the other kind is not known yet.
    let mut until = seq;
    for next in [&posted.next, &others.next].into_iter().flatten() {
        until = until.min(store::number(next)?);
    }
    let mut frames = Vec::new();
    for item in &posted.items {
        let number = store::number(&item.sort)?;
        if number > until {
            break;
        }
        let entry: Entry = item.read()?;
        let place: Option<Place> = store::get(view, &store::place_key(&entry.message_id)).await?;
        let shown = shown(links, now, room, number, &entry, place.as_ref());
        frames.push((number, change_frame(number, shown, None)?));
    }
    for item in &others.items {
        let number = store::number(&item.sort)?;
        if number > until {
            break;
        }
        let logged: Logged = item.read()?;
        let Some(entry) = store::get::<Entry>(view, &store::entry_key(room, logged.at)).await? else {
            continue;
        };
        let place: Option<Place> = store::get(view, &store::place_key(&entry.message_id)).await?;
        let shown = shown(links, now, room, logged.at, &entry, place.as_ref());
        frames.push((number, change_frame(number, shown, Some(&logged))?));
    }
    frames.sort_unstable_by_key(|(number, _)| *number);
    Ok(Missed { frames, until, seq, reset: false })
}
