//! `POST /v1/sources/{source_id}/poll`

use actix_web::{HttpResponse, post, web};
use model::ids::SourceId;
use model::job::JobKind;

use crate::answer::accepted;
use crate::auth::Operator;
use crate::handlers::jobs::JobView;
use crate::path_id::PathId;
use crate::problem::{Kind, Problem};
use crate::state::ApiState;
use crate::trace::Cause;

/// Poll a source now
///
/// Cuts a waiting time short. If a poll is under way, another follows it.
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source")),
    responses((status = 202, description = "The job that polls, due now", body = JobView), Problem)
)]
#[post("/v1/sources/{source_id}/poll")]
#[tracing::instrument(name = "api.sources.poll", skip_all)]
pub(crate) async fn poll_source(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    cause: Option<Cause>,
) -> Result<HttpResponse, Problem> {
    let source = state.store.source(caller.tenant, SourceId(id)).await?;
    if !source.enabled {
        let detail = "the source is paused; resume it and it is polled at once";
        return Err(Problem::new(Kind::SourcePaused, detail));
    }
    if let Some(Cause(trace)) = cause {
        state
            .store
            .note_trace(caller.tenant, JobKind::Poll, id, &trace)
            .await?;
    }
    state
        .store
        .run_now(caller.tenant, JobKind::Poll, id)
        .await?;
    state.hint.ring();
    let job = state.store.job_of(caller.tenant, JobKind::Poll, id).await?;
    Ok(accepted(JobView::from(job)))
}
