//! End to end: a signed SMS webhook until Slack has the post, over 200 rooms.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::load::{Bench, CONNECTIONS, Connection, percentile, processor_s, resident_kb, webhook};

const ROOMS: u32 = 200;
const SECONDS: u64 = 20;
/// Most messages between the two ends: more would only wait.
const UNDER_WAY: u64 = 1000;

/// Prints the figure.
pub(crate) async fn run() {
    let bench = Bench::open(ROOMS).await;
    let next = Arc::new(AtomicU64::new(1_000_000_000));
    let first = next.load(Ordering::Relaxed);

    // As fast as the hub relays, never more than so many ahead.
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (next, slack, port) = (Arc::clone(&next), bench.slack.clone(), bench.hub.port);
        tasks.push(tokio::spawn(async move {
            let mut own = Connection::open(port).await;
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                while number - first > slack.count() + UNDER_WAY {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let request = webhook(number, u32::try_from(number % u64::from(ROOMS)).unwrap_or(0));
                assert_eq!(own.exchange(&request).await, 200);
            }
        }));
    }
    let (began, before) = (Instant::now(), processor_s(bench.hub.pid()));
    for task in tasks {
        task.await.expect("a connection");
    }
    let sent = next.load(Ordering::Relaxed) - first;
    while bench.slack.count() < sent {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = sent as f64 / seconds;
    let used = processor_s(bench.hub.pid()) - before;
    println!(
        "end to end: {rate:.0} messages/s sustained for {seconds:.0} s; the hub used {:.2} cores, {:.0} us a message, VmRSS {} kB",
        used / seconds,
        used / sent as f64 * 1e6,
        resident_kb(bench.hub.pid())
    );
    bench.slack.take_times();

    // At half of that, each message at its own time.
    let pause = Duration::from_secs_f64(2.0 / rate);
    let sent_at = Arc::new(Mutex::new(HashMap::new()));
    let (began, count) = (Instant::now(), (rate / 2.0 * 15.0) as u64);
    let first = next.load(Ordering::Relaxed);
    let place = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (place, sent_at, port) = (Arc::clone(&place), Arc::clone(&sent_at), bench.hub.port);
        tasks.push(tokio::spawn(async move {
            let mut own = Connection::open(port).await;
            loop {
                let index = place.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let number = first + index;
                let request = webhook(number, u32::try_from(number % u64::from(ROOMS)).unwrap_or(0));
                let due = began + pause.mul_f64(index as f64);
                tokio::time::sleep_until(due.into()).await;
                // Counted from when it was due, so that a late sender is not flattered.
                sent_at.lock().expect("no panic").insert(number, due);
                assert_eq!(own.exchange(&request).await, 200);
            }
        }));
    }
    for task in tasks {
        task.await.expect("a connection");
    }
    while bench.slack.count() < sent + count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let arrived = bench.slack.take_times();
    let sent_at = std::mem::take(&mut *sent_at.lock().expect("no panic"));
    let mut times: Vec<f64> = sent_at
        .iter()
        .filter_map(|(number, at)| {
            Some(arrived.get(number)?.saturating_duration_since(*at).as_secs_f64() * 1000.0)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(times.len() as u64, count, "every message came");
    println!(
        "end to end at {:.0} messages/s: p50 {:.1} ms, p99 {:.1} ms",
        rate / 2.0,
        percentile(&times, 0.5),
        percentile(&times, 0.99)
    );
    let letters = bench.hub.dead_letters().await.len();
    assert_eq!(letters, 0, "dead letters");
    bench.close().await;
}
