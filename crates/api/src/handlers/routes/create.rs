//! `POST /v1/routes`

use actix_web::{HttpResponse, post, web};
use forward::Format;
use model::ids::{DestinationId, SourceId};
use store::{NewRoute, Resource, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{EventFormat, RouteView, read_format};
use crate::answer::created;
use crate::auth::Operator;
use crate::body::Body;
use crate::problem::Problem;
use crate::state::ApiState;

/// Where a route begins
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents what is read as a word")]
pub(crate) enum StartFrom {
    /// With the oldest event that is stored
    Oldest,
    /// With the next one that will be stored
    Now,
}

/// A route to be made
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what create_route reads")]
pub(crate) struct RouteCreate {
    /// Where it begins
    source_id: Uuid,
    /// Where it leads
    destination_id: Uuid,
    /// In which form events are delivered
    #[schema(nullable = false, default = "raw")]
    format: Option<EventFormat>,
    /// With which event it begins
    #[schema(nullable = false, default = "oldest")]
    start_from: Option<StartFrom>,
}

/// Create a route
#[utoipa::path(
    tag = "routes",
    request_body = RouteCreate,
    responses(
        (status = 201, description = "The route", body = RouteView, headers(
            ("Location" = String, description = "Path of the route"),
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[post("/v1/routes")]
#[tracing::instrument(name = "api.routes.create", skip_all)]
pub(crate) async fn create_route(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let mut fields = body.fields::<RouteCreate>()?;
    let source = fields.id("source_id");
    let destination = fields.id("destination_id");
    let format = fields.parsed("format", "unknown_format", read_format);
    let from_oldest = fields.parsed("start_from", "unknown_start", |word| match word {
        "oldest" => Ok(true),
        "now" => Ok(false),
        _ => Err("start_from must be \"oldest\" or \"now\""),
    });
    let new = fields.finish(|| {
        Some(NewRoute {
            source: SourceId(source?),
            destination: DestinationId(destination?),
            format: format.unwrap_or(Format::Raw).as_str().to_owned(),
            from_oldest: from_oldest.unwrap_or(true),
        })
    })?;
    let route = state.store.create_route(caller.tenant, new).await;
    let route = route.map_err(|error| match error {
        StoreError::NotFound(Resource::Source) => {
            Problem::field("/source_id", "unknown_source", "there is no such source")
        }
        StoreError::NotFound(Resource::Destination) => Problem::field(
            "/destination_id",
            "unknown_destination",
            "there is no such destination",
        ),
        error => error.into(),
    })?;
    state.hint.ring();
    let location = format!("/v1/routes/{}", route.id);
    Ok(created(&location, route.version, RouteView::from(route)))
}
