//! May this text go out now? Asked in the store immediately before each attempt: opt-out, membership, money.

use switchboard_core::event::Change;
use switchboard_core::{Failure, Permit, Permitted, Report, Timestamp, View, Write};

use super::act::{Done, SendText};
use super::config::Config;
use super::store::{self, Delivery, Phone, Stored, Unsent};

/// The answer, with the segments counted: once a day for a delivery, however often it is attempted.
pub(super) async fn send(
    config: &Config,
    task: &SendText,
    now: Timestamp,
    view: &dyn View,
) -> Result<Permitted, Failure> {
    let mut delivery: Stored<Delivery> = Stored::load(view, &store::delivery_key(&task.delivery)).await?;
    if delivery.value.sid.is_some() {
        return settled(&Done::Known);
    }
    if is_withdrawn(task, view).await? {
        let report = Report::new(&Done::Withdrawn)?;
        return Ok(Permitted { permit: Permit::Needless(report), writes: Vec::new() });
    }
    let phone: Stored<Phone> = Stored::load(view, &store::phone_key(&task.to)).await?;
    if phone.value.opted_out {
        return settled(&Done::OptedOut { code: None });
    }
    if let (Some(_), Some(room)) = (&task.message_id, &task.room)
        && !phone.value.is_in(config, room, &task.to)
    {
        return settled(&Done::NotInRoom);
    }
    let day = now.day();
    if delivery.value.counted.as_deref() == Some(day.as_str()) {
        return Ok(Permitted::go());
    }
    let mut writes = Vec::new();
    for limit in limits(config, task)? {
        let key = store::spent_key(&day, &limit.what);
        let spent = view.get(&key).await?.map_or(0, |item| item.count);
        if spent.saturating_add(i64::from(task.segments)) > i64::from(limit.most) {
            return Err(Failure::refuse(
                429,
                format!(
                    "[sms] {} = {} segments a day is reached: raise it, or wait for the next day (UTC), then \
                     redrive",
                    limit.key, limit.most
                ),
            ));
        }
        let amount = i64::from(task.segments);
        writes.push(Write::Add { key, amount, expires_at: Some(now.plus(store::SPENT_KEPT)) });
    }
    delivery.value.phone = Some(task.to.clone());
    delivery.value.message_id.clone_from(&task.message_id);
    delivery.value.room.clone_from(&task.room);
    delivery.value.counted = Some(day);
    if config.is_told() && !delivery.value.last {
        let (text, attachments) = (task.body.clone(), task.files.clone());
        delivery.value.unsent = Some(Unsent { text, attachments, change: task.change });
    }
    writes.push(store::put_delivery(&delivery, &task.delivery, now)?);
    Ok(Permitted { permit: Permit::Go, writes })
}

/// Is there nothing left to tell? Of a message that is withdrawn neither the text nor a correction; and that it is
/// withdrawn only to whom it was sent.
async fn is_withdrawn(task: &SendText, view: &dyn View) -> Result<bool, Failure> {
    let (Some(message), Some(change)) = (&task.message_id, task.change) else { return Ok(false) };
    let key = match change {
        Change::Posted | Change::Edited => store::withdrawn_key(message),
        Change::Deleted => store::never_sent_key(message, &task.to),
        Change::Reacted | Change::Retracted => return Ok(false),
    };
    Ok(view.get(&key).await?.is_some())
}

fn settled(done: &Done) -> Result<Permitted, Failure> {
    Ok(Permitted { permit: Permit::Settled(Report::new(done)?), writes: Vec::new() })
}

/// A limit that holds for a text.
struct Limit {
    /// The sort key of its count.
    what: String,
    /// The configuration's key.
    key: String,
    most: u32,
}

/// The limits that hold for a text; those that are 0 do not.
fn limits(config: &Config, task: &SendText) -> Result<Vec<Limit>, Failure> {
    let section = &config.section;
    let code = task.to.calling_code();
    if !config.allows_code(code) {
        return Err(Failure::refuse(
            403,
            format!("[sms] allowed_calling_codes does not have {code}: add it, then redrive"),
        ));
    }
    let (code_key, code_most) = match section.calling_code_daily.get(&code.to_string()) {
        Some(most) => (format!("calling_code_daily.{code}"), *most),
        None => ("per_calling_code_daily".to_owned(), section.per_calling_code_daily),
    };
    let mut limits = vec![
        Limit { what: "total".into(), key: "daily_segments".into(), most: section.daily_segments },
        Limit {
            what: format!("phone/{}", task.to.as_str()),
            key: "per_phone_daily".into(),
            most: section.per_phone_daily,
        },
        Limit { what: format!("code/{code}"), key: code_key, most: code_most },
    ];
    if let Some(room) = &task.room {
        limits.push(Limit {
            what: format!("room/{room}"),
            key: "per_room_daily".into(),
            most: section.per_room_daily,
        });
    }
    limits.retain(|limit| limit.most > 0);
    Ok(limits)
}
