//! The collector of the demo: a private database, the API and a worker in this process.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use api::{ApiConfig, ApiState};
use forward::{Destinations, Registry};
use local_postgres::{Options, Server};
use model::ids::{SourceId, TenantId};
use secrecy::ExposeSecret;
use store::Store;
use store::sealing::KeyRing;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use worker::{Health, Worker};

use super::org::Org;
use super::place::Place;
use crate::cli::Role;
use crate::commands::{make_key, okta_access, okta_client, reach, worker_config};
use crate::config::Config;
use crate::{database, telemetry};

/// Everything of the demo between the org and the file.
pub(super) struct Machine {
    /// Taken when it is removed.
    server: Option<Server>,
    url: String,
    store: Store,
    tenant: TenantId,
    api: String,
    key: String,
    stop: CancellationToken,
    /// API and worker.
    halves: JoinSet<anyhow::Result<()>>,
}

impl Machine {
    /// Starts everything, on a `LocalSet`. The settings hold, except where a demo has its own: database, sealing key,
    /// file root, addresses, and that a simulated org may be on this machine.
    pub(super) async fn start(
        mut config: Config,
        org: &Org,
        place: &Place,
    ) -> anyhow::Result<Self> {
        let options = Options {
            durable: true,
            ..Options::default()
        };
        let server = Server::start(options)
            .await
            .context("the demo needs PostgreSQL")?;
        let url = server.url("postgres");
        config.database.url = Some(url.clone().into());
        config.sealing.keys = Some(KeyRing::generate()?);
        config.files.root = Some(place.folder().to_path_buf());
        let hosts = if org.sim().is_some() { "127.0.0.1" } else { "" };
        config.okta.allow_hosts = hosts.parse()?;

        let store = database::open(&config, "demo")?;
        store
            .migrate()
            .await
            .context("cannot migrate the demo's database")?;
        let (tenant, key) = make_key(&store, "demo", Role::Admin, "demo").await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.context("cannot listen on this machine")?;
        let api = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let halves = run(&config, &store, listener, &stop)?;
        Ok(Self {
            server: Some(server),
            url,
            store,
            tenant,
            api,
            key: key.expose_secret().to_owned(),
            stop,
            halves,
        })
    }

    /// Where the API is.
    pub(super) fn api(&self) -> &str {
        &self.api
    }

    /// A key to it, of an admin. It is worth nothing after the demo.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The URL of the private database.
    pub(super) fn database(&self) -> &str {
        &self.url
    }

    /// Finds out whether API or worker have ended before they were told to.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.halves.try_join_next() {
            None => Ok(()),
            Some(Err(panic)) => Err(panic.into()),
            Some(Ok(Err(error))) => Err(error),
            Some(Ok(Ok(()))) => Err(anyhow!("the API or the worker has ended by itself")),
        }
    }

    /// Stops API and worker in order and waits for their end.
    pub(super) async fn stop_service(&mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(half) = self.halves.join_next().await {
            half??;
        }
        Ok(())
    }

    /// Counts the events of a source in the table.
    pub(super) async fn count_events(&self, source: SourceId) -> anyhow::Result<u64> {
        let count = self.store.count_events(self.tenant, source).await?;
        Ok(u64::try_from(count)?)
    }

    /// Stops what still runs and removes the database; says what that was.
    pub(super) async fn remove(&mut self) -> anyhow::Result<String> {
        let stopped = self.stop_service().await;
        let Some(server) = self.server.take() else {
            return Ok("nothing".to_owned());
        };
        let what = match &server {
            Server::Local(cluster) => {
                format!("the private PostgreSQL in {}", cluster.folder().display())
            }
            Server::Docker(_) => "the PostgreSQL container".to_owned(),
        };
        server.stop().await?;
        stopped.map(|()| what)
    }
}

fn run(
    config: &Config,
    store: &Store,
    listener: TcpListener,
    stop: &CancellationToken,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let metrics = telemetry::start_metrics()?;
    let destinations: Arc<dyn Destinations> = Arc::new(Registry::new(reach(config))?);
    let (allow_hosts, shared) = (config.okta.allow_hosts.clone(), Arc::clone(&destinations));
    let state = ApiState::new(
        store.clone(),
        shared,
        allow_hosts,
        okta_access(config)?,
        metrics,
    );
    let worker = Worker {
        store: store.clone(),
        okta: okta_client(config)?,
        destinations,
        config: worker_config(config),
        health: Health::default(),
    };
    let mut halves = JoinSet::new();
    let (api_stop, worker_stop) = (stop.clone(), stop.clone());
    // The server's future stays on one thread; its requests are served on threads of their own.
    halves.spawn_local(async move {
        Ok(api::serve(ApiConfig::default(), listener, state, api_stop).await?)
    });
    halves.spawn(async move { Ok(worker.run(worker_stop).await?) });
    Ok(halves)
}
