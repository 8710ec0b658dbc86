//! What every measurement needs: a durable cluster, an installation, an org, a receiver.

use std::sync::Arc;
use std::time::{Duration, Instant};

use local_postgres::Cluster;
use okta_sim::{RateLimits, Sim, SimConfig};
use receiver::{OnEvent, Receiver, ReceiverConfig};
use serde_json::{Value, json};
use testkit::fleet::Fleet;

use super::To;
use crate::ground;

const TOKEN: &str = "00token-of-the-benchmark";
const LOG_TOKEN: &str = "00000000-0000-4000-8000-00000000beef";
/// The file that events are delivered to.
pub(super) const OUTPUT: &str = "out.ndjson";

pub(super) struct Scene {
    pub(super) cluster: Cluster,
    pub(super) fleet: Fleet,
    pub(super) sim: Sim,
    pub(super) receiver: Receiver,
}

impl Scene {
    /// Everything but a source and a worker.
    pub(super) async fn new(on_event: Option<OnEvent>) -> anyhow::Result<Self> {
        let cluster = ground::durable().await?;
        let program = ground::program()?;
        let url = cluster.url("postgres");
        let fleet = Fleet::start(&program, &url, &[("COLLECTOR_LOG", "warn")]).await;
        let mut config = SimConfig::with_token(TOKEN);
        config.org.limits = RateLimits::half_of(10_000_000);
        config.org.keep_requests = 1_000_000;
        let sim = Sim::start(config).await?;
        let receiver = Receiver::start(ReceiverConfig {
            on_event,
            ..ReceiverConfig::default()
        })
        .await?;
        Ok(Self {
            cluster,
            fleet,
            sim,
            receiver,
        })
    }

    /// A source of the org with a route to a new destination; gives its id.
    pub(super) async fn source(&self, to: To) -> String {
        let settings: Value = match to {
            To::Webhook => json!({ "url": self.receiver.url() }),
            To::File => json!({ "path": OUTPUT }),
            To::Insightops => json!({ "base_url": self.receiver.url(), "token": LOG_TOKEN }),
        };
        let body = json!({ "name": to.as_str(), "kind": to.as_str(), to.as_str(): settings });
        let made = self.fleet.post("/v1/destinations", &body).await;
        let id = made.get("id").and_then(Value::as_str).unwrap_or_default();
        let destinations = [id.to_owned()];
        self.fleet
            .source("bench", &self.sim.url(), TOKEN, &destinations)
            .await
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.receiver.stop().await;
        drop((self.fleet, self.sim));
        self.cluster.stop().await?;
        Ok(())
    }
}

/// A hook that notes when each event arrived first, by its number in the org's log; see [`Arrivals`].
#[derive(Debug, Default, Clone)]
pub(super) struct Arrivals(Arc<std::sync::Mutex<Vec<(String, Instant)>>>);

impl Arrivals {
    pub(super) fn hook(&self) -> OnEvent {
        let arrivals = self.clone();
        Arc::new(move |event: &[u8], at: Instant| {
            let mut all = arrivals
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            all.push((uuid_of(event), at));
        })
    }

    pub(super) fn all(&self) -> Vec<(String, Instant)> {
        let all = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        all.clone()
    }
}

/// The uuid of a generated event.
pub(super) fn uuid_of(event: &[u8]) -> String {
    let text = String::from_utf8_lossy(event);
    let uuid = text.split("\"uuid\":\"").nth(1).unwrap_or_default();
    uuid.split('"').next().unwrap_or_default().to_owned()
}

/// Waits for a condition, looking every so often.
pub(super) async fn until(limit: Duration, mut reached: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if reached() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}
