//! Partitions and retention: days are made ahead and dropped whole; what a route still needs is
//! moved aside first, and given up only past the maximum, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Date, Double, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::batches::hour_start;
use crate::closed_logs;
use crate::error::StoreError;
use crate::pool::Store;

/// Days that partitions are made ahead.
const AHEAD: i32 = 8;

/// Identities are kept this long whatever happens to the batches: Okta's 90 days and some slack.
const IDS: Duration = Duration::from_hours(95 * 24);

/// Nothing younger is dropped, whatever the settings say: around midnight a page may still be
/// stored under the day that has just ended.
const YOUNG: Duration = Duration::from_hours(1);

/// Batches given up in one transaction, about.
const GIVE_UP_AT_ONCE: i64 = 500;

/// How long stored events stay.
#[derive(Debug, Clone, Copy)]
pub struct RetentionConfig {
    /// Days of delivered events are dropped after this long.
    pub retention: Duration,
    /// Undelivered events are given up after this long.
    pub max_retention: Duration,
}

/// What a run of the retention did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Days of batches that were dropped.
    pub days: usize,
    /// Batches moved aside because a route still needs them.
    pub kept: usize,
    /// Moved batches that nobody needs any more.
    pub released: usize,
    /// Events given up undelivered, over all routes.
    pub given_up: i64,
    /// Days of identities that were dropped.
    pub id_days: usize,
}

#[derive(QueryableByName)]
struct Partition {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Date)]
    day: NaiveDate,
}

/// Routes need a batch from their position on, and from the begin of a run of refused events.
const NEEDED: &str = "EXISTS (SELECT 1 FROM route_positions p WHERE p.tenant_id = b.tenant_id AND p.log_id = b.log_id \
    AND least(p.number, p.refused_number) <= b.number)";

impl Store {
    /// Makes the day partitions from today on; those that exist stay.
    pub async fn make_partitions(&self) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query(
            "SELECT collector_make_partitions((collector_now() AT TIME ZONE 'UTC')::date, $1)",
        )
        .bind::<Integer, _>(AHEAD)
        .execute(&mut conn)
        .await?;
        Ok(())
    }

    /// Drops what is past its time. Each day is a transaction; a crash leaves whole days.
    pub async fn apply_retention(&self, config: &RetentionConfig) -> Result<Dropped, StoreError> {
        let mut dropped = Dropped::default();
        let mut conn = self.conn().await?;
        for old in partitions(&mut conn, "batches", config.retention.max(YOUNG)).await? {
            let kept = self
                .tx(async |conn| {
                    // What a dead route needs of a day can be much to copy.
                    sql_query("SET LOCAL statement_timeout = '15min'")
                        .execute(conn)
                        .await?;
                    let kept = keep_needed(conn, &old).await?;
                    drop_partition(conn, &old).await?;
                    Ok(kept)
                })
                .await?;
            tracing::info!(day = %old.day, kept, "dropped the batches of {}", old.day);
            dropped.days += 1;
            dropped.kept += kept;
        }
        loop {
            let given_up = self
                .tx(async |conn| give_up(conn, config.max_retention).await)
                .await?;
            match given_up {
                None => break,
                Some(events) => dropped.given_up += events,
            }
        }
        closed_logs::sweep(&mut conn).await?;
        dropped.released = sql_query(format!("DELETE FROM kept_batches b WHERE NOT {NEEDED}"))
            .execute(&mut conn)
            .await?;
        for old in partitions(&mut conn, "batch_ids", IDS).await? {
            self.tx(async |conn| drop_partition(conn, &old).await)
                .await?;
            dropped.id_days += 1;
        }
        Ok(dropped)
    }
}

/// Partitions whose whole day is older than `age`, oldest first.
async fn partitions(
    conn: &mut AsyncPgConnection,
    parent: &str,
    age: Duration,
) -> Result<Vec<Partition>, StoreError> {
    Ok(sql_query(
        "SELECT c.relname::text AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = $1::regclass AND c.relname ~ '_[0-9]{8}$' \
           AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= (collector_now() - make_interval(secs => $2)) AT TIME ZONE 'UTC' ORDER BY 2",
    )
    .bind::<Text, _>(parent)
    .bind::<Double, _>(age.as_secs_f64())
    .load(conn)
    .await?)
}

async fn drop_partition(conn: &mut AsyncPgConnection, old: &Partition) -> Result<(), StoreError> {
    // Readers and writers of other days hold the parent for moments only, and wait while we wait;
    // should one not let go, the next run tries again.
    sql_query("SET LOCAL lock_timeout = '5s'")
        .execute(conn)
        .await?;
    sql_query(format!("DROP TABLE {}", old.name))
        .execute(conn)
        .await?;
    Ok(())
}

async fn keep_needed(conn: &mut AsyncPgConnection, old: &Partition) -> Result<usize, StoreError> {
    const COLUMNS: &str = "tenant_id, log_id, day, number, events, first_published, last_published, received_at, origin, bytes, hour_runs, body";
    Ok(sql_query(format!(
        "INSERT INTO kept_batches ({COLUMNS}) SELECT {COLUMNS} FROM {} b WHERE {NEEDED} ON CONFLICT DO NOTHING",
        old.name
    ))
    .execute(conn)
    .await?)
}

/// The last of the batches of a log that are to be given up.
#[derive(QueryableByName)]
struct Overdue {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    log_id: Uuid,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

#[derive(QueryableByName)]
struct Lost {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Array<Integer>)]
    hour_runs: Vec<i32>,
}

#[derive(QueryableByName)]
struct Behind {
    #[diesel(sql_type = SqlUuid)]
    route_id: Uuid,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Integer)]
    index: i32,
}

/// Gives up some of the oldest kept batches past the maximum. `None`: there are none.
async fn give_up(conn: &mut AsyncPgConnection, age: Duration) -> Result<Option<i64>, StoreError> {
    let overdue: Vec<Overdue> = sql_query(
        "SELECT tenant_id, log_id, max(number) AS last FROM ( \
            SELECT tenant_id, log_id, number FROM kept_batches WHERE received_at < collector_now() - make_interval(secs => $1) \
            ORDER BY tenant_id, log_id, number LIMIT $2) o GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind::<Double, _>(age.as_secs_f64())
    .bind::<BigInt, _>(GIVE_UP_AT_ONCE)
    .load(conn)
    .await?;
    if overdue.is_empty() {
        return Ok(None);
    }
    let mut total = 0;
    for log in overdue {
        total += give_up_log(conn, &log).await?;
    }
    Ok(Some(total))
}

/// Gives up the batches of a log up to a number. Positions are locked before anything is counted, so
/// that a delivery either was settled before or finds its position moved.
async fn give_up_log(conn: &mut AsyncPgConnection, log: &Overdue) -> Result<i64, StoreError> {
    let behind: Vec<Behind> = sql_query(
        "SELECT route_id, number, index FROM route_positions \
         WHERE tenant_id = $1 AND log_id = $2 AND number <= $3 ORDER BY route_id FOR NO KEY UPDATE",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(log.log_id)
    .bind::<BigInt, _>(log.last)
    .load(conn)
    .await?;
    let lost: Vec<Lost> = sql_query(
        "DELETE FROM kept_batches WHERE tenant_id = $1 AND log_id = $2 AND number <= $3 RETURNING number, hour_runs",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(log.log_id)
    .bind::<BigInt, _>(log.last)
    .load(conn)
    .await?;
    let mut total = 0;
    for route in behind {
        let hours = lost_hours(&route, &lost);
        let events: i64 = hours.values().sum();
        note_given_up(conn, log, &route, &hours, events).await?;
        if events > 0 {
            tracing::error!(route.id = %route.route_id, events, "gave up {events} undelivered events past the maximum retention");
        }
        total += events;
    }
    // A run of refused events that began in what is gone cannot be taken back any more.
    sql_query(
        "UPDATE route_positions SET refused_in_row = 0, refused_cause = NULL, refused_day = NULL, refused_number = NULL, refused_index = NULL \
         WHERE tenant_id = $1 AND log_id = $2 AND refused_number <= $3",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(log.log_id)
    .bind::<BigInt, _>(log.last)
    .execute(conn)
    .await?;
    Ok(total)
}

/// Events per ledger hour that a route loses with some batches.
fn lost_hours(route: &Behind, batches: &[Lost]) -> BTreeMap<DateTime<Utc>, i64> {
    let mut hours = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.number >= route.number) {
        let mut settled = if batch.number == route.number {
            route.index
        } else {
            0
        };
        let (runs, _) = batch.hour_runs.as_chunks::<2>();
        for [hour, events] in runs {
            let skipped = settled.min(*events);
            settled -= skipped;
            *hours.entry(hour_start(*hour)).or_default() += i64::from(events - skipped);
        }
    }
    hours
}

async fn note_given_up(
    conn: &mut AsyncPgConnection,
    log: &Overdue,
    route: &Behind,
    hours: &BTreeMap<DateTime<Utc>, i64>,
    events: i64,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE route_positions SET number = $4, index = 0, flight_number = NULL, flight_index = NULL, flight_format = NULL \
         WHERE tenant_id = $1 AND route_id = $2 AND log_id = $3",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(route.route_id)
    .bind::<SqlUuid, _>(log.log_id)
    .bind::<BigInt, _>(log.last.saturating_add(1))
    .execute(conn)
    .await?;
    sql_query(
        "INSERT INTO route_ledger AS l (tenant_id, route_id, hour, given_up) SELECT $1, $2, n.* FROM unnest($3, $4) AS n(hour, events) \
         ON CONFLICT (tenant_id, route_id, hour) DO UPDATE SET given_up = l.given_up + excluded.given_up",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(route.route_id)
    .bind::<Array<Timestamptz>, _>(hours.keys().copied().collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(hours.values().copied().collect::<Vec<_>>())
    .execute(conn)
    .await?;
    sql_query("UPDATE routes SET given_up = given_up + $3 WHERE tenant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(log.tenant_id)
        .bind::<SqlUuid, _>(route.route_id)
        .bind::<BigInt, _>(events)
        .execute(conn)
        .await?;
    Ok(())
}
