//! How the pool of this process is: its connections, and how long one waits for them.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};

/// Seconds; the upper ends of the buckets.
const BUCKETS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.25, 1.0, 2.5, 5.0];

/// The instruments of a pool; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PoolMetrics {
    waited: Histogram<f64>,
}

impl PoolMetrics {
    /// Registers them at the global meter.
    pub(crate) fn of(pool: &Pool<AsyncPgConnection>) -> Self {
        let meter = global::meter("okta_collector");
        let pool = pool.clone();
        meter
            .u64_observable_gauge("okta_collector_db_connections")
            .with_description("Connections of this process: used, idle, the most there may be; and who waits for one")
            .with_callback(move |gauge| {
                let status = pool.status();
                let used = status.size.saturating_sub(status.available);
                for (state, count) in [
                    ("used", used),
                    ("idle", status.available),
                    ("max", status.max_size),
                    ("waiting", status.waiting),
                ] {
                    gauge.observe(count as u64, &[KeyValue::new("state", state)]);
                }
            })
            .build();
        let waited = meter
            .f64_histogram("okta_collector_db_pool_wait_duration")
            .with_description("How long it takes to get a connection")
            .with_unit("s")
            .with_boundaries(BUCKETS.to_vec())
            .build();
        Self { waited }
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.waited.record(time.as_secs_f64(), &[]);
    }
}
