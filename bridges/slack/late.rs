//! A message that was said without what could not be fetched, and what comes of that later: when its dead letter is
//! redriven, the files and names that are here then are a revision of what was said last.

use switchboard_core::event::MessageSaid;
use switchboard_core::{
    Detail, Effect, Event, EventId, Failure, Message, Outcome, Revision, RoomName, Settlement, Timestamp,
    View, Write,
};

use super::deeds::{Deed, Done, Fetch, Missing};
use super::intake::{self, Known};
use super::said::Said;
use super::store::{self, Found, Noted, Place};
use super::{Slack, files};

/// Files were given up because one of them failed: which of the others are here only the file store knows.
pub(super) async fn gather(fetch: Fetch, view: &dyn View) -> Result<Outcome, Failure> {
    if view.get(&store::noted_key(&fetch.said.message_id())).await?.is_some() {
        // Said already, and redriven in vain.
        return Ok(Outcome::nothing());
    }
    let destination = format!("slack/{}/kept", fetch.said.channel);
    let effect = Effect::new(destination, &Deed::Gather(Box::new(fetch)))?;
    Ok(Outcome { effects: vec![effect], ..Outcome::default() })
}

/// Those that are here were gathered.
pub(super) async fn settle_gather(
    slack: &Slack,
    fetch: Fetch,
    settlement: &Settlement,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let attachments = match settlement {
        Settlement::Done(report) => match report.read()? {
            Done::Fetched(fetched) => fetched.attachments,
            other => return Err(Failure::bug(format!("{other:?} is no answer to a gathering"))),
        },
        Settlement::GaveUp(_) => fetch.said.files.iter().map(files::given_up).collect(),
    };
    let Fetch { said, room, parent, names, .. } = fetch;
    let known = Known { names, parent, attachments: Some(attachments), missing: Missing::default() };
    say(slack, &said, &room, known, true, now, view).await
}

/// Says a message as [`intake::say`] does; or revises it, where it was said without what is known now. Of one that is
/// `given_up` it stays noted that something is missing.
pub(super) async fn say(
    slack: &Slack,
    said: &Said,
    room: &RoomName,
    known: Known,
    given_up: bool,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let attachments = known.attachments.unwrap_or_default();
    let mut outcome = intake::say(slack, said, room, &known.names, attachments, known.parent, now)?;
    let Some(message) = message_of(&outcome) else { return Ok(outcome) };
    let key = store::noted_key(&message.id);
    let Found { value, expect } = store::find::<Noted>(view, &key).await?;
    let noted = match value {
        None if !given_up => return Ok(outcome),
        None => Noted { first: message.revision, message },
        Some(noted) if noted.first == message.revision => match revised(&noted, message) {
            None => return Ok(Outcome::nothing()),
            Some(message) => {
                outcome = revise(slack, &message, now, view).await?;
                Noted { message, ..noted }
            }
        },
        // A later edit of Slack's.
        Some(noted) if noted.message.revision < message.revision => Noted { message, ..noted },
        Some(_) => return Ok(outcome),
    };
    outcome.writes.push(Write::put(key, &noted, expect)?.expiring(slack.post_expiry(now)));
    Ok(outcome)
}

fn message_of(outcome: &Outcome) -> Option<Message> {
    match outcome.events.first().map(|event| &event.detail) {
        Some(Detail::MessagePosted(said) | Detail::MessageEdited(said)) => Some(said.message.clone()),
        _ => None,
    }
}

/// What was said last, with what is known now; `None` where that is the same. Words that were edited since stay.
fn revised(noted: &Noted, known: Message) -> Option<Message> {
    let last = &noted.message;
    let text = if last.revision == noted.first { known.text } else { last.text.clone() };
    let revision = Revision(last.revision.0.saturating_add(1));
    let same = last.text == text && last.attachments == known.attachments;
    (!same).then(|| Message { text, attachments: known.attachments, revision, ..last.clone() })
}

async fn revise(
    slack: &Slack,
    message: &Message,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let key = store::place_key(&message.id);
    let Found { value, expect } = store::find::<Place>(view, &key).await?;
    let mut writes = Vec::new();
    if let Some(place) = value {
        let place = Place { attachments: message.attachments.clone(), ..place };
        writes.push(Write::put(key, &place, expect)?.expiring(slack.post_expiry(now)));
    }
    let id = EventId::from_cause(&["slack", message.id.as_str(), "late", &message.revision.0.to_string()]);
    let edited = Detail::MessageEdited(MessageSaid::new(message.clone()));
    let events = vec![Event::new(id, "slack", now, edited)];
    Ok(Outcome { writes, events, ..Outcome::default() })
}
