//! `GET /v1/sources/{source_id}/backfills`

use actix_web::{HttpResponse, get, web};
use model::ids::SourceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::BackfillView;
use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// A page of backfills
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackfillList {
    /// The backfills, oldest first
    items: Vec<BackfillView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List the backfills of a source
#[utoipa::path(
    tag = "backfills",
    params(("source_id" = Uuid, Path, description = "Id of the source"), PageParams),
    responses((status = 200, description = "A page of backfills", body = BackfillList), Problem)
)]
#[get("/v1/sources/{source_id}/backfills")]
#[tracing::instrument(name = "api.backfills.list", skip_all)]
pub(crate) async fn list_backfills(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, format!("backfills of {id}"))?;
    let source = SourceId(id);
    state.store.source(caller.tenant, source).await?;
    let rows = state
        .store
        .list_backfills(caller.tenant, source, page.after()?, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let items = rows.into_iter().map(BackfillView::from).collect();
    Ok(plain(BackfillList { items, next_cursor }))
}
