//! `GET /v1/credentials`

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::CredentialView;
use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// A page of credentials
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialList {
    /// The credentials, oldest first
    items: Vec<CredentialView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List credentials
#[utoipa::path(
    tag = "credentials",
    params(PageParams),
    responses((status = 200, description = "A page of credentials", body = CredentialList), Problem)
)]
#[get("/v1/credentials")]
#[tracing::instrument(name = "api.credentials.list", skip_all)]
pub(crate) async fn list_credentials(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, "credentials")?;
    let rows = state
        .store
        .list_credentials(caller.tenant, page.after()?, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let items = CredentialView::of_all(&state.store, caller.tenant, rows).await?;
    Ok(plain(CredentialList { items, next_cursor }))
}
