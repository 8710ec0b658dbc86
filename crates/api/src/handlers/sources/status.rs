//! `GET /v1/sources/{source_id}/status`

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use model::ids::{DestinationId, SourceId};
use model::status::{Rung, Trouble, worst};
use serde::Serialize;
use store::{PollingStatus, RouteStatus, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::plain;
use crate::auth::{Caller, Viewer};
use crate::handlers::destinations::proof_of;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// The status of a source: polling and delivery
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceStatus {
    /// The source
    source_id: Uuid,
    /// The check mark: both halves are `running`
    running: bool,
    /// From Okta to here
    polling: PollingHalf,
    /// From here to the destinations
    delivery: DeliveryHalf,
}

/// From Okta to here
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PollingHalf {
    /// `pending`, `connecting`, `running`, `waiting`, `action_needed` or `paused`; the set may grow
    #[schema(examples("running"))]
    state: String,
    /// Why, for a person; null if it is running
    #[schema(required)]
    reason: Option<String>,
    /// What to do, for a person; null if it is running
    #[schema(required)]
    next_step: Option<String>,
    /// Why, as a stable word; null if nothing is wrong
    #[schema(required, examples("token_refused"))]
    code: Option<String>,
    /// What Okta said; null if nothing is wrong
    #[schema(required)]
    detail: Option<String>,
    /// When the last poll began
    #[schema(required)]
    last_poll_at: Option<DateTime<Utc>>,
    /// When the last poll succeeded
    #[schema(required)]
    last_success_at: Option<DateTime<Utc>>,
    /// When the last event was stored
    #[schema(required)]
    last_event_at: Option<DateTime<Utc>>,
    /// Age of the newest event in seconds; a quiet log has old events and is healthy
    #[schema(required)]
    lag_seconds: Option<i64>,
    /// When the next poll is due; null while one is under way or none is planned
    #[schema(required)]
    next_poll_at: Option<DateTime<Utc>>,
    /// Whether a poll is under way
    polling_now: bool,
    /// Events stored since the source was created
    stored_events: i64,
    /// What the token may still ask of Okta; null if it is not known at the moment
    #[schema(required)]
    budget: Option<Budget>,
    /// State of its credential
    #[schema(examples("valid"))]
    credential_state: String,
    /// How often Okta refused the cursor, and reading went back a little
    fallbacks: i64,
    /// Pages that could not be read and were put aside
    quarantined_pages: i64,
    /// Okta keeps events for 90 days: what came before this time was out of reach when it was asked for,
    /// because of an early `start` or a long pause; null if nothing was
    #[schema(required)]
    unreachable_before: Option<DateTime<Utc>>,
}

/// What a token may still ask of Okta
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Budget {
    /// Requests left in this window
    left: i32,
    /// Requests a window has; null if it is not known
    #[schema(required)]
    limit: Option<i32>,
    /// When the next window begins
    resets_at: DateTime<Utc>,
}

/// From here to the destinations
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryHalf {
    /// The worst of the routes
    #[schema(examples("running"))]
    state: String,
    /// Why, for a person; null if it is running
    #[schema(required)]
    reason: Option<String>,
    /// What to do, for a person; null if it is running
    #[schema(required)]
    next_step: Option<String>,
    /// Why, as a stable word; null if nothing is wrong
    #[schema(required, examples("no_destination"))]
    code: Option<String>,
    /// Each route of the source
    routes: Vec<RouteHealth>,
}

/// One route of a source
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteHealth {
    /// The route
    route_id: Uuid,
    /// Where it leads
    destination_id: Uuid,
    /// Name of the destination
    destination_name: String,
    /// As for the whole
    #[schema(examples("running"))]
    state: String,
    /// Why, for a person; null if it is running
    #[schema(required)]
    reason: Option<String>,
    /// What to do, for a person; null if it is running
    #[schema(required)]
    next_step: Option<String>,
    /// Why, as a stable word; null if nothing is wrong
    #[schema(required, examples("destination_unavailable"))]
    code: Option<String>,
    /// What the destination said; null if nothing is wrong
    #[schema(required)]
    detail: Option<String>,
    /// Events that are stored and wait
    pending_events: i64,
    /// Events delivered since the route was created
    delivered_events: i64,
    /// Events that the destination refused for good; they are kept
    dead_letters: i64,
    /// Events that were given up after the longest retention
    given_up_events: i64,
    /// When the last delivery succeeded
    #[schema(required)]
    last_success_at: Option<DateTime<Utc>>,
    /// When the next attempt is due; null while one is under way or none is planned
    #[schema(required)]
    next_attempt_at: Option<DateTime<Utc>>,
    /// What "delivered" proves: `stored`, `accepted` or `sent`; null if it is not known here
    #[schema(required, examples("stored"))]
    proof: Option<String>,
}

/// What a person is told about a rung: the reason and the next step.
struct Told {
    reason: Option<String>,
    next_step: Option<String>,
    code: Option<String>,
}

impl Told {
    fn of(rung: Rung, trouble: Option<Trouble>, half: &str) -> Self {
        let (reason, next_step) = match (rung, trouble) {
            (Rung::Running, _) => {
                return Self {
                    reason: None,
                    next_step: None,
                    code: None,
                };
            }
            (Rung::Paused, _) => (
                format!("{half} is paused"),
                format!("resume {half} when it should go on"),
            ),
            (_, Some(trouble)) => (trouble.reason().to_owned(), trouble.next_step().to_owned()),
            (Rung::Pending, None) => (
                "no worker has begun yet".to_owned(),
                "nothing to do; if it lasts, see that a worker is running".to_owned(),
            ),
            (_, None) => (
                "the first attempt is on its way".to_owned(),
                "nothing to do".to_owned(),
            ),
        };
        Self {
            reason: Some(reason),
            next_step: Some(next_step),
            code: trouble
                .filter(|_| rung != Rung::Paused)
                .map(|trouble| trouble.code().to_owned()),
        }
    }
}

impl PollingHalf {
    fn of(row: &PollingStatus) -> Self {
        let rung = row.rung();
        let (trouble, detail) = row.trouble().unzip();
        let told = Told::of(rung, trouble, "the source");
        let lag = row
            .newest_published
            .map(|newest| (row.now - newest).num_seconds().max(0));
        let budget = row.budget_left.zip(row.budget_resets_at);
        Self {
            state: rung.to_string(),
            reason: told.reason,
            next_step: told.next_step,
            detail: detail
                .flatten()
                .filter(|_| told.code.is_some())
                .map(str::to_owned),
            code: told.code,
            last_poll_at: row.last_poll_at,
            last_success_at: row.last_success_at,
            last_event_at: row.last_event_at,
            lag_seconds: lag,
            next_poll_at: row.next_poll_at,
            polling_now: row.polling_now,
            stored_events: row.stored,
            budget: budget.map(|(left, resets_at)| Budget {
                left,
                limit: row.budget_limit,
                resets_at,
            }),
            credential_state: row.credential_state.clone(),
            fallbacks: row.fallbacks,
            quarantined_pages: row.quarantined,
            unreachable_before: row.unreachable_before,
        }
    }
}

impl RouteHealth {
    fn of(row: &RouteStatus, proof: Option<String>) -> Self {
        let rung = row.rung();
        let told = Told::of(rung, row.trouble(), "the route");
        Self {
            route_id: row.route_id,
            destination_id: row.destination_id,
            destination_name: row.destination_name.clone(),
            state: rung.to_string(),
            reason: told.reason,
            next_step: told.next_step,
            detail: row.trouble_detail.clone().filter(|_| told.code.is_some()),
            code: told.code,
            pending_events: row.pending,
            delivered_events: row.delivered,
            dead_letters: row.dead,
            given_up_events: row.given_up,
            last_success_at: row.last_success_at,
            next_attempt_at: row.next_attempt_at,
            proof,
        }
    }
}

impl DeliveryHalf {
    fn of(rows: &[RouteStatus], routes: Vec<RouteHealth>) -> Self {
        // The first of the worst speaks for all.
        let rung = worst(rows.iter().map(RouteStatus::rung));
        let speaker = rows.iter().find(|row| Some(row.rung()) == rung);
        let (rung, trouble) = match (rung, speaker) {
            (Some(rung), Some(row)) => (rung, row.trouble()),
            _ => (Rung::ActionNeeded, Some(Trouble::NoDestination)),
        };
        let told = Told::of(rung, trouble, "the route");
        Self {
            state: rung.to_string(),
            reason: told.reason,
            next_step: told.next_step,
            code: told.code,
            routes,
        }
    }
}

/// Get the status of a source
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source")),
    responses((status = 200, description = "The status", body = SourceStatus), Problem)
)]
#[get("/v1/sources/{source_id}/status")]
#[tracing::instrument(name = "api.sources.status", skip_all)]
pub(crate) async fn get_source_status(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let rows = state
        .store
        .source_status(caller.tenant, SourceId(id))
        .await?;
    let mut routes = Vec::with_capacity(rows.routes.len());
    for row in &rows.routes {
        routes.push(RouteHealth::of(row, proof(&state, caller, row).await?));
    }
    let polling = PollingHalf::of(&rows.polling);
    let delivery = DeliveryHalf::of(&rows.routes, routes);
    Ok(plain(SourceStatus {
        source_id: id,
        running: [&polling.state, &delivery.state]
            .iter()
            .all(|state| *state == Rung::Running.as_str()),
        polling,
        delivery,
    }))
}

async fn proof(
    state: &ApiState,
    caller: Caller,
    row: &RouteStatus,
) -> Result<Option<String>, Problem> {
    let destination = DestinationId(row.destination_id);
    match state.store.destination(caller.tenant, destination).await {
        Ok(destination) => Ok(proof_of(&destination.kind, state.destinations.as_ref())),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
