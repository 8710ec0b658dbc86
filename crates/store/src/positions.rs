//! Positions: how far a route has delivered in a log, and the delivery batch it has in flight.
//!
//! Before the first attempt the end of the delivery batch and its rendering are written down; every
//! retry, also after a crash or an edit, sends that same range in that rendering. The position moves
//! under the fence of the route's job, over a contiguous settled prefix.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{LogId, RouteId, TenantId};
use model::job::Fence;
use model::point::Point;
use model::status::Trouble;
use std::time::Duration;
use uuid::Uuid;

use crate::dead_letters::{self, DeadEvent, DeadKind};
use crate::error::StoreError;
use crate::ledger::{self, RouteCounts};
use crate::page::renew;
use crate::pool::Store;
use crate::schema::route_positions;
use crate::sql::sql_query;

/// A delivery batch in flight: it ends before event `index` of batch `number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// Batch in which it ends.
    pub number: i64,
    /// Event of that batch before which it ends; 0: with the batch before.
    pub index: i32,
    /// Its rendering.
    pub format: String,
}

/// How far a route has delivered: everything before event `index` of batch `number` is settled.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = route_positions)]
pub struct Position {
    pub(crate) tenant_id: Uuid,
    pub(crate) route_id: Uuid,
    pub(crate) log_id: Uuid,
    /// A day that is not later than that of batch `number`.
    pub day: NaiveDate,
    /// The next batch.
    pub number: i64,
    /// The next event in it.
    pub index: i32,
    flight_number: Option<i64>,
    flight_index: Option<i32>,
    flight_format: Option<String>,
    /// Failures in a row.
    pub failures: i32,
    /// Events in a row refused for one cause.
    pub refused_in_row: i32,
    /// That cause.
    pub refused_cause: Option<String>,
    refused_day: Option<NaiveDate>,
    refused_number: Option<i64>,
    refused_index: Option<i32>,
}

impl Position {
    /// The log it is a position in.
    pub fn log(&self) -> LogId {
        LogId(self.log_id)
    }

    /// The delivery batch in flight.
    pub fn flight(&self) -> Option<Flight> {
        let (number, index) = self.flight_number.zip(self.flight_index)?;
        Some(Flight {
            number,
            index,
            format: self.flight_format.clone()?,
        })
    }

    /// Where the present run of refused events began.
    pub fn refused_from(&self) -> Option<(NaiveDate, i64, i32)> {
        let (number, index) = self.refused_number.zip(self.refused_index)?;
        Some((self.refused_day?, number, index))
    }
}

/// What an attempt settled.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// The new position: day, number, index. `None`: nothing moved.
    pub to: Option<(NaiveDate, i64, i32)>,
    /// Events delivered, by ledger hour.
    pub delivered: Vec<(DateTime<Utc>, i64)>,
    /// Events refused, and originals of those delivered shrunk.
    pub dead: Vec<DeadEvent>,
    /// The delivery batch that is in flight from now on.
    pub flight: Option<Flight>,
    /// Events refused in a row at the new position, their cause, and where the run began.
    pub refused: Option<(i32, String, (NaiveDate, i64, i32))>,
    /// The run of refused events is too long: take its dead letters back; `to` is its begin.
    pub recall: bool,
    /// The attempt ended with this trouble.
    pub trouble: Option<(Trouble, String)>,
}

impl Store {
    /// Writes down a delivery batch before its first attempt.
    pub async fn begin_flight(
        &self,
        fence: &Fence,
        lease: Duration,
        position: &Position,
        flight: &Flight,
    ) -> Result<Position, StoreError> {
        let settled = Settled {
            flight: Some(flight.clone()),
            ..Settled::default()
        };
        self.write_position(fence, lease, position, &settled, false)
            .await
    }

    /// Settles an attempt: position, counters, ledger, dead letters and the next flight, in one
    /// transaction under the fence.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if the job belongs to somebody else or the position moved.
    pub async fn settle(
        &self,
        fence: &Fence,
        lease: Duration,
        position: &Position,
        settled: &Settled,
    ) -> Result<Position, StoreError> {
        self.write_position(fence, lease, position, settled, true)
            .await
    }

    async fn write_position(
        &self,
        fence: &Fence,
        lease: Duration,
        position: &Position,
        settled: &Settled,
        attempted: bool,
    ) -> Result<Position, StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            let moved = move_position(conn, position, settled, attempted).await?;
            if attempted {
                account(conn, position, settled).await?;
                self.points.reach(Point::BeforePosition);
            }
            Ok(moved)
        })
        .await
    }
}

async fn move_position(
    conn: &mut AsyncPgConnection,
    from: &Position,
    settled: &Settled,
    attempted: bool,
) -> Result<Position, StoreError> {
    let mut to = from.clone();
    if let Some((day, number, index)) = settled.to {
        (to.day, to.number, to.index) = (day, number, index);
    }
    to.flight_number = settled.flight.as_ref().map(|flight| flight.number);
    to.flight_index = settled.flight.as_ref().map(|flight| flight.index);
    to.flight_format = settled.flight.as_ref().map(|flight| flight.format.clone());
    if attempted {
        to.failures = if settled.trouble.is_some() {
            from.failures.saturating_add(1).min(1_000_000)
        } else {
            0
        };
        let (in_row, cause, begin) = settled
            .refused
            .clone()
            .map_or((0, None, None), |(n, cause, begin)| {
                (n, Some(cause), Some(begin))
            });
        to.refused_in_row = in_row;
        to.refused_cause = cause;
        to.refused_day = begin.map(|(day, _, _)| day);
        to.refused_number = begin.map(|(_, number, _)| number);
        to.refused_index = begin.map(|(_, _, index)| index);
    }
    let changed = sql_query(
        "UPDATE route_positions SET day = $4, number = $5, index = $6, flight_number = $7, flight_index = $8, flight_format = $9, \
            failures = $10, refused_in_row = $11, refused_cause = $12, refused_day = $13, refused_number = $14, refused_index = $15 \
         WHERE tenant_id = $1 AND route_id = $2 AND log_id = $3 AND number = $16 AND index = $17 \
           AND flight_number IS NOT DISTINCT FROM $18 AND flight_index IS NOT DISTINCT FROM $19",
    )
    .bind::<SqlUuid, _>(from.tenant_id)
    .bind::<SqlUuid, _>(from.route_id)
    .bind::<SqlUuid, _>(from.log_id)
    .bind::<Date, _>(to.day)
    .bind::<BigInt, _>(to.number)
    .bind::<Integer, _>(to.index)
    .bind::<Nullable<BigInt>, _>(to.flight_number)
    .bind::<Nullable<Integer>, _>(to.flight_index)
    .bind::<Nullable<Text>, _>(&to.flight_format)
    .bind::<Integer, _>(to.failures)
    .bind::<Integer, _>(to.refused_in_row)
    .bind::<Nullable<Text>, _>(&to.refused_cause)
    .bind::<Nullable<Date>, _>(to.refused_day)
    .bind::<Nullable<BigInt>, _>(to.refused_number)
    .bind::<Nullable<Integer>, _>(to.refused_index)
    .bind::<BigInt, _>(from.number)
    .bind::<Integer, _>(from.index)
    .bind::<Nullable<BigInt>, _>(from.flight_number)
    .bind::<Nullable<Integer>, _>(from.flight_index)
    .execute(conn)
    .await?;
    if changed == 1 {
        Ok(to)
    } else {
        Err(StoreError::LeaseLost)
    }
}

/// Counters, ledger, dead letters and the route's word on itself.
async fn account(
    conn: &mut AsyncPgConnection,
    from: &Position,
    settled: &Settled,
) -> Result<(), StoreError> {
    let (tenant, route) = (TenantId(from.tenant_id), RouteId(from.route_id));
    let mut counts = RouteCounts::default();
    let mut delivered = 0;
    let mut dead = 0;
    for (hour, events) in &settled.delivered {
        counts.delivered(*hour, *events);
        delivered += events;
    }
    for event in &settled.dead {
        if event.kind == DeadKind::Refused {
            counts.dead(event.hour, 1);
            dead += 1;
        }
        dead_letters::insert(conn, from, event).await?;
    }
    if let Some((_, number, index)) = settled.to.filter(|_| settled.recall) {
        for hour in dead_letters::recall(conn, from, number, index).await? {
            counts.dead(hour, -1);
            dead -= 1;
        }
    }
    ledger::add_route(conn, tenant, route, &counts).await?;
    sql_query(
        "UPDATE routes SET delivered = delivered + $3, dead = dead + $4, trouble = $5, trouble_detail = $6, \
            trouble_at = CASE WHEN $5 IS NULL THEN NULL WHEN trouble = $5 THEN trouble_at ELSE collector_now() END, \
            last_success_at = CASE WHEN $5 IS NULL THEN collector_now() ELSE last_success_at END \
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(route.0)
    .bind::<BigInt, _>(delivered)
    .bind::<BigInt, _>(dead)
    .bind::<Nullable<Text>, _>(settled.trouble.as_ref().map(|(trouble, _)| trouble.code()))
    .bind::<Nullable<Text>, _>(settled.trouble.as_ref().map(|(_, detail)| detail))
    .execute(conn)
    .await?;
    Ok(())
}
