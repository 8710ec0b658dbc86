//! What the tests share: a database with a tenant, and short ways to make sources, routes and pages.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::credential::Secret;
use model::ids::{CredentialId, DestinationId, RouteId, SourceId, TenantId};
use model::job::{Fence, JobKind, Lease, Outcome};
use secrecy::ExposeSecret;
use store::sealing::KeyRing;
use store::{
    Appended, ClaimLane, Completion, Credential, CredentialChoice, EventId, Log, NewCredential,
    NewDestination, NewPage, NewRoute, NewSource, Route, Source, Store, StoreConfig, StoreError,
};
use testkit::postgres::TestDb;
use testkit::time::Time;
use tokio_postgres::Client;
use uuid::Uuid;

/// A lease that no test outlives.
pub(crate) const LEASE: Duration = Duration::from_mins(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);
/// The token of every credential that does not care; a canary for the dump of the tables.
pub(crate) const TOKEN: &str = "00canaryTokenThatMustNotShowUpAnywhere0001";

pub(crate) fn key_ring() -> KeyRing {
    let line = KeyRing::generate().expect("there is randomness");
    KeyRing::parse(line.expose_secret()).expect("what was generated can be read")
}

/// A store on a database, with few connections and quick decisions.
pub(crate) fn store_at(url: &str, keys: KeyRing) -> Store {
    let config = StoreConfig {
        connections: 20,
        ..StoreConfig::new(url)
    };
    Store::new(&config, keys).expect("the URL can be read")
}

/// A database, a store on it, and a tenant in it.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) db: std::sync::Arc<TestDb>,
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
}

impl House {
    pub(crate) async fn new() -> Self {
        let db = std::sync::Arc::new(TestDb::new().await);
        let store = store_at(db.url(), key_ring());
        let tenant = store
            .ensure_tenant("acme")
            .await
            .expect("a tenant can be made");
        // Most tests need no more than today, and partitions take longer than all the rest.
        let today =
            "SELECT collector_make_partitions((collector_now() AT TIME ZONE 'UTC')::date, 1)";
        let made = db.client().await.batch_execute(today).await;
        made.expect("partitions can be made");
        Self { db, store, tenant }
    }

    /// With a clock that the test moves.
    pub(crate) async fn with_time() -> (Self, Time) {
        let house = Self::new().await;
        let time = Time::install(house.db.url(), None).await;
        (house, time)
    }

    pub(crate) async fn client(&self) -> Client {
        self.db.client().await
    }

    pub(crate) async fn now(&self) -> DateTime<Utc> {
        let micros = "(extract(epoch FROM collector_now()) * 1000000)::bigint";
        DateTime::from_timestamp_micros(self.number(&format!("SELECT {micros}")).await)
            .expect("a time of today")
    }

    /// The one number that a query returns.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let row = self.client().await.query_one(query, &[]).await;
        row.unwrap_or_else(|error| panic!("{query}: {error:?}"))
            .get(0)
    }

    pub(crate) async fn truth(&self, query: &str) -> bool {
        let row = self.client().await.query_one(query, &[]).await;
        row.unwrap_or_else(|error| panic!("{query}: {error:?}"))
            .get(0)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let done = self.client().await.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    pub(crate) async fn credential(&self, name: &str) -> Credential {
        self.credential_with(name, TOKEN).await
    }

    pub(crate) async fn credential_with(&self, name: &str, token: &str) -> Credential {
        self.credential_at(name, name, token).await
    }

    pub(crate) async fn credential_at(&self, name: &str, org: &str, token: &str) -> Credential {
        let new = NewCredential {
            name: name.to_owned(),
            origin: format!("https://{org}.okta.com"),
            secret: Secret::Ssws(token.into()),
        };
        self.store
            .create_credential(self.tenant, new)
            .await
            .expect("a new name")
    }

    /// A source with a credential of its own, read from the oldest event on.
    pub(crate) async fn source(&self, name: &str) -> Source {
        let credential = self.credential(name).await;
        self.source_of(CredentialId(credential.id)).await
    }

    pub(crate) async fn source_of(&self, credential: CredentialId) -> Source {
        self.store
            .create_source(self.tenant, new_source(credential))
            .await
            .expect("the credential is there")
    }

    pub(crate) async fn destination(&self, name: &str) -> DestinationId {
        let new = NewDestination {
            name: name.to_owned(),
            kind: "file".to_owned(),
            settings: serde_json::json!({"path": "out.ndjson"}).into(),
        };
        let made = self.store.create_destination(self.tenant, new).await;
        DestinationId(made.expect("a new name").id)
    }

    pub(crate) async fn route(&self, source: &Source, destination: &str) -> Route {
        let destination = self.destination(destination).await;
        let new = NewRoute::between(SourceId(source.id), destination);
        self.store
            .create_route(self.tenant, new)
            .await
            .expect("both ends are there")
    }

    pub(crate) async fn log(&self, source: &Source) -> Log {
        let about = self.store.poll_context(self.tenant, SourceId(source.id));
        about.await.expect("the source is there").log
    }

    /// Leases all due jobs of a kind.
    pub(crate) async fn claim(&self, owner: i64, lease: Duration, kind: JobKind) -> Vec<Lease> {
        let lanes = self.store.lanes().await.expect("lanes can be read");
        let lanes: Vec<ClaimLane> = lanes
            .iter()
            .filter(|lane| lane.kind == kind.number())
            .map(|lane| ClaimLane {
                id: lane.id,
                floor: None,
            })
            .collect();
        let claimed = self.store.claim(owner, lease, &lanes, 1000).await;
        let claimed = claimed.expect("jobs can be leased");
        claimed.into_iter().map(|claimed| claimed.lease).collect()
    }

    /// Leases the due job of a subject; the others of its kind are given back.
    pub(crate) async fn lease(&self, owner: i64, kind: JobKind, subject: Uuid) -> Lease {
        let leases = self.claim(owner, LEASE, kind).await;
        let (mut mine, others): (Vec<_>, Vec<_>) = leases
            .into_iter()
            .partition(|lease| lease.subject == subject);
        let others: Vec<Fence> = others.iter().map(|lease| lease.fence).collect();
        let given_back = self.store.give_back(owner, &others).await;
        assert_eq!(given_back.expect("the database answers"), others.len());
        mine.pop().expect("the job is due")
    }

    pub(crate) async fn lease_poll(&self, owner: i64, source: &Source) -> Lease {
        self.lease(owner, JobKind::Poll, source.id).await
    }

    /// Ends a run; whether that was accepted.
    pub(crate) async fn end(&self, lease: &Lease, outcome: Outcome) -> bool {
        self.end_as(lease.fence, outcome, None).await
    }

    pub(crate) async fn end_as(
        &self,
        fence: Fence,
        outcome: Outcome,
        failing: Option<bool>,
    ) -> bool {
        let end = Completion {
            fence,
            outcome,
            failing,
        };
        let done = self.store.complete(fence.owner, &[end]).await;
        done.expect("the database answers") == [fence.job]
    }

    pub(crate) async fn job(&self, kind: JobKind, subject: Uuid) -> store::JobView {
        let job = self.store.job_of(self.tenant, kind, subject).await;
        job.expect("the job is there")
    }

    /// Whether the job of a subject is due.
    pub(crate) async fn is_due(&self, kind: JobKind, subject: Uuid) -> bool {
        let query = format!(
            "SELECT s.run_at <= collector_now() FROM job_schedule s JOIN jobs j ON j.id = s.job_id \
             WHERE j.kind = {} AND j.subject_id = '{subject}'",
            kind.number()
        );
        self.truth(&query).await
    }

    /// Appends a page under a lease.
    pub(crate) async fn append(
        &self,
        fence: Fence,
        log: &Log,
        events: &Events,
        cursor: &str,
    ) -> Result<Appended, StoreError> {
        let page = NewPage {
            fence,
            lease: LEASE,
            log,
            ndjson: &events.ndjson,
            events: &events.ids,
            date: self.now().await,
            cursor: Some(cursor),
            cursor_query: "",
            at_head: false,
        };
        self.store.append_page(&page).await
    }

    /// Polls once: leases the job, appends a page, leaves the job due again.
    pub(crate) async fn poll(&self, source: &Source, events: &Events) -> Appended {
        let lease = self.lease_poll(1, source).await;
        let log = self.log(source).await;
        let cursor = format!("cursor after {}", log.next_number);
        let appended = self.append(lease.fence, &log, events, &cursor).await;
        let appended = appended.expect("the lease is good");
        let again = Outcome::Done {
            next: Duration::ZERO,
        };
        assert!(self.end(&lease, again).await);
        appended
    }
}

/// Another tenant in the same database.
pub(crate) async fn house_of(house: &House, tenant: &str) -> House {
    House {
        db: std::sync::Arc::clone(&house.db),
        store: house.store.clone(),
        tenant: house
            .store
            .ensure_tenant(tenant)
            .await
            .expect("a tenant can be made"),
    }
}

pub(crate) fn new_source(credential: CredentialId) -> NewSource {
    NewSource {
        display_name: None,
        credential: CredentialChoice::Stored(credential),
        timezone: "UTC".parse().expect("a timezone"),
        refresh: "1h".parse().expect("a frequency"),
        start: Some(model::source::Start::Earliest),
        filter: None,
        keywords: None,
        verify: model::range::Verify::Daily,
        destinations: Vec::new(),
        trace_context: None,
    }
}

/// Events of a page.
#[derive(Debug, Default, Clone)]
pub(crate) struct Events {
    pub(crate) ndjson: Vec<u8>,
    pub(crate) ids: Vec<EventId>,
}

impl Events {
    /// An event: who, what it says, and when it says it happened.
    pub(crate) fn and(mut self, who: u64, says: &str, published: Option<DateTime<Utc>>) -> Self {
        let line = format!("{{\"uuid\": {who}, \"says\":\"{says}\"}}\n");
        self.ndjson.extend_from_slice(line.as_bytes());
        let mut identity = [7; 16];
        identity[..8].copy_from_slice(&who.to_be_bytes());
        let mut content = [0; 8];
        for (n, byte) in says.bytes().enumerate() {
            content[n % 8] ^= byte.rotate_left(u32::try_from(n % 7).expect("small"));
        }
        self.ids.push(EventId {
            identity,
            content,
            published,
            end: self.ndjson.len(),
        });
        self
    }

    /// Some events with numbers of their own, a second apart, the last one at `last`.
    pub(crate) fn some(numbers: std::ops::Range<u64>, last: DateTime<Utc>) -> Self {
        let end = numbers.end;
        numbers.fold(Self::default(), |events, n| {
            let before = TimeDelta::seconds(i64::try_from(end - 1 - n).expect("few"));
            events.and(n, "hello", Some(last - before))
        })
    }

    pub(crate) fn lines(&self) -> Vec<&[u8]> {
        self.ndjson.split_inclusive(|byte| *byte == b'\n').collect()
    }
}

pub(crate) fn route_id(route: &Route) -> RouteId {
    RouteId(route.id)
}

pub(crate) fn done(next: Duration) -> Outcome {
    Outcome::Done { next }
}

pub(crate) fn failed(wait: Duration) -> Outcome {
    Outcome::Failed { wait }
}

pub(crate) fn snoozed(wait: Duration) -> Outcome {
    Outcome::Snoozed { wait }
}
