//! API keys: only a hash is kept, the public part finds the row.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use model::ids::TenantId;
use uuid::Uuid;

use crate::error::{Resource, StoreError};
use crate::pool::Store;
use crate::schema::api_keys;

/// A key to be stored.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = api_keys)]
pub struct NewApiKey {
    /// Owner.
    pub tenant_id: Uuid,
    /// The part of the key that may be seen.
    pub public_id: String,
    /// SHA-256 of the whole key.
    pub secret_sha256: Vec<u8>,
    /// What it is for.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A stored key.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = api_keys)]
#[expect(missing_docs, reason = "as in NewApiKey")]
pub struct ApiKey {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub public_id: String,
    pub secret_sha256: Vec<u8>,
    pub name: String,
    pub role: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

diesel::define_sql_function! { fn collector_now() -> Timestamptz }

impl Store {
    /// Stores a key.
    pub async fn create_api_key(&self, key: NewApiKey) -> Result<Uuid, StoreError> {
        let mut conn = self.conn().await?;
        Ok(diesel::insert_into(api_keys::table)
            .values(key)
            .returning(api_keys::id)
            .get_result(&mut conn)
            .await?)
    }

    /// Stores a key unless one of its public part is there, live or not; says whether it was new.
    pub async fn ensure_api_key(&self, key: NewApiKey) -> Result<bool, StoreError> {
        let mut conn = self.conn().await?;
        let stored = diesel::insert_into(api_keys::table)
            .values(key)
            .on_conflict(api_keys::public_id)
            .do_nothing()
            .execute(&mut conn)
            .await?;
        Ok(stored == 1)
    }

    /// The live key of a public part: not revoked, not expired. Notes its use, at most once a minute.
    pub async fn live_api_key(&self, public_id: &str) -> Result<Option<ApiKey>, StoreError> {
        let mut conn = self.conn().await?;
        let live = api_keys::public_id
            .eq(public_id)
            .and(api_keys::revoked_at.is_null())
            .and(
                api_keys::expires_at
                    .is_null()
                    .or(api_keys::expires_at.assume_not_null().gt(collector_now())),
            );
        let key = api_keys::table
            .filter(live)
            .select(ApiKey::as_select())
            .first(&mut conn)
            .await
            .optional()?;
        if let Some(key) = &key {
            diesel::sql_query(
                "UPDATE api_keys SET last_used_at = collector_now() WHERE tenant_id = $1 AND id = $2 \
                 AND (last_used_at IS NULL OR last_used_at < collector_now() - interval '1 minute')",
            )
            .bind::<diesel::sql_types::Uuid, _>(key.tenant_id)
            .bind::<diesel::sql_types::Uuid, _>(key.id)
            .execute(&mut conn)
            .await?;
        }
        Ok(key)
    }

    /// The keys of a tenant, oldest first.
    pub async fn list_api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(api_keys::table
            .filter(api_keys::tenant_id.eq(tenant.0))
            .order(api_keys::id)
            .select(ApiKey::as_select())
            .load(&mut conn)
            .await?)
    }

    /// Revokes a key at once.
    pub async fn revoke_api_key(
        &self,
        tenant: TenantId,
        public_id: &str,
    ) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        let mine = api_keys::tenant_id
            .eq(tenant.0)
            .and(api_keys::public_id.eq(public_id));
        let revoked = diesel::update(api_keys::table.filter(mine))
            .set(api_keys::revoked_at.eq(collector_now().nullable()))
            .execute(&mut conn)
            .await?;
        if revoked == 1 {
            Ok(())
        } else {
            Err(StoreError::NotFound(Resource::ApiKey))
        }
    }
}
