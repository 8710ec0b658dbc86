//! Probes, metrics, the document: everything outside `/v1`, without a key.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::answer::plain;
use crate::problem::Problem;
use crate::server::Probes;
use crate::state::ApiState;

/// Set when the server is about to stop.
#[derive(Debug)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

/// The OpenAPI document as text, made once.
#[derive(Debug)]
pub(crate) struct Document(pub(crate) String);

/// What the probes of a process without an API work with.
#[derive(Debug)]
pub(crate) struct ProbeState {
    pub(crate) probes: Probes,
    pub(crate) stop: CancellationToken,
}

/// The answer of a probe
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `alive` or `ready`
    status: String,
    /// Version of the program
    version: String,
}

fn health(status: &str) -> HttpResponse {
    plain(Health {
        status: status.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn readiness(stopping: bool, answer: Result<(), String>) -> Result<HttpResponse, Problem> {
    if stopping {
        return Err(Problem::not_ready("the service is stopping"));
    }
    answer.map_err(|why| Problem::not_ready(&why))?;
    Ok(health("ready"))
}

fn metrics_text(text: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(text)
}

/// Tell whether the process is alive
///
/// Asks nothing of the database: restarting this process would not help it.
#[utoipa::path(
    tag = "service",
    responses((status = 200, description = "The process is alive", body = Health), Problem),
    security(())
)]
#[get("/livez")]
pub(crate) async fn get_liveness() -> HttpResponse {
    get_liveness_answer().await
}

/// The same for a process without an API.
pub(crate) async fn get_liveness_answer() -> HttpResponse {
    health("alive")
}

/// Tell whether requests should be sent here
///
/// Ready means: not stopping, the database is reachable and migrated, and every stored secret can be
/// opened. Looked up at most once a second.
#[utoipa::path(
    tag = "service",
    responses((status = 200, description = "Requests are welcome", body = Health), Problem),
    security(())
)]
#[get("/readyz")]
pub(crate) async fn get_readiness(
    state: web::Data<ApiState>,
    stopping: web::Data<Stopping>,
) -> Result<HttpResponse, Problem> {
    let stopping = stopping.0.is_cancelled();
    let answer = if stopping {
        Ok(())
    } else {
        state.readiness.check().await
    };
    readiness(stopping, answer)
}

/// The same for a process without an API.
pub(crate) async fn get_probe_readiness(
    state: web::Data<ProbeState>,
) -> Result<HttpResponse, Problem> {
    readiness(state.stop.is_cancelled(), (state.probes.ready)())
}

/// Get all metrics
///
/// Of this process, and of the whole installation as the database has it.
#[utoipa::path(
    tag = "service",
    responses((status = 200, description = "The metrics in the Prometheus text format", body = String, content_type = "text/plain"), Problem),
    security(())
)]
#[get("/metrics")]
pub(crate) async fn get_metrics(state: web::Data<ApiState>) -> HttpResponse {
    state.installation.refresh().await;
    metrics_text((state.metrics)())
}

/// The same for a process without an API.
pub(crate) async fn get_probe_metrics(state: web::Data<ProbeState>) -> HttpResponse {
    metrics_text((state.probes.metrics)())
}

/// Get this document
#[utoipa::path(
    tag = "service",
    responses((status = 200, description = "The OpenAPI document of this API", body = serde_json::Value), Problem),
    security(())
)]
#[get("/openapi.json")]
pub(crate) async fn get_openapi(document: web::Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(document.0.clone())
}
