//! What the worker counts. Labels are small closed sets; nothing here names a tenant or a source.

use std::time::Duration;

use model::job::JobKind;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, global};

/// The worker's instruments; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    runs: Counter<u64>,
    run_seconds: Histogram<f64>,
    lateness: Histogram<f64>,
    claim_seconds: Histogram<f64>,
    lost: Counter<u64>,
    fenced: Counter<u64>,
    requests: Counter<u64>,
    stored: Counter<u64>,
    duplicates: Counter<u64>,
    delivered: Counter<u64>,
    dead: Counter<u64>,
    failures: Counter<u64>,
    verify_found: Counter<u64>,
    verify_restored: Counter<u64>,
    verify_missing: Counter<u64>,
}

const SECONDS: [f64; 12] = [
    0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0,
];

impl Default for Metrics {
    fn default() -> Self {
        let meter = global::meter("okta_collector");
        let metrics = Self {
            runs: counter(
                &meter,
                "okta_collector_job_runs",
                "Runs of jobs, by kind and outcome",
            ),
            run_seconds: seconds(
                &meter,
                "okta_collector_job_run_duration",
                "How long runs of jobs take",
            ),
            lateness: seconds(&meter, "okta_collector_job_lateness", "How late jobs start"),
            claim_seconds: seconds(
                &meter,
                "okta_collector_job_claim_duration",
                "How long a claim takes",
            ),
            lost: counter(
                &meter,
                "okta_collector_leases_lost",
                "Jobs stopped because their lease was lost",
            ),
            fenced: counter(
                &meter,
                "okta_collector_fenced_writes",
                "Writes refused because the lease was lost",
            ),
            requests: counter(
                &meter,
                "okta_collector_okta_requests",
                "Requests to Okta, by outcome",
            ),
            stored: counter(&meter, "okta_collector_events_stored", "Events stored"),
            duplicates: counter(
                &meter,
                "okta_collector_events_dropped",
                "Events dropped because they were stored already",
            ),
            delivered: counter(
                &meter,
                "okta_collector_events_delivered",
                "Events delivered, by kind of destination",
            ),
            dead: counter(
                &meter,
                "okta_collector_events_dead",
                "Events refused for good, by kind of destination",
            ),
            failures: counter(
                &meter,
                "okta_collector_delivery_failures",
                "Deliveries that failed, by kind of destination and reason",
            ),
            verify_found: counter(
                &meter,
                "okta_collector_verify_found",
                "Events that only the comparison with Okta found",
            ),
            verify_restored: counter(
                &meter,
                "okta_collector_verify_restored",
                "Stored events that were gone and came back from Okta",
            ),
            verify_missing: counter(
                &meter,
                "okta_collector_verify_missing",
                "Events that the ledger counts and that are not stored",
            ),
        };
        // A series that begins with its first incident would hide that from `increase`.
        metrics.lost(0);
        metrics.found(0, 0);
        metrics.missing(0);
        for write in ["job", "completion"] {
            metrics.fenced.add(0, &[KeyValue::new("write", write)]);
        }
        metrics
    }
}

fn counter(meter: &Meter, name: &'static str, about: &'static str) -> Counter<u64> {
    meter.u64_counter(name).with_description(about).build()
}

fn seconds(meter: &Meter, name: &'static str, about: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_description(about)
        .with_unit("s")
        .with_boundaries(SECONDS.to_vec())
        .build()
}

impl Metrics {
    pub(crate) fn ran(&self, kind: JobKind, outcome: &'static str, took: Duration) {
        let kind = KeyValue::new("kind", kind.as_str());
        self.runs
            .add(1, &[kind.clone(), KeyValue::new("outcome", outcome)]);
        self.run_seconds.record(took.as_secs_f64(), &[kind]);
    }

    pub(crate) fn leased(&self, kind: JobKind, late: Duration) {
        self.lateness
            .record(late.as_secs_f64(), &[KeyValue::new("kind", kind.as_str())]);
    }

    pub(crate) fn claimed(&self, took: Duration) {
        self.claim_seconds.record(took.as_secs_f64(), &[]);
    }

    pub(crate) fn lost(&self, jobs: usize) {
        self.lost.add(jobs as u64, &[]);
    }

    pub(crate) fn fenced(&self, write: &'static str) {
        self.fenced.add(1, &[KeyValue::new("write", write)]);
    }

    pub(crate) fn asked(&self, outcome: &'static str) {
        self.requests.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    pub(crate) fn stored(&self, stored: usize, dropped: usize) {
        self.stored.add(stored as u64, &[]);
        self.duplicates.add(dropped as u64, &[]);
    }

    pub(crate) fn found(&self, found: usize, restored: usize) {
        self.verify_found.add(found as u64, &[]);
        self.verify_restored.add(restored as u64, &[]);
    }

    pub(crate) fn missing(&self, events: i64) {
        self.verify_missing.add(events.unsigned_abs(), &[]);
    }

    pub(crate) fn delivered(&self, destination: &str, delivered: usize, dead: usize) {
        let kind = KeyValue::new("destination", destination.to_owned());
        self.delivered
            .add(delivered as u64, std::slice::from_ref(&kind));
        self.dead.add(dead as u64, &[kind]);
    }

    pub(crate) fn delivery_failed(&self, destination: &str, reason: &'static str) {
        self.failures.add(
            1,
            &[
                KeyValue::new("destination", destination.to_owned()),
                KeyValue::new("reason", reason),
            ],
        );
    }
}
