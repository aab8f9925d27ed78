//! Durable ingest: signed Twilio webhooks until their answer, beside a bare handler and the disk.

use crate::load::{Bench, CONNECTIONS, drive, percentile, webhook};
use crate::peers;

const SECONDS: u64 = 10;

/// Prints the figure.
pub(crate) async fn run() {
    let syncs = peers::syncs_a_second();
    let limit = f64::from(CONNECTIONS) * syncs;
    println!("disk: {syncs:.0} fsyncs/s of 4 KiB, x {CONNECTIONS} = {limit:.0}/s");

    let port = peers::bare().await;
    let (bare, times) = drive(port, SECONDS, |number| webhook(number, 0)).await;
    println!(
        "bare handler: {bare:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms",
        percentile(&times, 0.5),
        percentile(&times, 0.99)
    );

    let bench = Bench::open(1).await;
    let (hub, times) = drive(bench.hub.port, SECONDS, |number| webhook(number, 0)).await;
    let requests = bench.hub.metric("switchboard_arrivals_an_fsync_sum").await;
    let commits = bench.hub.metric("switchboard_arrivals_an_fsync_count").await;
    println!(
        "durable ingest: {hub:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms; {:.2} of the lower limit; {:.1} requests a commit",
        percentile(&times, 0.5),
        percentile(&times, 0.99),
        hub / bare.min(limit),
        requests / commits
    );
    bench.close().await;
}
