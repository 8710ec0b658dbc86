//! The HTTP servers: the whole API, and the probes of a process that has no API.
//!
//! At a stop `/readyz` says no at once; after the notice no connection is taken any more, requests
//! under way are finished within the drain time, then the server ends. What is cut off then has been
//! rolled back or has happened: a handler makes its change in one transaction.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::AppExt;

use crate::auth::authenticate;
use crate::body::read_body;
use crate::config::ApiConfig;
use crate::endpoints;
use crate::handlers::docs::{self, get_docs_file, lead_to_docs};
use crate::handlers::service::{self, Document, ProbeState, Stopping};
use crate::observe::{Instruments, no_such_path, observe};
use crate::openapi::{openapi, openapi_json};
use crate::state::{ApiState, RenderMetrics};
use crate::surface::{Surface, check_surface};

/// Serves the API until `stop`, then drains.
///
/// # Errors
/// The listener cannot be used, or a thread cannot be started.
pub async fn serve(
    config: ApiConfig,
    listener: TcpListener,
    state: ApiState,
    stop: CancellationToken,
) -> io::Result<()> {
    start(&config, listener, state, stop)?.await
}

// Apart from `serve`, because what is built here must stay on one thread until it runs.
fn start(
    config: &ApiConfig,
    listener: TcpListener,
    state: ApiState,
    stop: CancellationToken,
) -> io::Result<Server> {
    let notice = config.notice;
    let state = web::Data::new(state);
    let surface = web::Data::new(Surface::of(&openapi()).with_pages(&docs::PATHS));
    let document = web::Data::new(Document(openapi_json()));
    let docs = web::Data::new(docs::config());
    let instruments = web::Data::new(Instruments::new());
    let stopping = web::Data::new(Stopping(stop.clone()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .app_data(surface.clone())
            .app_data(document.clone())
            .app_data(docs.clone())
            .app_data(instruments.clone())
            .app_data(stopping.clone())
            .into_utoipa_app()
            .configure(endpoints::all)
            .into_app()
            .route("/", web::get().to(lead_to_docs))
            .route("/docs", web::get().to(lead_to_docs))
            .route("/docs/", web::get().to(get_docs_file))
            .route("/docs/{file}", web::get().to(get_docs_file))
            .default_service(web::to(no_such_path))
            // The last one is the outermost.
            .wrap(from_fn(check_surface))
            .wrap(from_fn(authenticate))
            .wrap(from_fn(read_body))
            .wrap(from_fn(observe))
    });
    let server = server
        .workers(config.threads)
        .max_connections(config.connections.div_ceil(config.threads.max(1)))
        .disable_signals()
        .shutdown_timeout(whole_seconds(config.drain))
        .shutdown_signal(async move {
            stop.cancelled().await;
            tokio::time::sleep(notice).await;
        })
        .listen(listener)?;
    Ok(server.run())
}

/// What the probes of a process without an API ask.
#[derive(Clone)]
pub struct Probes {
    /// Whether the process does its work; the text says why not.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// What `/metrics` shows.
    pub metrics: RenderMetrics,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").finish_non_exhaustive()
    }
}

/// Serves `/livez`, `/readyz` and `/metrics` until `stop`.
///
/// # Errors
/// As for [`serve`].
pub async fn serve_probes(
    listener: TcpListener,
    probes: Probes,
    stop: CancellationToken,
) -> io::Result<()> {
    start_probes(listener, probes, stop)?.await
}

fn start_probes(
    listener: TcpListener,
    probes: Probes,
    stop: CancellationToken,
) -> io::Result<Server> {
    let instruments = web::Data::new(Instruments::new());
    let state = web::Data::new(ProbeState {
        probes,
        stop: stop.clone(),
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(instruments.clone())
            .app_data(state.clone())
            .route("/livez", web::get().to(service::get_liveness_answer))
            .route("/readyz", web::get().to(service::get_probe_readiness))
            .route("/metrics", web::get().to(service::get_probe_metrics))
            .default_service(web::to(no_such_path))
            .wrap(from_fn(observe))
    });
    let server = server
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .shutdown_signal(async move { stop.cancelled().await })
        .listen(listener)?;
    Ok(server.run())
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
