//! What handlers work with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forward::Destinations;
use model::net::AllowHosts;
use store::Store;

use crate::gauges::Installation;
use crate::hint::Hint;
use crate::ready::Readiness;

/// Text of all metrics, in the Prometheus format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) store: Store,
    pub(crate) destinations: Arc<dyn Destinations>,
    pub(crate) allow_hosts: AllowHosts,
    pub(crate) metrics: RenderMetrics,
    pub(crate) installation: Arc<Installation>,
    pub(crate) hint: Hint,
    pub(crate) readiness: Arc<Readiness>,
}

impl ApiState {
    /// Puts together what handlers need: the store, the kinds of destination that may be used, the
    /// hosts that may be named although they are not public, and what `/metrics` shows.
    pub fn new(
        store: Store,
        destinations: Arc<dyn Destinations>,
        allow_hosts: AllowHosts,
        metrics: RenderMetrics,
    ) -> Self {
        Self {
            hint: Hint::new(store.clone()),
            readiness: Arc::new(Readiness::new(store.clone())),
            installation: Arc::new(Installation::new(store.clone())),
            store,
            destinations,
            allow_hosts,
            metrics,
        }
    }

    /// Keeps the gauges of the installation fresh, for metrics that are sent and not only asked for.
    /// Never ends.
    pub async fn keep_gauges_fresh(&self, every: Duration) {
        self.installation.keep_fresh(every).await;
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("store", &self.store)
            .field("destinations", &self.destinations)
            .field("allow_hosts", &self.allow_hosts)
            .finish_non_exhaustive()
    }
}
