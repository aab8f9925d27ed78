//! The deployed house under load for minutes while its functions are killed at random: nothing lost, nothing twice.
//!
//! `make soak` runs it; `SWITCHBOARD_RATE` (texts a second, to all rooms in turns) and `SWITCHBOARD_SUSTAIN_S` say how
//! much. Every fifth of a second to second a process, which one is chance, is killed. It says how long what had been
//! accepted took to come through: a rate is sustained when that is seconds, not minutes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_stories::{House, sign};

use crate::rooms::{self, Place, ROOMS};
use crate::stack;

/// How long what was accepted may take: a killed batch comes again after `VisibilityTimeout`, 40 s here.
const PATIENCE: Duration = Duration::from_secs(300);

/// Texts on their way to the door at once, at most.
const SENDERS: usize = 8;

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
    let house = House::open_deployed(&rooms::configuration()).await;
    rooms::join(&house).await;
    let client = reqwest::Client::new();
    let began = Instant::now();
    let (sent, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    let sender = async || {
        loop {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            let due = Duration::from_secs_f64(f64::from(number) / rate);
            if due.max(began.elapsed()).as_secs_f64() >= seconds {
                sent.fetch_sub(1, Ordering::Relaxed);
                break;
            }
            tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
            let ann = Place::of(number as usize).ann;
            let form = sign::text_form(&format!("SM{number:032x}"), &ann, &format!("text {number}"));
            let webhook = sign::twilio("/twilio/messages", &form);
            // Where the function was killed there is no answer, and the provider sends it again.
            while webhook.send(&client, &house.hub.base()).await.0 != 200 {
                refused.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    let sending = futures::future::join_all((0..SENDERS).map(|_| sender()));
    let killing = async {
        let mut kills = BTreeMap::<String, usize>::new();
        while began.elapsed().as_secs_f64() < seconds {
            if let Value::String(function) = stack(&house).ask("kill-one").await {
                *kills.entry(function).or_default() += 1;
            }
            tokio::time::sleep(Duration::from_millis(rand::random_range(200..1000))).await;
        }
        kills
    };
    let (_, kills) = tokio::join!(sending, killing);
    let (sent, refused) = (sent.into_inner(), refused.into_inner());
    let (took, ended) = (began.elapsed(), Instant::now());
    let there = async || {
        let (mut shown, mut heard) = (Vec::new(), Vec::new());
        for place in (0..ROOMS).map(Place::of) {
            shown.extend(house.shown(&place.channel).await);
            heard.extend(house.heard(&place.bob).await);
        }
        (shown, heard)
    };
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
        "{sent} texts in {:.0} s ({:.2}/s), {refused} sent again, {} processes killed; \
         the last was there {:.1} s after it was accepted; {kills:?}",
        took.as_secs_f64(),
        f64::from(sent) / took.as_secs_f64(),
        kills.values().sum::<usize>(),
        behind.as_secs_f64()
    );
    for (place, list) in [("Slack", &shown), ("the phones", &heard)] {
        let counts = counted(list);
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        let lost: Vec<_> =
            (0..sent).filter(|number| !counts.contains_key(&format!("text {number}"))).collect();
        if let Some(number) = lost.first() {
            let letters = stack(&house).ask("dead-letters").await;
            println!("{:#}", stack(&house).ask("waiting-lanes").await);
            let trace = json!({ "do": "trace", "word": format!("SM{number:032x}") });
            println!("{letters:#}\n{:#}", stack(&house).ask_with(trace).await);
        }
        assert!(twice.is_empty() && lost.is_empty(), "{place}: lost {lost:?}, twice {twice:?}");
    }
    house.close().await;
}
