//! `GET /v1/sources/{source_id}/ledger`

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use model::ids::SourceId;
use serde::Serialize;
use store::LedgerHour;
use utoipa::ToSchema;

use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// What became of the events of one hour
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LedgerHour)]
pub(crate) struct LedgerHourView {
    /// Beginning of the hour in which the events were published; undated ones count when received
    hour: DateTime<Utc>,
    /// Events stored
    stored: i64,
    /// Stored ones that came over 5 minutes behind a newer one
    late: i64,
    /// Events that Okta showed again and that were dropped
    duplicate: i64,
    /// The same, when reading again on purpose after a refused cursor
    reread: i64,
    /// Events that came again with other content
    changed: i64,
    /// Events may be missing in this hour: a page could not be read and was put aside
    gap: bool,
    /// Deliveries, all routes together
    delivered: i64,
    /// Events that destinations refused for good, all routes together
    dead: i64,
    /// Events that no destination took within the longest retention, all routes together
    given_up: i64,
}

impl From<LedgerHour> for LedgerHourView {
    fn from(row: LedgerHour) -> Self {
        Self {
            hour: row.hour,
            stored: row.stored,
            late: row.late,
            duplicate: row.duplicate,
            reread: row.reread,
            changed: row.changed,
            gap: row.gap,
            delivered: row.delivered,
            dead: row.dead,
            given_up: row.given_up,
        }
    }
}

/// A page of the ledger
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerHourList {
    /// The hours in which there was something, newest first
    items: Vec<LedgerHourView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List what became of events, hour by hour
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source"), PageParams),
    responses((status = 200, description = "A page of the ledger", body = LedgerHourList), Problem)
)]
#[get("/v1/sources/{source_id}/ledger")]
#[tracing::instrument(name = "api.sources.ledger", skip_all)]
pub(crate) async fn list_ledger_hours(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, format!("ledger of {id}"))?;
    let source = SourceId(id);
    state.store.source(caller.tenant, source).await?;
    let rows = state
        .store
        .ledger(caller.tenant, source, page.after()?, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.hour.to_rfc3339());
    let items = rows.into_iter().map(LedgerHourView::from).collect();
    Ok(plain(LedgerHourList { items, next_cursor }))
}
