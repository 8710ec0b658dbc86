//! `GET /v1/jobs`

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::JobView;
use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// A page of jobs
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobList {
    /// The jobs, by number
    items: Vec<JobView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List jobs
#[utoipa::path(
    tag = "jobs",
    params(PageParams),
    responses((status = 200, description = "A page of jobs", body = JobList), Problem)
)]
#[get("/v1/jobs")]
#[tracing::instrument(name = "api.jobs.list", skip_all)]
pub(crate) async fn list_jobs(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, "jobs")?;
    let after = page.after()?.unwrap_or(0);
    let rows = state
        .store
        .list_jobs(caller.tenant, after, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let items = rows.into_iter().map(JobView::from).collect();
    Ok(plain(JobList { items, next_cursor }))
}
