//! The worker: leases due jobs and runs them.
//!
//! One file or folder per job kind. The runner knows nothing of what jobs do; jobs know nothing of
//! how they were leased, except the fence that each of their writes carries. A worker may die at any
//! moment: its leases run out, another one goes on at the last commit, and at most one delivery
//! batch per route is sent again.

mod budget;
mod check_credential;
mod completions;
mod context;
mod deliver;
mod execute;
mod health;
mod janitor;
mod lanes;
mod metrics;
mod poll;
mod presence;
mod ranges;
mod runner;
mod running;
mod slots;
mod spans;
mod wall;

use std::sync::Arc;
use std::time::Duration;

use forward::Destinations;
use okta::OktaClient;
use store::{RetentionConfig, Store, StoreError};
use tokio_util::sync::CancellationToken;

pub use health::Health;
pub use slots::Slots;

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Shown beside its leases.
    pub host: String,
    /// Jobs at once, by class.
    pub slots: Slots,
    /// How long a job is somebody's without a word from them. Also how long a crash delays it.
    pub lease: Duration,
    /// How long running jobs may go on when the process is told to stop.
    pub drain: Duration,
    /// Part of a token's rate limit that is ours, 0 to 1.
    pub share: f64,
    /// How long stored events stay.
    pub retention: RetentionConfig,
    /// How often a credential that Okta refused is tried again.
    pub probe: Duration,
    /// How often lanes are looked at when nothing wakes the worker.
    pub look: Duration,
}

impl WorkerConfig {
    /// The defaults, for a host name.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            slots: Slots::default(),
            lease: Duration::from_mins(1),
            drain: Duration::from_secs(20),
            share: 0.9,
            retention: RetentionConfig {
                retention: Duration::from_hours(7 * 24),
                max_retention: Duration::from_hours(90 * 24),
            },
            probe: Duration::from_mins(15),
            look: Duration::from_secs(1),
        }
    }
}

/// A worker, ready to run.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The database.
    pub store: Store,
    /// The way to Okta.
    pub okta: OktaClient,
    /// The ways to destinations.
    pub destinations: Arc<dyn Destinations>,
    /// How it behaves.
    pub config: WorkerConfig,
    /// Where it tells how it is.
    pub health: Health,
}

impl Worker {
    /// Runs until told to stop, then drains: no new leases, running jobs may finish, what does not
    /// finish in time is broken off and given back.
    ///
    /// # Errors
    /// Only if it cannot begin. A database that goes away later is waited for.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        runner::run(self, stop).await
    }
}
