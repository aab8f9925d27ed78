//! What a role of the template may do: all that its function does in a tour of the house, and nothing else.

mod chat;
pub(crate) mod later;
mod tour;

use std::collections::BTreeSet;

use switchboard_stories::{ANN, BOB, House, LOBBY};

use crate::{named, stack};

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
    let policy = |park_s: u32| {
        format!("{LOBBY}[moderation]\nheld_words = [\"grue\"]\npark_s = {park_s}\n[chat]\nguests = true\n")
    };
    let house = House::open_with_managed_secrets(&policy(86_400)).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    tour::tour(&house).await;
    chat::tour(&house).await;
    later::tour(&house, &policy(600)).await;
    let (grants, uses) = (stack(&house).ask("grants").await, stack(&house).ask("uses").await);
    let uses: Vec<(String, String, String, u64)> = serde_json::from_value(uses).expect("uses");
    // Of one action, what was asked of one table says nothing of another.
    let used: BTreeSet<[&str; 3]> =
        uses.iter().map(|(function, action, name, _)| [&**function, &**action, &**name]).collect();
    let mut complaints = BTreeSet::new();
    let functions = grants.as_object().expect("grants").iter();
    for (function, granted) in functions.filter(|(function, _)| *function != OF_THE_SCHEDULER) {
        for grant in granted.as_array().expect("a list") {
            let (action, resource) = (grant[0].as_str().unwrap(), grant[1].as_str().unwrap());
            if action.contains('*') || resource == "*" || resource == "attached" {
                complaints
                    .insert(format!("{function} may {action} on {resource}: name one action, one resource"));
            }
            let excused = OF_LAMBDA.contains(&action) || NOT_RECORDED.contains(&action);
            if !excused && !used.contains(&[&**function, action, named(resource)]) {
                complaints.insert(format!("{function} may {action} on {resource}, and no story needs it"));
            }
        }
    }
    let complaints = complaints.into_iter().collect::<Vec<_>>().join("\n");
    assert!(complaints.is_empty(), "\n{complaints}\n{used:#?}");
    house.end().await;
}

/// A function's name in the template.
fn logical(function: &str) -> String {
    function.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}
