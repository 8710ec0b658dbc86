//! `GET /v1/destinations`

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::DestinationView;
use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// A page of destinations
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestinationList {
    /// The destinations, oldest first
    items: Vec<DestinationView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List destinations
#[utoipa::path(
    tag = "destinations",
    params(PageParams),
    responses((status = 200, description = "A page of destinations", body = DestinationList), Problem)
)]
#[get("/v1/destinations")]
#[tracing::instrument(name = "api.destinations.list", skip_all)]
pub(crate) async fn list_destinations(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, "destinations")?;
    let rows = state
        .store
        .list_destinations(caller.tenant, page.after()?, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let view = |row| DestinationView::of(row, state.destinations.as_ref());
    let items = rows.into_iter().map(view).collect();
    Ok(plain(DestinationList { items, next_cursor }))
}
