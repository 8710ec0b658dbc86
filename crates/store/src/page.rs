//! The page transaction: fence, deduplicate, append, move the cursor, count, make routes due.
//!
//! Its commit is the checkpoint. Without it nothing moves: a crash anywhere before repeats the page,
//! a crash after it goes on behind the page. A page is never skipped.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Integer, SmallInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::job::{Fence, JobKind};
use model::point::Point;

use crate::batch_ids::{self, Part};
use crate::batches;
use crate::error::StoreError;
use crate::intake::{self, Intake, Origin};
use crate::ledger::{self, SourceCounts};
use crate::logs::{self, Log, LogMove};
use crate::pool::Store;
use crate::sql::sql_query;

/// What the store needs to know of an event.
#[derive(Debug, Clone, Copy)]
pub struct EventId {
    /// Who it is: the event's uuid, else a hash.
    pub identity: [u8; 16],
    /// Hash of its bytes.
    pub content: [u8; 8],
    /// When it says it happened.
    pub published: Option<DateTime<Utc>>,
    /// End of the event in the NDJSON, its line feed included.
    pub end: usize,
}

/// A page to be appended to the live log of a source.
#[derive(Debug)]
pub struct NewPage<'a> {
    /// The right to append.
    pub fence: Fence,
    /// The same statement renews the lease by this.
    pub lease: Duration,
    /// The log as last read: number and cursor must still be those.
    pub log: &'a Log,
    /// The events, in the order of the page, one per line.
    pub ndjson: &'a [u8],
    /// One for each line.
    pub events: &'a [EventId],
    /// The server's clock at the answer: events dated later are ahead of their time.
    pub date: DateTime<Utc>,
    /// Where to go on.
    pub cursor: Option<&'a str>,
    /// The query that the cursor belongs to.
    pub cursor_query: &'a str,
    /// Okta shows nothing behind this page: live polling stands at the head.
    pub at_head: bool,
}

impl NewPage<'_> {
    fn intake(&self) -> Intake<'_> {
        Intake {
            origin: Origin::Poll,
            ndjson: self.ndjson,
            events: self.events,
            date: self.date,
        }
    }
}

/// What an append did.
#[derive(Debug)]
pub struct Appended {
    /// Events stored.
    pub stored: usize,
    /// Events dropped because they are stored already.
    pub dropped: usize,
    /// The log as it is now.
    pub log: Log,
    /// Lanes of jobs that became due.
    pub lanes: Vec<i32>,
}

#[derive(QueryableByName)]
struct Fenced {
    #[diesel(sql_type = BigInt)]
    job_id: i64,
    #[diesel(sql_type = Integer)]
    lane_id: i32,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

/// Locks the poll job and the deliver jobs of its source in ascending order, renews the one and
/// pokes the others. A poke touches neither a lease nor a backoff nor a paused job. `mine` must be
/// materialized: after a wait for a row PostgreSQL looks at it again and finds none of an inlined union.
const FENCE_AND_POKE: &str = "WITH mine AS MATERIALIZED (SELECT $1::bigint AS id UNION ALL SELECT j.id FROM routes r JOIN jobs j ON j.kind = $7 AND j.subject_id = r.id \
     WHERE r.tenant_id = $5 AND r.source_id = $6 AND $8), \
 k AS MATERIALIZED (SELECT s.job_id FROM job_schedule s JOIN mine ON mine.id = s.job_id ORDER BY s.job_id FOR NO KEY UPDATE OF s) \
 UPDATE job_schedule s SET \
     lost = CASE WHEN s.job_id = $1 THEN 0 ELSE s.lost END, \
     poked = CASE WHEN s.job_id = $1 THEN s.poked WHEN s.owner IS NULL THEN 0 ELSE greatest(s.poked, 1) END, \
     due_at = CASE WHEN s.job_id <> $1 AND s.owner IS NULL AND NOT s.held AND NOT s.paused THEN least(s.due_at, collector_now()) ELSE s.due_at END, \
     run_at = CASE WHEN s.job_id = $1 THEN collector_clock() + make_interval(secs => $4) \
         WHEN s.owner IS NULL AND NOT s.held AND NOT s.paused THEN least(s.run_at, collector_now()) ELSE s.run_at END \
 FROM k WHERE s.job_id = k.job_id AND (s.job_id <> $1 OR (s.epoch = $2 AND s.owner = $3)) \
 RETURNING s.job_id, s.lane_id, collector_now() AS now";

/// Checks the fence of a job and renews its lease; the row stays locked until the commit. Returns
/// the time of the transaction.
pub(crate) async fn renew(
    conn: &mut AsyncPgConnection,
    fence: &Fence,
    lease: Duration,
) -> Result<DateTime<Utc>, StoreError> {
    let row: Option<Fenced> = sql_query(
        "UPDATE job_schedule SET run_at = collector_clock() + make_interval(secs => $4), lost = 0 \
         WHERE job_id = $1 AND epoch = $2 AND owner = $3 RETURNING job_id, lane_id, collector_now() AS now",
    )
    .bind::<BigInt, _>(fence.job.0)
    .bind::<BigInt, _>(fence.epoch)
    .bind::<BigInt, _>(fence.owner)
    .bind::<Double, _>(lease.as_secs_f64())
    .get_result(conn)
    .await
    .optional()?;
    row.map(|row| row.now).ok_or(StoreError::LeaseLost)
}

/// Checks the fence of a job that appends to a log of the source, renews its lease, and makes the
/// source's routes due if `poke`. Returns the time of the transaction and the lanes of the routes.
pub(crate) async fn fence_and_poke(
    conn: &mut AsyncPgConnection,
    fence: &Fence,
    lease: Duration,
    live: &Log,
    poke: bool,
) -> Result<(DateTime<Utc>, Vec<i32>), StoreError> {
    let rows: Vec<Fenced> = sql_query(FENCE_AND_POKE)
        .bind::<BigInt, _>(fence.job.0)
        .bind::<BigInt, _>(fence.epoch)
        .bind::<BigInt, _>(fence.owner)
        .bind::<Double, _>(lease.as_secs_f64())
        .bind::<SqlUuid, _>(live.tenant_id)
        .bind::<SqlUuid, _>(live.source_id)
        .bind::<SmallInt, _>(JobKind::Deliver.number())
        .bind::<diesel::sql_types::Bool, _>(poke)
        .load(conn)
        .await?;
    let own = rows
        .iter()
        .find(|row| row.job_id == fence.job.0)
        .ok_or(StoreError::LeaseLost)?;
    let lanes = rows
        .iter()
        .filter(|row| row.job_id != fence.job.0)
        .map(|row| row.lane_id)
        .collect();
    Ok((own.now, lanes))
}

impl Store {
    /// Appends a page to the live log of its source.
    ///
    /// Makes a missing day partition and starts over; starts over after a deadlock.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if the job belongs to somebody else or the log moved on.
    pub async fn append_page(&self, page: &NewPage<'_>) -> Result<Appended, StoreError> {
        // Outside the transaction; done again only if an event is dropped.
        let body = batches::compress(page.ndjson)?;
        let mut tries = 0;
        loop {
            let done = self
                .tx(async |conn| {
                    let appended = append(conn, page, &body).await?;
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
    page: &NewPage<'_>,
    body: &[u8],
) -> Result<Appended, StoreError> {
    let poke = !page.events.is_empty();
    let (now, lanes) = fence_and_poke(conn, &page.fence, page.lease, page.log, poke).await?;
    let log = logs::lock(conn, page.log).await?;
    // The number may have grown: a verification appends to this log too, under its own fence.
    if log.next_number < page.log.next_number || log.cursor != page.log.cursor {
        return Err(StoreError::LeaseLost);
    }
    let intake = page.intake();
    let stored = batch_ids::overlapping(conn, &log, &intake).await?;
    let verdicts = intake.judge(stored);
    let kept = intake::kept(&verdicts);
    let mut to = LogMove {
        next_number: log.next_number,
        day: log.day.max(now.date_naive()),
        cursor: page.cursor,
        cursor_query: page.cursor_query,
        watermark: log.watermark,
        newest_published: log.newest_published,
        stored: i64::try_from(kept).unwrap_or(i64::MAX),
        // Events without a way on: they will be met again from the watermark.
        rereading: if page.cursor.is_none() && !page.events.is_empty() {
            true
        } else {
            log.rereading && kept == 0
        },
        ahead_days: log.ahead_days.max(intake.ahead_days(now)),
        at_head: page.at_head,
    };
    let mut counts = SourceCounts::new(now, log.rereading, log.newest_published);
    for (event, verdict) in page.events.iter().zip(&verdicts) {
        counts.add(
            event.published,
            *verdict,
            event.published.is_some_and(|at| at > page.date),
        );
    }
    let body = Some(body);
    if intake
        .append(conn, &log, to.day, now, &verdicts, body)
        .await?
        > 0
    {
        to.next_number += 1;
    }
    // The watermark is of the last page with events, dropped ones included: they too were read.
    let dated = page
        .events
        .iter()
        .filter_map(|event| event.published)
        .filter(|at| *at <= page.date);
    to.watermark = dated.clone().min().or(to.watermark);
    to.newest_published = dated.max().max(to.newest_published);
    ledger::add_source(conn, &log, &counts).await?;
    logs::advance(conn, &log, &to).await?;
    let log = Log {
        next_number: to.next_number,
        day: to.day,
        cursor: to.cursor.map(str::to_owned),
        cursor_query: Some(to.cursor_query.to_owned()),
        watermark: to.watermark,
        newest_published: to.newest_published,
        stored: log.stored + to.stored,
        rereading: to.rereading,
        ahead_days: to.ahead_days,
        head_at: if to.at_head { Some(now) } else { log.head_at },
        last_success_at: Some(now),
        malformed: 0,
        ..log
    };
    Ok(Appended {
        stored: kept,
        dropped: page.events.len() - kept,
        log,
        lanes,
    })
}

/// Splits events by how their range of `published` is to be looked up.
pub(crate) fn part_of(event: &EventId, date: DateTime<Utc>) -> Part {
    match event.published {
        None => Part::Undated,
        Some(at) if at > date => Part::Ahead,
        Some(_) => Part::Dated,
    }
}
