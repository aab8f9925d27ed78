//! Writing an outcome: all of it in one transaction, or nothing of it.
//!
//! An expired item that DynamoDB has not removed yet counts as absent, so a write over it has to begin anew
//! instead of going on. An update cannot say "if expired then"; so the write is first made for the item as it
//! mostly is, and where the condition says that it has expired, once more as a put that replaces it.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use switchboard_core::{Expect, Failure, Timestamp, store};

use super::row::{Row, key, number, read_number, text, ttl};
use super::view::partition;
use super::{Table, unanswered};

/// How often a transaction that met another one is sent again at once: 10, 20, 40, … ms and some chance apart.
const MAX_MEETINGS: u32 = 6;

/// A write of the host's own, with a condition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    item: Option<TransactWriteItem>,
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum NotCommitted {
    /// The condition of the host's own step of this number does not hold.
    Own(usize),
    /// Somebody else wrote one of the bridge's items first: decide again.
    Conflict,
    /// The store does not answer, or cannot hold it.
    Failed(Failure),
}

impl Step {
    /// Writes a row where there is none.
    pub(crate) fn create(table: &Table, row: Row) -> Self {
        Self::put(table, row, Some("attribute_not_exists(pk)"), Row::new())
    }

    /// Writes a row, whatever is there.
    pub(crate) fn replace(table: &Table, row: Row) -> Self {
        Self::put(table, row, None, Row::new())
    }

    /// Writes a row if a condition over its place holds.
    pub(crate) fn put(table: &Table, row: Row, condition: Option<&str>, values: Row) -> Self {
        let put = Put::builder().table_name(&*table.name).set_item(Some(row));
        let put = put.set_condition_expression(condition.map(str::to_owned));
        let put = put.set_expression_attribute_values((!values.is_empty()).then_some(values));
        Self { item: put.build().ok().map(|put| TransactWriteItem::builder().put(put).build()) }
    }

    /// Changes a row if a condition holds.
    pub(crate) fn update(table: &Table, key: Row, change: &str, condition: &str, values: Row) -> Self {
        let update = Update::builder().table_name(&*table.name).set_key(Some(key));
        let update = update.update_expression(change).condition_expression(condition);
        let update = update.set_expression_attribute_values(Some(values)).build().ok();
        Self { item: update.map(|update| TransactWriteItem::builder().update(update).build()) }
    }

    /// Changes nothing, and demands that a condition over a row's place holds.
    pub(crate) fn check(table: &Table, key: Row, condition: &str, values: Row) -> Self {
        let check = ConditionCheck::builder().table_name(&*table.name).set_key(Some(key));
        let check = check.condition_expression(condition);
        let check = check.set_expression_attribute_values(Some(values)).build().ok();
        Self { item: check.map(|check| TransactWriteItem::builder().condition_check(check).build()) }
    }

    /// Removes a row, if a condition holds.
    pub(crate) fn delete(table: &Table, key: Row, condition: Option<&str>, values: Row) -> Self {
        let delete = Delete::builder().table_name(&*table.name).set_key(Some(key));
        let delete = delete.set_condition_expression(condition.map(str::to_owned));
        let delete = delete.set_expression_attribute_values((!values.is_empty()).then_some(values));
        Self { item: delete.build().ok().map(|delete| TransactWriteItem::builder().delete(delete).build()) }
    }
}

impl Table {
    /// Commits the host's steps and the bridge's writes together.
    pub(crate) async fn commit(
        &self,
        steps: &[Step],
        writes: &[store::Write],
        now: Timestamp,
    ) -> Result<(), NotCommitted> {
        store::check_limits(writes).map_err(NotCommitted::Failed)?;
        let writes: Vec<&store::Write> = writes.iter().filter(|write| !demands_nothing(write)).collect();
        let mut expired = vec![false; writes.len()];
        let mut meetings = 0;
        loop {
            let own = steps.iter().filter_map(|step| step.item.clone());
            let theirs = writes.iter().zip(&expired).map(|(write, expired)| self.write(write, *expired, now));
            let items: Vec<TransactWriteItem> = own.chain(theirs).collect();
            let reasons = match self.send(items).await? {
                None => return Ok(()),
                Some(reasons) => reasons,
            };
            let again = judge(&reasons, steps.len(), &writes, &mut expired, now)?;
            meetings += 1;
            if meetings > MAX_MEETINGS {
                return Err(NotCommitted::Failed(Failure::retry("others write at the same time")));
            }
            if again == Again::Met {
                let wait = f64::from(1 << meetings) * 5.0 * (0.5 + rand::random::<f64>());
                tokio::time::sleep(Duration::from_secs_f64(wait / 1000.0)).await;
            }
        }
    }

    /// `None`: committed. Otherwise a reason for each item.
    async fn send(
        &self,
        mut items: Vec<TransactWriteItem>,
    ) -> Result<Option<Vec<CancellationReason>>, NotCommitted> {
        let alone = if items.len() == 1 { items.pop() } else { None };
        if let Some(alone) = alone {
            return self.send_alone(alone).await;
        }
        if items.is_empty() {
            return Ok(None);
        }
        let asked = self.client.transact_write_items().set_transact_items(Some(items));
        match asked.send().await {
            Ok(_) => Ok(None),
            Err(SdkError::ServiceError(refused)) => match refused.into_err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    Ok(Some(cancelled.cancellation_reasons.unwrap_or_default()))
                }
                TransactWriteItemsError::TransactionInProgressException(_) => Ok(Some(vec![met()])),
                other if other.code() == Some("ValidationException") => {
                    Err(NotCommitted::Failed(cannot_be_held(&other)))
                }
                other => Err(NotCommitted::Failed(unanswered(other))),
            },
            Err(error) => Err(NotCommitted::Failed(unanswered(error))),
        }
    }

    /// One write needs no transaction: half the price, and a shorter way.
    async fn send_alone(
        &self,
        item: TransactWriteItem,
    ) -> Result<Option<Vec<CancellationReason>>, NotCommitted> {
        let refused = |code: Option<&str>, row: Option<Row>, error: Failure, message: Option<&str>| match code
        {
            Some("ConditionalCheckFailedException") => {
                let reason = CancellationReason::builder().code("ConditionalCheckFailed").set_item(row);
                Ok(Some(vec![reason.build()]))
            }
            Some("TransactionConflictException") => Ok(Some(vec![met()])),
            Some("ValidationException") => {
                Err(NotCommitted::Failed(Failure::bug(message.unwrap_or_default().to_owned())))
            }
            _ => Err(NotCommitted::Failed(error)),
        };
        let returned = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        macro_rules! answered {
            ($sent:expr, $failed:path) => {
                match $sent.await {
                    Ok(_) => Ok(None),
                    Err(error) => {
                        let code = error.code().map(str::to_owned);
                        let message = error.message().map(str::to_owned);
                        let row = match error.as_service_error() {
                            Some($failed(failed)) => failed.item.clone(),
                            _ => None,
                        };
                        refused(code.as_deref(), row, unanswered(error), message.as_deref())
                    }
                }
            };
        }
        use aws_sdk_dynamodb::operation::{
            delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError,
        };
        if let Some(put) = item.put {
            let asked = self.client.put_item().table_name(put.table_name).set_item(Some(put.item));
            let asked = asked
                .set_condition_expression(put.condition_expression)
                .set_expression_attribute_values(put.expression_attribute_values)
                .set_return_values_on_condition_check_failure(returned);
            answered!(asked.send(), PutItemError::ConditionalCheckFailedException)
        } else if let Some(update) = item.update {
            let asked = self.client.update_item().table_name(update.table_name).set_key(Some(update.key));
            let asked = asked
                .update_expression(update.update_expression)
                .set_condition_expression(update.condition_expression)
                .set_expression_attribute_values(update.expression_attribute_values)
                .set_return_values_on_condition_check_failure(returned);
            answered!(asked.send(), UpdateItemError::ConditionalCheckFailedException)
        } else if let Some(delete) = item.delete {
            let asked = self.client.delete_item().table_name(delete.table_name).set_key(Some(delete.key));
            let asked = asked
                .set_condition_expression(delete.condition_expression)
                .set_expression_attribute_values(delete.expression_attribute_values)
                .set_return_values_on_condition_check_failure(returned);
            answered!(asked.send(), DeleteItemError::ConditionalCheckFailedException)
        } else {
            let asked = self.client.transact_write_items().transact_items(item);
            match asked.send().await {
                Ok(_) => Ok(None),
                Err(error) => match error.as_service_error() {
                    Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                        Ok(Some(cancelled.cancellation_reasons().to_vec()))
                    }
                    _ => Err(NotCommitted::Failed(unanswered(error))),
                },
            }
        }
    }

    /// A bridge's write as DynamoDB knows it; `expired` when the item there is known to have expired.
    fn write(&self, write: &store::Write, expired: bool, now: Timestamp) -> TransactWriteItem {
        let place = key(&partition(&write.key().partition), &write.key().sort);
        let mut values = Row::new();
        let step = match write {
            store::Write::Put { body, expires_at, expect, .. } => {
                if expired || *expect == Expect::Absent {
                    let mut row = place;
                    row.extend([("body".to_owned(), text(body)), ("v".to_owned(), number(1))]);
                    row.extend([("n".to_owned(), number(0))]);
                    if let Some(at) = expires_at {
                        row.extend([("x".to_owned(), number(at.ms())), ("ttl_s".to_owned(), ttl(*at))]);
                    }
                    values.insert(":now".to_owned(), number(now.ms()));
                    Self::returning(Step::put(self, row, Some(ABSENT), values))
                } else {
                    let change = set_expiry(&mut values, *expires_at, true);
                    values.extend([(":b".to_owned(), text(body)), (":one".to_owned(), number(1))]);
                    values.extend([(":zero".to_owned(), number(0))]);
                    let change = format!("SET body = :b, v = if_not_exists(v, :zero) + :one{change}");
                    let condition = live(&mut values, *expect, now);
                    Self::returning(Step::update(self, place, &change, &condition, values))
                }
            }
            store::Write::Add { amount, expires_at, .. } => {
                if expired {
                    let mut row = place;
                    row.extend([("body".to_owned(), text("")), ("v".to_owned(), number(0))]);
                    row.extend([("n".to_owned(), number(*amount))]);
                    if let Some(at) = expires_at {
                        row.extend([("x".to_owned(), number(at.ms())), ("ttl_s".to_owned(), ttl(*at))]);
                    }
                    values.insert(":now".to_owned(), number(now.ms()));
                    Self::returning(Step::put(self, row, Some(ABSENT), values))
                } else {
                    let change = set_expiry(&mut values, *expires_at, false);
                    values.extend([(":add".to_owned(), number(*amount)), (":zero".to_owned(), number(0))]);
                    let change = format!("SET n = if_not_exists(n, :zero) + :add{change}");
                    let condition = live(&mut values, Expect::Any, now);
                    Self::returning(Step::update(self, place, &change, &condition, values))
                }
            }
            store::Write::Delete { expect: Expect::Any, .. } => Step::delete(self, place, None, values),
            store::Write::Delete { expect, .. } => {
                let condition = live(&mut values, *expect, now);
                Step::delete(self, place, Some(&condition), values)
            }
            store::Write::Check { expect, .. } => {
                let condition = live(&mut values, *expect, now);
                let check = ConditionCheck::builder().table_name(&*self.name).set_key(Some(place));
                let check = check.condition_expression(condition);
                let check = check.set_expression_attribute_values(Some(values)).build().ok();
                Step { item: check.map(|check| TransactWriteItem::builder().condition_check(check).build()) }
            }
        };
        step.item.unwrap_or_else(|| TransactWriteItem::builder().build())
    }

    /// Asks for the item that a condition failed on.
    fn returning(step: Step) -> Step {
        let Some(mut item) = step.item else { return step };
        let returned = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(put) = &mut item.put {
            put.return_values_on_condition_check_failure = returned;
        } else if let Some(update) = &mut item.update {
            update.return_values_on_condition_check_failure = returned;
        }
        Step { item: Some(item) }
    }
}

/// There is nothing, or only what has expired.
const ABSENT: &str = "attribute_not_exists(pk) OR x <= :now";

/// The condition of a write over an item that has not expired.
fn live(values: &mut Row, expect: Expect, now: Timestamp) -> String {
    values.insert(":now".to_owned(), number(now.ms()));
    match expect {
        Expect::Any => "attribute_not_exists(x) OR x > :now".to_owned(),
        Expect::Absent => ABSENT.to_owned(),
        Expect::Version(version) => {
            values.insert(":v".to_owned(), number(version));
            "v = :v AND (attribute_not_exists(x) OR x > :now)".to_owned()
        }
    }
}

/// The part of an update that sets when an item expires; a put without an expiry (`or_never`) takes it away.
fn set_expiry(values: &mut Row, expires_at: Option<Timestamp>, or_never: bool) -> String {
    match expires_at {
        Some(at) => {
            values.extend([(":x".to_owned(), number(at.ms())), (":ttl".to_owned(), ttl(at))]);
            ", x = :x, ttl_s = :ttl".to_owned()
        }
        None if or_never => " REMOVE x, ttl_s".to_owned(),
        None => String::new(),
    }
}

fn demands_nothing(write: &store::Write) -> bool {
    matches!(write, store::Write::Check { expect: Expect::Any, .. })
}

fn met() -> CancellationReason {
    CancellationReason::builder().code("TransactionConflict").build()
}

fn cannot_be_held(error: &TransactWriteItemsError) -> Failure {
    Failure::bug(format!("the store cannot hold it: {}", error.message().unwrap_or_default()))
}

/// Why the same writes are sent once more.
#[derive(PartialEq)]
enum Again {
    AsExpired,
    Met,
}

/// What a cancelled transaction says: whose condition failed, or that it only met another one.
fn judge(
    reasons: &[CancellationReason],
    own: usize,
    writes: &[&store::Write],
    expired: &mut [bool],
    now: Timestamp,
) -> Result<Again, NotCommitted> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    if let Some(step) = reasons.iter().take(own).position(failed) {
        return Err(NotCommitted::Own(step));
    }
    let mut again = None;
    for (index, reason) in reasons.iter().enumerate().skip(own) {
        if !failed(reason) {
            continue;
        }
        let found = reason.item.as_ref().and_then(|row| read_number::<i64>(row, "x"));
        let (Some(write), Some(expired)) = (writes.get(index - own), expired.get_mut(index - own)) else {
            continue;
        };
        let goes_on =
            matches!(write, store::Write::Put { expect: Expect::Any, .. } | store::Write::Add { .. });
        if !goes_on {
            return Err(NotCommitted::Conflict);
        }
        // The first time it was written as if it were live, the second as if it had expired.
        *expired = !*expired && found.is_none_or(|at| at <= now.ms());
        again = Some(Again::AsExpired);
    }
    let other = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
    match again {
        Some(again) => Ok(again),
        None if other("TransactionConflict") || other("ThrottlingError") => Ok(Again::Met),
        None if other("ProvisionedThroughputExceeded") => Ok(Again::Met),
        None => {
            let said: Vec<&str> = reasons.iter().filter_map(CancellationReason::message).collect();
            Err(NotCommitted::Failed(Failure::bug(format!("the store refuses it: {}", said.join("; ")))))
        }
    }
}

impl NotCommitted {
    /// For who cares only that it was not.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::Own(_) | Self::Conflict => Failure::retry("somebody else wrote first"),
            Self::Failed(failure) => failure,
        }
    }
}

#[cfg(test)]
mod tests;
