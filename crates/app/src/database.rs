//! The way to the database, and waiting for it.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use model::point::{Point, Points};
use secrecy::ExposeSecret;
use store::sealing::KeyRing;
use store::{Store, StoreConfig, StoreError};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// How long a service waits for a database that is away when it starts.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a database that is away.
const PAUSE: Duration = Duration::from_secs(2);
/// A look that takes longer has failed.
const LOOK: Duration = Duration::from_secs(10);

/// The store of the settings; connects on first use. `part` is shown in `pg_stat_activity`.
pub(crate) fn open(config: &Config, part: &str) -> anyhow::Result<Store> {
    let keys = config.sealing.keys.as_ref();
    let keys = keys.context("COLLECTOR_SEALING_KEYS is not set")?;
    open_with(config, part, KeyRing::parse(keys.expose_secret())?)
}

/// The store of the settings for a command that neither seals nor opens a secret.
pub(crate) fn open_unsealed(config: &Config, part: &str) -> anyhow::Result<Store> {
    let nobodys = KeyRing::generate()?;
    open_with(config, part, KeyRing::parse(nobodys.expose_secret())?)
}

fn open_with(config: &Config, part: &str, keys: KeyRing) -> anyhow::Result<Store> {
    let url = config.database.url.as_ref();
    let url = url.context("COLLECTOR_DATABASE_URL is not set")?;
    let ca_pem = match &config.database.ca_file {
        Some(file) => Some(std::fs::read_to_string(file).with_context(|| {
            format!(
                "cannot read {}, which COLLECTOR_DATABASE_CA_FILE names",
                file.display()
            )
        })?),
        None => None,
    };
    let settings = StoreConfig {
        application_name: format!("okta-collector {part}"),
        connections: config.database.connections,
        ca_pem,
        ..StoreConfig::new(url.expose_secret())
    };
    let store = Store::new(&settings, keys)?;
    Ok(match config.test.stop_at {
        Some(at) => store.with_points(Points::armed(at, stand_still)),
        None => store,
    })
}

/// For tests: says where it is and stays there, to be killed.
fn stand_still(point: Point) {
    let mut stderr = std::io::stderr().lock();
    // If nobody listens, nobody kills it either; it stands still all the same.
    let _unheard = writeln!(stderr, "stopped at {point}").and_then(|()| stderr.flush());
    drop(stderr);
    // What else this thread had to do goes on elsewhere.
    tokio::task::block_in_place(|| {
        loop {
            std::thread::park();
        }
    });
}

/// Waits until the database answers and fits this program: its schema, and the keys of its secrets.
///
/// # Errors
/// It does not answer within `patience`, or waiting would not help.
pub(crate) async fn wait_until_fit(
    store: &Store,
    patience: Duration,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    until_answered(patience, stop, async || store.check_schema().await).await?;
    let missing =
        until_answered(patience, stop, async || store.missing_sealing_keys().await).await?;
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "stored secrets are sealed with keys that COLLECTOR_SEALING_KEYS does not hold: {}; \
         add them behind the first one",
        missing.join(", ")
    )
}

/// Repeats a question to the database until it is answered, or `patience` has ended.
pub(crate) async fn until_answered<T>(
    patience: Duration,
    stop: &CancellationToken,
    ask: impl AsyncFn() -> Result<T, StoreError>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        let away = match timeout(LOOK, ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if error.is_passing() => error.to_string(),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => "the database does not answer".to_owned(),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(anyhow!(away));
        }
        tracing::warn!(
            "waiting for the database, {} s left: {away}",
            left.as_secs()
        );
        tokio::select! {
            () = sleep(PAUSE.min(left)) => {}
            () = stop.cancelled() => bail!("stopped while waiting for the database"),
        }
    }
}
