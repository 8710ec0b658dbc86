//! `GET /v1/api-keys`

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use store::ApiKey;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::plain;
use crate::auth::Admin;
use crate::pagination::{Page, PageParams};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// What is known about an API key
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView {
    /// The id
    id: Uuid,
    /// The part of the key that may be seen: what follows `okc_`
    public_id: String,
    /// What it is for
    name: String,
    /// What it may do: `viewer`, `operator` or `admin`
    #[schema(examples("operator"))]
    role: String,
    /// When it was made
    created_at: DateTime<Utc>,
    /// When it stops working; null: never
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// When it was revoked; null if it was not
    #[schema(required)]
    revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(row: ApiKey) -> Self {
        Self {
            id: row.id,
            public_id: row.public_id,
            name: row.name,
            role: row.role,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// A page of API keys
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyList {
    /// The keys, oldest first
    items: Vec<ApiKeyView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List API keys
///
/// Also revoked and expired ones. The keys themselves are not stored.
#[utoipa::path(
    tag = "api-keys",
    params(PageParams),
    responses((status = 200, description = "A page of API keys", body = ApiKeyList), Problem)
)]
#[get("/v1/api-keys")]
#[tracing::instrument(name = "api.api_keys.list", skip_all)]
pub(crate) async fn list_api_keys(
    state: web::Data<ApiState>,
    Admin(caller): Admin,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, "api-keys")?;
    let after: Uuid = page.after()?.unwrap_or_default();
    // A tenant has a handful of keys: the page is cut here.
    let mut rows = state.store.list_api_keys(caller.tenant).await?;
    rows.retain(|row| row.id > after);
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let items = rows.into_iter().map(ApiKeyView::from).collect();
    Ok(plain(ApiKeyList { items, next_cursor }))
}
