//! Each grant of each role is needed: taken away, some story fails; given back, what had failed goes through.
//!
//! One house for each of [`HOUSES`], all told at once, since most of the time goes by waiting. The first tells every
//! small story and notes which function asks for what (the emulator records it). Then, for each grant, the first story
//! that uses it is told without it. That it fails is not enough, since it may have failed for another reason: the
//! function has to have been refused, too. `make test` does the cheaper half (`grants`): no grant is unused.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde_json::json;
use switchboard_stories::House;

use crate::rooms::Place;
use crate::{named, rooms, stack};

mod parts;

use parts::PARTS;

/// How many houses at once.
const HOUSES: usize = 3;
/// Until a message that a function gave back comes again.
const AGAIN_S: u32 = 5;
/// A story that ends well does so within this.
const WELL_WITHIN: Duration = Duration::from_secs(60);
/// Without a grant that it needs, a story cannot end at all: this is for those that do not need it. Where this was too
/// short for the story to come to the grant, it is told again, [`WELL_WITHIN`].
const FAILS_AFTER: Duration = Duration::from_secs(12);
/// Made by Lambda or S3 themselves; the emulator asks nobody for them.
const OF_AWS: [&str; 7] = [
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "s3:ListBucket",
    "iam:PassRole",
];
/// The Scheduler's own role, and no function's.
const OF_THE_SCHEDULER: &str = "ModerationSchedules";
/// Needed at the start of a function.
const PARAMETER: &str = "ssm:GetParameter";
/// By this a function looks at its start whether its table is there.
const LOOK: &str = "dynamodb:Query";
/// The function signs a link; that it may not be followed is told to whoever follows it.
const LINK: (&str, &str) = ("Media", "s3:GetObject");
/// What the emulator enforces and does not record, with the story that uses it.
const NOT_RECORDED: [(&str, &str); 2] = [
    ("execute-api:ManageConnections", "the chat"),
    ("scheduler:CreateSchedule", "an edit before its message"),
];

/// A function may do this with that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    function: String,
    action: String,
    resource: String,
}

/// A function's name in the template: `sms.out` and `sms-out` are `SmsOut`.
fn logical(function: &str) -> String {
    let words = function.split(['.', '_', '-']).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

async fn open() -> House {
    let house = House::open_deployed(&rooms::configuration()).await;
    stack(&house).ask_with(json!({ "do": "come-again-after", "seconds": AGAIN_S })).await;
    rooms::join(&house).await;
    house
}

/// Tells a story until the house is at rest; whether it ended well within this time.
async fn tell(house: &House, part: usize, number: usize, within: Duration) -> bool {
    let place = Place::of(number);
    let told = async {
        PARTS[part].1(house, &place).await;
        house.hub.quiet().await;
    };
    // What a story expects it asserts.
    let ended = tokio::time::timeout(within, AssertUnwindSafe(told).catch_unwind()).await;
    house.mend().await;
    matches!(ended, Ok(Ok(())))
}

/// Every grant that somebody other than AWS itself uses.
async fn grants(house: &House) -> Vec<Grant> {
    let granted = stack(house).ask("grants").await;
    let mut grants = BTreeSet::new();
    let functions = granted.as_object().expect("grants").iter();
    for (function, listed) in functions.filter(|(function, _)| *function != OF_THE_SCHEDULER) {
        for grant in listed.as_array().expect("a list") {
            let text = |at: usize| grant[at].as_str().expect("text").to_owned();
            let (action, resource) = (text(0), text(1));
            if !OF_AWS.contains(&&*action) {
                grants.insert(Grant { function: function.clone(), action, resource });
            }
        }
    }
    grants.into_iter().collect()
}

/// What a function has done with what: function, action, name.
type Use = (String, String, String);

async fn uses(house: &House) -> BTreeMap<Use, u64> {
    let uses: Vec<(String, String, String, u64)> =
        serde_json::from_value(stack(house).ask("uses").await).expect("a list");
    uses.into_iter().map(|(function, action, name, count)| ((function, action, name), count)).collect()
}

/// The stories that use each; tells all of them.
async fn learn(house: &House) -> BTreeMap<Use, BTreeSet<usize>> {
    let (mut users, mut before) = (BTreeMap::<Use, BTreeSet<usize>>::new(), uses(house).await);
    for (part, (name, _)) in PARTS.iter().enumerate() {
        let began = Instant::now();
        assert!(tell(house, part, part, WELL_WITHIN).await, "with all grants, {name} does not end well");
        println!("{name}: {:.1} s", began.elapsed().as_secs_f64());
        let after = uses(house).await;
        for (used, count) in &after {
            if before.get(used) != Some(count) {
                // A parameter is read when a function starts, whatever it has to do then.
                let starts = (used.0.clone(), PARAMETER.into(), String::new());
                for used in [used.clone(), starts] {
                    users.entry(used).or_default().insert(part);
                }
            }
        }
        before = after;
    }
    users
}

/// What became of a story without a grant.
#[derive(Debug, PartialEq)]
enum Without {
    /// It needs the grant.
    Fails,
    /// It does not.
    Ends,
    /// It failed, and nothing was refused.
    FailsOtherwise,
}

async fn without(house: &House, grant: &Grant, part: usize, number: usize, within: Duration) -> Without {
    let Grant { function, action, resource } = grant;
    let stack = stack(house);
    let refusals = || async {
        stack.ask_with(json!({ "do": "refusals", "function": function })).await.as_u64().expect("a number")
    };
    let before = refusals().await;
    // A bucket and an API have another name in each house.
    let differs = action.starts_with("s3:") || action.starts_with("execute-api:");
    let resource = if differs { "*" } else { resource };
    stack
        .ask_with(json!({ "do": "deny", "function": function, "action": action, "resource": resource }))
        .await;
    let at_its_start = action == PARAMETER || action == LOOK;
    let not_by_itself = (&**function, &**action) == LINK;
    if at_its_start {
        stack.ask_with(json!({ "do": "kill", "function": function })).await;
    }
    let well = tell(house, part, number, within).await;
    let refused = refusals().await > before;
    stack.ask_with(json!({ "do": "allow", "function": function })).await;
    if !well && PARTS[part].0 == parts::WAITS {
        stack.ask("put-on").await;
        stack.ask_with(json!({ "do": "configure", "text": rooms::configuration() })).await;
    }
    // What failed comes again, and goes through.
    house.hub.quiet().await;
    match (well, refused) {
        (true, _) => Without::Ends,
        // The emulator keeps no log of a function that does not start.
        (false, _) if at_its_start || not_by_itself => Without::Fails,
        (false, true) => Without::Fails,
        (false, false) => Without::FailsOtherwise,
    }
}

#[tokio::test]
#[ignore = "it takes minutes: make soak"]
async fn without_any_one_grant_some_story_fails() {
    let first = open().await;
    let users = learn(&first).await;
    let (complaints, began) = (Mutex::new(Vec::new()), Instant::now());
    let mut tasks = Vec::new();
    let only = std::env::var("SWITCHBOARD_GRANTS").unwrap_or_default();
    let asked = |grant: &Grant| {
        let Grant { function, action, .. } = grant;
        only.split(',').any(|part| format!("{function} {action}").contains(part))
    };
    for grant in grants(&first).await.into_iter().filter(asked) {
        let name = if grant.action == PARAMETER { "" } else { named(&grant.resource) }.to_owned();
        let not_recorded = || {
            let (_, story) = NOT_RECORDED.iter().find(|(action, _)| *action == grant.action)?;
            PARTS.iter().position(|(name, _)| name == story).map(|part| BTreeSet::from([part]))
        };
        let used = users.get(&(grant.function.clone(), grant.action.clone(), name)).cloned();
        match used.or_else(not_recorded) {
            Some(parts) => tasks.push((grant, parts)),
            None => complaints.lock().unwrap().push(format!("no story uses {grant:?}")),
        }
    }
    let (count, waiting) = (tasks.len(), Mutex::new(tasks.into_iter()));
    let numbers = AtomicUsize::new(PARTS.len());
    let work =
        async |house: House| {
            loop {
                let Some((grant, parts)) = waiting.lock().unwrap().next() else { break };
                let (told, mut fails) = (Instant::now(), Without::Ends);
                let mut name = "";
                // One that ends well may not have looked at what this is for; then another does.
                for part in parts {
                    name = PARTS[part].0;
                    for within in [FAILS_AFTER, WELL_WITHIN] {
                        let number = numbers.fetch_add(1, Ordering::Relaxed);
                        fails = without(&house, &grant, part, number, within).await;
                        if fails != Without::FailsOtherwise {
                            break;
                        }
                    }
                    if fails == Without::Fails {
                        break;
                    }
                }
                let Grant { function, action, resource } = &grant;
                println!(
                    "{function} {action} {resource}: {name} {fails:?}, {:.1} s",
                    told.elapsed().as_secs_f64()
                );
                match fails {
                    Without::Fails => {}
                    Without::Ends => complaints.lock().unwrap().push(format!(
                        "{function} does not need {action} on {resource}: all ends well without"
                    )),
                    Without::FailsOtherwise => complaints.lock().unwrap().push(format!(
                        "{name} failed, and {function} was not refused {action} on {resource}"
                    )),
                }
            }
            house.end().await;
        };
    let others = async {
        let opened = (1..HOUSES).map(|_| async { work(open().await).await });
        futures::future::join_all(opened).await
    };
    tokio::join!(work(first), others);
    println!("{count} grants in {:.0} s", began.elapsed().as_secs_f64());
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
