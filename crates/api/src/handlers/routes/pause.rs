//! `POST /v1/routes/{route_id}/pause`

use actix_web::{HttpResponse, post, web};
use model::ids::RouteId;
use store::RouteChange;

use super::RouteView;
use crate::answer::versioned;
use crate::auth::Operator;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Pause a route
///
/// No delivery begins any more; one under way ends. Events wait, within the longest retention.
#[utoipa::path(
    tag = "routes",
    params(("route_id" = Uuid, Path, description = "Id of the route")),
    responses(
        (status = 200, description = "The route as it is now", body = RouteView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[post("/v1/routes/{route_id}/pause")]
#[tracing::instrument(name = "api.routes.pause", skip_all)]
pub(crate) async fn pause_route(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let change = RouteChange {
        enabled: Some(false),
        ..RouteChange::default()
    };
    let route = state
        .store
        .update_route(caller.tenant, RouteId(id), change, None)
        .await?;
    Ok(versioned(route.version, RouteView::from(route)))
}
