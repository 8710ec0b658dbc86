//! Dead letters: events a destination refused for good, and the originals of those delivered shrunk;
//! kept and visible.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{RouteId, TenantId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::pool::Store;
use crate::positions::Position;
use crate::schema::dead_letters;
use crate::sql::sql_query;

/// A kept event.
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
    pub kind: String,
}

/// An event that is kept: refused for good, or delivered shrunk.
#[derive(Debug, Clone)]
pub struct DeadEvent {
    /// Its batch.
    pub number: i64,
    /// Its place in the batch.
    pub index: i32,
    /// Its ledger hour.
    pub hour: DateTime<Utc>,
    /// Why, as a stable word.
    pub cause: String,
    /// Why, for a person.
    pub detail: String,
    /// Its bytes.
    pub event: Vec<u8>,
    /// Which of the two; only a refused one counts as dead.
    pub kind: DeadKind,
}

/// Why an event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadKind {
    /// The destination refused it.
    Refused,
    /// The destination has a smaller one in its place.
    Shrunk,
}

impl DeadKind {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Shrunk => "shrunk",
        }
    }
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

/// Keeps an event, in the transaction that settles it.
pub(crate) async fn insert(
    conn: &mut AsyncPgConnection,
    from: &Position,
    event: &DeadEvent,
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO dead_letters (tenant_id, route_id, log_id, number, index, cause, detail, event, hour, kind) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind::<SqlUuid, _>(from.tenant_id)
    .bind::<SqlUuid, _>(from.route_id)
    .bind::<SqlUuid, _>(from.log_id)
    .bind::<BigInt, _>(event.number)
    .bind::<Integer, _>(event.index)
    .bind::<Text, _>(&event.cause)
    .bind::<Text, _>(&event.detail)
    .bind::<Binary, _>(&event.event)
    .bind::<Timestamptz, _>(event.hour)
    .bind::<Text, _>(event.kind.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes dead letters back from a place on; the position returns there, so their events are
/// undelivered again.
pub(crate) async fn recall(
    conn: &mut AsyncPgConnection,
    from: &Position,
    number: i64,
    index: i32,
) -> Result<Vec<DateTime<Utc>>, StoreError> {
    #[derive(QueryableByName)]
    struct Hours {
        #[diesel(sql_type = Array<Timestamptz>)]
        hours: Vec<DateTime<Utc>>,
    }
    let row: Hours = sql_query(
        "WITH gone AS (DELETE FROM dead_letters WHERE tenant_id = $1 AND route_id = $2 AND log_id = $3 AND (number, index) >= ($4, $5) \
         RETURNING hour) SELECT coalesce(array_agg(hour), '{}') AS hours FROM gone",
    )
    .bind::<SqlUuid, _>(from.tenant_id)
    .bind::<SqlUuid, _>(from.route_id)
    .bind::<SqlUuid, _>(from.log_id)
    .bind::<BigInt, _>(number)
    .bind::<Integer, _>(index)
    .get_result(conn)
    .await?;
    Ok(row.hours)
}
