//! Where a message has got to, and whom it cannot reach: `DeliveryReported` and `SubscriberChanged` become the
//! words that pages show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_core::event::{
    DeliveryReported, DeliveryStatus, MessageJudged, Reason, SubscriberChange, SubscriberChanged,
};
use switchboard_core::{
    Audience, Expect, Failure, MessageId, Order, Outcome, Pace, PhoneNumber, Push, Query, RoomName, Rooms,
    SmsAccess, Surface, Timestamp, View, Write,
};

use super::WebChat;
use super::history::address_hash;
use super::shown::{self, Kind, frame, phones, summaries};
use super::store::{self, Counts, Delivered, Phone, PhoneRooms, Place, Seen};

/// How often a message's summary goes out, however many reports come.
const SUMMARY_EVERY: Duration = Duration::from_millis(250);
/// How many of a message's deliveries are told.
const MAX_TOLD: usize = 1000;

/// A delivery has got further.
pub(super) async fn reported(
    chat: &WebChat,
    reported: &DeliveryReported,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::nothing();
    let (Some(message), Some(room)) = (&reported.message_id, &reported.room) else { return Ok(outcome) };
    let address = reported.address.as_str();
    let hash = address_hash(&chat.links, reported.surface, address);
    let key = store::delivery_key(message, reported.surface, &hash);
    let Seen { value: before, expect } = store::seen::<Delivered>(view, &key).await?;
    if before.as_ref().is_some_and(|before| before.status >= reported.status) {
        return Ok(outcome);
    }
    let after = Delivered {
        surface: reported.surface,
        who: called(reported.surface, address),
        status: reported.status,
        reason: reported.reason.clone(),
        time: now,
    };
    let place_key = store::place_key(message);
    let Seen { value: place, expect: place_expect } = store::seen::<Place>(view, &place_key).await?;
    let mut place = place.unwrap_or_else(|| Place { room: room.clone(), seq: None, counts: BTreeMap::new() });
    let counts = place.counts.entry(reported.surface.as_str().to_owned()).or_default();
    if let Some(before) = &before {
        let count = counted(counts, before);
        *count = count.saturating_sub(1);
    }
    *counted(counts, &after) += 1;
    if fails(&after) {
        counts.why.clone_from(&after.reason);
    }
    let text = frame(
        Kind::Deliveries,
        json!({ "room": place.room, "message_id": message, "deliveries": summaries(&place) }),
    );
    let pace = Pace::Latest(format!("deliveries/{message}"), SUMMARY_EVERY);
    outcome.pushes.push(Push { pace, ..Push::new(Audience::Room(place.room.clone()), text) });
    outcome.writes.push(Write::put(key, &after, expect)?);
    outcome.writes.push(Write::put(place_key, &place, place_expect)?);
    if reported.surface == Surface::Sms {
        reached(chat, room, &hash, &after, &mut outcome, view).await?;
    }
    Ok(outcome)
}

fn fails(delivery: &Delivered) -> bool {
    delivery.status >= DeliveryStatus::Undelivered && !opted_out(delivery)
}

/// The sms bridge's words for Twilio's 21610 and for what it knows itself.
fn opted_out(delivery: &Delivered) -> bool {
    delivery.status >= DeliveryStatus::Undelivered
        && delivery.reason.as_deref().is_some_and(|reason| reason.contains("opted out"))
}

fn counted<'a>(counts: &'a mut Counts, delivery: &Delivered) -> &'a mut u32 {
    match delivery.status {
        DeliveryStatus::Queued => &mut counts.queued,
        DeliveryStatus::Sent => &mut counts.sent,
        DeliveryStatus::Delivered => &mut counts.delivered,
        _ if opted_out(delivery) => &mut counts.opted_out,
        DeliveryStatus::Undelivered | DeliveryStatus::Failed => &mut counts.failed,
    }
}

/// What an address is called on a page: no number, no more than its end.
fn called(surface: Surface, address: &str) -> String {
    match surface {
        Surface::Sms => {
            let ending: String = address.chars().skip(address.chars().count().saturating_sub(2)).collect();
            format!("phone ending {ending}")
        }
        Surface::Slack => format!("channel {address}"),
        Surface::Web | Surface::Button => surface.as_str().to_owned(),
    }
}

/// A phone could, or could not, be reached: said before the next writer types.
async fn reached(
    chat: &WebChat,
    room: &RoomName,
    hash: &str,
    delivery: &Delivered,
    outcome: &mut Outcome,
    view: &dyn View,
) -> Result<(), Failure> {
    if delivery.status < DeliveryStatus::Delivered || opted_out(delivery) {
        return Ok(());
    }
    let key = store::phone_key(room, hash);
    let Seen { value, expect } = store::seen::<Phone>(view, &key).await?;
    let failed =
        fails(delivery).then(|| delivery.reason.clone().unwrap_or_else(|| "no reason given".to_owned()));
    let mut phone = match value {
        Some(phone) => phone,
        // A phone that the configuration lists has no item until there is something to say of it.
        None if failed.is_some() && chat.is_listed(room) => Phone::default(),
        None => return Ok(()),
    };
    if phone.failed == failed {
        return Ok(());
    }
    phone.failed = failed;
    outcome.writes.push(Write::put(key, &phone, expect)?);
    push_warnings(room, Some((hash, Some(&phone))), outcome, view).await
}

/// A phone joined, left, opted out or in. These events have no lane, so a later one may be heard first: then the
/// earlier one changes nothing any more.
pub(super) async fn subscriber(
    chat: &WebChat,
    changed: &SubscriberChanged,
    at: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::nothing();
    let hash = address_hash(&chat.links, Surface::Sms, changed.phone.as_str());
    let key = store::phone_rooms_key(&hash);
    let Seen { value, expect } = store::seen::<PhoneRooms>(view, &key).await?;
    let mut known = value.unwrap_or_default();
    let before = match &changed.room {
        Some(room) => known.heard.insert(room.clone(), at),
        None => known.opted_at.replace(at),
    };
    if before.is_some_and(|before| before >= at) {
        return Ok(outcome);
    }
    let mut rooms: Vec<RoomName> = match &changed.room {
        Some(room) => vec![room.clone()],
        None => {
            let listed = listed_with(&chat.rooms, &changed.phone);
            known.rooms.iter().cloned().chain(listed).collect()
        }
    };
    rooms.sort();
    rooms.dedup();
    match changed.change {
        SubscriberChange::Joined => known.rooms.extend(changed.room.clone()),
        SubscriberChange::Left => known.rooms.retain(|room| Some(room) != changed.room.as_ref()),
        SubscriberChange::OptedOut => known.opted_out = true,
        SubscriberChange::OptedIn => known.opted_out = false,
    }
    outcome.writes.push(Write::put(key, &known, expect)?);
    for room in rooms {
        let key = store::phone_key(&room, &hash);
        let Seen { value, expect } = store::seen::<Phone>(view, &key).await?;
        let before = value.clone().unwrap_or_default();
        let after = match changed.change {
            SubscriberChange::Left => None,
            SubscriberChange::Joined => Some(Phone { opted_out: known.opted_out, ..before }),
            SubscriberChange::OptedOut => Some(Phone { opted_out: true, ..before }),
            SubscriberChange::OptedIn => Some(Phone { opted_out: false, ..before }),
        };
        if after == value {
            continue;
        }
        outcome.writes.push(match &after {
            Some(phone) => Write::put(key, phone, expect)?,
            None => Write::Delete { key, expect: Expect::Any },
        });
        push_warnings(&room, Some((&hash, after.as_ref())), &mut outcome, view).await?;
    }
    Ok(outcome)
}

fn listed_with(rooms: &Rooms, phone: &PhoneNumber) -> Vec<RoomName> {
    let has = |room: &switchboard_core::Room| room.sms == SmsAccess::Listed && room.phones.contains(phone);
    rooms.iter().filter(|(_, room)| has(room)).map(|(name, _)| name.clone()).collect()
}

async fn push_warnings(
    room: &RoomName,
    changed: Option<(&str, Option<&Phone>)>,
    outcome: &mut Outcome,
    view: &dyn View,
) -> Result<(), Failure> {
    let known = Phones::of(room, changed, view).await?;
    let text = frame(Kind::Warnings, json!({ "room": room, "warnings": known.warnings() }));
    let pace = Pace::Latest(format!("warnings/{room}"), SUMMARY_EVERY);
    outcome.pushes.push(Push { pace, ..Push::new(Audience::Room(room.clone()), text) });
    Ok(())
}

/// The phones of a room, counted.
#[derive(Debug, Default)]
pub(super) struct Phones {
    pub(super) all: u32,
    opted_out: u32,
    failed: u32,
    why: Option<String>,
}

impl Phones {
    /// Counts them, with one as it is about to be written.
    pub(super) async fn of(
        room: &RoomName,
        changed: Option<(&str, Option<&Phone>)>,
        view: &dyn View,
    ) -> Result<Self, Failure> {
        let mut phones = Self::default();
        if let Some((_, Some(phone))) = changed {
            phones.count(phone);
        }
        let mut query = Query {
            partition: format!("phones/{room}"),
            prefix: String::new(),
            after: None,
            order: Order::Ascending,
            limit: switchboard_core::store::MAX_PAGE_ITEMS,
        };
        loop {
            let page = view.query(&query).await?;
            for item in &page.items {
                if changed.is_none_or(|(hash, _)| hash != item.sort) {
                    phones.count(&item.read()?);
                }
            }
            let Some(next) = page.next else { return Ok(phones) };
            query.after = Some(next);
        }
    }

    fn count(&mut self, phone: &Phone) {
        self.all += 1;
        if phone.opted_out {
            self.opted_out += 1;
        } else if let Some(why) = &phone.failed {
            self.failed += 1;
            self.why = Some(why.clone());
        }
    }

    /// What a writer should know before typing.
    pub(super) fn warnings(&self) -> Vec<Value> {
        let mut warnings = Vec::new();
        let has = |count: u32| if count == 1 { "has" } else { "have" };
        if self.opted_out > 0 {
            let words = format!("{} {} opted out of texts", phones(self.opted_out), has(self.opted_out));
            warnings.push(json!({ "kind": "opted_out", "count": self.opted_out, "words": words }));
        }
        if self.failed > 0 {
            let why = self.why.as_deref().unwrap_or("no reason given");
            let words = format!("{} could not be reached by the last text ({why})", phones(self.failed));
            warnings.push(json!({ "kind": "failed", "count": self.failed, "words": words }));
        }
        warnings
    }
}

/// How far each delivery of a message has got.
pub(super) async fn told(message: &MessageId, view: &dyn View) -> Result<Value, Failure> {
    let query = Query {
        partition: format!("message/{message}"),
        prefix: "to/".to_owned(),
        after: None,
        order: Order::Ascending,
        limit: MAX_TOLD,
    };
    let page = view.query(&query).await?;
    let mut deliveries = Vec::with_capacity(page.items.len());
    for item in &page.items {
        let delivery: Delivered = item.read()?;
        let mut told = json!({
            "surface": delivery.surface, "who": delivery.who, "status": delivery.status,
            "time": shown::time(delivery.time),
        });
        if let (Some(told), Some(reason)) = (told.as_object_mut(), delivery.reason) {
            told.insert("reason".to_owned(), Value::String(reason));
        }
        deliveries.push(told);
    }
    Ok(json!({ "deliveries": deliveries }))
}

/// A reason as its writer understands it. What was found is words already, but for entries of lists.
fn in_words(reason: &Reason) -> String {
    let found = &reason.found;
    match reason.rule.as_str() {
        "blocked_word" | "held_word" | "abuse" | "scam" => format!("the word “{found}”"),
        "blocked_host" => format!("a link to {found}"),
        _ => found.clone(),
    }
}

/// The gate did not let a message through: its writer hears why, and nobody else hears anything.
pub(super) fn judged(judged: &MessageJudged, verdict: &str) -> Outcome {
    let message = &judged.message;
    if message.sender.surface != Surface::Web {
        return Outcome::nothing();
    }
    let reasons: Vec<String> = judged.reasons.iter().map(in_words).collect();
    let text = frame(
        Kind::Judged,
        json!({ "room": message.room, "message_id": message.id, "verdict": verdict, "reasons": reasons }),
    );
    let push = Push::new(Audience::Person(message.sender.address.as_str().to_owned()), text);
    Outcome { pushes: vec![push], ..Outcome::default() }
}
