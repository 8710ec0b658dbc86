//! An API on a database of its own, and callers with keys.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use api::keys::ApiKey;
use api::{ApiConfig, ApiState, OktaAccess};
use forward::{Reach, Registry};
use model::ids::TenantId;
use okta::{ClientConfig, OktaClient};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::sealing::KeyRing;
use store::{NewApiKey, Store, StoreConfig};
use testkit::postgres::TestDb;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A token that must never come back.
pub(crate) const CANARY: &str = "00canary-Zx81_must-never-be-seen-again-42xx";

/// Longest wait for anything.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running API.
pub(crate) struct TestApi {
    pub(crate) db: TestDb,
    pub(crate) store: Store,
    pub(crate) address: String,
    pub(crate) client: Client,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<std::io::Result<()>>,
    tenant: TenantId,
    key: String,
    // Kept so that the folder of file destinations lives as long.
    _root: tempfile::TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The body, if the status is as expected.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The id of the thing just made.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Checks that this is a whole problem of a kind, and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("content-type"), "application/problem+json");
        for text in ["title", "detail", "instance"] {
            assert_ne!(
                problem[text].as_str().unwrap_or_default(),
                "",
                "{text} of {problem}"
            );
        }
        problem
    }

    /// The pointers and codes of a problem with fields.
    #[track_caller]
    pub(crate) fn field_errors(&self) -> Vec<(String, String)> {
        let problem = self.problem(422, "invalid_fields");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = problem["errors"].as_array().unwrap();
        errors
            .iter()
            .map(|error| (text(&error["pointer"]), text(&error["code"])))
            .collect()
    }
}

pub(crate) fn field(pointer: &str, code: &str) -> (String, String) {
    (pointer.to_owned(), code.to_owned())
}

impl TestApi {
    pub(crate) async fn start() -> Self {
        Self::start_with(ApiConfig::default()).await
    }

    pub(crate) async fn start_with(config: ApiConfig) -> Self {
        let db = TestDb::new().await;
        let ring = KeyRing::generate().unwrap();
        let keys = KeyRing::parse(ring.expose_secret()).unwrap();
        let store = Store::new(&StoreConfig::new(db.url()), keys).unwrap();
        let root = tempfile::tempdir().unwrap();
        let reach = Reach {
            file_root: Some(root.path().to_owned()),
            allow_hosts: "127.0.0.1".parse().unwrap(),
        };
        let state = ApiState::new(
            store.clone(),
            Arc::new(Registry::new(reach.clone()).unwrap()),
            reach.allow_hosts.clone(),
            OktaAccess {
                client: OktaClient::new(ClientConfig {
                    allow_hosts: reach.allow_hosts,
                    ..ClientConfig::default()
                })
                .unwrap(),
                share: 0.9,
                probe: Duration::from_mins(15),
                patience: Duration::from_secs(5),
            },
            Arc::new(|| "okta_collector_up 1\n".to_owned()),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let server = tokio::spawn(api::serve(config, listener, state, stop.clone()));
        let tenant = store.ensure_tenant("acme").await.unwrap();
        let key = new_key(&store, tenant, "admin").await;
        Self {
            db,
            store,
            address,
            client: Client::builder().timeout(SOON).build().unwrap(),
            stop,
            server,
            tenant,
            key,
            _root: root,
        }
    }

    /// A further key of the tenant.
    pub(crate) async fn key(&self, role: &str) -> String {
        new_key(&self.store, self.tenant, role).await
    }

    /// The admin key of another tenant.
    pub(crate) async fn other_tenant(&self) -> String {
        let tenant = self.store.ensure_tenant("globex").await.unwrap();
        new_key(&self.store, tenant, "admin").await
    }

    /// Sends with a key and a body, if there is one.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.address));
        request = request.bearer_auth(key);
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &self.key, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &self.key, Some(&body)).await
    }

    /// Posts without a body.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.send("POST", path, &self.key, None).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, &self.key, Some(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &self.key, None).await
    }

    /// Sends bytes as they are, with the key.
    pub(crate) async fn post_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self
            .client
            .post(format!("{}{path}", self.address))
            .bearer_auth(&self.key);
        let request = request.header("content-type", content_type).body(body);
        Answer::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn credential(&self, name: &str) -> String {
        self.post("/v1/credentials", credential(name)).await.id()
    }

    pub(crate) async fn destination(&self, name: &str) -> String {
        self.post("/v1/destinations", destination(name)).await.id()
    }

    /// A source with a credential of its own and no route.
    pub(crate) async fn source(&self, name: &str) -> String {
        self.post(
            "/v1/sources",
            json!({"display_name": name, "credential": credential(name)}),
        )
        .await
        .id()
    }

    /// A source, a destination and the route between them.
    pub(crate) async fn route(&self, name: &str) -> (String, String, String) {
        let (source, destination) = (self.source(name).await, self.destination(name).await);
        let body = json!({"source_id": source, "destination_id": destination});
        let route = self.post("/v1/routes", body).await.id();
        (source, destination, route)
    }

    /// Runs SQL, for states that only workers make.
    pub(crate) async fn sql(&self, sql: &str) {
        self.db.client().await.batch_execute(sql).await.unwrap();
    }

    /// Stores a batch of so many events of a source, as a worker would.
    pub(crate) async fn store_events(&self, source: &str, events: u32) {
        self.sql(&format!(
            "SELECT collector_make_partitions((collector_now() AT TIME ZONE 'UTC')::date, 1);
             INSERT INTO batches (tenant_id, log_id, day, number, events, received_at, origin, bytes, hour_runs, body)
                SELECT tenant_id, id, day, next_number, {events}, collector_now(), 'poll', 1, '{{0,{events}}}', '' FROM logs
                WHERE source_id = '{source}';
             UPDATE logs SET next_number = next_number + 1 WHERE source_id = '{source}'"
        ))
        .await;
    }
}

pub(crate) fn credential(name: &str) -> Value {
    json!({"name": name, "domain": "acme.okta.com", "token": CANARY})
}

pub(crate) fn destination(name: &str) -> Value {
    json!({"name": name, "kind": "file", "file": {"path": format!("{name}.ndjson")}})
}

/// Stores a new key and returns it in the clear.
pub(crate) async fn new_key(store: &Store, tenant: TenantId, role: &str) -> String {
    let key = ApiKey::generate().unwrap();
    let new = NewApiKey {
        tenant_id: tenant.0,
        public_id: key.public_id().to_owned(),
        secret_sha256: key.sha256(),
        name: format!("test {role}"),
        role: role.to_owned(),
        expires_at: None,
    };
    store.create_api_key(new).await.unwrap();
    key.whole().expose_secret().to_owned()
}

/// Waits until so many other sessions wait for a lock.
pub(crate) async fn until_locked(holder: &tokio_postgres::Client, sessions: usize) {
    let waiting = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    testkit::wait::until("the sessions wait", SOON, async || {
        holder
            .query_one(waiting, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == i64::try_from(sessions).unwrap()
    })
    .await;
}
