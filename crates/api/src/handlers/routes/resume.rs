//! `POST /v1/routes/{route_id}/resume`

use actix_web::{HttpResponse, post, web};
use model::ids::RouteId;
use store::RouteChange;

use super::RouteView;
use crate::answer::versioned;
use crate::auth::Operator;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Resume a route
///
/// It goes on at once, at the event where it was.
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
#[post("/v1/routes/{route_id}/resume")]
#[tracing::instrument(name = "api.routes.resume", skip_all)]
pub(crate) async fn resume_route(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let change = RouteChange {
        enabled: Some(true),
        ..RouteChange::default()
    };
    let route = state
        .store
        .update_route(caller.tenant, RouteId(id), change, None)
        .await?;
    state.hint.ring();
    Ok(versioned(route.version, RouteView::from(route)))
}
