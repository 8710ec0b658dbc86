//! The ledger: what became of events, per source and hour and per route and hour.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{RouteId, SourceId, TenantId};

use crate::batches::{hour_of, hour_start};
use crate::error::StoreError;
use crate::intake::Verdict;
use crate::logs::Log;
use crate::pool::Store;
use crate::sql::sql_query;
use crate::verifications::BOUNDS;

/// An event counts as late when it is stored after one that was published this much later.
const LATE: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    stored: i64,
    late: i64,
    duplicate: i64,
    reread: i64,
    changed: i64,
    found: i64,
    restored: i64,
}

/// What a page adds to the ledger of its source.
#[derive(Debug)]
pub(crate) struct SourceCounts {
    now: DateTime<Utc>,
    rereading: bool,
    newest: Option<DateTime<Utc>>,
    hours: BTreeMap<i32, Counts>,
}

impl SourceCounts {
    pub(crate) fn new(now: DateTime<Utc>, rereading: bool, newest: Option<DateTime<Utc>>) -> Self {
        Self {
            now,
            rereading,
            newest,
            hours: BTreeMap::new(),
        }
    }

    /// Counts an event that a verification met: what is stored as it is shown says nothing new.
    pub(crate) fn verified(&mut self, published: Option<DateTime<Utc>>, verdict: Verdict) {
        let counts = self.hours.entry(hour_of(published, self.now)).or_default();
        match verdict {
            Verdict::Keep => {
                counts.stored += 1;
                counts.found += 1;
            }
            Verdict::Changed => counts.changed += 1,
            Verdict::Same => {}
        }
    }

    /// Of what was found in an hour so many had been stored before and were gone.
    pub(crate) fn restore(&mut self, hour: DateTime<Utc>, open: i64) {
        if let Some(counts) = self.hours.get_mut(&hour_of(Some(hour), hour)) {
            counts.restored = counts.found.min(open.max(0));
            counts.found -= counts.restored;
        }
    }

    /// The hours of it.
    pub(crate) fn hours(&self) -> Vec<DateTime<Utc>> {
        self.hours.keys().map(|hour| hour_start(*hour)).collect()
    }

    /// Events found that had never been stored, and such that had been.
    pub(crate) fn found(&self) -> (i64, i64) {
        let counts = self.hours.values();
        counts.fold((0, 0), |(found, restored), it| {
            (found + it.found, restored + it.restored)
        })
    }

    /// Counts an event, in the order of the page.
    pub(crate) fn add(&mut self, published: Option<DateTime<Utc>>, verdict: Verdict, ahead: bool) {
        let counts = self.hours.entry(hour_of(published, self.now)).or_default();
        match (verdict, self.rereading) {
            (Verdict::Keep, _) => {
                counts.stored += 1;
                // What comes behind the first new event is not read again.
                self.rereading = false;
            }
            (Verdict::Same, true) => counts.reread += 1,
            (Verdict::Same, false) => counts.duplicate += 1,
            (Verdict::Changed, _) => counts.changed += 1,
        }
        if let Some(at) = published.filter(|_| verdict == Verdict::Keep) {
            counts.late += i64::from(self.newest.is_some_and(|newest| newest - at > LATE));
            if !ahead {
                self.newest = self.newest.max(Some(at));
            }
        }
    }
}

/// Adds a page to the ledger. Rows are taken in the order of hours, under the lock of the log.
pub(crate) async fn add_source(
    conn: &mut AsyncPgConnection,
    log: &Log,
    counts: &SourceCounts,
) -> Result<(), StoreError> {
    if counts.hours.is_empty() {
        return Ok(());
    }
    let column = |pick: fn(&Counts) -> i64| counts.hours.values().map(pick).collect::<Vec<_>>();
    sql_query(
        "INSERT INTO source_ledger AS l (tenant_id, source_id, hour, stored, late, duplicate, reread, changed, found, restored) \
         SELECT $1, $2, n.* FROM unnest($3, $4, $5, $6, $7, $8, $9, $10) AS n(hour, stored, late, duplicate, reread, changed, found, restored) ORDER BY n.hour \
         ON CONFLICT (tenant_id, source_id, hour) DO UPDATE SET stored = l.stored + excluded.stored, late = l.late + excluded.late, \
            duplicate = l.duplicate + excluded.duplicate, reread = l.reread + excluded.reread, changed = l.changed + excluded.changed, \
            found = l.found + excluded.found, restored = l.restored + excluded.restored",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(log.source_id)
    .bind::<Array<Timestamptz>, _>(counts.hours())
    .bind::<Array<BigInt>, _>(column(|counts| counts.stored))
    .bind::<Array<BigInt>, _>(column(|counts| counts.late))
    .bind::<Array<BigInt>, _>(column(|counts| counts.duplicate))
    .bind::<Array<BigInt>, _>(column(|counts| counts.reread))
    .bind::<Array<BigInt>, _>(column(|counts| counts.changed))
    .bind::<Array<BigInt>, _>(column(|counts| counts.found))
    .bind::<Array<BigInt>, _>(column(|counts| counts.restored))
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks the hours that a quarantined page may hide.
pub(crate) async fn mark_gap(
    conn: &mut AsyncPgConnection,
    log: &Log,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sql_query(
        "INSERT INTO source_ledger AS l (tenant_id, source_id, hour, gap) \
         SELECT $1, $2, hour, true FROM generate_series(date_trunc('hour', $3, 'UTC'), $4, interval '1 hour') AS hour \
         ON CONFLICT (tenant_id, source_id, hour) DO UPDATE SET gap = true, verified_at = NULL",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(log.source_id)
    .bind::<Timestamptz, _>(from)
    .bind::<Timestamptz, _>(until)
    .execute(conn)
    .await?;
    Ok(())
}

/// What a delivery adds to (or takes back from) the ledger of its route.
#[derive(Debug, Default)]
pub(crate) struct RouteCounts {
    hours: BTreeMap<DateTime<Utc>, (i64, i64)>,
}

impl RouteCounts {
    pub(crate) fn delivered(&mut self, hour: DateTime<Utc>, events: i64) {
        self.hours.entry(hour).or_default().0 += events;
    }

    pub(crate) fn dead(&mut self, hour: DateTime<Utc>, events: i64) {
        self.hours.entry(hour).or_default().1 += events;
    }
}

pub(crate) async fn add_route(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    route: RouteId,
    counts: &RouteCounts,
) -> Result<(), StoreError> {
    if counts.hours.is_empty() {
        return Ok(());
    }
    sql_query(
        "INSERT INTO route_ledger AS l (tenant_id, route_id, hour, delivered, dead) \
         SELECT $1, $2, n.* FROM unnest($3, $4, $5) AS n(hour, delivered, dead) ORDER BY n.hour \
         ON CONFLICT (tenant_id, route_id, hour) DO UPDATE SET delivered = l.delivered + excluded.delivered, dead = l.dead + excluded.dead",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(route.0)
    .bind::<Array<Timestamptz>, _>(counts.hours.keys().copied().collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(counts.hours.values().map(|(delivered, _)| *delivered).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(counts.hours.values().map(|(_, dead)| *dead).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// One hour of a source's ledger, all its routes together.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the ledgers")]
pub struct LedgerHour {
    #[diesel(sql_type = Timestamptz)]
    pub hour: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    pub stored: i64,
    #[diesel(sql_type = BigInt)]
    pub late: i64,
    #[diesel(sql_type = BigInt)]
    pub duplicate: i64,
    #[diesel(sql_type = BigInt)]
    pub reread: i64,
    #[diesel(sql_type = BigInt)]
    pub changed: i64,
    #[diesel(sql_type = Bool)]
    pub gap: bool,
    #[diesel(sql_type = BigInt)]
    pub delivered: i64,
    #[diesel(sql_type = BigInt)]
    pub dead: i64,
    #[diesel(sql_type = BigInt)]
    pub given_up: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub verified_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub verified_events: Option<i64>,
    /// Why it is not verified.
    #[diesel(sql_type = Nullable<Text>)]
    pub unverified: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub found: i64,
    #[diesel(sql_type = BigInt)]
    pub missing: i64,
    #[diesel(sql_type = BigInt)]
    pub restored: i64,
    #[diesel(sql_type = BigInt)]
    pub not_shown: i64,
}

impl Store {
    /// The ledger of a source, newest hour first.
    pub async fn ledger(
        &self,
        tenant: TenantId,
        source: SourceId,
        before: Option<DateTime<Utc>>,
        limit: i64,
    ) -> Result<Vec<LedgerHour>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sql_query(format!(
            "SELECT s.hour, s.stored, s.late, s.duplicate, s.reread, s.changed, s.gap, coalesce(r.delivered, 0)::bigint AS delivered, \
                coalesce(r.dead, 0)::bigint AS dead, coalesce(r.given_up, 0)::bigint AS given_up, \
                s.verified_at, s.verified_events, s.found, s.missing, s.restored, s.not_shown, \
                CASE WHEN s.verified_at IS NOT NULL THEN NULL WHEN b.off THEN 'verify_off' WHEN s.hour >= b.until THEN 'not_at_head' \
                    WHEN s.hour < b.oldest THEN 'too_old' WHEN s.hour >= b.since OR s.gap OR s.missing > s.restored THEN 'pending' \
                    ELSE 'out_of_range' END AS unverified \
             FROM source_ledger s CROSS JOIN ({BOUNDS}) b LEFT JOIN LATERAL (SELECT sum(l.delivered) AS delivered, sum(l.dead) AS dead, sum(l.given_up) AS given_up \
                FROM route_ledger l JOIN routes t ON t.tenant_id = l.tenant_id AND t.id = l.route_id \
                WHERE l.tenant_id = s.tenant_id AND t.source_id = s.source_id AND l.hour = s.hour) r ON true \
             WHERE s.tenant_id = $1 AND s.source_id = $2 AND s.hour < coalesce($3, 'infinity') ORDER BY s.hour DESC LIMIT $4"
        ))
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(source.0)
        .bind::<Nullable<Timestamptz>, _>(before)
        .bind::<BigInt, _>(limit)
        .load(&mut conn)
        .await?)
    }
}
