//! `PATCH /v1/routes/{route_id}`

use actix_web::{HttpResponse, patch, web};
use model::ids::RouteId;
use store::RouteChange;
use utoipa::ToSchema;

use super::{EventFormat, RouteView, read_format};
use crate::answer::versioned;
use crate::auth::Operator;
use crate::body::Body;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// What to change about a route; what is left out stays
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what update_route reads")]
pub(crate) struct RoutePatch {
    /// In which form events are delivered from now on
    #[schema(nullable = false)]
    format: Option<EventFormat>,
    /// False pauses it, true resumes it
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Change a route
///
/// A delivery under way keeps its form, also when it is repeated.
#[utoipa::path(
    tag = "routes",
    params(("route_id" = Uuid, Path, description = "Id of the route"), IfMatchParams),
    request_body = RoutePatch,
    responses(
        (status = 200, description = "The route as it is now", body = RouteView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[patch("/v1/routes/{route_id}")]
#[tracing::instrument(name = "api.routes.update", skip_all)]
pub(crate) async fn update_route(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let id = RouteId(id);
    let mut fields = body.fields::<RoutePatch>()?;
    let format = fields.parsed("format", "unknown_format", read_format);
    let enabled = fields.flag("enabled");
    let change = fields.finish(|| {
        Some(RouteChange {
            format: format.map(|format| format.as_str().to_owned()),
            enabled,
        })
    })?;
    let current = async { Ok(state.store.route(caller.tenant, id).await?.version) };
    let version = if_match.demand(current).await?;
    let route = state
        .store
        .update_route(caller.tenant, id, change, version)
        .await?;
    state.hint.ring();
    Ok(versioned(route.version, RouteView::from(route)))
}
