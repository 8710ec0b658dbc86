//! `GET /v1/routes`

use actix_web::{HttpResponse, get, web};
use model::ids::SourceId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{RouteFilter, RouteView};
use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// A page of routes
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteList {
    /// The routes, oldest first
    items: Vec<RouteView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List routes
#[utoipa::path(
    tag = "routes",
    params(RouteFilter, PageParams),
    responses((status = 200, description = "A page of routes", body = RouteList), Problem)
)]
#[get("/v1/routes")]
#[tracing::instrument(name = "api.routes.list", skip_all)]
pub(crate) async fn list_routes(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let source: Option<Uuid> = query.get("source_id", "an id")?;
    let list = source.map_or_else(
        || "routes".to_owned(),
        |source| format!("routes of {source}"),
    );
    let page = Page::of(&query, list)?;
    let rows = state
        .store
        .list_routes(
            caller.tenant,
            source.map(SourceId),
            page.after()?,
            page.fetch(),
        )
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let items = rows.into_iter().map(RouteView::from).collect();
    Ok(plain(RouteList { items, next_cursor }))
}
