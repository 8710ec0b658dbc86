//! A page of a verification: what Okta shows and is not stored goes into the live log, hours that were
//! shown to their end get their verdict, and the pass moves on, in one transaction.
//!
//! Nearly always everything is there already; then no log is locked, and live polling never waits.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::job::Fence;
use model::point::Point;

use crate::batch_ids;
use crate::error::StoreError;
use crate::intake::{Intake, Origin, Verdict};
use crate::ledger::{self, SourceCounts};
use crate::logs::{self, Log};
use crate::page::{EventId, fence_and_poke};
use crate::pool::Store;
use crate::sql::sql_query;
use crate::verifications::{self, PassMove};

/// A page of a verification.
#[derive(Debug)]
pub struct VerifyPage<'a> {
    /// The right to write.
    pub fence: Fence,
    /// The same statement renews the lease by this.
    pub lease: Duration,
    /// The live log of the source.
    pub live: &'a Log,
    /// The events, in the order of the page, one per line.
    pub ndjson: &'a [u8],
    /// One for each line.
    pub events: &'a [EventId],
    /// The server's clock at the answer.
    pub date: DateTime<Utc>,
    /// Hours that Okta has shown to their end, and how many events each.
    pub hours: &'a [(DateTime<Utc>, i64)],
    /// Everything published before this is compared.
    pub through: DateTime<Utc>,
    /// Events of the hour of `through` published before it.
    pub shown: i64,
    /// How many hours the next request covers.
    pub span_hours: i32,
}

/// What a page of a verification did.
#[derive(Debug)]
pub struct Verified {
    /// Events stored that had never been.
    pub found: usize,
    /// Events stored that had been and were gone.
    pub restored: usize,
    /// Lanes of jobs that became due.
    pub lanes: Vec<i32>,
}

impl Store {
    /// Compares a page with what is stored.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if the job belongs to somebody else.
    pub async fn verify_page(&self, page: &VerifyPage<'_>) -> Result<Verified, StoreError> {
        let intake = Intake {
            origin: Origin::Verify,
            ndjson: page.ndjson,
            events: page.events,
            date: page.date,
        };
        let mut tries = 0;
        loop {
            let news = {
                let mut conn = self.conn().await?;
                let stored = batch_ids::overlapping(&mut conn, page.live, &intake).await?;
                let verdicts = intake.judge(stored);
                verdicts.iter().any(|verdict| *verdict != Verdict::Same)
            };
            let done = self
                .tx(async |conn| {
                    let verified = write(conn, page, &intake, news).await?;
                    self.points.reach(Point::InCommit);
                    Ok(verified)
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

async fn write(
    conn: &mut AsyncPgConnection,
    page: &VerifyPage<'_>,
    intake: &Intake<'_>,
    news: bool,
) -> Result<Verified, StoreError> {
    let (now, lanes) = fence_and_poke(conn, &page.fence, page.lease, page.live, news).await?;
    let (found, restored) = if news {
        append(conn, page, intake, now).await?
    } else {
        (0, 0)
    };
    give_verdicts(conn, page).await?;
    let to = PassMove {
        tenant: page.live.tenant_id,
        source: page.live.source_id,
        through: page.through,
        shown: page.shown,
        span_hours: page.span_hours,
        hours: i64::try_from(page.hours.len()).unwrap_or(i64::MAX),
        found,
        restored,
    };
    verifications::advance(conn, &to).await?;
    Ok(Verified {
        found: usize::try_from(found).unwrap_or(0),
        restored: usize::try_from(restored).unwrap_or(0),
        lanes,
    })
}

#[derive(QueryableByName)]
struct Open {
    #[diesel(sql_type = Timestamptz)]
    hour: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    open: i64,
}

/// Appends what is new to the live log, and counts it: as found, or as restored where as many events
/// were missing.
async fn append(
    conn: &mut AsyncPgConnection,
    page: &VerifyPage<'_>,
    intake: &Intake<'_>,
    now: DateTime<Utc>,
) -> Result<(i64, i64), StoreError> {
    let live = logs::lock(conn, page.live).await?;
    let stored = batch_ids::overlapping(conn, &live, intake).await?;
    let verdicts = intake.judge(stored);
    let day = live.day.max(now.date_naive());
    let kept = intake
        .append(conn, &live, day, now, &verdicts, None)
        .await?;
    if kept > 0 {
        let kept = i64::try_from(kept).unwrap_or(i64::MAX);
        logs::grow(conn, &live, day, kept).await?;
        logs::note_ahead(conn, &live, intake.ahead_days(now)).await?;
    }
    let mut counts = SourceCounts::new(now, false, None);
    for (event, verdict) in page.events.iter().zip(&verdicts) {
        counts.verified(event.published, *verdict);
    }
    let open: Vec<Open> = sql_query(
        "SELECT hour, missing - restored AS open FROM source_ledger \
         WHERE tenant_id = $1 AND source_id = $2 AND hour = ANY($3) AND missing > restored",
    )
    .bind::<SqlUuid, _>(live.tenant_id)
    .bind::<SqlUuid, _>(live.source_id)
    .bind::<Array<Timestamptz>, _>(counts.hours())
    .load(conn)
    .await?;
    for Open { hour, open } in open {
        counts.restore(hour, open);
    }
    ledger::add_source(conn, &live, &counts).await?;
    Ok(counts.found())
}

/// The verdict of the hours that are complete; whatever a page that was put aside may hide, they have
/// been read now.
async fn give_verdicts(
    conn: &mut AsyncPgConnection,
    page: &VerifyPage<'_>,
) -> Result<(), StoreError> {
    if page.hours.is_empty() {
        return Ok(());
    }
    let (hours, shown): (Vec<DateTime<Utc>>, Vec<i64>) = page.hours.iter().copied().unzip();
    sql_query(
        "INSERT INTO source_ledger AS l (tenant_id, source_id, hour, verified_at, verified_events) \
         SELECT $1, $2, n.hour, collector_now(), n.shown FROM unnest($3, $4) AS n(hour, shown) ORDER BY n.hour \
         ON CONFLICT (tenant_id, source_id, hour) DO UPDATE SET verified_at = excluded.verified_at, \
            verified_events = excluded.verified_events, gap = false, not_shown = greatest(l.stored - excluded.verified_events, 0)",
    )
    .bind::<SqlUuid, _>(page.live.tenant_id)
    .bind::<SqlUuid, _>(page.live.source_id)
    .bind::<Array<Timestamptz>, _>(hours)
    .bind::<Array<BigInt>, _>(shown)
    .execute(conn)
    .await?;
    Ok(())
}
