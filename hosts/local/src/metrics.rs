//! What the hub counts, in Prometheus' words: base units, `_total` for counters. Labels hold names of ours
//! only, never a person's.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// All metrics of the hub.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) refused: IntCounterVec,
    pub(crate) request_seconds: Histogram,
    pub(crate) repeated_arrivals: IntCounter,
    pub(crate) events: IntCounterVec,
    pub(crate) repeated_events: IntCounter,
    pub(crate) effects: IntCounterVec,
    pub(crate) failed_attempts: IntCounterVec,
    /// 1 while a listener's provider refuses our credentials.
    pub(crate) credentials_refused: IntGaugeVec,
    pub(crate) tried_again_unsure: IntCounterVec,
    pub(crate) dead_letters: IntCounterVec,
    pub(crate) open_deliveries: IntGaugeVec,
    pub(crate) conflicts: IntCounter,
    pub(crate) commits: IntCounter,
    pub(crate) failed_commits: IntCounter,
    /// 1 while what is accepted can be stored; 0 after a batch that could not be.
    pub(crate) writable: IntGauge,
    pub(crate) commit_seconds: Histogram,
    pub(crate) fsyncs: IntCounter,
    pub(crate) arrivals_an_fsync: Histogram,
    /// Sockets that were cut because their readers were too slow.
    pub(crate) slow_readers: IntCounter,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let metric = IntCounter::new(format!("switchboard_{name}"), help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(format!("switchboard_{name}"), help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(format!("switchboard_{name}"), help).buckets(buckets.to_vec());
            let metric = Histogram::with_opts(options)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let open_deliveries = IntGaugeVec::new(
            Opts::new("switchboard_open_deliveries", "Deliveries that are not settled, in memory or not."),
            &["listener"],
        )?;
        registry.register(Box::new(open_deliveries.clone()))?;
        let credentials_refused = IntGaugeVec::new(
            Opts::new("switchboard_credentials_refused", "1 while a provider refuses our credentials."),
            &["listener"],
        )?;
        registry.register(Box::new(credentials_refused.clone()))?;
        let writable = IntGauge::new(
            "switchboard_writable",
            "1 while batches can be committed, 0 after one that could not.",
        )?;
        writable.set(1);
        registry.register(Box::new(writable.clone()))?;
        Ok(Self {
            requests: counters("requests_total", "Requests answered.", &["door", "status"])?,
            refused: counters("refused_total", "Requests refused, by door and status.", &["door", "status"])?,
            request_seconds: histogram("request_seconds", "From a door's request to its answer.", &seconds)?,
            repeated_arrivals: counter("repeated_arrivals_total", "Arrivals that had been decided before.")?,
            events: counters("events_total", "Events published.", &["kind"])?,
            repeated_events: counter("repeated_events_total", "Events that had been published before.")?,
            effects: counters("effects_total", "Effects that were carried out.", &["listener"])?,
            failed_attempts: counters(
                "failed_attempts_total",
                "Attempts that failed.",
                &["listener", "kind"],
            )?,
            credentials_refused,
            tried_again_unsure: counters(
                "effects_tried_again_unsure_total",
                "Effects tried again after an attempt with an unknown end that the provider knew nothing of.",
                &["listener"],
            )?,
            dead_letters: counters("dead_letters_total", "Deliveries and effects given up.", &["listener"])?,
            open_deliveries,
            conflicts: counter(
                "conflicts_total",
                "Outcomes decided again because an expectation did not hold.",
            )?,
            commits: counter("commits_total", "Batches committed.")?,
            fsyncs: counter("fsyncs_total", "Times that committed batches were brought to the disk.")?,
            failed_commits: counter("failed_commits_total", "Batches that could not be committed.")?,
            writable,
            commit_seconds: histogram(
                "commit_seconds",
                "From taking a batch until it is on disk and let out.",
                &seconds,
            )?,
            arrivals_an_fsync: histogram(
                "arrivals_an_fsync",
                "Requests that share one fsync.",
                &[0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0],
            )?,
            slow_readers: counter(
                "slow_readers_total",
                "Sockets told to resume and cut, because they were read too slowly.",
            )?,
            registry,
        })
    }

    /// Everything, in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let mut buffer = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut buffer) {
            tracing::error!(%error, "the metrics could not be written");
        }
        String::from_utf8(buffer).unwrap_or_default()
    }
}
