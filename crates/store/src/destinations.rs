//! Destinations: where events go. Their secrets go in and come out sealed, as one value.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{DestinationId, TenantId};
use model::job::JobKind;
use secrecy::SecretString;
use uuid::Uuid;

use crate::error::{Conflict, Resource, StoreError, unique_violation};
use crate::jobs::{self, Paused};
use crate::pool::Store;
use crate::schema::{destinations, routes};
use crate::sealing::{KeyRing, Place, Sealed, SealingError};
use crate::sql::sql_query;

/// A destination to be stored.
#[derive(Debug, Clone)]
pub struct NewDestination {
    /// Name, unique in the tenant.
    pub name: String,
    /// Which kind; the forward crate knows them.
    pub kind: String,
    /// Settings of the kind.
    pub settings: DestinationSettings,
}

/// Settings of a destination.
#[derive(Debug, Clone)]
pub struct DestinationSettings {
    /// The part that may be shown.
    pub config: serde_json::Value,
    /// The secret part, whatever its form; none if there is nothing secret.
    pub secrets: Option<SecretString>,
}

impl From<serde_json::Value> for DestinationSettings {
    /// Settings of which nothing is secret.
    fn from(config: serde_json::Value) -> Self {
        Self {
            config,
            secrets: None,
        }
    }
}

/// What may be changed.
#[derive(Debug, Clone, Default)]
#[expect(
    missing_docs,
    reason = "as in NewDestination; None leaves a value as it is"
)]
pub struct DestinationChange {
    pub name: Option<String>,
    pub settings: Option<DestinationSettings>,
}

/// A stored destination, without its secrets.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = destinations)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct Destination {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub name: String,
    pub kind: String,
    pub config: serde_json::Value,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub secret_version: i32,
    pub secret_set_at: Option<DateTime<Utc>>,
}

/// The secrets of a destination, opened, if it has any; or why they do not open.
pub type DestinationSecrets = Result<Option<SecretString>, SealingError>;

#[derive(Queryable, Selectable, AsChangeset)]
#[diesel(table_name = destinations, treat_none_as_null = true)]
#[expect(clippy::struct_field_names, reason = "the columns of the table")]
struct SealedColumns {
    seal_kek: Option<String>,
    seal_dek: Option<Vec<u8>>,
    seal_body: Option<Vec<u8>>,
}

fn place(tenant: Uuid, id: Uuid, version: i32) -> Place {
    Place {
        purpose: "destination",
        tenant,
        id,
        version,
    }
}

/// A destination with its secrets.
pub(crate) async fn opened(
    conn: &mut AsyncPgConnection,
    keys: &KeyRing,
    tenant: TenantId,
    id: DestinationId,
) -> Result<(Destination, DestinationSecrets), StoreError> {
    let (row, columns): (Destination, SealedColumns) = destinations::table
        .find((tenant.0, id.0))
        .select((Destination::as_select(), SealedColumns::as_select()))
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Destination))?;
    let (kek, dek, body) = (columns.seal_kek, columns.seal_dek, columns.seal_body);
    let sealed = kek
        .zip(dek.zip(body))
        .map(|(kek, (dek, body))| Sealed { kek, dek, body });
    let place = place(tenant.0, id.0, row.secret_version);
    let secrets = sealed.map(|sealed| keys.open(place, &sealed)).transpose();
    Ok((row, secrets))
}

/// Writes the secrets down, or that there are none.
async fn seal(
    conn: &mut AsyncPgConnection,
    keys: &KeyRing,
    row: &Destination,
    secrets: Option<&SecretString>,
) -> Result<(), StoreError> {
    let next = row.secret_version.saturating_add(1);
    let place = place(row.tenant_id, row.id, next);
    let sealed = secrets
        .map(|secrets| keys.seal(place, secrets))
        .transpose()?;
    let columns = match sealed {
        Some(Sealed { kek, dek, body }) => SealedColumns {
            seal_kek: Some(kek),
            seal_dek: Some(dek),
            seal_body: Some(body),
        },
        None => SealedColumns {
            seal_kek: None,
            seal_dek: None,
            seal_body: None,
        },
    };
    diesel::update(destinations::table.find((row.tenant_id, row.id)))
        .set((columns, destinations::secret_version.eq(next)))
        .execute(conn)
        .await?;
    sql_query("UPDATE destinations SET secret_set_at = CASE WHEN seal_kek IS NULL THEN NULL ELSE collector_now() END WHERE tenant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(row.tenant_id)
        .bind::<SqlUuid, _>(row.id)
        .execute(conn)
        .await?;
    Ok(())
}

fn name_taken(error: diesel::result::Error) -> StoreError {
    match unique_violation(&error) {
        Some(_) => Conflict::NameTaken(Resource::Destination).into(),
        None => error.into(),
    }
}

pub(crate) async fn get(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: DestinationId,
) -> Result<Destination, StoreError> {
    destinations::table
        .find((tenant.0, id.0))
        .select(Destination::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Destination))
}

/// Kept from being deleted until the end of the transaction.
pub(crate) async fn hold(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: DestinationId,
) -> Result<(), StoreError> {
    let held: Option<Uuid> = destinations::table
        .find((tenant.0, id.0))
        .select(destinations::id)
        .for_key_share()
        .first(conn)
        .await
        .optional()?;
    held.map(drop)
        .ok_or(StoreError::NotFound(Resource::Destination))
}

/// Kept from gaining routes until the end of the transaction.
async fn lock(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: DestinationId,
) -> Result<(), StoreError> {
    let locked: Option<Uuid> = destinations::table
        .find((tenant.0, id.0))
        .select(destinations::id)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    locked
        .map(drop)
        .ok_or(StoreError::NotFound(Resource::Destination))
}

/// Ids of the routes that lead to a destination.
async fn routes_to(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: DestinationId,
) -> Result<Vec<Uuid>, StoreError> {
    let using = routes::tenant_id
        .eq(tenant.0)
        .and(routes::destination_id.eq(id.0));
    Ok(routes::table
        .filter(using)
        .order(routes::id)
        .select(routes::id)
        .load(conn)
        .await?)
}

impl Store {
    /// Stores a destination.
    pub async fn create_destination(
        &self,
        tenant: TenantId,
        new: NewDestination,
    ) -> Result<Destination, StoreError> {
        self.tx(async |conn| {
            let row: Destination = diesel::insert_into(destinations::table)
                .values((
                    destinations::tenant_id.eq(tenant.0),
                    destinations::name.eq(&new.name),
                    destinations::kind.eq(&new.kind),
                    destinations::config.eq(&new.settings.config),
                ))
                .returning(Destination::as_returning())
                .get_result(conn)
                .await
                .map_err(name_taken)?;
            let Some(secrets) = &new.settings.secrets else {
                return Ok(row);
            };
            // They are bound to their row, so the row comes first.
            seal(conn, &self.keys, &row, Some(secrets)).await?;
            get(conn, tenant, DestinationId(row.id)).await
        })
        .await
    }

    /// A destination with its secrets, for those that are to use or to merge them.
    pub async fn open_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
    ) -> Result<(Destination, DestinationSecrets), StoreError> {
        opened(&mut *self.conn().await?, &self.keys, tenant, id).await
    }

    /// A destination.
    pub async fn destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
    ) -> Result<Destination, StoreError> {
        get(&mut *self.conn().await?, tenant, id).await
    }

    /// Destinations of a tenant after an id, oldest first.
    pub async fn list_destinations(
        &self,
        tenant: TenantId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Destination>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(destinations::table
            .filter(
                destinations::tenant_id
                    .eq(tenant.0)
                    .and(destinations::id.gt(after.unwrap_or_default())),
            )
            .order(destinations::id)
            .limit(limit)
            .select(Destination::as_select())
            .load(&mut conn)
            .await?)
    }

    /// Changes a destination; its routes try again at once.
    pub async fn update_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
        change: DestinationChange,
        version: Option<i64>,
    ) -> Result<Destination, StoreError> {
        self.tx(async |conn| {
            let row = destinations::table.find((tenant.0, id.0));
            let old: Destination = row
                .select(Destination::as_select())
                .for_no_key_update()
                .first(conn)
                .await
                .optional()?
                .ok_or(StoreError::NotFound(Resource::Destination))?;
            if version.is_some_and(|version| version != old.version) {
                return Err(Conflict::VersionChanged(old.version).into());
            }
            if let Some(name) = &change.name {
                diesel::update(row).set(destinations::name.eq(name)).execute(conn).await.map_err(name_taken)?;
            }
            if let Some(settings) = &change.settings {
                diesel::update(row).set(destinations::config.eq(&settings.config)).execute(conn).await?;
                if settings.secrets.is_some() || old.secret_version > 0 {
                    seal(conn, &self.keys, &old, settings.secrets.as_ref()).await?;
                }
                let routes = routes_to(conn, tenant, id).await?;
                jobs::poke(conn, tenant, JobKind::Deliver, &routes, Paused::Sleeps).await?;
            }
            sql_query(
                "UPDATE destinations SET version = version + 1, updated_at = collector_now() WHERE tenant_id = $1 AND id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .execute(conn)
            .await?;
            get(conn, tenant, id).await
        })
        .await
    }

    /// Deletes a destination that no route uses.
    pub async fn delete_destination(
        &self,
        tenant: TenantId,
        id: DestinationId,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            // Routes being made hold the row until they are there to be counted.
            lock(conn, tenant, id).await?;
            let using = i64::try_from(routes_to(conn, tenant, id).await?.len()).unwrap_or(i64::MAX);
            if using > 0 {
                return Err(Conflict::DestinationInUse(using).into());
            }
            diesel::delete(destinations::table.find((tenant.0, id.0)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }
}
