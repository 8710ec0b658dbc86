//! Routes: one source to one destination, with its own position.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{DestinationId, RouteId, SourceId, TenantId};
use model::job::JobKind;
use uuid::Uuid;

use crate::destinations;
use crate::error::{Conflict, Resource, StoreError, unique_violation};
use crate::jobs::{self, Paused};
use crate::pool::Store;
use crate::schema::{logs, routes};
use crate::sources;
use crate::sql::sql_query;

/// A route to be stored.
#[derive(Debug, Clone)]
pub struct NewRoute {
    /// From here.
    pub source: SourceId,
    /// To there.
    pub destination: DestinationId,
    /// How events are rendered.
    pub format: String,
    /// Begin with the oldest stored event; otherwise with the next one.
    pub from_oldest: bool,
}

impl NewRoute {
    /// The usual route: raw events, from the oldest stored one.
    pub fn between(source: SourceId, destination: DestinationId) -> Self {
        Self {
            source,
            destination,
            format: "raw".to_owned(),
            from_oldest: true,
        }
    }
}

/// What may be changed.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "as in NewRoute; None leaves a value as it is")]
pub struct RouteChange {
    pub format: Option<String>,
    pub enabled: Option<bool>,
}

/// A stored route.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = routes)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct Route {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub source_id: Uuid,
    pub destination_id: Uuid,
    pub format: String,
    pub enabled: bool,
    pub trouble: Option<String>,
    pub trouble_detail: Option<String>,
    pub trouble_at: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub delivered: i64,
    pub dead: i64,
    pub given_up: i64,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Inserts a route, its position and its deliver job, in the caller's transaction. A new route
/// counts as failing until its first success.
pub(crate) async fn insert(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    new: &NewRoute,
) -> Result<Route, StoreError> {
    // Whoever deletes one of them waits, and then sees this route.
    sources::hold(conn, tenant, new.source).await?;
    destinations::hold(conn, tenant, new.destination).await?;
    let route: Route = diesel::insert_into(routes::table)
        .values((
            routes::tenant_id.eq(tenant.0),
            routes::source_id.eq(new.source.0),
            routes::destination_id.eq(new.destination.0),
            routes::format.eq(&new.format),
        ))
        .returning(Route::as_returning())
        .get_result(conn)
        .await
        .map_err(|error| match unique_violation(&error) {
            Some(_) => StoreError::from(Conflict::RouteExists),
            None => error.into(),
        })?;
    // The log's row is locked, so that no append slips between "next" and the first look; by a
    // statement of its own, so that the next one sees what was appended while this one waited.
    sql_query("SELECT FROM logs WHERE tenant_id = $1 AND source_id = $2 AND kind = 'live' FOR NO KEY UPDATE")
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(new.source.0)
        .execute(conn)
        .await?;
    sql_query(
        "INSERT INTO route_positions (tenant_id, route_id, log_id, day, number) \
         SELECT $1, $2, l.id, coalesce(oldest.day, l.day), coalesce(oldest.number, l.next_number) \
         FROM logs l LEFT JOIN backfills f ON f.tenant_id = l.tenant_id AND f.log_id = l.id LEFT JOIN LATERAL ( \
            SELECT day, number FROM ( \
                (SELECT day, number FROM kept_batches k WHERE k.tenant_id = $1 AND k.log_id = l.id ORDER BY day, number LIMIT 1) UNION ALL \
                (SELECT day, number FROM batches x WHERE x.tenant_id = $1 AND x.log_id = l.id ORDER BY day, number LIMIT 1)) b \
            WHERE $4 ORDER BY number LIMIT 1) oldest ON true \
         WHERE l.tenant_id = $1 AND l.source_id = $3 AND (l.kind = 'live' OR f.state IN ('pending', 'running') OR oldest.number IS NOT NULL)",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(route.id)
    .bind::<SqlUuid, _>(new.source.0)
    .bind::<Bool, _>(new.from_oldest)
    .execute(conn)
    .await?;
    // Both lanes exist before the first completion wants to change between them.
    sql_query(
        "INSERT INTO job_lanes (tenant_id, kind, failing) VALUES ($1, $2, false) ON CONFLICT (tenant_id, kind, failing) DO NOTHING",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<diesel::sql_types::SmallInt, _>(JobKind::Deliver.number())
    .execute(conn)
    .await?;
    let how = jobs::New {
        failing: true,
        ..jobs::New::default()
    };
    jobs::create(conn, tenant, JobKind::Deliver, route.id, how).await?;
    Ok(route)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    events: i64,
}

/// Events that are stored and not settled by a route.
pub(crate) async fn pending(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    routes: &[Uuid],
) -> Result<i64, StoreError> {
    let count: Count = sql_query(
        "SELECT coalesce(sum(greatest(b.events - CASE WHEN b.number = p.number THEN p.index ELSE 0 END, 0)), 0)::bigint AS events \
         FROM route_positions p CROSS JOIN LATERAL ( \
            SELECT number, events FROM batches b WHERE b.tenant_id = p.tenant_id AND b.log_id = p.log_id AND b.day >= p.day AND b.number >= p.number \
            UNION ALL SELECT number, events FROM kept_batches k WHERE k.tenant_id = p.tenant_id AND k.log_id = p.log_id AND k.day >= p.day AND k.number >= p.number) b \
         WHERE p.tenant_id = $1 AND p.route_id = ANY($2)",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<Array<SqlUuid>, _>(routes)
    .get_result(conn)
    .await?;
    Ok(count.events)
}

pub(crate) async fn refuse_undelivered(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    routes: &[Uuid],
) -> Result<(), StoreError> {
    match pending(conn, tenant, routes).await? {
        0 => Ok(()),
        events => Err(Conflict::Undelivered(events).into()),
    }
}

async fn lock(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: RouteId,
) -> Result<Route, StoreError> {
    routes::table
        .find((tenant.0, id.0))
        .select(Route::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Route))
}

impl Store {
    /// Stores a route.
    pub async fn create_route(&self, tenant: TenantId, new: NewRoute) -> Result<Route, StoreError> {
        self.tx(async |conn| insert(conn, tenant, &new).await).await
    }

    /// A route.
    pub async fn route(&self, tenant: TenantId, id: RouteId) -> Result<Route, StoreError> {
        let mut conn = self.conn().await?;
        routes::table
            .find((tenant.0, id.0))
            .select(Route::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Route))
    }

    /// Routes of a tenant after an id, oldest first; of one source if given.
    pub async fn list_routes(
        &self,
        tenant: TenantId,
        source: Option<SourceId>,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Route>, StoreError> {
        let mut conn = self.conn().await?;
        let mut query = routes::table
            .filter(
                routes::tenant_id
                    .eq(tenant.0)
                    .and(routes::id.gt(after.unwrap_or_default())),
            )
            .into_boxed();
        if let Some(source) = source {
            query = query.filter(routes::source_id.eq(source.0));
        }
        Ok(query
            .order(routes::id)
            .limit(limit)
            .select(Route::as_select())
            .load(&mut conn)
            .await?)
    }

    /// Changes a route: its format, or pauses and resumes it. A delivery batch in flight keeps its
    /// rendering. Resuming tries at once.
    pub async fn update_route(
        &self,
        tenant: TenantId,
        id: RouteId,
        change: RouteChange,
        version: Option<i64>,
    ) -> Result<Route, StoreError> {
        self.tx(async |conn| {
            jobs::lock(conn, tenant, &[(JobKind::Deliver, id.0)]).await?;
            let old = lock(conn, tenant, id).await?;
            if version.is_some_and(|version| version != old.version) {
                return Err(Conflict::VersionChanged(old.version).into());
            }
            let enabled = change.enabled.unwrap_or(old.enabled);
            sql_query(
                "UPDATE routes SET format = $3, enabled = $4, version = version + 1, updated_at = collector_now() \
                 WHERE tenant_id = $1 AND id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .bind::<Text, _>(change.format.as_ref().unwrap_or(&old.format))
            .bind::<Bool, _>(enabled)
            .execute(conn)
            .await?;
            jobs::set_paused(conn, tenant, JobKind::Deliver, &[id.0], !enabled).await?;
            if enabled {
                jobs::poke(conn, tenant, JobKind::Deliver, &[id.0], Paused::Sleeps).await?;
            }
            lock(conn, tenant, id).await
        })
        .await
    }

    /// Deletes a route with its dead letters. Refused while events wait for delivery, unless `discard`.
    pub async fn delete_route(
        &self,
        tenant: TenantId,
        id: RouteId,
        discard: bool,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            // From here on no page is appended and nothing is settled without this being seen.
            jobs::lock(conn, tenant, &[(JobKind::Deliver, id.0)]).await?;
            lock(conn, tenant, id).await?;
            if !discard {
                refuse_undelivered(conn, tenant, &[id.0]).await?;
            }
            jobs::remove(conn, tenant, &[(JobKind::Deliver, id.0)]).await?;
            diesel::delete(routes::table.find((tenant.0, id.0)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    /// Stored events that a route has not settled yet.
    pub async fn pending_events(&self, tenant: TenantId, id: RouteId) -> Result<i64, StoreError> {
        pending(&mut *self.conn().await?, tenant, &[id.0]).await
    }

    /// Events stored for a source in its live log, ever.
    pub async fn stored_events(&self, tenant: TenantId, id: SourceId) -> Result<i64, StoreError> {
        let mut conn = self.conn().await?;
        let live = logs::tenant_id
            .eq(tenant.0)
            .and(logs::source_id.eq(id.0))
            .and(logs::kind.eq("live"));
        logs::table
            .filter(live)
            .select(logs::stored)
            .first(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Source))
    }
}
