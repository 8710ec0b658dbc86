//! `POST /v1/sources/{source_id}/resume`

use actix_web::{HttpResponse, post, web};
use model::ids::SourceId;
use model::job::JobKind;

use super::SourceView;
use crate::answer::versioned;
use crate::auth::Operator;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;
use crate::trace::Cause;

/// Resume a source
///
/// It is polled at once, where it was.
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
#[post("/v1/sources/{source_id}/resume")]
#[tracing::instrument(name = "api.sources.resume", skip_all)]
pub(crate) async fn resume_source(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    cause: Option<Cause>,
) -> Result<HttpResponse, Problem> {
    if let Some(Cause(trace)) = cause {
        state
            .store
            .note_trace(caller.tenant, JobKind::Poll, id, &trace)
            .await?;
    }
    let source = state
        .store
        .set_source_enabled(caller.tenant, SourceId(id), true)
        .await?;
    state.hint.ring();
    Ok(versioned(source.version, SourceView::from(source)))
}
