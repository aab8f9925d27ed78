//! What becomes of a message whose files had to be fetched. It is posted once: with the files that are here, and a
//! note in the place of each that is not. Those that come after that, because the dead letter was redriven, are a
//! revision of it.

use switchboard_core::event::{Detail, MessageSaid};
use switchboard_core::{
    Attachment, Effect, Event, EventId, Failure, Outcome, Report, Revision, Settlement, Timestamp, View,
};

use super::act::{Done, Draft, Task};
use super::store::{self, Noted, Stored};
use super::{decide, media};

/// All files of a message are here, or one of them will not come.
pub(super) async fn fetched(
    draft: Draft,
    settlement: &Settlement,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    match settlement {
        Settlement::Done(report) => say(draft, files(report)?, false, now, view).await,
        Settlement::GaveUp(_) => {
            let noted: Stored<Noted> = Stored::load(view, &store::noted_key(&draft.message.id)).await?;
            if !noted.is_new() {
                // Posted already, and redriven in vain.
                return Ok(Outcome::nothing());
            }
            // The others are stored, and only the file store knows which they are.
            let effect = Effect::new("twilio/media/kept", &Task::GatherFiles(draft))?;
            Ok(Outcome { effects: vec![effect], ..Outcome::default() })
        }
    }
}

/// Those that are here were gathered.
pub(super) async fn gathered(
    draft: Draft,
    settlement: &Settlement,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let attachments = match settlement {
        Settlement::Done(report) => files(report)?,
        Settlement::GaveUp(_) => media::notes(&draft),
    };
    say(draft, attachments, true, now, view).await
}

fn files(report: &Report) -> Result<Vec<Attachment>, Failure> {
    match report.read()? {
        Done::Fetched { attachments } => Ok(attachments),
        other => Err(Failure::bug(format!("files were fetched and the report is {other:?}"))),
    }
}

/// Posts the message; or revises it, where it was posted without files that are here now.
async fn say(
    draft: Draft,
    attachments: Vec<Attachment>,
    given_up: bool,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let Draft { sid, mut message, unknown, .. } = draft;
    let key = store::noted_key(&message.id);
    let mut noted: Stored<Noted> = Stored::load(view, &key).await?;
    if !noted.is_new() && noted.value.attachments == attachments {
        return Ok(Outcome::nothing());
    }
    message.attachments.clone_from(&attachments);
    let event = if noted.is_new() {
        noted.value.revision = message.revision;
        decide::posted(&sid, MessageSaid { unknown, ..MessageSaid::new(message) }, now)
    } else {
        let revision = Revision(noted.value.revision.0.saturating_add(1));
        message.revision = revision;
        noted.value.revision = revision;
        let id = EventId::from_cause(&["twilio", &sid, "files", &revision.0.to_string()]);
        Event::new(id, "sms", now, Detail::MessageEdited(MessageSaid::new(message)))
    };
    let mut writes = Vec::new();
    if given_up || !noted.is_new() {
        noted.value.attachments = attachments;
        writes.push(noted.write(key)?.expiring(now.plus(store::DELIVERY_KEPT)));
    }
    Ok(Outcome { writes, events: vec![event], ..Outcome::default() })
}
