//! Verification: which hours of a source are to be compared with Okta, and how far the present pass
//! has come.
//!
//! A pass begins by comparing the ledger with the ids that are stored; an hour that differs loses its
//! verdict. Then it reads finished, unverified hours again, oldest first. Its position is committed
//! with each page; a crash goes on there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{SourceId, TenantId};
use model::job::{Fence, JobKind};
use model::range::Verify;
use model::status::Trouble;
use uuid::Uuid;

use crate::error::{Resource, StoreError};
use crate::jobs;
use crate::logs::{self, Log};
use crate::page::renew;
use crate::pool::Store;
use crate::schema::verifications;
use crate::sql::sql_query;

/// Between which hours a source can be verified: since its start and its present query, until live
/// polling stood at the head 15 minutes after the hour; and the oldest hour that Okta still has whole.
/// One row, if `$1` and `$2` are tenant and source.
pub(crate) const BOUNDS: &str = "SELECT v.verify = 'off' AS off, o.oldest, \
    greatest(o.oldest, date_trunc('hour', v.start_at + interval '59 minutes 59.999999 seconds', 'UTC'), \
        date_trunc('hour', v.query_changed_at + interval '59 minutes 59.999999 seconds', 'UTC')) AS since, \
    coalesce(date_trunc('hour', g.head_at - interval '15 minutes', 'UTC'), '-infinity') AS until \
    FROM sources v JOIN logs g ON g.tenant_id = v.tenant_id AND g.source_id = v.id AND g.kind = 'live', \
    (SELECT date_trunc('hour', collector_now() - interval '90 days', 'UTC') + interval '1 hour' AS oldest) o \
    WHERE v.tenant_id = $1 AND v.id = $2";

/// Hours that wait for a verification.
const UNVERIFIED: &str = "SELECT h.hour, coalesce(l.stored, 0) AS stored FROM b \
    CROSS JOIN LATERAL generate_series(b.oldest, b.until - interval '1 hour', interval '1 hour') AS h(hour) \
    LEFT JOIN source_ledger l ON l.tenant_id = $1 AND l.source_id = $2 AND l.hour = h.hour \
    WHERE b.until > '-infinity' AND l.verified_at IS NULL AND (h.hour >= b.since OR l.gap OR l.missing > l.restored)";

/// Where the verification of a source stands.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = verifications)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct Verification {
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub complete_through: Option<DateTime<Utc>>,
    pub through: Option<DateTime<Utc>>,
    pub shown: i64,
    pub span_hours: i32,
    pub hours: i64,
    pub skipped: i64,
    pub found: i64,
    pub missing: i64,
    pub restored: i64,
    trouble: Option<String>,
    pub trouble_detail: Option<String>,
    pub found_total: i64,
    pub missing_total: i64,
}

impl Verification {
    /// Whether a pass is under way.
    pub fn is_under_way(&self) -> bool {
        self.started_at.is_some() && self.finished_at.is_none()
    }

    /// What the pass met last.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.as_deref().and_then(Trouble::from_code)
    }
}

/// An hour of which ledger and stored ids tell different things.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Differs {
    /// The hour.
    #[diesel(sql_type = Timestamptz)]
    pub hour: DateTime<Utc>,
    /// Events stored, by the ledger.
    #[diesel(sql_type = BigInt)]
    pub stored: i64,
    /// Ids there are.
    #[diesel(sql_type = BigInt)]
    pub ids: i64,
}

/// An hour that waits for its verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Unverified {
    /// The hour.
    #[diesel(sql_type = Timestamptz)]
    pub hour: DateTime<Utc>,
    /// Events stored in it.
    #[diesel(sql_type = BigInt)]
    pub stored: i64,
}

/// Makes the verification of a new source and its job.
pub(crate) async fn create(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    source: SourceId,
    verify: Verify,
) -> Result<(), StoreError> {
    sql_query("INSERT INTO verifications (tenant_id, source_id) VALUES ($1, $2)")
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(source.0)
        .execute(conn)
        .await?;
    let how = jobs::New {
        paused: verify == Verify::Off,
        ..jobs::New::default()
    };
    jobs::create(conn, tenant, JobKind::Verify, source.0, how).await
}

/// Finished hours of the last 90 days of which ledger and ids differ. Ids from before their hours were
/// noted say nothing about the hours of their range.
async fn differing(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    source: SourceId,
) -> Result<Vec<Differs>, StoreError> {
    Ok(sql_query(
        "WITH r AS (SELECT date_trunc('hour', collector_now() - interval '90 days', 'UTC') + interval '1 hour' AS lo, \
            date_trunc('hour', collector_now(), 'UTC') AS hi), \
         i AS MATERIALIZED (SELECT coalesce(first_published, day) AS lo, coalesce(last_published, day + 2) AS hi, hours \
            FROM batch_ids WHERE tenant_id = $1 AND source_id = $2), \
         n AS (SELECT to_timestamp(i.hours[2 * g - 1] * 3600::float8) AS hour, sum(i.hours[2 * g])::bigint AS ids \
            FROM i CROSS JOIN LATERAL generate_series(1, cardinality(i.hours) / 2) AS g GROUP BY 1), \
         l AS (SELECT hour, stored FROM source_ledger WHERE tenant_id = $1 AND source_id = $2), \
         d AS (SELECT hour, coalesce(l.stored, 0) AS stored, coalesce(n.ids, 0) AS ids FROM l FULL JOIN n USING (hour)) \
         SELECT d.* FROM d, r WHERE d.hour >= r.lo AND d.hour < r.hi AND d.stored <> d.ids \
            AND NOT EXISTS (SELECT FROM i WHERE i.hours IS NULL AND i.lo < d.hour + interval '1 hour' AND i.hi >= d.hour) \
         ORDER BY d.hour",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(source.0)
    .load(conn)
    .await?)
}

/// Takes the verdict of hours that differ, and brings their count in line with what is there.
async fn take_verdicts(
    conn: &mut AsyncPgConnection,
    live: &Log,
    hours: &[Differs],
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO source_ledger AS l (tenant_id, source_id, hour, stored) \
         SELECT $1, $2, n.* FROM unnest($3, $4) AS n(hour, ids) ORDER BY n.hour \
         ON CONFLICT (tenant_id, source_id, hour) DO UPDATE SET stored = excluded.stored, \
            missing = l.missing + greatest(l.stored - excluded.stored, 0), verified_at = NULL, verified_events = NULL",
    )
    .bind::<SqlUuid, _>(live.tenant_id)
    .bind::<SqlUuid, _>(live.source_id)
    .bind::<Array<Timestamptz>, _>(hours.iter().map(|it| it.hour).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(hours.iter().map(|it| it.ids).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Until when every hour is verified now.
async fn note_complete(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    source: SourceId,
) -> Result<(), StoreError> {
    sql_query(format!(
        "WITH b AS MATERIALIZED ({BOUNDS}), \
         c AS (SELECT CASE WHEN b.until > b.since THEN coalesce((SELECT min(hour) FROM ({UNVERIFIED}) u), b.until) END AS through FROM b) \
         UPDATE verifications v SET complete_through = c.through FROM c WHERE v.tenant_id = $1 AND v.source_id = $2"
    ))
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(source.0)
    .execute(conn)
    .await?;
    Ok(())
}

impl Store {
    /// Where the verification of a source stands.
    pub async fn verification(
        &self,
        tenant: TenantId,
        source: SourceId,
    ) -> Result<Verification, StoreError> {
        let mut conn = self.conn().await?;
        verifications::table
            .find((tenant.0, source.0))
            .select(Verification::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Source))
    }

    /// Begins a pass: compares the ledger with the stored ids. Returns the hours that differ, which have
    /// lost their verdict.
    pub async fn begin_pass(
        &self,
        fence: &Fence,
        lease: Duration,
        live: &Log,
    ) -> Result<Vec<Differs>, StoreError> {
        let (tenant, source) = (TenantId(live.tenant_id), SourceId(live.source_id));
        // Almost always there are none, and then nobody has to wait for this.
        let suspects = differing(&mut *self.conn().await?, tenant, source).await?;
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            let mut hours = Vec::new();
            if !suspects.is_empty() {
                logs::lock(conn, live).await?;
                hours = differing(conn, tenant, source).await?;
                take_verdicts(conn, live, &hours).await?;
            }
            let missing: i64 = hours.iter().map(|it| (it.stored - it.ids).max(0)).sum();
            sql_query(
                "UPDATE verifications SET started_at = collector_now(), finished_at = NULL, through = NULL, shown = 0, hours = 0, skipped = 0, \
                    found = 0, missing = $3, restored = 0, trouble = NULL, trouble_detail = NULL, missing_total = missing_total + $3 \
                 WHERE tenant_id = $1 AND source_id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(source.0)
            .bind::<BigInt, _>(missing)
            .execute(conn)
            .await?;
            note_complete(conn, tenant, source).await?;
            Ok(hours)
        })
        .await
    }

    /// The next hours that the pass has not come to, in order, at most so many.
    pub async fn unverified_hours(
        &self,
        tenant: TenantId,
        source: SourceId,
        limit: i32,
    ) -> Result<Vec<Unverified>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sql_query(format!(
            "WITH b AS MATERIALIZED ({BOUNDS}) {UNVERIFIED} \
                AND h.hour >= (SELECT date_trunc('hour', coalesce(through, '-infinity'), 'UTC') FROM verifications WHERE tenant_id = $1 AND source_id = $2) \
             ORDER BY h.hour LIMIT $3"
        ))
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(source.0)
        .bind::<Integer, _>(limit)
        .load(&mut conn)
        .await?)
    }

    /// Ends a pass that has come to its end.
    pub async fn end_pass(
        &self,
        fence: &Fence,
        lease: Duration,
        tenant: TenantId,
        source: SourceId,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            sql_query(
                "UPDATE verifications SET finished_at = collector_now(), through = NULL, shown = 0, trouble = NULL, trouble_detail = NULL \
                 WHERE tenant_id = $1 AND source_id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(source.0)
            .execute(conn)
            .await?;
            note_complete(conn, tenant, source).await
        })
        .await
    }

    /// Notes what keeps a pass from going on, and how many hours the next request covers.
    pub async fn pass_failed(
        &self,
        fence: &Fence,
        lease: Duration,
        live: &Log,
        (trouble, detail): (Trouble, &str),
        span_hours: i32,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            sql_query(
                "UPDATE verifications SET trouble = $3, trouble_detail = $4, span_hours = $5 WHERE tenant_id = $1 AND source_id = $2",
            )
            .bind::<SqlUuid, _>(live.tenant_id)
            .bind::<SqlUuid, _>(live.source_id)
            .bind::<Text, _>(trouble.code())
            .bind::<Text, _>(detail)
            .bind::<Integer, _>(span_hours)
            .execute(conn)
            .await?;
            Ok(())
        })
        .await
    }

    /// Leaves an hour that cannot be read to the next pass.
    pub async fn skip_hour(
        &self,
        fence: &Fence,
        lease: Duration,
        live: &Log,
        next: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            sql_query(
                "UPDATE verifications SET through = $3, shown = 0, skipped = skipped + 1 WHERE tenant_id = $1 AND source_id = $2",
            )
            .bind::<SqlUuid, _>(live.tenant_id)
            .bind::<SqlUuid, _>(live.source_id)
            .bind::<Nullable<Timestamptz>, _>(Some(next))
            .execute(conn)
            .await?;
            Ok(())
        })
        .await
    }
}

/// What a page moves of a pass.
#[derive(Debug)]
pub(crate) struct PassMove {
    pub(crate) tenant: Uuid,
    pub(crate) source: Uuid,
    pub(crate) through: DateTime<Utc>,
    pub(crate) shown: i64,
    pub(crate) span_hours: i32,
    pub(crate) hours: i64,
    pub(crate) found: i64,
    pub(crate) restored: i64,
}

/// Moves a pass; a success clears its trouble.
pub(crate) async fn advance(conn: &mut AsyncPgConnection, to: &PassMove) -> Result<(), StoreError> {
    sql_query(
        "UPDATE verifications SET through = $3, shown = $4, span_hours = $5, hours = hours + $6, found = found + $7, restored = restored + $8, \
            found_total = found_total + $7, trouble = NULL, trouble_detail = NULL WHERE tenant_id = $1 AND source_id = $2",
    )
    .bind::<SqlUuid, _>(to.tenant)
    .bind::<SqlUuid, _>(to.source)
    .bind::<Timestamptz, _>(to.through)
    .bind::<BigInt, _>(to.shown)
    .bind::<Integer, _>(to.span_hours)
    .bind::<BigInt, _>(to.hours)
    .bind::<BigInt, _>(to.found)
    .bind::<BigInt, _>(to.restored)
    .execute(conn)
    .await?;
    Ok(())
}
