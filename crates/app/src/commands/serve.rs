//! `serve`, `api`, `worker`: the service, whole or in halves.
//!
//! Each checks its settings, takes its addresses, waits for a database that fits, says in one line that
//! it runs, and ends when it is told to. What a half leaves undone at a crash the database knows.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use api::{ApiConfig, ApiState, OktaAccess, Probes};
use forward::{Destinations, Reach, Registry};
use okta::{ClientConfig, OktaClient};
use store::{RetentionConfig, Store};
use tokio_util::sync::CancellationToken;
use worker::{Health, Slots, Worker, WorkerConfig};

use super::Settings;
use crate::config::{Config, DATABASE, SEALING};
use crate::telemetry::{Render, Telemetry};
use crate::{database, shutdown};

/// A worker that has not asked for due jobs for this long is not ready.
const SILENCE: Duration = Duration::from_secs(30);

/// How long somebody who tests a credential waits at most.
const TEST: Duration = Duration::from_secs(20);

/// How old the figures of the installation may be that are sent.
const FRESH: Duration = Duration::from_secs(15);

/// Runs the API and a worker.
pub(super) async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let both = async |service: &Service| {
        let stop = &service.stop;
        // Both to their end: a half that fails must not cut the other one off in the middle of its drain.
        let (api, worker) = tokio::join!(
            ending(stop, service.run_api()),
            ending(stop, service.run_worker()),
        );
        api.and(worker)
    };
    Box::pin(run(settings, "serve", both)).await
}

/// Runs the API.
pub(super) async fn api(settings: &Settings) -> anyhow::Result<()> {
    run(settings, "api", Service::run_api).await
}

/// Runs a worker.
pub(super) async fn worker(settings: &Settings) -> anyhow::Result<()> {
    run(settings, "worker", Service::run_worker).await
}

/// Runs a part of the service to its end, and lets it say its last words.
async fn run(
    settings: &Settings,
    part: &'static str,
    work: impl AsyncFnOnce(&Service) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let config = settings.load(&[DATABASE, SEALING])?;
    let telemetry = Telemetry::start(&config.telemetry, part)?;
    let worked = async {
        let service = Service::prepare(config, part, &telemetry).await?;
        work(&service).await
    };
    let worked = worked.await;
    telemetry.finish().await;
    worked
}

/// What both halves need.
struct Service {
    config: Config,
    store: Store,
    destinations: Arc<dyn Destinations>,
    metrics: Render,
    /// Metrics are sent, too.
    sends: bool,
    stop: CancellationToken,
}

impl Service {
    async fn prepare(config: Config, part: &str, telemetry: &Telemetry) -> anyhow::Result<Self> {
        let stop = shutdown::on_signal()?;
        check_file_root(config.files.root.as_deref())?;
        let store = database::open(&config, part)?;
        database::wait_until_fit(&store, database::PATIENCE, &stop).await?;
        let destinations = Arc::new(Registry::new(reach(&config))?);
        Ok(Self {
            config,
            store,
            destinations,
            metrics: Arc::clone(&telemetry.render),
            sends: telemetry.sends(),
            stop,
        })
    }

    async fn run_api(&self) -> anyhow::Result<()> {
        let (listener, address) = listen(self.config.api.listen, "COLLECTOR_API_LISTEN")?;
        let settings = ApiConfig {
            drain: self.config.worker.drain,
            ..ApiConfig::default()
        };
        let state = ApiState::new(
            self.store.clone(),
            Arc::clone(&self.destinations),
            self.config.okta.allow_hosts.clone(),
            okta_access(&self.config)?,
            Arc::clone(&self.metrics),
        );
        tracing::info!("the API listens on http://{address}");
        let gauges = state.clone();
        let fresh = async {
            if self.sends {
                gauges.keep_gauges_fresh(FRESH).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = api::serve(settings, listener, state, self.stop.clone()) => served?,
            () = fresh => {}
        }
        tracing::info!("the API has stopped");
        Ok(())
    }

    async fn run_worker(&self) -> anyhow::Result<()> {
        let health = Health::default();
        let worker = Worker {
            store: self.store.clone(),
            okta: okta_client(&self.config)?,
            destinations: Arc::clone(&self.destinations),
            config: worker_config(&self.config),
            health: health.clone(),
        };
        // While the worker drains its probes still answer: that it is not ready.
        let gone = CancellationToken::new();
        let probing = self.probe(health, gone.clone())?;
        let working = async {
            let result = worker.run(self.stop.clone()).await;
            gone.cancel();
            result.map_err(anyhow::Error::from)
        };
        let (work, probes) = tokio::join!(working, ending(&self.stop, probing));
        work.and(probes)?;
        tracing::info!("the worker has stopped");
        Ok(())
    }

    /// Takes the address of the worker's probes, and answers them until the worker is gone.
    fn probe(
        &self,
        health: Health,
        gone: CancellationToken,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
        let listener = match self.config.worker.listen {
            Some(address) => Some(listen(address, "COLLECTOR_WORKER_LISTEN")?),
            None => None,
        };
        let shown = listener
            .as_ref()
            .map(|(_, address)| format!(", its probes are on http://{address}"));
        tracing::info!("the worker runs{}", shown.unwrap_or_default());
        let stop = self.stop.clone();
        let probes = Probes {
            ready: Arc::new(move || {
                if stop.is_cancelled() {
                    return Err("the worker is stopping".to_owned());
                }
                health.check(SILENCE)
            }),
            metrics: Arc::clone(&self.metrics),
        };
        Ok(async move {
            let Some((listener, _)) = listener else {
                gone.cancelled().await;
                return Ok(());
            };
            Ok(api::serve_probes(listener, probes, gone).await?)
        })
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

/// Listens, and tells where: port 0 takes a free one.
fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address} ({setting})"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
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

/// What destinations may reach.
pub(crate) fn reach(config: &Config) -> Reach {
    Reach {
        file_root: config.files.root.clone(),
        allow_hosts: config.okta.allow_hosts.clone(),
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

/// The same for those who test credentials.
pub(crate) fn okta_access(config: &Config) -> anyhow::Result<OktaAccess> {
    Ok(OktaAccess {
        client: okta_client(config)?,
        share: config.worker.rate_share,
        probe: config.worker.probe_interval,
        patience: TEST,
    })
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
