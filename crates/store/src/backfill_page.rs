//! What a backfill writes while it reads: pages, progress, its end. Each under the fence of its job.
//!
//! The commit of a page is its checkpoint: events, cursor and progress together. A crash repeats a
//! page; what is stored of it is dropped again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Integer, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{BackfillId, SourceId, TenantId};
use model::job::Fence;
use model::point::Point;

use crate::backfills::{self, Backfill};
use crate::batch_ids;
use crate::error::StoreError;
use crate::intake::{Intake, Origin, Verdict};
use crate::ledger::{self, SourceCounts};
use crate::logs::{self, Log, LogMove, PollContext};
use crate::page::{Appended, EventId, fence_and_poke, renew};
use crate::pool::Store;
use crate::sql::sql_query;

/// Everything a run of a backfill begins with.
#[derive(Debug, Clone)]
pub struct BackfillContext {
    /// What is read.
    pub backfill: Backfill,
    /// Its own log, with the cursor within the present chunk.
    pub log: Log,
    /// The source, its live log and its credential.
    pub source: PollContext,
}

/// A page of a backfill.
#[derive(Debug)]
pub struct BackfillPage<'a> {
    /// The right to append.
    pub fence: Fence,
    /// The same statement renews the lease by this.
    pub lease: Duration,
    /// Which.
    pub backfill: BackfillId,
    /// The live log of the source.
    pub live: &'a Log,
    /// Its own log as last read: the cursor must still be that.
    pub log: &'a Log,
    /// The events, in the order of the page, one per line.
    pub ndjson: &'a [u8],
    /// One for each line.
    pub events: &'a [EventId],
    /// The server's clock at the answer.
    pub date: DateTime<Utc>,
    /// Where to go on within the chunk; `None`: it is read to its end.
    pub cursor: Option<&'a str>,
    /// The query that the cursor belongs to.
    pub cursor_query: &'a str,
    /// Everything published before this is read now.
    pub done_through: DateTime<Utc>,
    /// The end of the chunk.
    pub chunk_until: DateTime<Utc>,
    /// How much the next chunk should cover.
    pub chunk_seconds: i32,
}

impl Store {
    /// Reads what a run of a backfill needs.
    pub async fn backfill_context(
        &self,
        tenant: TenantId,
        id: BackfillId,
    ) -> Result<BackfillContext, StoreError> {
        let (backfill, log) = {
            let mut conn = self.conn().await?;
            let backfill = backfills::get(&mut conn, tenant, id).await?;
            let log = logs::get(&mut conn, tenant.0, backfill.log_id).await?;
            (backfill, log)
        };
        let source = SourceId(backfill.source_id);
        let source = self.poll_context(tenant, source).await?;
        Ok(BackfillContext {
            backfill,
            log,
            source,
        })
    }

    /// Notes that reading begins.
    pub async fn begin_backfill(
        &self,
        fence: &Fence,
        lease: Duration,
        tenant: TenantId,
        id: BackfillId,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            sql_query(
                "UPDATE backfills SET state = 'running', started_at = collector_now() WHERE tenant_id = $1 AND id = $2 AND state = 'pending'",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .execute(conn)
            .await?;
            Ok(())
        })
        .await
    }

    /// Ends a backfill that cannot go on; what its log says of its trouble stays.
    pub async fn fail_backfill(
        &self,
        fence: &Fence,
        lease: Duration,
        tenant: TenantId,
        id: BackfillId,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            backfills::finish(conn, tenant, id, "failed").await
        })
        .await
    }

    /// Passes over what Okta no longer has: everything published before `oldest`. Returns from when on to
    /// read; at the end of the range the backfill is done.
    pub async fn pass_over(
        &self,
        fence: &Fence,
        lease: Duration,
        tenant: TenantId,
        id: BackfillId,
        oldest: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            let backfill = backfills::get(conn, tenant, id).await?;
            let to = oldest.min(backfill.until).max(backfill.done_through);
            let unread = to - backfill.done_through;
            sql_query(
                "UPDATE backfills SET done_through = $3, chunk_until = NULL, unread_seconds = unread_seconds + $4 WHERE tenant_id = $1 AND id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .bind::<Timestamptz, _>(to)
            .bind::<BigInt, _>(unread.num_seconds())
            .execute(conn)
            .await?;
            if unread.num_seconds() > 0 {
                tracing::warn!(since = %backfill.done_through, until = %to, "this part of a backfill is older than okta keeps events and stays unread");
            }
            if to >= backfill.until {
                backfills::finish(conn, tenant, id, "done").await?;
            }
            Ok(to)
        })
        .await
    }

    /// Changes how much the next chunk covers, after a request that was too much.
    pub async fn resize_chunk(
        &self,
        tenant: TenantId,
        id: BackfillId,
        seconds: i32,
    ) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query("UPDATE backfills SET chunk_seconds = $3 WHERE tenant_id = $1 AND id = $2")
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .bind::<Integer, _>(seconds)
            .execute(&mut conn)
            .await?;
        Ok(())
    }

    /// Appends a page to the log of a backfill and notes the progress; at the end of its range the
    /// backfill is done. `None`: somebody has ended it, nothing was written.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if the job belongs to somebody else or the log moved on.
    pub async fn append_backfill(
        &self,
        page: &BackfillPage<'_>,
    ) -> Result<Option<Appended>, StoreError> {
        let mut tries = 0;
        loop {
            let done = self
                .tx(async |conn| {
                    let appended = append(conn, page).await?;
                    self.points.reach(Point::InCommit);
                    Ok(appended)
                })
                .await;
            tries += 1;
            match done {
                Err(StoreError::NoPartition) if tries < 3 => self.make_partitions().await?,
                done => return done,
            }
        }
    }
}

async fn append(
    conn: &mut AsyncPgConnection,
    page: &BackfillPage<'_>,
) -> Result<Option<Appended>, StoreError> {
    let tenant = TenantId(page.log.tenant_id);
    let poke = !page.events.is_empty();
    let (now, lanes) = fence_and_poke(conn, &page.fence, page.lease, page.live, poke).await?;
    let live = logs::lock(conn, page.live).await?;
    let log = logs::lock(conn, page.log).await?;
    if log.next_number != page.log.next_number || log.cursor != page.log.cursor {
        return Err(StoreError::LeaseLost);
    }
    // Whoever cancels holds the job's row, which is ours now.
    let backfill = backfills::get(conn, tenant, page.backfill).await?;
    if !backfill.is_active() {
        return Ok(None);
    }
    let intake = Intake {
        origin: Origin::Backfill,
        ndjson: page.ndjson,
        events: page.events,
        date: page.date,
    };
    let stored = batch_ids::overlapping(conn, &live, &intake).await?;
    let verdicts = intake.judge(stored);
    let mut to = LogMove {
        next_number: log.next_number,
        day: log.day.max(now.date_naive()),
        cursor: page.cursor,
        cursor_query: page.cursor_query,
        watermark: log.watermark,
        newest_published: log.newest_published.max(newest(page)),
        stored: 0,
        rereading: page.cursor.is_some() && log.rereading,
        ahead_days: log.ahead_days,
        at_head: false,
    };
    let kept = intake
        .append(conn, &log, to.day, now, &verdicts, None)
        .await?;
    if kept > 0 {
        to.next_number += 1;
        to.stored = i64::try_from(kept).unwrap_or(i64::MAX);
    }
    let mut counts = SourceCounts::new(now, log.rereading, None);
    for (event, verdict) in page.events.iter().zip(&verdicts) {
        counts.add(event.published, *verdict, false);
    }
    ledger::add_source(conn, &log, &counts).await?;
    logs::note_ahead(conn, &live, intake.ahead_days(now)).await?;
    logs::advance(conn, &log, &to).await?;
    note_progress(conn, page, &verdicts).await?;
    if page.done_through >= backfill.until {
        backfills::finish(conn, tenant, page.backfill, "done").await?;
    }
    Ok(Some(Appended {
        stored: kept,
        dropped: page.events.len() - kept,
        log: Log {
            next_number: to.next_number,
            day: to.day,
            cursor: to.cursor.map(str::to_owned),
            cursor_query: Some(to.cursor_query.to_owned()),
            newest_published: to.newest_published,
            stored: log.stored + to.stored,
            rereading: to.rereading,
            malformed: 0,
            ..log
        },
        lanes,
    }))
}

fn newest(page: &BackfillPage<'_>) -> Option<DateTime<Utc>> {
    page.events.iter().filter_map(|event| event.published).max()
}

async fn note_progress(
    conn: &mut AsyncPgConnection,
    page: &BackfillPage<'_>,
    verdicts: &[Verdict],
) -> Result<(), StoreError> {
    let count = |wanted: Verdict| {
        let found = verdicts.iter().filter(|verdict| **verdict == wanted);
        i64::try_from(found.count()).unwrap_or(i64::MAX)
    };
    let chunk = page.cursor.map(|_| page.chunk_until);
    sql_query(
        "UPDATE backfills SET done_through = greatest(done_through, $3), chunk_until = $4, chunk_seconds = $5, \
            duplicate = duplicate + $6, changed = changed + $7 WHERE tenant_id = $1 AND id = $2",
    )
    .bind::<SqlUuid, _>(page.log.tenant_id)
    .bind::<SqlUuid, _>(page.backfill.0)
    .bind::<Timestamptz, _>(page.done_through)
    .bind::<Nullable<Timestamptz>, _>(chunk)
    .bind::<Integer, _>(page.chunk_seconds)
    .bind::<BigInt, _>(count(Verdict::Same))
    .bind::<BigInt, _>(count(Verdict::Changed))
    .execute(conn)
    .await?;
    Ok(())
}
