//! What handlers work with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forward::Destinations;
use model::net::AllowHosts;
use okta::OktaClient;
use store::Store;

use crate::gate::Gate;
use crate::gauges::Installation;
use crate::hint::Hint;
use crate::ready::Readiness;

/// Text of all metrics, in the Prometheus format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// How Okta is asked when somebody tests a credential.
#[derive(Clone, Debug)]
pub struct OktaAccess {
    /// The way there.
    pub client: OktaClient,
    /// Part of a token's rate limit that is ours, 0 to 1, as workers take it.
    pub share: f64,
    /// How often workers try a credential again that Okta refused.
    pub probe: Duration,
    /// How long a test may take, all its requests together.
    pub patience: Duration,
}

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) store: Store,
    pub(crate) destinations: Arc<dyn Destinations>,
    pub(crate) allow_hosts: AllowHosts,
    pub(crate) okta: OktaAccess,
    pub(crate) gate: Arc<Gate>,
    pub(crate) metrics: RenderMetrics,
    pub(crate) installation: Arc<Installation>,
    pub(crate) hint: Hint,
    pub(crate) readiness: Arc<Readiness>,
}

impl ApiState {
    /// Puts together what handlers need: the store, the kinds of destination that may be used, the
    /// hosts that may be named although they are not public, the way to Okta, and what `/metrics` shows.
    pub fn new(
        store: Store,
        destinations: Arc<dyn Destinations>,
        allow_hosts: AllowHosts,
        okta: OktaAccess,
        metrics: RenderMetrics,
    ) -> Self {
        Self {
            hint: Hint::new(store.clone()),
            readiness: Arc::new(Readiness::new(store.clone())),
            installation: Arc::new(Installation::new(store.clone())),
            store,
            destinations,
            allow_hosts,
            okta,
            gate: Arc::new(Gate::default()),
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
            .field("okta", &self.okta)
            .finish_non_exhaustive()
    }
}
