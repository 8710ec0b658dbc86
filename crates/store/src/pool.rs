//! The connection pool: deadpool over diesel-async, TLS by rustls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use deadpool::managed::{Hook, HookError};
use diesel::sql_types::Timestamptz;
use diesel::{ConnectionError, QueryableByName};
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use model::point::Points;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StoreError;
use crate::pool_metrics::PoolMetrics;
use crate::sealing::KeyRing;
use crate::sql::sql_query;

/// How to reach the database.
#[derive(Clone)]
pub struct StoreConfig {
    /// `postgres://` URL; `sslmode=require` makes TLS compulsory, `prefer` (the default) tries it.
    pub url: String,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Most connections of this process.
    pub connections: usize,
    /// Longest wait for a free connection.
    pub wait: Duration,
    /// Longest run of one statement.
    pub statement_timeout: Duration,
    /// PEM file of further certificate authorities that may sign the server's certificate.
    pub ca_pem: Option<String>,
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreConfig")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl StoreConfig {
    /// The defaults for a URL: 16 connections, 5 s wait, 30 s a statement.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            application_name: "okta-collector".to_owned(),
            connections: 16,
            wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            ca_pem: None,
        }
    }
}

/// Older connections are replaced when they are wanted next: what they have prepared grows by some
/// statements a day.
const OLDEST: Duration = Duration::from_hours(6);

/// A pooled connection.
pub(crate) type Conn = Object<AsyncPgConnection>;

/// The database, as the rest of the house sees it. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool<AsyncPgConnection>,
    metrics: PoolMetrics,
    connector: Connector,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) points: Points,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("pool", &self.pool.status())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The present moment, by the clock that decides everything: the database's.
    pub async fn clock(&self) -> Result<DateTime<Utc>, StoreError> {
        #[derive(QueryableByName)]
        struct Clock {
            #[diesel(sql_type = Timestamptz)]
            now: DateTime<Utc>,
        }
        let mut conn = self.conn().await?;
        let clock: Clock = sql_query("SELECT collector_clock() AS now")
            .get_result(&mut conn)
            .await?;
        Ok(clock.now)
    }

    /// Prepares the pool; connects on first use. Connections live on the runtime this is called on.
    ///
    /// # Errors
    /// The URL or the certificates cannot be read.
    pub fn new(config: &StoreConfig, keys: KeyRing) -> Result<Self, StoreError> {
        let connector = Connector::new(config)?;
        let setup = connector.clone();
        let home = Handle::try_current().ok();
        let mut manager = ManagerConfig::default();
        manager.custom_setup = Box::new(move |_url| {
            let setup = setup.clone();
            let home = home.clone();
            // A connection is driven by a task, and ends with the runtime of that task: not with the
            // thread of an HTTP server that happened to need one more.
            async move {
                let Some(home) = home else {
                    return setup.connect().await;
                };
                let connecting = home.spawn(async move { setup.connect().await });
                connecting
                    .await
                    .unwrap_or_else(|error| Err(ConnectionError::BadConnection(error.to_string())))
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(&config.url, manager);
        let pool = Pool::builder(manager)
            .max_size(config.connections)
            .wait_timeout(Some(config.wait))
            .create_timeout(Some(config.wait))
            .recycle_timeout(Some(config.wait))
            .runtime(deadpool::Runtime::Tokio1)
            .pre_recycle(Hook::sync_fn(|_, connection| {
                if connection.age() > OLDEST {
                    return Err(HookError::message("the connection is old"));
                }
                Ok(())
            }))
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            metrics: PoolMetrics::of(&pool),
            pool,
            connector,
            keys: Arc::new(keys),
            points: Points::default(),
        })
    }

    /// The same store, stopping at armed points.
    #[must_use]
    pub fn with_points(mut self, points: Points) -> Self {
        self.points = points;
        self
    }

    /// The points it stops at.
    pub fn points(&self) -> &Points {
        &self.points
    }

    /// A connection of the pool.
    pub(crate) async fn conn(&self) -> Result<Conn, StoreError> {
        let asked = Instant::now();
        let conn = self.pool.get().await;
        self.metrics.waited(asked.elapsed());
        conn.map_err(|error| StoreError::Unavailable(pool_error(&error)))
    }

    /// A connection of its own, outside the pool.
    pub(crate) async fn own_conn(&self) -> Result<AsyncPgConnection, StoreError> {
        self.connector
            .connect()
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Connections: in use, idle, most.
    pub fn connections(&self) -> (usize, usize, usize) {
        let status = self.pool.status();
        (
            status.size.saturating_sub(status.available),
            status.available,
            status.max_size,
        )
    }
}

fn pool_error(error: &PoolError) -> String {
    match error {
        PoolError::Timeout(_) => "no free connection in time".to_owned(),
        other => other.to_string(),
    }
}

/// Makes connections.
#[derive(Clone)]
struct Connector {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let unusable = |what: String| StoreError::Unavailable(what);
        let mut pg: tokio_postgres::Config = config
            .url
            .parse()
            .map_err(|error| unusable(format!("the database URL cannot be read: {error}")))?;
        pg.application_name(&config.application_name);
        pg.connect_timeout(config.wait);
        // A peer that is gone without a word is noticed within a minute.
        pg.keepalives_idle(Duration::from_secs(30));
        pg.keepalives_interval(Duration::from_secs(10));
        pg.keepalives_retries(3);
        pg.tcp_user_timeout(Duration::from_secs(30));
        // A random page of an SSD costs little more than the next one; without this the planner
        // reads whole lanes by bitmap.
        pg.options(format!(
            "-c statement_timeout={} -c idle_in_transaction_session_timeout=60000 -c random_page_cost=1.1 -c jit=off",
            config.statement_timeout.as_millis()
        ));
        let mut roots = RootCertStore::empty();
        for cert in authorities(config.ca_pem.as_deref()).map_err(unusable)? {
            // One broken certificate of the system is no reason not to start.
            drop(roots.add(cert));
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
        Ok(Self {
            config: pg,
            tls: MakeRustlsConnect::new(tls),
        })
    }

    async fn connect(&self) -> Result<AsyncPgConnection, ConnectionError> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(|error| ConnectionError::BadConnection(error_chain(&error)))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// The system's certificate authorities and those of a PEM text.
fn authorities(
    pem: Option<&str>,
) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, String> {
    use rustls::pki_types::pem::PemObject;
    let mut certs = rustls_native_certs::load_native_certs().certs;
    if let Some(pem) = pem {
        for cert in rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()) {
            certs.push(
                cert.map_err(|error| format!("the database CA file cannot be read: {error}"))?,
            );
        }
    }
    Ok(certs)
}
