//! One house for worker tests: a database, an org, a store, and workers to start.

#![expect(dead_code, reason = "each test uses its part")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forward::{Destinations, Registry};
use model::ids::{DestinationId, RouteId, SourceId, TenantId};
use model::source::{RefreshFrequency, Start};
use okta::{ClientConfig, OktaClient};
use okta_sim::{Events, Org, RateLimits, Sim, SimConfig};
use secrecy::ExposeSecret;
use store::sealing::KeyRing;
use store::{CredentialChoice, NewCredential, NewDestination, NewSource, Store, StoreConfig};
use testkit::postgres::TestDb;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::{Worker, WorkerConfig};

pub const TOKEN: &str = "00canary-token-of-the-tests";

/// Everything a worker test needs.
pub struct House {
    pub db: TestDb,
    pub sim: Sim,
    pub store: Store,
    pub tenant: TenantId,
    pub files: tempfile::TempDir,
    pub destinations: Arc<dyn Destinations>,
    pub client: ClientConfig,
    pub config: WorkerConfig,
}

/// A worker that runs in this process.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Drains it.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the worker ends in order");
    }
}

impl House {
    pub async fn new() -> Self {
        Self::with(TestDb::new().await).await
    }

    pub async fn with(db: TestDb) -> Self {
        // What a failing test prints.
        tracing_subscriber::fmt()
            .with_test_writer()
            .with_env_filter("info,worker=debug")
            .try_init()
            .ok();
        let mut sim = SimConfig::with_token(TOKEN);
        sim.org.limits = RateLimits::half_of(100_000);
        let sim = Sim::start(sim).await.expect("the simulator starts");
        let keys = KeyRing::generate().expect("randomness");
        let keys = KeyRing::parse(keys.expose_secret()).expect("a key ring");
        let store = Store::new(&StoreConfig::new(db.url()), keys).expect("a store");
        store.make_partitions().await.expect("partitions");
        let tenant = store.ensure_tenant("acme").await.expect("a tenant");
        let files = tempfile::tempdir().expect("a folder");
        let client = ClientConfig {
            allow_hosts: "127.0.0.1/32".parse().expect("an allow list"),
            timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(1),
            ..ClientConfig::default()
        };
        let mut config = WorkerConfig::new("test");
        config.look = Duration::from_millis(100);
        let destinations = Arc::new(Registry::new(Some(files.path().to_owned())));
        Self {
            db,
            sim,
            store,
            tenant,
            files,
            destinations,
            client,
            config,
        }
    }

    pub fn org(&self) -> &Org {
        self.sim.org()
    }

    pub fn persist<B: AsRef<[u8]>>(&self, events: &[B]) {
        let events = Events::from_lines(events).expect("events");
        self.org().persist(events);
    }

    pub fn worker(&self) -> Worker {
        Worker {
            store: self.store.clone(),
            okta: OktaClient::new(self.client.clone()).expect("a client"),
            destinations: Arc::clone(&self.destinations),
            config: self.config.clone(),
            health: worker::Health::default(),
        }
    }

    pub fn start(&self) -> Running {
        let stop = CancellationToken::new();
        let worker = self.worker();
        let token = stop.clone();
        let task = tokio::spawn(async move { worker.run(token).await.expect("the worker runs") });
        Running { stop, task }
    }

    /// A destination that is a file of this name.
    pub async fn file(&self, name: &str) -> DestinationId {
        self.destination(name, "file", serde_json::json!({ "path": name }))
            .await
    }

    pub async fn destination(
        &self,
        name: &str,
        kind: &str,
        config: serde_json::Value,
    ) -> DestinationId {
        let new = NewDestination {
            name: name.to_owned(),
            kind: kind.to_owned(),
            config,
        };
        DestinationId(
            self.store
                .create_destination(self.tenant, new)
                .await
                .expect("a destination")
                .id,
        )
    }

    /// A source of the whole log with routes to these destinations.
    pub async fn source(&self, destinations: &[DestinationId]) -> SourceId {
        let credential = NewCredential {
            name: format!("credential {}", rand_name()),
            origin: self.sim.url(),
            token: TOKEN.into(),
        };
        let new = NewSource {
            display_name: None,
            credential: CredentialChoice::New(credential),
            timezone: "UTC".parse().expect("a timezone"),
            refresh: RefreshFrequency::clamped(3600),
            start: Some(Start::Earliest),
            filter: None,
            keywords: None,
            destinations: destinations.to_vec(),
            trace_context: None,
        };
        SourceId(
            self.store
                .create_source(self.tenant, new)
                .await
                .expect("a source")
                .id,
        )
    }

    pub async fn routes(&self, source: SourceId) -> Vec<RouteId> {
        let routes = self
            .store
            .list_routes(self.tenant, Some(source), None, 100)
            .await
            .expect("routes");
        routes.iter().map(|route| RouteId(route.id)).collect()
    }

    pub fn output(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The lines of an output file; none if it is not there yet.
    pub fn lines(&self, name: &str) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(self.output(name)).unwrap_or_default();
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec())
            .collect()
    }
}

fn rand_name() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Generated events.
pub fn generated(count: usize) -> Vec<Vec<u8>> {
    okta_sim::generate(count, 7).collect()
}
