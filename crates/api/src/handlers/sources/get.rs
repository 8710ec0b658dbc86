//! `GET /v1/sources/{source_id}`

use actix_web::{HttpResponse, get, web};
use model::ids::SourceId;

use super::SourceView;
use crate::answer::versioned;
use crate::auth::Viewer;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Get a source
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source")),
    responses(
        (status = 200, description = "The source", body = SourceView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[get("/v1/sources/{source_id}")]
#[tracing::instrument(name = "api.sources.get", skip_all)]
pub(crate) async fn get_source(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let source = state.store.source(caller.tenant, SourceId(id)).await?;
    Ok(versioned(source.version, SourceView::from(source)))
}
