//! `POST /v1/sources/{source_id}/pause`

use actix_web::{HttpResponse, post, web};
use model::ids::SourceId;

use super::SourceView;
use crate::answer::versioned;
use crate::auth::Operator;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Pause a source
///
/// No poll begins any more; one under way ends. Events that are stored go on being delivered.
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source")),
    responses(
        (status = 200, description = "The source as it is now", body = SourceView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[post("/v1/sources/{source_id}/pause")]
#[tracing::instrument(name = "api.sources.pause", skip_all)]
pub(crate) async fn pause_source(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let source = state
        .store
        .set_source_enabled(caller.tenant, SourceId(id), false)
        .await?;
    Ok(versioned(source.version, SourceView::from(source)))
}
