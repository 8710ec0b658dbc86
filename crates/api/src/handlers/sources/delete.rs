//! `DELETE /v1/sources/{source_id}`

use actix_web::{HttpResponse, delete, web};
use model::ids::SourceId;

use crate::answer::deleted;
use crate::auth::Operator;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::query::{DiscardParams, Query};
use crate::state::ApiState;

/// Delete a source
///
/// With its routes and everything that is stored for it. Refused while events wait for delivery, with
/// their number, unless they are to be thrown away.
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source"), DiscardParams, IfMatchParams),
    responses((status = 204, description = "It is gone"), Problem)
)]
#[delete("/v1/sources/{source_id}")]
#[tracing::instrument(name = "api.sources.delete", skip_all)]
pub(crate) async fn delete_source(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    query: Query,
    if_match: IfMatch,
) -> Result<HttpResponse, Problem> {
    let id = SourceId(id);
    let discard = query.flag("discard")?;
    let current = async { Ok(state.store.source(caller.tenant, id).await?.version) };
    if_match.demand(current).await?;
    state
        .store
        .delete_source(caller.tenant, id, discard)
        .await?;
    Ok(deleted())
}
