//! A database for each test.
//!
//! The server is the one that `COLLECTOR_TEST_DATABASE_URL` names; without it a cluster that the
//! first test process of this user starts from the machine's PostgreSQL programs, all others share,
//! and that stops by itself some seconds after the last; without programs the same in a container.
//! `COLLECTOR_TEST_POSTGRES` forces one of the three. On it a template with all migrations is
//! made once, and each test gets a copy, dropped when its [`TestDb`] is. What killed tests left on
//! a server that stays is dropped by later runs.

use std::time::Duration;

use local_postgres::{Cluster, Error, Options, SharedCluster};
use reqwest::Url;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use crate::container::SharedContainer;
use crate::migrations;

/// How long the shared cluster waits for another test process.
const LINGER: Duration = Duration::from_secs(15);
/// After this time a test is over, and its database a leftover.
const LEFTOVER: &str = "6 hours";
/// The advisory lock under which templates are made; any number that nobody else takes.
const TEMPLATE_LOCK: i64 = 0x6f6b_7461_7465_7374;

/// The server of this process and its template.
static SERVER: OnceCell<(Server, String)> = OnceCell::const_new();

#[derive(Debug)]
enum Server {
    External(Url),
    Shared(SharedCluster),
    Container(SharedContainer),
}

/// The ways to get a server, as `COLLECTOR_TEST_POSTGRES` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Url,
    Local,
    Container,
}

/// A database of its own for a test; dropped, sessions and all, with this value.
#[derive(Debug)]
pub struct TestDb {
    name: String,
    url: String,
    server: &'static Server,
}

impl TestDb {
    /// Makes a database with all migrations.
    ///
    /// # Panics
    /// If there is no server, saying what to install or to set; tests that need a database are
    /// never skipped.
    pub async fn new() -> Self {
        let (server, template) = server().await;
        Self::copy(server, template).await
    }

    /// Makes a database with nothing in it.
    pub async fn empty() -> Self {
        Self::copy(&server().await.0, "template0").await
    }

    /// Returns the URL of the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a session.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }

    async fn copy(server: &'static Server, template: &str) -> Self {
        let admin = connect(&server.admin_url()).await;
        // The name tells when it was made, for the sweep.
        let made = "SELECT to_hex(extract(epoch FROM now())::bigint)";
        let made: String = admin
            .query_one(made, &[])
            .await
            .expect("the server tells the time")
            .get(0);
        let name = format!("t_{made:0>8}{:08x}", rand::random::<u32>());
        execute(
            &admin,
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        )
        .await;
        Self {
            url: server.url(&name),
            name,
            server,
        }
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let admin_url = self.server.admin_url();
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread, because the runtime of the test is busy with this very drop.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a runtime can be made");
            runtime.block_on(async { execute(&connect(&admin_url).await, &sql).await });
        });
        if dropping.join().is_err() {
            eprintln!("the database {} stays until it is swept", self.name);
        }
    }
}

impl Server {
    async fn find() -> Self {
        let forced = forced_way();
        let url = setting("COLLECTOR_TEST_DATABASE_URL");
        if let (Some(url), None | Some(Way::Url)) = (&url, forced) {
            let url = url.parse();
            return Self::External(url.expect("COLLECTOR_TEST_DATABASE_URL is a postgres:// URL"));
        }
        let found = match forced {
            Some(Way::Url) => Err("COLLECTOR_TEST_DATABASE_URL is not set".to_owned()),
            Some(Way::Local) => Self::local().await.map_err(|error| error.to_string()),
            Some(Way::Container) => Self::container().await,
            None => match Self::local().await {
                Err(missing @ (Error::ProgramsNotFound | Error::TooOld { .. })) => {
                    let container = Self::container().await;
                    container.map_err(|error| format!("{missing}; nor a container: {error}"))
                }
                found => found.map_err(|error| error.to_string()),
            },
        };
        found.unwrap_or_else(|error| {
            panic!(
                "no database for tests: {error}; or set COLLECTOR_TEST_DATABASE_URL to a server on \
                 which databases may be created"
            )
        })
    }

    async fn local() -> Result<Self, Error> {
        let cluster = SharedCluster::join(options(), LINGER).await?;
        Ok(Self::Shared(cluster))
    }

    async fn container() -> Result<Self, String> {
        let user = rustix::process::geteuid().as_raw();
        let name = format!("okta-collector-tests-{user}");
        let container = SharedContainer::join(&name, &options(), LINGER).await?;
        Ok(Self::Container(container))
    }

    fn url(&self, database: &str) -> String {
        match self {
            Self::External(url) => {
                let mut url = url.clone();
                url.set_path(database);
                url.into()
            }
            Self::Shared(cluster) => cluster.url(database),
            Self::Container(container) => container.url(database),
        }
    }

    /// The URL of the database from which others are made and dropped.
    fn admin_url(&self) -> String {
        match self {
            Self::External(url) => url.to_string(),
            Self::Shared(_) | Self::Container(_) => self.url("postgres"),
        }
    }
}

/// What the shared servers are like.
fn options() -> Options {
    let settings = [
        ("max_connections", "400"),
        // Plans must not depend on when a test happens to be analysed.
        ("autovacuum", "off"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Options {
        settings: settings.into(),
        ..Options::default()
    }
}

fn forced_way() -> Option<Way> {
    match setting("COLLECTOR_TEST_POSTGRES")?.as_str() {
        "url" => Some(Way::Url),
        "local" => Some(Way::Local),
        "container" => Some(Way::Container),
        other => panic!("COLLECTOR_TEST_POSTGRES is {other:?}, none of url, local, container"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the collector's configuration is not for tests"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn server() -> &'static (Server, String) {
    let make = async || {
        let server = Server::find().await;
        let template = prepare(&server).await;
        (server, template)
    };
    SERVER.get_or_init(make).await
}

/// Sweeps leftovers and makes the template, if no other process has; returns its name.
async fn prepare(server: &Server) -> String {
    let admin = connect(&server.admin_url()).await;
    // The lock goes with the session.
    let lock = "SELECT pg_advisory_lock($1)";
    admin
        .execute(lock, &[&TEMPLATE_LOCK])
        .await
        .expect("the server grants a lock");
    sweep(&admin).await;

    let migrations = migrations::of_workspace();
    let name = format!(
        "okta_collector_template_{}",
        migrations::fingerprint(&migrations)
    );
    let exists = "SELECT 1 FROM pg_database WHERE datname = $1";
    if admin
        .query_opt(exists, &[&name])
        .await
        .expect("databases can be listed")
        .is_none()
    {
        // Half a template, of a killed process or a failed migration, never has the name.
        let unfinished = format!("{name}_unfinished");
        execute(
            &admin,
            &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"),
        )
        .await;
        execute(
            &admin,
            &format!("CREATE DATABASE {unfinished} TEMPLATE template0"),
        )
        .await;
        let (client, session) = open(&server.url(&unfinished)).await;
        migrations::apply(&migrations, &client).await;
        drop(client);
        session.await.expect("the session ends");
        execute(
            &admin,
            &format!("ALTER DATABASE {unfinished} RENAME TO {name}"),
        )
        .await;
    }
    name
}

/// Drops the databases of tests that were killed long ago.
async fn sweep(admin: &Client) {
    let leftovers = format!(
        "SELECT datname FROM pg_database WHERE datname ~ '^t_[0-9a-f]{{16}}$' AND
         to_timestamp(('x' || substr(datname, 3, 8))::bit(32)::bigint) < now() - interval '{LEFTOVER}'"
    );
    for row in admin
        .query(&leftovers, &[])
        .await
        .expect("databases can be listed")
    {
        let name: String = row.get(0);
        execute(
            admin,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await;
    }
}

/// A server of its own for a test that stops, crashes and starts it; with one database that has
/// all migrations. Commits are durable. Stopped and removed with this value.
#[derive(Debug)]
pub struct OwnCluster {
    cluster: Cluster,
    url: String,
}

impl OwnCluster {
    /// Starts a server and makes the database.
    ///
    /// # Panics
    /// If this machine has no PostgreSQL programs, saying what to install.
    pub async fn start() -> Self {
        let options = Options {
            durable: true,
            ..Options::default()
        };
        let cluster = match Cluster::start(options).await {
            Ok(cluster) => cluster,
            Err(error) => panic!("no server for this test: {error}"),
        };
        execute(
            &connect(&cluster.url("postgres")).await,
            "CREATE DATABASE collector",
        )
        .await;
        let url = cluster.url("collector");
        migrations::apply(&migrations::of_workspace(), &connect(&url).await).await;
        Self { cluster, url }
    }

    /// Returns the URL of the database; it stays the same over stops and starts.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a session.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }

    /// Gives access to the server, to stop and start it.
    pub fn server(&mut self) -> &mut Cluster {
        &mut self.cluster
    }
}

/// Opens a session at a database that must be there.
pub async fn connect(url: &str) -> Client {
    open(url).await.0
}

async fn open(url: &str) -> (Client, tokio::task::JoinHandle<()>) {
    match tokio_postgres::connect(url, NoTls).await {
        Ok((client, connection)) => {
            // How a session ends is seen by its user, at the next query.
            let session = tokio::spawn(async move { drop(connection.await) });
            (client, session)
        }
        Err(error) => panic!("cannot connect to the test database: {error:?}"),
    }
}

async fn execute(client: &Client, sql: &str) {
    if let Err(error) = client.batch_execute(sql).await {
        panic!("{sql}: {error:?}");
    }
}
