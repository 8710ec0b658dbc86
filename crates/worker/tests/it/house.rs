//! One house for worker tests: a database, an org, a store, and workers to start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forward::{Destinations, Reach, Registry};
use model::credential::Secret;
use model::ids::{CredentialId, DestinationId, RouteId, SourceId, TenantId};
use model::job::JobKind;
use model::source::{RefreshFrequency, Start};
use okta::{ClientConfig, OktaClient};
use okta_sim::{Events, Org, RateLimits, RequestRecord, Sim, SimConfig};
use secrecy::{ExposeSecret, SecretString};
use store::sealing::KeyRing;
use store::{
    CredentialChoice, NewCredential, NewDestination, NewSource, SourceStatus, Store, StoreConfig,
};
use testkit::postgres::TestDb;
use testkit::time::Time;
use testkit::wait;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use worker::{Worker, WorkerConfig};

pub(crate) const TOKEN: &str = "00canary-token-of-the-tests";

/// How long anything may take before a test gives up; a machine under load is slow, not wrong.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Everything a worker test needs.
pub(crate) struct House {
    db: Option<TestDb>,
    pub(crate) url: String,
    pub(crate) sql: tokio_postgres::Client,
    pub(crate) sim: Sim,
    pub(crate) time: Time,
    sealing_keys: SecretString,
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) files: tempfile::TempDir,
    pub(crate) destinations: Arc<dyn Destinations>,
    pub(crate) client: ClientConfig,
    pub(crate) config: WorkerConfig,
}

impl Drop for House {
    fn drop(&mut self) {
        // Dropping a database takes time, and other rows of a table go on meanwhile.
        tokio::task::block_in_place(|| drop(self.db.take()));
    }
}

/// Destinations with files below this folder, and everything on this machine within reach.
pub(crate) fn registry(root: &Path) -> Arc<dyn Destinations> {
    let reach = Reach {
        file_root: Some(root.to_owned()),
        allow_hosts: "127.0.0.1".parse().expect("an address"),
    };
    Arc::new(Registry::new(reach).expect("CA certificates"))
}

/// A worker that runs in this process.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Tells it to stop; [`stop`](Self::stop) waits for that.
    pub(crate) fn tell(&self) {
        self.stop.cancel();
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        self.task.await.expect_err("it was aborted");
    }

    /// Drains it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the worker ends in order");
    }
}

/// The ledger of a source, all hours together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) stored: i64,
    pub(crate) duplicate: i64,
    pub(crate) reread: i64,
    pub(crate) delivered: i64,
    pub(crate) dead: i64,
    pub(crate) given_up: i64,
    pub(crate) gaps: usize,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With an org that is otherwise.
    pub(crate) async fn with(sim: impl FnOnce(&mut SimConfig)) -> Self {
        let db = TestDb::new().await;
        let url = db.url().to_owned();
        let mut house = Self::at(&url, &url, sim).await;
        house.db = Some(db);
        house
    }

    /// At a database, which the worker reaches by another URL.
    pub(crate) async fn at(url: &str, by: &str, change: impl FnOnce(&mut SimConfig)) -> Self {
        // What a failing test prints.
        tracing_subscriber::fmt()
            .with_test_writer()
            .with_env_filter("info,worker=debug")
            .try_init()
            .ok();
        let mut sim = SimConfig::with_token(TOKEN);
        sim.org.limits = RateLimits::half_of(100_000);
        change(&mut sim);
        let clock = sim.clock.clone();
        let sim = Sim::start(sim).await.expect("the simulator starts");
        let time = Time::install(url, Some(clock)).await;
        let sealing_keys = KeyRing::generate().expect("randomness");
        let keys = KeyRing::parse(sealing_keys.expose_secret()).expect("a key ring");
        let store = Store::new(&StoreConfig::new(by), keys).expect("a store");
        store.make_partitions().await.expect("partitions");
        let tenant = store.ensure_tenant("acme").await.expect("a tenant");
        let files = tempfile::tempdir().expect("a folder");
        let client = ClientConfig {
            allow_hosts: "127.0.0.1/32".parse().expect("an allow list"),
            timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(10),
            ..ClientConfig::default()
        };
        let mut config = WorkerConfig::new("test");
        config.look = Duration::from_millis(200);
        let destinations = registry(files.path());
        Self {
            db: None,
            url: url.to_owned(),
            sql: testkit::postgres::connect(url).await,
            sim,
            time,
            sealing_keys,
            store,
            tenant,
            files,
            destinations,
            client,
            config,
        }
    }

    pub(crate) fn org(&self) -> &Org {
        self.sim.org()
    }

    pub(crate) fn persist<B: AsRef<[u8]>>(&self, events: &[B]) {
        let events = Events::from_lines(events).expect("events");
        self.org().persist(events);
    }

    /// Events of now, as a quiet org makes them.
    pub(crate) fn fresh(&self, count: usize) -> Vec<Vec<u8>> {
        let now = self.org().clock().now();
        (0..count)
            .map(|n| event(&Uuid::new_v4().to_string(), &now.to_rfc3339(), n))
            .collect()
    }

    /// The key ring of the store, for another one.
    pub(crate) fn keys(&self) -> KeyRing {
        KeyRing::parse(self.sealing_keys.expose_secret()).expect("a key ring")
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker {
            store: self.store.clone(),
            okta: OktaClient::new(self.client.clone()).expect("a client"),
            destinations: Arc::clone(&self.destinations),
            config: self.config.clone(),
            health: worker::Health::default(),
        }
    }

    pub(crate) fn start(&self) -> Running {
        Self::run(self.worker())
    }

    pub(crate) fn run(worker: Worker) -> Running {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { worker.run(token).await.expect("the worker runs") });
        Running { stop, task }
    }

    /// A destination that is a file of this name.
    pub(crate) async fn file(&self, name: &str) -> DestinationId {
        let new = NewDestination {
            name: name.to_owned(),
            kind: "file".to_owned(),
            settings: serde_json::json!({ "path": name }).into(),
        };
        let made = self.store.create_destination(self.tenant, new).await;
        DestinationId(made.expect("a destination").id)
    }

    /// A source of the whole log, with a credential of its own and routes to these destinations.
    pub(crate) async fn source(&self, destinations: &[DestinationId]) -> SourceId {
        let credential = self.credential().await;
        self.source_of(credential, destinations).await
    }

    pub(crate) async fn credential(&self) -> CredentialId {
        let new = NewCredential {
            name: format!("credential {}", Uuid::new_v4()),
            origin: self.sim.url(),
            secret: Secret::Ssws(TOKEN.into()),
        };
        let made = self.store.create_credential(self.tenant, new).await;
        CredentialId(made.expect("a credential").id)
    }

    pub(crate) async fn source_of(
        &self,
        credential: CredentialId,
        destinations: &[DestinationId],
    ) -> SourceId {
        let new = NewSource {
            display_name: None,
            credential: CredentialChoice::Stored(credential),
            timezone: "UTC".parse().expect("a timezone"),
            refresh: RefreshFrequency::clamped(3600),
            start: Some(Start::Earliest),
            filter: None,
            keywords: None,
            verify: model::range::Verify::Off,
            destinations: destinations.to_vec(),
            trace_context: None,
        };
        let made = self.store.create_source(self.tenant, new).await;
        SourceId(made.expect("a source").id)
    }

    /// A source with one file, both jobs parked.
    pub(crate) async fn parked(&self) -> (SourceId, RouteId) {
        let file = self.file("out.ndjson").await;
        let source = self.source(&[file]).await;
        let route = self.routes(source).await[0];
        self.park(JobKind::Poll, source.0).await;
        self.park(JobKind::Deliver, route.0).await;
        (source, route)
    }

    pub(crate) async fn credential_of(&self, source: SourceId) -> CredentialId {
        let source = self.store.source(self.tenant, source).await;
        CredentialId(source.expect("the source").credential_id)
    }

    pub(crate) async fn routes(&self, source: SourceId) -> Vec<RouteId> {
        let routes = self
            .store
            .list_routes(self.tenant, Some(source), None, 100)
            .await
            .expect("routes");
        routes.iter().map(|route| RouteId(route.id)).collect()
    }

    pub(crate) async fn status(&self, source: SourceId) -> SourceStatus {
        let status = self.store.source_status(self.tenant, source).await;
        status.expect("a status")
    }

    pub(crate) async fn log(&self, source: SourceId) -> store::Log {
        let context = self.store.poll_context(self.tenant, source).await;
        context.expect("the source").log
    }

    pub(crate) async fn ledger(&self, source: SourceId) -> Sums {
        let hours = self.store.ledger(self.tenant, source, None, 100_000).await;
        let mut sums = Sums::default();
        for hour in hours.expect("a ledger") {
            sums.stored += hour.stored;
            sums.duplicate += hour.duplicate;
            sums.reread += hour.reread;
            sums.delivered += hour.delivered;
            sums.dead += hour.dead;
            sums.given_up += hour.given_up;
            sums.gaps += usize::from(hour.gap);
        }
        sums
    }

    /// What the org was asked of its log, in order.
    pub(crate) fn log_requests(&self) -> Vec<RequestRecord> {
        let mut requests = self.org().requests();
        requests.retain(|request| request.target.starts_with("/api/v1/logs"));
        requests
    }

    pub(crate) fn output(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The lines of an output file; none if it is not there yet.
    pub(crate) fn lines(&self, name: &str) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(self.output(name)).unwrap_or_default();
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec())
            .collect()
    }

    /// Waits until a file holds so many lines.
    pub(crate) async fn until_lines(&self, name: &str, count: usize) {
        wait::until("the events are in the file", PATIENCE, async || {
            let lines = self.lines(name).len();
            if lines >= count { Ok(()) } else { Err(lines) }
        })
        .await;
    }
}

/// An event.
pub(crate) fn event(uuid: &str, published: &str, n: usize) -> Vec<u8> {
    format!(r#"{{"uuid":"{uuid}","published":"{published}","eventType":"test.event","n":{n}}}"#)
        .into_bytes()
}

/// Generated events, all of long ago.
pub(crate) fn generated(count: usize) -> Vec<Vec<u8>> {
    okta_sim::generate(count, 7).collect()
}

/// Compares events, and says where they differ without printing them all.
#[track_caller]
pub(crate) fn assert_same(found: &[Vec<u8>], expected: &[Vec<u8>]) {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    let show = |events: &[Vec<u8>]| {
        let event = differs.and_then(|at| events.get(at)).cloned();
        String::from_utf8_lossy(&event.unwrap_or_default())
            .chars()
            .take(100)
            .collect::<String>()
    };
    assert!(
        differs.is_none() && found.len() == expected.len(),
        "{} events instead of {}, the first that differs is {differs:?}: {:?} instead of {:?}",
        found.len(),
        expected.len(),
        show(found),
        show(expected)
    );
}
