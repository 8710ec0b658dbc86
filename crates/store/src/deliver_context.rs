//! Everything that a delivery of a route begins with.

use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{DestinationId, RouteId, TenantId};

use crate::destinations::{self, Destination, DestinationSecrets};
use crate::error::{Resource, StoreError};
use crate::pool::Store;
use crate::positions::Position;
use crate::routes::Route;
use crate::schema::{logs, route_positions, routes};
use crate::sql::sql_query;

/// Everything a delivery needs, read once at its start.
#[derive(Debug, Clone)]
pub struct DeliverContext {
    /// The route.
    pub route: Route,
    /// Where it leads.
    pub destination: Destination,
    /// Its secrets.
    pub secrets: DestinationSecrets,
    /// What is told of its source.
    pub source: SourceFacts,
    /// How far it has come in the log that is its turn.
    pub position: Position,
    /// Whether that is the live log.
    pub live: bool,
}

/// What a format may tell of a source beside its events.
#[derive(Debug, Clone, QueryableByName)]
pub struct SourceFacts {
    /// Its display name.
    #[diesel(sql_type = Text)]
    pub display_name: String,
    /// Its IANA timezone.
    #[diesel(sql_type = Text)]
    pub timezone: String,
    /// The origin of its org.
    #[diesel(sql_type = Text)]
    pub origin: String,
}

/// The position in the log whose turn it is: the live one as long as there is something to deliver in
/// it, then those of backfills in their order; the live one again if there is nothing at all.
async fn next_position(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    route: RouteId,
) -> Result<(Position, bool), StoreError> {
    let mine = route_positions::tenant_id
        .eq(tenant.0)
        .and(route_positions::route_id.eq(route.0));
    let of_log = logs::tenant_id
        .eq(route_positions::tenant_id)
        .and(logs::id.eq(route_positions::log_id));
    let owes = route_positions::number.lt(logs::next_number);
    let live = logs::kind.eq("live");
    route_positions::table
        .inner_join(logs::table.on(of_log))
        .filter(mine.and(owes.or(live)))
        .order((owes.desc(), live.desc(), logs::id))
        .select((Position::as_select(), live))
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Route))
}

impl Store {
    /// The position in the log whose turn it is now, and whether that is the live one.
    pub async fn next_position(
        &self,
        tenant: TenantId,
        route: RouteId,
    ) -> Result<(Position, bool), StoreError> {
        next_position(&mut *self.conn().await?, tenant, route).await
    }

    /// Reads what a delivery of a route needs.
    pub async fn deliver_context(
        &self,
        tenant: TenantId,
        route: RouteId,
    ) -> Result<DeliverContext, StoreError> {
        let mut conn = self.conn().await?;
        let row: Route = routes::table
            .find((tenant.0, route.0))
            .select(Route::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Route))?;
        let to = DestinationId(row.destination_id);
        let (destination, secrets) =
            destinations::opened(&mut conn, &self.keys, tenant, to).await?;
        let source: SourceFacts = sql_query(
            "SELECT s.display_name, s.timezone, c.origin FROM sources s \
             JOIN credentials c ON c.tenant_id = s.tenant_id AND c.id = s.credential_id WHERE s.tenant_id = $1 AND s.id = $2",
        )
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(row.source_id)
        .get_result(&mut conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Source))?;
        let (position, live) = next_position(&mut conn, tenant, route).await?;
        Ok(DeliverContext {
            route: row,
            destination,
            secrets,
            source,
            position,
            live,
        })
    }
}
