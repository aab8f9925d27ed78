//! How long each function of the deployed house is at work on an event: the emulator's round trips are not in it.
//!
//! `make bench` runs it over the artifact (`SWITCHBOARD_ARTIFACT`). What a function tells is described in
//! `hosts/lambda/src/handled.rs`. Events of a batch share its time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_stories::{House, LOBBY, until};

const PHONES: [&str; 3] = ["+14155550123", "+14155550124", "+14155550125"];
const CHANNEL: &str = "C0LOBBY";
const TEXTS: usize = 60;

/// Of each function: microseconds at work and in all, by event.
#[derive(Default)]
struct Told {
    events: u64,
    invocations: usize,
    busy_us: Vec<u64>,
    taken_us: Vec<u64>,
}

fn percentile(sorted: &[u64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100] as f64 / 1000.0
}

#[tokio::test]
#[ignore = "it measures: make bench, and make soak"]
async fn how_long_each_function_is_at_work_on_an_event() {
    let house = House::open_deployed(LOBBY).await;
    for phone in PHONES {
        house.join("lobby", &[(phone, "Ann")]).await;
    }
    let stack = house.hub.stack().expect("it is deployed");
    let told = json!({ "do": "set", "name": "SWITCHBOARD_LOG", "value": "switchboard_lambda=debug" });
    stack.ask_with(told).await;
    // Both ways, so that everybody who has to do with talk is asked.
    for number in 0..TEXTS {
        if number % 4 == 3 {
            house.say(CHANNEL, "U0ANN", &format!("said {number}, a text of usual length")).await;
        } else {
            assert_eq!(house.text(PHONES[0], &format!("text {number}, a text of usual length")).await, 200);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    until("all is shown", || async { house.shown(CHANNEL).await.len() == TEXTS }).await;
    house.hub.quiet().await;

    let mut functions: BTreeMap<String, Told> = BTreeMap::new();
    for lines in stack.ask("logs").await.as_object().expect("groups").values() {
        let lines = lines.as_array().expect("lines").iter().filter_map(Value::as_str);
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for line in lines.map(|line| line["fields"].clone()).filter(|told| told["message"] == "handled") {
            let number = |name: &str| line[name].as_u64().expect("a number");
            let told = functions.entry(line["function"].as_str().expect("a name").to_owned()).or_default();
            told.invocations += 1;
            // The first of a process has its start in it. Each function has one or two.
            if told.invocations > 3 {
                let things = number("things").max(1);
                told.events += things;
                told.busy_us.push(number("busy_us") / things);
                told.taken_us.push(number("taken_us") / things);
            }
        }
    }
    println!(
        "| function | events | invocations | at work on an event, p50, p99, ms | with waiting, p50, ms |"
    );
    println!("|---|---|---|---|---|");
    for (function, told) in &mut functions {
        told.busy_us.sort_unstable();
        told.taken_us.sort_unstable();
        if told.busy_us.is_empty() {
            continue;
        }
        println!(
            "| `{function}` | {} | {} | {:.2}, {:.2} | {:.1} |",
            told.events,
            told.busy_us.len(),
            percentile(&told.busy_us, 50),
            percentile(&told.busy_us, 99),
            percentile(&told.taken_us, 50),
        );
    }
    let heard_of = ["moderation.gate", "slack.door", "slack.out", "sms.door", "sms.fanout", "sms.out"];
    for function in heard_of {
        assert!(functions.get(function).is_some_and(|told| told.events >= 15), "{function} told too little");
    }
    house.close().await;
}
