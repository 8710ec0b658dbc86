//! PostgreSQL in a container, by testcontainers, for machines without PostgreSQL programs.
//!
//! One container serves all test processes of a user. It ends itself, and is removed with its data, some
//! seconds after its last user: each test process holds a session with a shared advisory lock, which the
//! server drops however the process ends, and the container's own command looks whether the lock is free
//! (`container.sh`). So a killed run leaves nothing behind, and no second container is needed to clean up.

use std::time::Duration;

use local_postgres::Options;
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::IntoContainerPort;
use testcontainers::core::error::ClientError;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt, ReuseDirective, TestcontainersError};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Client, NoTls};

const IMAGE: (&str, &str) = ("postgres", "17");
const PORT: u16 = 5432;
/// It guards nothing but throw-away data, on the loopback address.
const PASSWORD: &str = "test";
/// The lock that all users share; any number that nobody else takes.
const USERS: i64 = 0x7573_6572_7300;
/// How long fetching the image and the first start may take.
const LIMIT: Duration = Duration::from_mins(5);
/// How long a server may take to let a session in.
const SESSION_LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);

/// A place among the users of the container; given up when dropped or when the process ends.
#[derive(Debug)]
pub struct SharedContainer {
    /// The URL up to the database's name.
    base: String,
    /// Ends the session that holds the lock.
    _leave: oneshot::Sender<()>,
}

impl SharedContainer {
    /// Joins the container of this name, or starts it; the first user's `options` count. It goes when
    /// nobody has used it for `linger` (whole seconds, at least one).
    ///
    /// # Errors
    /// Why there is none: usually that no engine answers, or that the image cannot be fetched.
    pub async fn join(name: &str, options: &Options, linger: Duration) -> Result<Self, String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let trouble = match start(name, options, linger).await {
                Ok(base) => match hold(base.clone()).await {
                    Ok(leave) => {
                        return Ok(Self {
                            base,
                            _leave: leave,
                        });
                    }
                    Err(trouble) => trouble,
                },
                Err(error) if !is_passing(&error) => return Err(error.to_string()),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                return Err(trouble);
            }
            sleep(PAUSE).await;
        }
    }

    /// Returns the URL of a database of this server; the database `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        format!("{}{database}", self.base)
    }
}

/// Finds the running container or starts one; returns its URL without a database.
async fn start(
    name: &str,
    options: &Options,
    linger: Duration,
) -> Result<String, TestcontainersError> {
    let linger = linger.as_secs().max(1).to_string();
    let lock = USERS.to_string();
    let keeper = [
        "sh",
        "-c",
        include_str!("container.sh"),
        "keeper",
        &linger,
        &lock,
    ];
    let command = keeper.map(str::to_owned).into_iter();
    let container: ContainerAsync<GenericImage> = GenericImage::new(IMAGE.0, IMAGE.1)
        .with_exposed_port(PORT.tcp())
        .with_env_var("POSTGRES_PASSWORD", PASSWORD)
        .with_cmd(command.chain(options.arguments()))
        .with_container_name(name)
        // Found by the label: as a filter, a name also fits longer ones.
        .with_label("okta-collector.tests", name)
        .with_host_config_modifier(|host| {
            let binding = PortBinding {
                host_ip: Some("127.0.0.1".to_owned()),
                host_port: None,
            };
            host.publish_all_ports = None;
            host.port_bindings = Some([(format!("{PORT}/tcp"), Some(vec![binding]))].into());
            host.auto_remove = Some(true);
        })
        .with_reuse(ReuseDirective::Always)
        .start()
        .await?;
    let port = container.get_host_port_ipv4(PORT).await?;
    Ok(format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/"))
}

/// Whether another process may be starting the container just now, or it is on its way out.
fn is_passing(error: &TestcontainersError) -> bool {
    !matches!(
        error,
        TestcontainersError::Client(
            ClientError::Init(_)
                | ClientError::Configuration(_)
                | ClientError::InvalidDockerHost(_)
                | ClientError::ListContainers(_)
                | ClientError::PullImage { .. }
        )
    )
}

/// Takes a share of the lock in a session that lasts until the sender is dropped.
async fn hold(base: String) -> Result<oneshot::Sender<()>, String> {
    let (held, holds) = oneshot::channel();
    let (leave, left) = oneshot::channel::<()>();
    // A thread, because the runtime of the test that came first ends with it.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.block_on(async {
            let session = timeout(SESSION_LIMIT, take_lock(&base)).await;
            let session = session.map_err(|_| "the server does not answer".to_owned());
            match session.flatten() {
                Ok(_session) => {
                    held.send(Ok(())).ok();
                    left.await.ok();
                }
                Err(trouble) => drop(held.send(Err(trouble))),
            }
        });
    });
    let held = holds.await.map_err(|_| "no session".to_owned());
    held.flatten().map(|()| leave)
}

async fn take_lock(base: &str) -> Result<Client, String> {
    let told = |error: tokio_postgres::Error| error.to_string();
    let url = format!("{base}postgres");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.map_err(told)?;
    tokio::spawn(async move { drop(connection.await) });
    let lock = "SELECT pg_advisory_lock_shared($1)";
    client.execute(lock, &[&USERS]).await.map_err(told)?;
    Ok(client)
}
