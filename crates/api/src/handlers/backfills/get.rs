//! `GET /v1/backfills/{backfill_id}`

use actix_web::{HttpResponse, get, web};
use model::ids::BackfillId;

use super::BackfillView;
use crate::answer::plain;
use crate::auth::Viewer;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Look at a backfill
#[utoipa::path(
    tag = "backfills",
    params(("backfill_id" = Uuid, Path, description = "Id of the backfill")),
    responses((status = 200, description = "The backfill", body = BackfillView), Problem)
)]
#[get("/v1/backfills/{backfill_id}")]
#[tracing::instrument(name = "api.backfills.get", skip_all)]
pub(crate) async fn get_backfill(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let backfill = state.store.backfill(caller.tenant, BackfillId(id)).await?;
    Ok(plain(BackfillView::from(backfill)))
}
