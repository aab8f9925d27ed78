//! What a role of the template may do: all that its function does in a tour of the house, and nothing else.

mod chat;
mod tour;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use switchboard_stories::{ANN, BOB, House, LOBBY};

use crate::stack;

/// What Lambda itself does with a function's role: polling the queue, writing the log. The emulator does it by itself.
const OF_LAMBDA: [&str; 5] = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];
/// S3 asks for `s3:ListBucket` to say that a file is not there, the Scheduler for `iam:PassRole`; nobody makes requests
/// of those names. What is asked of connections and of the Scheduler the emulator enforces (without it no story of the
/// chat ends well, and the tour's timer is never set) and does not record.
const NOT_RECORDED: [&str; 4] =
    ["s3:ListBucket", "iam:PassRole", "execute-api:ManageConnections", "scheduler:CreateSchedule"];
/// The Scheduler's own, not a function's: the tour's timer comes by it.
const OF_THE_SCHEDULER: &str = "ModerationSchedules";

#[tokio::test]
async fn a_role_may_do_what_its_function_does_and_nothing_else() {
    let policy = "[moderation]\nheld_words = [\"grue\"]\npark_s = 86400\n[chat]\nguests = true\n";
    let house = House::open_with_managed_secrets(&format!("{LOBBY}{policy}")).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    tour::tour(&house).await;
    chat::tour(&house).await;
    let (grants, calls) = (stack(&house).ask("grants").await, stack(&house).ask("calls").await);
    let mut complaints = Vec::new();
    let calls: BTreeMap<String, &Value> =
        calls.as_object().expect("calls").iter().map(|(function, made)| (logical(function), made)).collect();
    let functions = grants.as_object().expect("grants").iter();
    for (function, granted) in functions.filter(|(function, _)| *function != OF_THE_SCHEDULER) {
        let mut once = BTreeSet::new();
        for grant in granted.as_array().expect("a list") {
            let (action, resource) = (grant[0].as_str().unwrap(), grant[1].as_str().unwrap());
            if action.contains('*') || resource == "*" || resource == "attached" {
                complaints
                    .push(format!("{function} may {action} on {resource}: name one action, one resource"));
            }
            let used = calls.get(function).is_some_and(|made| made[action].as_u64().unwrap_or(0) > 0);
            let excused = OF_LAMBDA.contains(&action) || NOT_RECORDED.contains(&action);
            if !used && !excused && once.insert(action) {
                complaints.push(format!("{function} may {action}, and no story needs it"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}\n{calls:#?}", complaints.join("\n"));
    house.end().await;
}

/// A function's name in the template.
fn logical(function: &str) -> String {
    function.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}
