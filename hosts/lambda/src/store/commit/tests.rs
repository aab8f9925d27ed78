//! A store that is short of something, or where somebody else writes: what is sent again, what is given back, and that
//! nothing is written twice.

use serde_json::{Value, json};
use switchboard_core::store::{Key, Write};

use super::*;
use crate::scripted::{Scripted, refusal};

fn now() -> Timestamp {
    Timestamp::from_ms(1_800_000_000_000)
}

fn put(expect: Expect) -> Write {
    Write::Put { key: Key::new("people", "ann"), body: "here".to_owned(), expires_at: None, expect }
}

fn add() -> Write {
    Write::Add { key: Key::new("counts", "texts"), amount: 1, expires_at: None }
}

/// A cancelled transaction, with a reason for each of its items.
fn cancelled(reasons: &[&str]) -> (u16, Value) {
    let reasons: Vec<Value> = reasons.iter().map(|code| json!({ "Code": code })).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    (400, json!({ "__type": kind, "Message": "cancelled", "CancellationReasons": reasons }))
}

/// Commits a step of the host's and as many writes, at a store that refuses so often and then takes what comes.
async fn commit(
    writes: &[Write],
    refused: (u16, Value),
    times: usize,
) -> (Result<(), NotCommitted>, Vec<Value>) {
    let answer = move |asked: &[crate::scripted::Asked]| {
        if asked.len() > times { (200, json!({})) } else { refused.clone() }
    };
    let server = Scripted::start(answer).await;
    let table = Table::new(server.clients().tables, "hub");
    let step = Step::create(&table, key("r#sms.out#ev_1", "o#000"));
    let ended = table.commit(&[step], writes, now()).await;
    (ended, server.asked().into_iter().map(|(_, body)| body).collect())
}

#[tokio::test]
async fn what_the_store_is_short_of_once_is_sent_again_as_it_was_and_committed_once() {
    let writes = [put(Expect::Absent), add()];
    let short = [
        refusal("ThrottlingException"),
        refusal("ProvisionedThroughputExceededException"),
        refusal("RequestLimitExceeded"),
        refusal("InternalServerError"),
        refusal("TransactionInProgressException"),
        cancelled(&["None", "ThrottlingError", "None"]),
        cancelled(&["ProvisionedThroughputExceeded", "None", "None"]),
        cancelled(&["None", "None", "TransactionConflict"]),
    ];
    let alone = [
        refusal("ThrottlingException"),
        refusal("ProvisionedThroughputExceededException"),
        refusal("TransactionConflictException"),
        refusal("InternalServerError"),
    ];
    let told = |refused: (u16, Value), writes: Vec<Write>| async move {
        let (ended, mut asked) = commit(&writes, refused.clone(), 1).await;
        assert!(ended.is_ok(), "{refused:?}: {ended:?}");
        // The token by which DynamoDB knows a transaction that it has seen is another where the answer was read.
        for request in &mut asked {
            request.as_object_mut().unwrap().remove("ClientRequestToken");
        }
        assert_eq!(asked.len(), 2, "{refused:?}");
        assert_eq!(asked[0], asked[1], "{refused:?}: what is sent again is the same");
    };
    let together = short.map(|refused| told(refused, writes.to_vec()));
    let alone = alone.map(|refused| told(refused, Vec::new()));
    futures::join!(futures::future::join_all(together), futures::future::join_all(alone));
}

#[tokio::test]
async fn what_the_store_is_short_of_for_long_is_given_back() {
    for refused in [refusal("ThrottlingException"), cancelled(&["None", "ThrottlingError"])] {
        let (ended, asked) = commit(&[put(Expect::Absent)], refused.clone(), usize::MAX).await;
        assert!(matches!(ended, Err(NotCommitted::Failed(Failure::Retry { .. }))), "{refused:?}: {ended:?}");
        assert!((2..=10).contains(&asked.len()), "{refused:?}: asked {} times", asked.len());
    }
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_sent_again_under_its_token() {
    let (ended, asked) = commit(&[add()], refusal("InternalServerError"), 1).await;
    assert!(ended.is_ok(), "{ended:?}");
    let tokens: Vec<&Value> = asked.iter().map(|request| &request["ClientRequestToken"]).collect();
    assert!(tokens[0].is_string(), "{asked:?}");
    assert_eq!(tokens[0], tokens[1], "a store that has taken it takes it once");
}

#[test]
fn a_cancelled_transaction_is_judged_by_whose_condition_failed_and_else_is_sent_again() {
    const FAILED: &str = "ConditionalCheckFailed";
    let over = |ms: i64| Row::from([("x".to_owned(), number(ms))]);
    let (past, future) = (now().ms() - 1, now().ms() + 1);
    let (absent, any, add) = (put(Expect::Absent), put(Expect::Any), add());
    type Reasons<'a> = &'a [(&'a str, Option<Row>)];
    // Reasons, of which the first is the host's own, the bridge's write, whether it has been written as expired, and
    // what is judged.
    let cases: &[(Reasons<'_>, &Write, bool, &str)] = &[
        (&[(FAILED, None), ("None", None)], &absent, false, "own 0"),
        (&[(FAILED, None), (FAILED, None)], &absent, false, "own 0"),
        (&[(FAILED, None), ("ThrottlingError", None)], &absent, false, "own 0"),
        (&[("None", None), (FAILED, None)], &absent, false, "conflict"),
        (&[("ThrottlingError", None), (FAILED, None)], &absent, false, "conflict"),
        (&[("None", None), (FAILED, Some(over(past)))], &any, false, "again as expired"),
        (&[("None", None), (FAILED, Some(over(past)))], &add, false, "again as expired"),
        (&[("None", None), (FAILED, Some(over(future)))], &any, true, "again"),
        (&[("None", None), ("TransactionConflict", None)], &absent, false, "met"),
        (&[("TransactionConflict", None), ("None", None)], &absent, false, "met"),
        (&[("None", None), ("ThrottlingError", None)], &absent, false, "met"),
        (&[("None", None), ("ProvisionedThroughputExceeded", None)], &absent, false, "met"),
        (&[("None", None), ("ValidationError", None)], &absent, false, "bug"),
        (&[("None", None), ("ItemCollectionSizeLimitExceeded", None)], &absent, false, "bug"),
    ];
    for (reasons, write, was_expired, expected) in cases {
        let reasons: Vec<CancellationReason> = reasons
            .iter()
            .map(|(code, row)| CancellationReason::builder().code(*code).set_item(row.clone()).build())
            .collect();
        let mut expired = [*was_expired];
        let judged = match judge(&reasons, 1, &[write], &mut expired, now()) {
            Ok(Again::Met) => "met".to_owned(),
            Ok(Again::AsExpired) if expired[0] => "again as expired".to_owned(),
            Ok(Again::AsExpired) => "again".to_owned(),
            Err(NotCommitted::Own(step)) => format!("own {step}"),
            Err(NotCommitted::Conflict) => "conflict".to_owned(),
            Err(NotCommitted::Failed(Failure::Bug { .. })) => "bug".to_owned(),
            Err(NotCommitted::Failed(other)) => panic!("{reasons:?}: {other}"),
        };
        assert_eq!(judged, *expected, "{reasons:?} of {write:?}");
    }
}
