//! Tenants: the owners of everything else.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use model::ids::TenantId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::pool::Store;
use crate::schema::tenants;

impl Store {
    /// The tenant of a name, made if there is none.
    pub async fn ensure_tenant(&self, name: &str) -> Result<TenantId, StoreError> {
        let mut conn = self.conn().await?;
        diesel::insert_into(tenants::table)
            .values(tenants::name.eq(name))
            .on_conflict(tenants::name)
            .do_nothing()
            .execute(&mut conn)
            .await?;
        let id: Uuid = tenants::table
            .filter(tenants::name.eq(name))
            .select(tenants::id)
            .first(&mut conn)
            .await?;
        Ok(TenantId(id))
    }

    /// The tenant of a name, if there is one.
    pub async fn tenant_named(&self, name: &str) -> Result<Option<TenantId>, StoreError> {
        let mut conn = self.conn().await?;
        let id: Option<Uuid> = tenants::table
            .filter(tenants::name.eq(name))
            .select(tenants::id)
            .first(&mut conn)
            .await
            .optional()?;
        Ok(id.map(TenantId))
    }
}
