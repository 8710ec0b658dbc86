//! `DELETE /v1/routes/{route_id}`

use actix_web::{HttpResponse, delete, web};
use model::ids::RouteId;

use crate::answer::deleted;
use crate::auth::Operator;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::query::{DiscardParams, Query};
use crate::state::ApiState;

/// Delete a route
///
/// With its dead letters. Refused while events wait for delivery, with their number, unless they are to
/// be thrown away.
#[utoipa::path(
    tag = "routes",
    params(("route_id" = Uuid, Path, description = "Id of the route"), DiscardParams, IfMatchParams),
    responses((status = 204, description = "It is gone"), Problem)
)]
#[delete("/v1/routes/{route_id}")]
#[tracing::instrument(name = "api.routes.delete", skip_all)]
pub(crate) async fn delete_route(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    query: Query,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let id = RouteId(id);
    let discard = query.flag("discard")?;
    let current = async { Ok(state.store.route(caller.tenant, id).await?.version) };
    if_match.demand(current).await?;
    state.store.delete_route(caller.tenant, id, discard).await?;
    Ok(deleted())
}
