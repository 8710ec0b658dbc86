//! What `/metrics` shows of the whole installation: sources, jobs, routes, credentials, workers.
//!
//! Every API process shows the same figures, read from the database at most every five seconds, however
//! often it is asked. Should the database not answer, they are gone rather than old.

mod shown;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::global;
use store::{Gauges, Store};
use tokio::time::{Instant, timeout};

use shown::SHOWN;

/// Sources, routes and credentials that are shown one by one: those with the largest figures.
const MOST: u32 = 1000;
/// How long figures are good for.
const FRESH: Duration = Duration::from_secs(5);
/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Figures as last read; `None`: they could not be.
#[derive(Clone, Debug, Default)]
struct Read(Arc<Mutex<Option<Gauges>>>);

impl Read {
    fn lock(&self) -> MutexGuard<'_, Option<Gauges>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gauges of the installation.
#[derive(Debug)]
pub(crate) struct Installation {
    store: Store,
    asked: tokio::sync::Mutex<Option<Instant>>,
    read: Read,
}

impl Installation {
    /// Registers the gauges at the global meter.
    pub(crate) fn new(store: Store) -> Self {
        let read = Read::default();
        let meter = global::meter("okta_collector");
        for shown in SHOWN {
            let read = read.clone();
            meter
                .f64_observable_gauge(shown.name)
                .with_unit(shown.unit)
                .with_description(shown.about)
                .with_callback(move |gauge| {
                    if let Some(gauges) = &*read.lock() {
                        (shown.show)(gauges, gauge);
                    }
                })
                .build();
        }
        let up = read.clone();
        meter
            .u64_observable_gauge("okta_collector_database_up")
            .with_description("Whether the figures of the installation could be read")
            .with_callback(move |gauge| gauge.observe(u64::from(up.lock().is_some()), &[]))
            .build();
        Self {
            store,
            asked: tokio::sync::Mutex::default(),
            read,
        }
    }

    /// Reads the figures again if they are old.
    pub(crate) async fn refresh(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let read = match timeout(PATIENCE, self.store.gauges(MOST)).await {
            Ok(Ok(gauges)) => Some(gauges),
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not read the gauges");
                None
            }
            Err(_elapsed) => {
                tracing::warn!("could not read the gauges: no answer in time");
                None
            }
        };
        *self.read.lock() = read;
        *asked = Some(Instant::now());
    }

    /// Keeps them fresh for whoever does not ask first.
    pub(crate) async fn keep_fresh(&self, every: Duration) {
        loop {
            self.refresh().await;
            tokio::time::sleep(every).await;
        }
    }
}
