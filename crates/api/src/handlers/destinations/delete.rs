//! `DELETE /v1/destinations/{destination_id}`

use actix_web::{HttpResponse, delete, web};
use model::ids::DestinationId;

use crate::answer::deleted;
use crate::auth::Operator;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Delete a destination
///
/// What it holds stays there. Refused while a route leads to it.
#[utoipa::path(
    tag = "destinations",
    params(("destination_id" = Uuid, Path, description = "Id of the destination"), IfMatchParams),
    responses((status = 204, description = "It is gone"), Problem)
)]
#[delete("/v1/destinations/{destination_id}")]
#[tracing::instrument(name = "api.destinations.delete", skip_all)]
pub(crate) async fn delete_destination(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let id = DestinationId(id);
    let current = async { Ok(state.store.destination(caller.tenant, id).await?.version) };
    if_match.demand(current).await?;
    state.store.delete_destination(caller.tenant, id).await?;
    Ok(deleted())
}
