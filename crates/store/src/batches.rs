//! Batches: pages as stored. NDJSON, compressed, with the hours of their events beside them.

use std::cell::RefCell;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Binary, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{LogId, SourceId, TenantId};
use zstd::bulk::{Compressor, Decompressor};

use crate::error::StoreError;
use crate::intake::Origin;
use crate::logs::Log;
use crate::page::EventId;
use crate::pool::Store;
use crate::sql::sql_query;

/// Fast, and enough for text that is mostly alike.
const LEVEL: i32 = 1;

thread_local! {
    // A context is megabytes that must be there anew otherwise, page by page.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

pub(crate) fn compress(ndjson: &[u8]) -> Result<Vec<u8>, StoreError> {
    let compressed = PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(ndjson),
        None => packer.insert(Compressor::new(LEVEL)?).compress(ndjson),
    });
    compressed.map_err(|error| StoreError::Corrupt(format!("compression failed: {error}")))
}

fn decompress(body: &[u8], capacity: usize) -> std::io::Result<Vec<u8>> {
    UNPACKER.with_borrow_mut(|unpacker| match unpacker {
        Some(unpacker) => unpacker.decompress(body, capacity),
        None => unpacker
            .insert(Decompressor::new()?)
            .decompress(body, capacity),
    })
}

/// A batch to be inserted under the lock of its log, as number `log.next_number`.
pub(crate) struct NewBatch<'a> {
    pub(crate) log: &'a Log,
    pub(crate) day: NaiveDate,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) origin: Origin,
    pub(crate) events: &'a [EventId],
    pub(crate) bytes: usize,
    pub(crate) body: &'a [u8],
}

/// What is known of a stored batch without its body.
#[derive(Debug, Clone, QueryableByName)]
pub struct BatchHead {
    /// Number in its log.
    #[diesel(sql_type = BigInt)]
    pub number: i64,
    /// Day of the append.
    #[diesel(sql_type = Date)]
    pub day: NaiveDate,
    /// Events in it.
    #[diesel(sql_type = Integer)]
    pub events: i32,
    /// Bytes of its NDJSON.
    #[diesel(sql_type = Integer)]
    pub bytes: i32,
}

/// A stored batch, opened.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its head.
    pub head: BatchHead,
    /// When the page was stored.
    pub received_at: DateTime<Utc>,
    /// One event per line.
    pub ndjson: Bytes,
    hour_runs: Vec<i32>,
}

impl Batch {
    /// The ledger hour of each event, in order.
    pub fn hours(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let (runs, _) = self.hour_runs.as_chunks::<2>();
        runs.iter().flat_map(|[hour, events]| {
            std::iter::repeat_n(hour_start(*hour), usize::try_from(*events).unwrap_or(0))
        })
    }
}

/// The ledger hour of an event.
pub(crate) fn hour_of(published: Option<DateTime<Utc>>, received_at: DateTime<Utc>) -> i32 {
    let at = published.unwrap_or(received_at);
    i32::try_from(at.timestamp().div_euclid(3600)).unwrap_or(i32::MAX)
}

pub(crate) fn hour_start(hour: i32) -> DateTime<Utc> {
    Utc.timestamp_opt(i64::from(hour) * 3600, 0)
        .single()
        .unwrap_or_default()
}

/// Runs of events of one ledger hour, in order: hour, count, hour, count, ...
pub(crate) fn hour_runs<'a>(
    events: impl Iterator<Item = &'a EventId>,
    received_at: DateTime<Utc>,
) -> Vec<i32> {
    let mut runs: Vec<i32> = Vec::new();
    for event in events {
        let hour = hour_of(event.published, received_at);
        match runs.as_mut_slice() {
            [.., last, count] if *last == hour => *count += 1,
            _ => runs.extend([hour, 1]),
        }
    }
    runs
}

pub(crate) async fn insert(
    conn: &mut AsyncPgConnection,
    batch: &NewBatch<'_>,
) -> Result<(), StoreError> {
    let dated = batch.events.iter().filter_map(|event| event.published);
    let runs = hour_runs(batch.events.iter(), batch.received_at);
    sql_query(
        "INSERT INTO batches (tenant_id, log_id, day, number, events, first_published, last_published, received_at, origin, bytes, hour_runs, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind::<SqlUuid, _>(batch.log.tenant_id)
    .bind::<SqlUuid, _>(batch.log.id)
    .bind::<Date, _>(batch.day)
    .bind::<BigInt, _>(batch.log.next_number)
    .bind::<Integer, _>(i32::try_from(batch.events.len()).unwrap_or(i32::MAX))
    .bind::<Nullable<Timestamptz>, _>(dated.clone().min())
    .bind::<Nullable<Timestamptz>, _>(dated.max())
    .bind::<Timestamptz, _>(batch.received_at)
    .bind::<Text, _>(batch.origin.as_str())
    .bind::<Integer, _>(i32::try_from(batch.bytes).unwrap_or(i32::MAX))
    .bind::<Array<Integer>, _>(runs)
    .bind::<Binary, _>(batch.body)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(embed)]
    head: BatchHead,
    #[diesel(sql_type = Timestamptz)]
    received_at: DateTime<Utc>,
    #[diesel(sql_type = Array<Integer>)]
    hour_runs: Vec<i32>,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
    #[diesel(sql_type = Text)]
    log: String,
}

impl Store {
    /// Heads of the batches of a log from a number on, in order, at most `limit`.
    ///
    /// `day` is a day that is not later than that of batch `number`: partitions before it are not read.
    pub async fn batch_heads(
        &self,
        tenant: TenantId,
        log: LogId,
        day: NaiveDate,
        number: i64,
        limit: i64,
    ) -> Result<Vec<BatchHead>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sql_query(both(
            "number, day, events, bytes",
            day,
            "number >= $3",
            "LIMIT $4",
        ))
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(log.0)
        .bind::<BigInt, _>(number)
        .bind::<BigInt, _>(limit)
        .load(&mut conn)
        .await?)
    }

    /// The batches of a log from number to number, both included, opened.
    pub async fn batches(
        &self,
        tenant: TenantId,
        log: LogId,
        day: NaiveDate,
        from: i64,
        to: i64,
    ) -> Result<Vec<Batch>, StoreError> {
        let mut conn = self.conn().await?;
        let rows: Vec<Row> = sql_query(both(
            "number, day, events, bytes, received_at, hour_runs, body, log_id::text AS log",
            day,
            "number BETWEEN $3 AND $4",
            "",
        ))
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(log.0)
        .bind::<BigInt, _>(from)
        .bind::<BigInt, _>(to)
        .load(&mut conn)
        .await?;
        rows.into_iter().map(open).collect()
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    events: i64,
}

impl Store {
    /// Counts the events of all batches of a source that are in the tables now. Reads every batch's
    /// row, so it is for checks and not for a status.
    pub async fn count_events(
        &self,
        tenant: TenantId,
        source: SourceId,
    ) -> Result<i64, StoreError> {
        let mut conn = self.conn().await?;
        let count: Count = sql_query(
            "SELECT coalesce(sum(b.events), 0)::bigint AS events FROM logs l \
             JOIN (SELECT tenant_id, log_id, events FROM batches \
                UNION ALL SELECT tenant_id, log_id, events FROM kept_batches) b \
                ON b.tenant_id = l.tenant_id AND b.log_id = l.id \
             WHERE l.tenant_id = $1 AND l.source_id = $2",
        )
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(source.0)
        .get_result(&mut conn)
        .await?;
        Ok(count.events)
    }
}

/// The same question to both tables of batches; what was moved aside comes before what was not.
fn both(columns: &str, day: NaiveDate, condition: &str, limit: &str) -> String {
    // The day stands in the text, so that the planner prunes partitions.
    let ask = |table| {
        format!(
            "(SELECT {columns} FROM {table} WHERE tenant_id = $1 AND log_id = $2 AND day >= DATE '{day}' AND {condition} ORDER BY day, number {limit})"
        )
    };
    format!(
        "{} UNION ALL {} ORDER BY number {limit}",
        ask("kept_batches"),
        ask("batches")
    )
}

fn open(row: Row) -> Result<Batch, StoreError> {
    let capacity = usize::try_from(row.head.bytes).unwrap_or(0);
    let ndjson = decompress(&row.body, capacity).map_err(|error| {
        StoreError::Corrupt(format!(
            "batch {} of log {} does not decompress: {error}",
            row.head.number, row.log
        ))
    })?;
    Ok(Batch {
        head: row.head,
        received_at: row.received_at,
        ndjson: ndjson.into(),
        hour_runs: row.hour_runs,
    })
}
