//! Dead letters: events a destination refused for good, kept and visible.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use model::ids::{RouteId, TenantId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::pool::Store;
use crate::schema::dead_letters;

/// A refused event.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = dead_letters)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct DeadLetter {
    pub id: Uuid,
    pub route_id: Uuid,
    pub number: i64,
    pub index: i32,
    pub cause: String,
    pub detail: String,
    pub event: Vec<u8>,
    pub hour: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// Dead letters of a route after an id, oldest first.
    pub async fn list_dead_letters(
        &self,
        tenant: TenantId,
        route: RouteId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut conn = self.conn().await?;
        let mine = dead_letters::tenant_id
            .eq(tenant.0)
            .and(dead_letters::route_id.eq(route.0));
        Ok(dead_letters::table
            .filter(mine.and(dead_letters::id.gt(after.unwrap_or_default())))
            .order(dead_letters::id)
            .limit(limit)
            .select(DeadLetter::as_select())
            .load(&mut conn)
            .await?)
    }
}
