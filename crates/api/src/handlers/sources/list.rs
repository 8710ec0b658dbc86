//! `GET /v1/sources`

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::SourceView;
use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// A page of sources
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceList {
    /// The sources, oldest first
    items: Vec<SourceView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List sources
#[utoipa::path(
    tag = "sources",
    params(PageParams),
    responses((status = 200, description = "A page of sources", body = SourceList), Problem)
)]
#[get("/v1/sources")]
#[tracing::instrument(name = "api.sources.list", skip_all)]
pub(crate) async fn list_sources(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, "sources")?;
    let rows = state
        .store
        .list_sources(caller.tenant, page.after()?, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let items = rows.into_iter().map(SourceView::from).collect();
    Ok(plain(SourceList { items, next_cursor }))
}
