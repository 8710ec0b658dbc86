//! `serve`, `api`, `worker`: the service, whole or in halves.
//!
//! Each checks its settings, takes its addresses, waits for a database that fits, says in one line that
//! it runs, and ends when it is told to. What a half leaves undone at a crash the database knows.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use api::{ApiConfig, ApiState, Probes};
use forward::{Destinations, Registry};
use okta::{ClientConfig, OktaClient};
use store::{RetentionConfig, Store};
use tokio_util::sync::CancellationToken;
use worker::{Health, Slots, Worker, WorkerConfig};

use super::Settings;
use crate::config::{Config, DATABASE, SEALING};
use crate::telemetry::Render;
use crate::{database, shutdown, telemetry};

/// A worker that has not asked for due jobs for this long is not ready.
const SILENCE: Duration = Duration::from_secs(30);

/// Runs the API and a worker.
pub(super) async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let service = Service::prepare(settings, "serve").await?;
    let stop = service.stop.clone();
    // Both to their end: a half that fails must not cut the other one off in the middle of its drain.
    let (api, worker) = tokio::join!(
        ending(&stop, service.run_api()),
        ending(&stop, service.run_worker()),
    );
    api.and(worker)
}

/// Runs the API.
pub(super) async fn api(settings: &Settings) -> anyhow::Result<()> {
    Service::prepare(settings, "api").await?.run_api().await
}

/// Runs a worker.
pub(super) async fn worker(settings: &Settings) -> anyhow::Result<()> {
    Service::prepare(settings, "worker")
        .await?
        .run_worker()
        .await
}

/// What both halves need.
struct Service {
    config: Config,
    store: Store,
    destinations: Arc<dyn Destinations>,
    metrics: Render,
    stop: CancellationToken,
}

impl Service {
    async fn prepare(settings: &Settings, part: &str) -> anyhow::Result<Self> {
        let config = settings.load(&[DATABASE, SEALING])?;
        telemetry::start_logs(&config.telemetry)?;
        let metrics = telemetry::start_metrics()?;
        let stop = shutdown::on_signal()?;
        check_file_root(config.files.root.as_deref())?;
        let store = database::open(&config, part)?;
        database::wait_until_fit(&store, database::PATIENCE, &stop).await?;
        let destinations = Arc::new(Registry::new(config.files.root.clone()));
        Ok(Self {
            config,
            store,
            destinations,
            metrics,
            stop,
        })
    }

    async fn run_api(&self) -> anyhow::Result<()> {
        let listener = listen(self.config.api.listen, "COLLECTOR_API_LISTEN")?;
        let settings = ApiConfig {
            drain: self.config.worker.drain,
            ..ApiConfig::default()
        };
        let state = ApiState::new(
            self.store.clone(),
            Arc::clone(&self.destinations),
            self.config.okta.allow_hosts.clone(),
            Arc::clone(&self.metrics),
        );
        tracing::info!("the API listens on http://{}", self.config.api.listen);
        api::serve(settings, listener, state, self.stop.clone()).await?;
        tracing::info!("the API has stopped");
        Ok(())
    }

    async fn run_worker(&self) -> anyhow::Result<()> {
        let health = Health::default();
        let probes = match self.config.worker.listen {
            Some(address) => Some(listen(address, "COLLECTOR_WORKER_LISTEN")?),
            None => None,
        };
        let worker = Worker {
            store: self.store.clone(),
            okta: okta_client(&self.config)?,
            destinations: Arc::clone(&self.destinations),
            config: worker_config(&self.config),
            health: health.clone(),
        };
        let shown = self
            .config
            .worker
            .listen
            .map(|address| format!(", its probes are on http://{address}"));
        tracing::info!("the worker leases jobs{}", shown.unwrap_or_default());
        // Probes answer while the worker drains, that they are not ready.
        let gone = CancellationToken::new();
        let probing = async {
            let Some(listener) = probes else {
                return Ok(());
            };
            let probes = Probes {
                ready: Arc::new(move || health.check(SILENCE)),
                metrics: Arc::clone(&self.metrics),
            };
            api::serve_probes(listener, probes, gone.clone())
                .await
                .map_err(anyhow::Error::from)
        };
        let working = async {
            let worked = worker.run(self.stop.clone()).await;
            gone.cancel();
            worked.map_err(anyhow::Error::from)
        };
        tokio::try_join!(working, probing)?;
        tracing::info!("the worker has stopped");
        Ok(())
    }
}

/// Runs one half; when it ends the other one is told to stop too.
async fn ending(
    stop: &CancellationToken,
    half: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let ended = half.await;
    stop.cancel();
    ended
}

fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address} ({setting})"))
}

/// A root that is not there is a disk that is not mounted: better said now than by each delivery.
fn check_file_root(root: Option<&Path>) -> anyhow::Result<()> {
    match root {
        Some(root) if !root.is_dir() => {
            bail!("COLLECTOR_FILE_ROOT names no folder: {}", root.display())
        }
        _ => Ok(()),
    }
}

/// The way to Okta that the settings describe.
pub(crate) fn okta_client(config: &Config) -> anyhow::Result<OktaClient> {
    let client = OktaClient::new(ClientConfig {
        timeout: config.okta.timeout,
        idle_timeout: config.okta.idle_timeout,
        max_page_bytes: config.okta.max_page_bytes,
        allow_hosts: config.okta.allow_hosts.clone(),
        ..ClientConfig::default()
    });
    Ok(client?)
}

/// A worker as the settings describe it.
pub(crate) fn worker_config(config: &Config) -> WorkerConfig {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let defaults = WorkerConfig::new(host);
    let settings = &config.worker;
    WorkerConfig {
        slots: Slots {
            poll: settings.poll_slots,
            deliver: settings.deliver_slots,
            ..defaults.slots
        },
        lease: settings.lease,
        drain: settings.drain,
        share: settings.rate_share,
        retention: RetentionConfig {
            retention: settings.retention,
            max_retention: settings.max_retention,
        },
        probe: settings.probe_interval,
        ..defaults
    }
}
