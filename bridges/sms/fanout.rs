//! A room's change becomes one text to each of its phones.
//!
//! One `SmsRequested` a phone, so that each is paced, retried and reported alone, with its place in that
//! phone's lane. The place is taken in the phone's own item on condition that nobody else took it, so that the
//! lane has no gap and no double. A room with many phones is dealt with in parts.

use switchboard_core::event::{Change, RoomChanged};
use switchboard_core::message::MAX_HOPS;
use switchboard_core::{
    Attachment, Event, Expect, Failure, Message, Order, Outcome, PhoneNumber, Query, SmsAccess, Surface,
    Timestamp, View, Write,
};

use super::config::Config;
use super::store::{self, Incomplete, NewText, Phone, Stored};
use super::text;

/// Phones a part: each takes a write and an event of the 90 that an outcome has.
const PHONES_A_PART: usize = 30;

/// Texts a change to the phones of its room.
pub(super) async fn room_changed(
    config: &Config,
    event: &Event,
    changed: &RoomChanged,
    part: Option<&str>,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let message = &changed.message;
    let withdrawn = matches!(changed.change, Change::Deleted | Change::Retracted);
    let mut outcome = Outcome::default();
    if withdrawn && part.is_none() && config.access(&message.room) != SmsAccess::Off {
        // What waits in the phones' lanes was said before, and is not to be said any more.
        outcome.writes.push(store::withdrawn(store::withdrawn_key(&message.id), now)?);
    }
    let (name, text) = (message.sender.name.as_str(), message.text.as_str());
    let corrects = config.section.corrections;
    let late = late_files(message, changed.change, view).await?;
    let (said, attachments) = match changed.change {
        Change::Posted => {
            (text::said(name, text, false, message.attachments.len()), message.attachments.as_slice())
        }
        Change::Edited if !late.files.is_empty() => {
            let text = if late.same_text || !corrects { "" } else { text };
            (text::said(name, text, !text.is_empty(), late.files.len()), late.files.as_slice())
        }
        Change::Edited if corrects => (text::said(name, text, true, 0), &[][..]),
        Change::Deleted if corrects => (text::taken_back(name, text), &[][..]),
        // What the gate has taken back is not said again, and a reaction is not worth a text.
        Change::Edited | Change::Deleted | Change::Retracted | Change::Reacted => {
            return Ok(outcome);
        }
    };
    if message.hops >= MAX_HOPS {
        return Ok(outcome);
    }
    let (phones, next_part) = phones(config, changed, part, view).await?;
    outcome.next_part = next_part;
    if outcome.next_part.is_none() && config.access(&message.room) != SmsAccess::Off {
        // After the last part: each has to decide the same.
        outcome.writes.extend(late.remember(message, now)?);
    }
    if phones.is_empty() {
        return Ok(outcome);
    }
    for number in phones {
        let own =
            message.sender.surface == Surface::Sms && message.sender.address.as_str() == number.as_str();
        if own {
            continue;
        }
        let key = store::phone_key(&number);
        let mut phone: Stored<Phone> = Stored::load(view, &key).await?;
        if phone.value.opted_out || !phone.value.is_in(config, &message.room, &number) {
            continue;
        }
        let text = NewText {
            to: number,
            text: said.clone(),
            attachments: attachments.to_vec(),
            message_id: Some(message.id.clone()),
            change: Some(changed.change),
            room: Some(message.room.clone()),
        };
        outcome.events.push(phone.value.request(&event.id, text, now));
        outcome.writes.push(phone.write(key)?);
    }
    Ok(outcome)
}

/// The files of an edited message that were missing when the phones were told of it.
#[derive(Default)]
struct Late {
    files: Vec<Attachment>,
    /// It says what they were told then.
    same_text: bool,
    /// Where it is to be kept what they have been told.
    expect: Option<Expect>,
}

async fn late_files(message: &Message, change: Change, view: &dyn View) -> Result<Late, Failure> {
    let missing = message.attachments.iter().any(|file| file.blob.is_none());
    let here = message.attachments.iter().any(|file| file.blob.is_some());
    match change {
        Change::Posted if missing => Ok(Late { expect: Some(Expect::Any), ..Late::default() }),
        Change::Edited if here => {
            let key = store::incomplete_key(&message.id);
            let told: Stored<Incomplete> = Stored::load(view, &key).await?;
            if told.is_new() {
                return Ok(Late::default());
            }
            let late =
                |file: &&Attachment| file.blob.as_ref().is_some_and(|blob| !told.value.shown.contains(blob));
            Ok(Late {
                files: message.attachments.iter().filter(late).cloned().collect(),
                same_text: told.value.text == message.text,
                expect: Some(told.expect),
            })
        }
        _ => Ok(Late::default()),
    }
}

impl Late {
    fn remember(&self, message: &Message, now: Timestamp) -> Result<Option<Write>, Failure> {
        let Some(expect) = self.expect else { return Ok(None) };
        let shown = message.attachments.iter().filter_map(|file| file.blob.clone()).collect();
        let told = Incomplete { shown, text: message.text.clone() };
        let write = Write::put(store::incomplete_key(&message.id), &told, expect)?;
        Ok(Some(write.expiring(now.plus(store::DELIVERY_KEPT))))
    }
}

/// The phones of a room after the one that `part` names, and what the next part is.
async fn phones(
    config: &Config,
    changed: &RoomChanged,
    part: Option<&str>,
    view: &dyn View,
) -> Result<(Vec<PhoneNumber>, Option<String>), Failure> {
    let room = &changed.message.room;
    match config.access(room) {
        SmsAccess::Off => Ok((Vec::new(), None)),
        SmsAccess::Listed => {
            let listed = config.listed(room);
            let start = part.map_or(0, |last| listed.partition_point(|phone| phone.as_str() <= last));
            let rest = &listed[start..];
            let phones = rest[..rest.len().min(PHONES_A_PART)].to_vec();
            let more = rest.len() > phones.len();
            let next = phones.last().filter(|_| more).map(|phone| phone.as_str().to_owned());
            Ok((phones, next))
        }
        SmsAccess::Open => {
            let query = Query {
                partition: store::members_partition(room),
                prefix: String::new(),
                after: part.map(str::to_owned),
                order: Order::Ascending,
                limit: PHONES_A_PART,
            };
            let page = view.query(&query).await?;
            let read =
                |sort: &str| sort.parse().map_err(|_| Failure::bug("a room's member is no phone number"));
            let phones = page.items.iter().map(|item| read(&item.sort)).collect::<Result<_, _>>()?;
            Ok((phones, page.next))
        }
    }
}
