//! What the room may show goes into its channel: `RoomChanged` in, posts and their changes out, and what their
//! ends mean.

use switchboard_core::event::{Change, DeliveryReported, DeliveryStatus, MessageReceived, RoomChanged};
use switchboard_core::message::{MAX_HOPS, display_name};
use switchboard_core::{
    Address, Attachment, BlobId, Detail, Effect, Event, EventId, Expect, Failure, Message, MessageId,
    Outcome, Permit, Permitted, Report, Settlement, Surface, Timestamp, View, Write,
};

use super::Slack;
use super::deeds::{Deed, Done, Errand, Post, Upload};
use super::said::SlackTs;
use super::store::{self, LastDelivery, Own, Place};
use super::text::{Limit, from_plain};

/// A post's text, in characters: Slack cuts off what is more.
const POST_CHARS: Limit = Limit::Chars(40_000);
/// An edited post's text, in bytes after escaping: `chat.update` refuses more.
const UPDATE_BYTES: Limit = Limit::Bytes(4_000);
/// What stands where a text was cut.
const CUT: &str = " … (too long for Slack)";

/// Decides about a change of a room.
pub(super) async fn room_changed(
    slack: &Slack,
    changed: &RoomChanged,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let message = &changed.message;
    let channel = slack.rooms.get(&message.room).and_then(|room| room.slack_channel.as_deref());
    let Some(channel) = channel else { return Ok(Outcome::nothing()) };
    if changed.change == Change::Reacted {
        return react(slack, channel, changed, now, view).await;
    }
    // What was said in Slack stands there already, and a bot cannot take back a person's message.
    if message.sender.surface == Surface::Slack || message.hops >= MAX_HOPS {
        return Ok(Outcome::nothing());
    }
    let destination = format!("slack/{channel}");
    let deed = match changed.change {
        Change::Posted => Some(Deed::Post(post(channel, message, view).await?)),
        Change::Edited => return edit(slack, channel, message, now, view).await,
        Change::Deleted | Change::Retracted => return withdraw(slack, channel, message, now, view).await,
        // Above: also what was said in Slack is reacted to.
        Change::Reacted => None,
    };
    let effects = deed.map(|deed| Effect::new(destination, &deed)).transpose()?;
    Ok(Outcome { effects: effects.into_iter().collect(), ..Outcome::default() })
}

async fn post(channel: &str, message: &Message, view: &dyn View) -> Result<Post, Failure> {
    let thread = match &message.thread_parent {
        Some(parent) => place(view, parent).await?,
        None => None,
    };
    // Slack threads have one level: the head is what a reply's own head is.
    let thread = thread.filter(|place| place.channel == channel).and_then(|place| place.thread.or(place.ts));
    Ok(Post {
        message_id: message.id.clone(),
        room: message.room.clone(),
        channel: channel.to_owned(),
        thread,
        username: username(message),
        text: from_plain(&words(message), POST_CHARS, CUT),
        hops: message.hops.saturating_add(1),
        files: message.attachments.iter().filter(|file| file.blob.is_some()).cloned().collect(),
        incomplete: incomplete(message),
    })
}

/// The sender's name with their surface, so that nobody outside passes for a colleague.
fn username(message: &Message) -> String {
    let surface = match message.sender.surface {
        Surface::Web => "web",
        Surface::Sms => "SMS",
        Surface::Slack => "Slack",
        Surface::Button => "button",
    };
    format!("{} ({surface})", display_name(&message.sender.name, "somebody"))
}

/// The text, and what there is to say about files that cannot be shown. A post without a word is not taken, so
/// files that come alone are named.
fn words(message: &Message) -> String {
    let mut text = message.text.clone();
    for file in &message.attachments {
        let note = match (&file.note, &file.blob) {
            (Some(note), _) => format!("[{}: {note}]", file.name),
            (None, None) => format!("[{}]", file.name),
            (None, Some(_)) if message.text.trim().is_empty() => format!("[{}]", file.name),
            (None, Some(_)) => continue,
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&note);
    }
    if text.trim().is_empty() { "(no text)".to_owned() } else { text }
}

/// Shows what a message says now, and brings the files that were missing when it was posted and are here by now.
async fn edit(
    slack: &Slack,
    channel: &str,
    message: &Message,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let key = store::place_key(&message.id);
    let found = store::find::<Place>(view, &key).await?;
    // What was never posted (it was given up) is not shown by an edit either.
    let stands = found.value.filter(|place| place.channel == channel && !place.gone);
    let Some((place, ts)) = stands.and_then(|place| Some((place.clone(), place.ts?))) else {
        return Ok(Outcome::nothing());
    };
    let text = from_plain(&words(message), UPDATE_BYTES, CUT);
    let update = Deed::Update { channel: channel.to_owned(), ts: ts.clone(), text };
    let mut outcome =
        Outcome { effects: vec![Effect::new(format!("slack/{channel}"), &update)?], ..Outcome::default() };
    let Some(shown) = &place.incomplete else { return Ok(outcome) };
    let late = |file: &&Attachment| file.blob.as_ref().is_some_and(|blob| !shown.contains(blob));
    let files: Vec<Attachment> = message.attachments.iter().filter(late).cloned().collect();
    if files.is_empty() {
        return Ok(outcome);
    }
    let thread = place.thread.clone().unwrap_or(ts);
    let cause = ["slack", message.id.as_str(), "upload", &message.revision.0.to_string()];
    let upload = Upload { message_id: message.id.clone(), channel: channel.to_owned(), thread, files };
    outcome.events.push(errand(EventId::from_cause(&cause), &Errand::Upload(upload), now)?);
    let place = Place { incomplete: incomplete(message), ..place };
    outcome.writes.push(Write::put(key, &place, found.expect)?.expiring(slack.post_expiry(now)));
    Ok(outcome)
}

/// The files that a message shows, where others of it are missing.
fn incomplete(message: &Message) -> Option<Vec<BlobId>> {
    let missing = message.attachments.iter().any(|file| file.blob.is_none());
    missing.then(|| message.attachments.iter().filter_map(|file| file.blob.clone()).collect())
}

/// Shows a reaction from elsewhere as the app's own: there when the first person reacts so, gone when the last
/// takes it away.
async fn react(
    slack: &Slack,
    channel: &str,
    changed: &RoomChanged,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let (Some(by), Some(reaction)) = (&changed.by, &changed.reaction) else { return Ok(Outcome::nothing()) };
    if by.surface == Surface::Slack {
        return Ok(Outcome::nothing());
    }
    let key = store::place_key(&changed.message.id);
    let found = store::find::<Place>(view, &key).await?;
    let Some(mut place) = found.value.filter(|place| place.channel == channel && !place.gone) else {
        return Ok(Outcome::nothing());
    };
    let Some(ts) = place.ts.clone() else { return Ok(Outcome::nothing()) };
    let people = place.reactions.entry(reaction.name.clone()).or_default();
    let had = !people.is_empty();
    let person = EventId::from_cause(&[by.surface.as_str(), by.address.as_str()]).to_string();
    if reaction.added {
        people.insert(person)
    } else {
        people.remove(&person)
    };
    let has = !people.is_empty();
    place.reactions.retain(|_, people| !people.is_empty());
    let writes = vec![Write::put(key, &place, found.expect)?.expiring(slack.post_expiry(now))];
    let mut effects = Vec::new();
    if had != has {
        let name = reaction.name.clone();
        let deed = Deed::React { channel: channel.to_owned(), ts, name, added: has };
        effects.push(Effect::new(format!("slack/{channel}"), &deed)?);
    }
    Ok(Outcome { writes, effects, ..Outcome::default() })
}

/// Takes a post away, and leaves word that nothing more of the message is to be shown.
async fn withdraw(
    slack: &Slack,
    channel: &str,
    message: &Message,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let key = store::place_key(&message.id);
    let found = store::find::<Place>(view, &key).await?;
    let known = found.value.unwrap_or_else(|| Place { channel: channel.to_owned(), ..Place::default() });
    if known.gone {
        return Ok(Outcome::nothing());
    }
    let gone = Place { gone: true, ..known.clone() };
    let writes = vec![Write::put(key, &gone, found.expect)?.expiring(slack.post_expiry(now))];
    let effects = match known.ts {
        Some(ts) => {
            let deed = Deed::Delete { channel: known.channel.clone(), ts, files: known.files };
            vec![Effect::new(format!("slack/{}", known.channel), &deed)?]
        }
        None => Vec::new(),
    };
    Ok(Outcome { writes, effects, ..Outcome::default() })
}

/// A message is withdrawn, and its post may still wait in the room's lane, before the withdrawal: the word that is left
/// here ends it at its next attempt.
pub(super) async fn withdrawn_early(
    slack: &Slack,
    changed: &RoomChanged,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let message = &changed.message;
    let shown = slack.rooms.get(&message.room).is_some_and(|room| room.slack_channel.is_some());
    let withdrawn = matches!(changed.change, Change::Deleted | Change::Retracted);
    if !shown || !withdrawn || message.sender.surface == Surface::Slack {
        return Ok(Outcome::nothing());
    }
    if place(view, &message.id).await?.is_some() {
        // It stands there, or did: the lane takes it away.
        return Ok(Outcome::nothing());
    }
    let write = Write::put(store::withdrawn_key(&message.id), &now, Expect::Any)?;
    Ok(Outcome { writes: vec![write.expiring(slack.post_expiry(now))], ..Outcome::default() })
}

/// Is it still to be done? An echo of the post may have been faster than the answer; a message that was
/// withdrawn meanwhile is not shown.
pub(super) async fn permit(deed: &Deed, view: &dyn View) -> Result<Permitted, Failure> {
    let done = match deed {
        Deed::Post(post) => match place(view, &post.message_id).await? {
            None if view.get(&store::withdrawn_key(&post.message_id)).await?.is_some() => {
                let permit = Permit::Needless(Report::new(&Done::Withdrawn)?);
                return Ok(Permitted { permit, writes: Vec::new() });
            }
            None => None,
            Some(Place { ts: Some(ts), gone: false, thread, .. }) => {
                let unthreaded = thread.is_none() && post.thread.is_some();
                Some(Done::Posted { ts, own: Own::default(), unthreaded })
            }
            Some(_) => Some(Done::Withdrawn),
        },
        Deed::Upload(upload) => {
            let gone = place(view, &upload.message_id).await?.is_some_and(|place| place.gone);
            gone.then_some(Done::Withdrawn)
        }
        Deed::Update { .. }
        | Deed::Delete { .. }
        | Deed::React { .. }
        | Deed::Withdraw { .. }
        | Deed::Fetch(_)
        | Deed::Gather(_) => None,
    };
    Ok(match done {
        Some(done) => Permitted { permit: Permit::Settled(Report::new(&done)?), writes: Vec::new() },
        None => Permitted::go(),
    })
}

async fn place(view: &dyn View, message: &MessageId) -> Result<Option<Place>, Failure> {
    store::get(view, &store::place_key(message)).await
}

/// What the end of a post means.
pub(super) async fn settle_post(
    slack: &Slack,
    post: Post,
    settlement: &Settlement,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    match settlement {
        Settlement::Done(report) => match report.read()? {
            Done::Posted { ts, own, unthreaded } => {
                let thread = post.thread.clone().filter(|_| !unthreaded);
                posted(slack, Post { thread, ..post }, ts, own, now, view).await
            }
            // It was withdrawn before it stood anywhere.
            _ => {
                let reason = "it was withdrawn before it was posted".to_owned();
                let event = delivery(&post, DeliveryStatus::Failed, None, Some(reason), now);
                Ok(Outcome { events: vec![event], ..Outcome::default() })
            }
        },
        Settlement::GaveUp(failure) => {
            let reason = failure.to_string();
            let last = LastDelivery { time: now, failed: Some(reason.clone()) };
            let writes = vec![last_delivery(&post.channel, &last)?];
            let event = delivery(&post, DeliveryStatus::Failed, None, Some(reason), now);
            Ok(Outcome { writes, events: vec![event], ..Outcome::default() })
        }
    }
}

async fn posted(
    slack: &Slack,
    post: Post,
    ts: SlackTs,
    own: Own,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let mut events =
        vec![delivery(&post, DeliveryStatus::Delivered, Some(ts.as_str().to_owned()), None, now)];
    let place = Place {
        channel: post.channel.clone(),
        ts: Some(ts.clone()),
        thread: post.thread.clone(),
        incomplete: post.incomplete.clone(),
        ..Place::default()
    };
    let mut writes = store::remember_post(view, &post.message_id, place, slack.post_expiry(now)).await?;
    writes.push(last_delivery(&post.channel, &LastDelivery { time: now, failed: None })?);
    writes.extend(store::learn(view, own).await?);
    if !post.files.is_empty() {
        // An errand of its own: it is retried by itself and does not hold the room up.
        let id = EventId::from_cause(&["slack", post.message_id.as_str(), "upload"]);
        let thread = post.thread.unwrap_or(ts);
        let upload = Upload { message_id: post.message_id, channel: post.channel, thread, files: post.files };
        events.push(errand(id, &Errand::Upload(upload), now)?);
    }
    Ok(Outcome { writes, events, ..Outcome::default() })
}

/// What the end of an upload means: the files are known to belong to the message, and go if it has gone.
pub(super) async fn settle_upload(
    slack: &Slack,
    upload: Upload,
    settlement: &Settlement,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let Settlement::Done(report) = settlement else { return Ok(Outcome::nothing()) };
    let Done::Uploaded { files } = report.read()? else { return Ok(Outcome::nothing()) };
    if files.is_empty() {
        return Ok(Outcome::nothing());
    }
    let key = store::place_key(&upload.message_id);
    let found = store::find::<Place>(view, &key).await?;
    let place = found.value.unwrap_or_else(|| Place { channel: upload.channel.clone(), ..Place::default() });
    if place.gone {
        let id = EventId::from_cause(&["slack", upload.message_id.as_str(), "withdraw"]);
        let message_id = Some(upload.message_id);
        let withdraw = Errand::Withdraw { message_id, channel: upload.channel, files };
        let events = vec![errand(id, &withdraw, now)?];
        return Ok(Outcome { events, ..Outcome::default() });
    }
    let files = place.files.iter().cloned().chain(files).collect();
    let place = Place { files, ..place };
    let writes = vec![Write::put(key, &place, found.expect)?.expiring(slack.post_expiry(now))];
    Ok(Outcome { writes, ..Outcome::default() })
}

/// Sends ourselves on an errand.
pub(super) fn errand(id: EventId, errand: &Errand, now: Timestamp) -> Result<Event, Failure> {
    let payload = serde_json::to_value(errand)
        .map_err(|error| Failure::bug(format!("an errand cannot be written as JSON: {error}")))?;
    let (message_id, provider_id) = match errand {
        Errand::Fetch { said } => (Some(said.message_id()), Some(said.ts.as_str().to_owned())),
        Errand::Upload(upload) => (Some(upload.message_id.clone()), None),
        Errand::Withdraw { message_id, .. } => (message_id.clone(), None),
    };
    let received = MessageReceived { message_id, provider_id, payload };
    Ok(Event::new(id, "slack", now, Detail::MessageReceived(received)))
}

fn last_delivery(channel: &str, last: &LastDelivery) -> Result<Write, Failure> {
    Write::put(store::last_delivery_key(channel), last, Expect::Any)
}

fn delivery(
    post: &Post,
    status: DeliveryStatus,
    provider_id: Option<String>,
    reason: Option<String>,
    now: Timestamp,
) -> Event {
    let word = if status == DeliveryStatus::Failed { "failed" } else { "delivered" };
    let id = EventId::from_cause(&["slack", &post.channel, post.message_id.as_str(), word]);
    let reported = DeliveryReported {
        message_id: Some(post.message_id.clone()),
        room: Some(post.room.clone()),
        surface: Surface::Slack,
        address: Address::new(post.channel.clone()),
        status,
        provider_id,
        reason,
    };
    Event::new(id, "slack", now, Detail::DeliveryReported(reported))
}
