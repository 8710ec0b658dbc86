//! `POST /v1/backfills/{backfill_id}/cancel`

use actix_web::{HttpResponse, post, web};
use model::ids::BackfillId;

use super::BackfillView;
use crate::answer::plain;
use crate::auth::Operator;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Stop a backfill
///
/// It reads no further; what it has stored is still delivered. One that has ended stays as it is.
#[utoipa::path(
    tag = "backfills",
    params(("backfill_id" = Uuid, Path, description = "Id of the backfill")),
    responses((status = 200, description = "The backfill as it is now", body = BackfillView), Problem)
)]
#[post("/v1/backfills/{backfill_id}/cancel")]
#[tracing::instrument(name = "api.backfills.cancel", skip_all)]
pub(crate) async fn cancel_backfill(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let id = BackfillId(id);
    let backfill = state.store.cancel_backfill(caller.tenant, id).await?;
    Ok(plain(BackfillView::from(backfill)))
}
