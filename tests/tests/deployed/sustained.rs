//! The deployed house under load for minutes while its functions are killed at random: nothing lost, nothing twice.
//!
//! `make soak` runs it; `SWITCHBOARD_RATE` (texts a second) and `SWITCHBOARD_SUSTAIN_S` say how much. It says how long
//! what had been accepted took to come through: a rate is sustained when that is seconds, not minutes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use switchboard_stories::{ANN, BOB, CHANNEL, House, LOBBY, sign};

/// How long what was accepted may take: a killed batch comes again after `VisibilityTimeout`, 40 s here.
const PATIENCE: Duration = Duration::from_secs(300);

fn number(name: &str, otherwise: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// How often each text is there: what stands after `: `.
fn counted(list: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for text in list.iter().filter_map(|line| line.split_once(": ")) {
        *counts.entry(text.1.to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test]
#[ignore = "two minutes of load: make soak"]
async fn under_load_and_kills_nothing_is_lost_and_nothing_is_done_twice() {
    let (rate, seconds) = (number("SWITCHBOARD_RATE", 1.0), number("SWITCHBOARD_SUSTAIN_S", 120.0));
    let house = House::open_deployed(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    let client = reqwest::Client::new();
    let began = Instant::now();
    let (mut sent, mut refused, mut kills) = (0_u32, 0, 0);
    let mut next_kill = Duration::from_secs(2);
    while began.elapsed().as_secs_f64() < seconds {
        let form = sign::text_form(&format!("SM{sent:032x}"), ANN, &format!("text {sent}"));
        let webhook = sign::twilio("/twilio/messages", &form);
        // Where the function was killed there is no answer, and the provider sends it again.
        while webhook.send(&client, &house.hub.base()).await.0 != 200 {
            refused += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        sent += 1;
        if began.elapsed() > next_kill {
            let stack = house.hub.stack().expect("it is deployed");
            let killed = stack.ask_with(json!({ "do": "kill", "function": "" })).await;
            kills += killed.as_u64().unwrap_or(0);
            next_kill = began.elapsed() + Duration::from_millis(rand::random_range(2000..8000));
        }
        let due = Duration::from_secs_f64(f64::from(sent) / rate);
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    let (took, ended) = (began.elapsed(), Instant::now());
    let there = async || (house.shown(CHANNEL).await, house.heard(BOB).await);
    while {
        let (shown, heard) = there().await;
        shown.len().min(heard.len()) < sent as usize && ended.elapsed() < PATIENCE
    } {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let behind = ended.elapsed();
    house.hub.quiet().await;
    let (shown, heard) = there().await;
    println!(
        "{sent} texts in {:.0} s ({:.2}/s), {refused} sent again, {kills} functions killed; \
         the last was there {:.1} s after it was accepted",
        took.as_secs_f64(),
        f64::from(sent) / took.as_secs_f64(),
        behind.as_secs_f64()
    );
    for (place, list) in [(CHANNEL, &shown), (BOB, &heard)] {
        let counts = counted(list);
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        let lost = (0..sent).filter(|number| !counts.contains_key(&format!("text {number}"))).count();
        assert!(twice.is_empty() && lost == 0, "{place}: lost {lost}, twice {twice:?}");
    }
    house.close().await;
}
