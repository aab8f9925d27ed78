//! A text that Twilio took and its carrier did not, for a reason that may pass: it is sent once more after a while, as
//! a delivery of its own and in the next place of its phone's lane. There is no third time.
//!
//! The while is spent by `sms.intake`: in the lane it would hold up what the phone is told meanwhile. Until the second
//! delivery has ended no failure of the first is reported as its end, but why there is a second one.

use std::time::Duration;

use switchboard_core::event::{DeliveryStatus, Detail, MessageReceived};
use switchboard_core::{Event, EventId, Expect, Failure, Outcome, PhoneNumber, Timestamp, View, Write};

use super::act::{Errand, SendAgain};
use super::codes::{self, Verdict};
use super::store::{self, Delivery, NewText, Phone, Stored};

/// After which time a text that ended so is sent once more; `None` where that would not help.
pub(super) fn after(status: DeliveryStatus, code: Option<u32>) -> Option<Duration> {
    let ended = matches!(status, DeliveryStatus::Undelivered | DeliveryStatus::Failed);
    match codes::look_up(code.filter(|_| ended)?)? {
        (Verdict::Later(after), _) => Some(after),
        _ => None,
    }
}

/// The errand to send a delivery's text once more, where that is known and has not been done.
pub(super) fn errand(
    id: &EventId,
    delivery: &mut Delivery,
    to: &PhoneNumber,
    after: Duration,
    now: Timestamp,
) -> Result<Option<Event>, Failure> {
    let Some(text) = delivery.unsent.take() else { return Ok(None) };
    let (message_id, room) = (delivery.message_id.clone(), delivery.room.clone());
    let again = SendAgain {
        delivery: id.clone(),
        to: to.clone(),
        text,
        message_id: message_id.clone(),
        room,
        not_before: now.plus(after),
    };
    let payload = serde_json::to_value(Errand::Again { again })
        .map_err(|error| Failure::bug(format!("an errand cannot be written: {error}")))?;
    let received = MessageReceived { message_id, provider_id: delivery.sid.clone(), payload };
    let cause = EventId::from_cause(&[id.as_str(), "again"]);
    Ok(Some(Event::new(cause, "sms", now, Detail::MessageReceived(received))))
}

/// The time has come: the text is requested like any other.
pub(super) async fn waited(again: SendAgain, now: Timestamp, view: &dyn View) -> Result<Outcome, Failure> {
    let key = store::phone_key(&again.to);
    let mut phone: Stored<Phone> = Stored::load(view, &key).await?;
    let text = NewText {
        to: again.to,
        text: again.text.text,
        attachments: again.text.attachments,
        message_id: again.message_id,
        change: again.text.change,
        room: again.room,
    };
    let request = phone.value.request(&again.delivery, text, now);
    let last = Delivery { last: true, ..Delivery::default() };
    let last = Write::put(store::delivery_key(&request.id), &last, Expect::Absent)?;
    let writes = vec![phone.write(key)?, last.expiring(now.plus(store::DELIVERY_KEPT))];
    Ok(Outcome { writes, events: vec![request], ..Outcome::default() })
}
