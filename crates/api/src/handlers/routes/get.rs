//! `GET /v1/routes/{route_id}`

use actix_web::{HttpResponse, get, web};
use model::ids::RouteId;

use super::RouteView;
use crate::answer::versioned;
use crate::auth::Viewer;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Get a route
#[utoipa::path(
    tag = "routes",
    params(("route_id" = Uuid, Path, description = "Id of the route")),
    responses(
        (status = 200, description = "The route", body = RouteView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[get("/v1/routes/{route_id}")]
#[tracing::instrument(name = "api.routes.get", skip_all)]
pub(crate) async fn get_route(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let route = state.store.route(caller.tenant, RouteId(id)).await?;
    Ok(versioned(route.version, RouteView::from(route)))
}
