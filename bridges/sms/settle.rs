//! What the end of an effect means, and what Twilio's reports of a text mean. Both complete one record, the
//! delivery's, in whatever order they come.

use switchboard_core::event::{
    Change, DeliveryReported, DeliveryStatus, Detail, SubscriberChange, SubscriberChanged,
};
use switchboard_core::{
    Address, Event, EventId, Expect, Failure, Outcome, Settlement, Surface, Timestamp, View,
};

use super::act::{Done, SendText};
use super::again;
use super::codes::{self, Verdict};
use super::store::{self, Claim, Delivery, Phone, Stored};
use super::wire::{self, Callback};

/// A text has been sent, or has not.
pub(super) async fn sent(
    task: &SendText,
    settlement: &Settlement,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let mut record = Record::load(&task.delivery, now, view).await?;
    record.complete(task);
    let done = match settlement {
        Settlement::Done(report) => report.read()?,
        Settlement::GaveUp(_) if record.stored.value.sid.is_some() => Done::Known,
        Settlement::GaveUp(failure) => {
            // Not kept as the delivery's end: the dead letter may be redriven.
            record.report(DeliveryStatus::Failed, Some(failure.to_string()));
            return Ok(record.outcome);
        }
    };
    match done {
        Done::Known => return Ok(record.outcome),
        Done::Sent { sid, status } => {
            let status = status.unwrap_or_else(|| "queued".to_owned());
            record.take(&sid, &status, None, Expect::Any)?;
        }
        Done::Found { sids } => match unclaimed(&sids, &task.delivery, view).await? {
            Some((sid, expect)) => record.take(sid, "queued", None, expect)?,
            // All that was found belongs to others: this text never reached Twilio, and is still to be sent.
            None => return Err(Failure::unsure("only texts of other deliveries were found")),
        },
        Done::OptedOut { code } => {
            record.fail(&code.map_or_else(|| "the phone has opted out".to_owned(), codes::reason));
            record.opt_out(view).await?;
        }
        Done::NotInRoom => record.fail("the phone has left the room"),
        Done::Withdrawn => {
            record.fail("the message was withdrawn before it was sent");
            if let (Some(message), Some(Change::Posted)) = (&task.message_id, task.change) {
                record.outcome.writes.push(store::withdrawn(store::never_sent_key(message, &task.to), now)?);
            }
        }
        Done::Failed { code } => {
            record.fail(&codes::reason(code));
            codes::tell(code);
        }
        other @ (Done::Fetched { .. } | Done::Waited) => {
            return Err(Failure::bug(format!("a text was sent and the report is {other:?}")));
        }
    }
    record.finish()
}

/// Twilio reports how a text fares.
pub(super) async fn callback(
    callback: Callback,
    now: Timestamp,
    view: &dyn View,
) -> Result<Outcome, Failure> {
    let delivery = match callback.delivery {
        Some(delivery) => Some(delivery),
        None => {
            let claim = view.get(&store::claim_key(&callback.sid)).await?;
            claim.map(|item| item.read::<Claim>()).transpose()?.map(|claim| claim.delivery)
        }
    };
    let Some(delivery) = delivery else { return Ok(Outcome::reply(wire::twiml())) };
    let mut record = Record::load(&delivery, now, view).await?;
    record.outcome.reply = Some(wire::twiml());
    if record.stored.is_new() {
        // Forgotten long since: nothing is left to complete.
        return Ok(record.outcome);
    }
    record.take(&callback.sid, &callback.status, callback.error_code, Expect::Any)?;
    let verdict = callback.error_code.and_then(codes::look_up).map(|(verdict, _)| verdict);
    if verdict == Some(Verdict::OptedOut) {
        record.opt_out(view).await?;
    }
    record.finish()
}

/// The first of these messages that no other delivery has.
async fn unclaimed<'a>(
    sids: &'a [String],
    delivery: &EventId,
    view: &dyn View,
) -> Result<Option<(&'a str, Expect)>, Failure> {
    for sid in sids {
        match view.get(&store::claim_key(sid)).await? {
            None => return Ok(Some((sid, Expect::Absent))),
            Some(item) if item.read::<Claim>()?.delivery == *delivery => {
                return Ok(Some((sid, Expect::Version(item.version))));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// A delivery's record, and what follows from a change of it.
struct Record<'a> {
    delivery: &'a EventId,
    now: Timestamp,
    before: Delivery,
    stored: Stored<Delivery>,
    outcome: Outcome,
}

impl<'a> Record<'a> {
    async fn load(delivery: &'a EventId, now: Timestamp, view: &dyn View) -> Result<Self, Failure> {
        let stored: Stored<Delivery> = Stored::load(view, &store::delivery_key(delivery)).await?;
        Ok(Self { delivery, now, before: stored.value.clone(), stored, outcome: Outcome::default() })
    }

    /// Fills in what the task knows, where permission was never asked for or its record is gone.
    fn complete(&mut self, task: &SendText) {
        let value = &mut self.stored.value;
        if value.phone.is_none() {
            value.phone = Some(task.to.clone());
            value.message_id = task.message_id.clone();
            value.room = task.room.clone();
        }
    }

    /// This message of Twilio's is the delivery, and has this status.
    fn take(&mut self, sid: &str, status: &str, code: Option<u32>, expect: Expect) -> Result<(), Failure> {
        if self.stored.value.sid.is_none() {
            self.stored.value.sid = Some(sid.to_owned());
            self.outcome.writes.push(store::claim(sid, self.delivery, expect, self.now)?);
        }
        let Some(status) = self.stored.value.advance(status) else { return Ok(()) };
        if let (Some(after), Some(to)) = (again::after(status, code), self.stored.value.phone.clone())
            && let Some(errand) = again::errand(self.delivery, &mut self.stored.value, &to, after, self.now)?
        {
            self.outcome.events.push(errand);
            let reason = code.map(codes::reason).unwrap_or_default();
            let reason = format!("{reason}; it is sent once more in {} s", after.as_secs());
            // It left Twilio, or never did: neither is the end.
            let so_far = if status == DeliveryStatus::Undelivered {
                DeliveryStatus::Sent
            } else {
                DeliveryStatus::Queued
            };
            self.report_as("again", so_far, Some(reason));
            return Ok(());
        }
        if matches!(status, DeliveryStatus::Undelivered | DeliveryStatus::Failed) {
            self.stored.value.unsent = None;
        }
        if let Some(code) = code {
            codes::tell(code);
        }
        self.report(status, code.map(codes::reason));
        Ok(())
    }

    /// It ends here.
    fn fail(&mut self, reason: &str) {
        if let Some(status) = self.stored.value.advance("failed") {
            self.report(status, Some(reason.to_owned()));
        }
    }

    fn report(&mut self, status: DeliveryStatus, reason: Option<String>) {
        self.report_as(word(status), status, reason);
    }

    fn report_as(&mut self, cause: &str, status: DeliveryStatus, reason: Option<String>) {
        let value = &self.stored.value;
        let Some(phone) = &value.phone else { return };
        let detail = DeliveryReported {
            message_id: value.message_id.clone(),
            room: value.room.clone(),
            surface: Surface::Sms,
            address: Address::new(phone.as_str()),
            status,
            provider_id: value.sid.clone(),
            reason,
        };
        let id = EventId::from_cause(&[self.delivery.as_str(), "DeliveryReported", cause]);
        self.outcome.events.push(Event::new(id, "sms", self.now, Detail::DeliveryReported(detail)));
    }

    /// Twilio refuses the phone because it said STOP: note it, if we did not know.
    async fn opt_out(&mut self, view: &dyn View) -> Result<(), Failure> {
        let Some(number) = self.stored.value.phone.clone() else { return Ok(()) };
        let key = store::phone_key(&number);
        let mut phone: Stored<Phone> = Stored::load(view, &key).await?;
        if phone.value.opted_out {
            return Ok(());
        }
        phone.value.opted_out = true;
        self.outcome.writes.push(phone.write(key)?);
        let id = EventId::from_cause(&[self.delivery.as_str(), "SubscriberChanged"]);
        let detail = SubscriberChanged { phone: number, room: None, change: SubscriberChange::OptedOut };
        self.outcome.events.push(Event::new(id, "sms", self.now, Detail::SubscriberChanged(detail)));
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome, Failure> {
        if self.stored.value != self.before {
            self.outcome.writes.push(store::put_delivery(&self.stored, self.delivery, self.now)?);
        }
        Ok(self.outcome)
    }
}

fn word(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Queued => "queued",
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Undelivered => "undelivered",
        DeliveryStatus::Failed => "failed",
    }
}
