//! Leasing due jobs, keeping the leases, ending them. A lease is `run_at` pushed into the future;
//! an expired one is simply due again. Every statement locks rows in ascending order of job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Bool, Double, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use model::ids::{JobId, TenantId};
use model::job::{Fence, JobKind, Lease, Outcome, QUARANTINE};
use std::time::Duration;
use uuid::Uuid;

use crate::error::StoreError;
use crate::pool::Store;
use crate::sql::sql_query;

/// A lane as every process keeps it in memory.
#[derive(Debug, Clone, QueryableByName)]
pub struct LaneRow {
    /// The lane.
    #[diesel(sql_type = Integer)]
    pub id: i32,
    /// Number of the kind of its jobs; may be one that this version does not know.
    #[diesel(sql_type = SmallInt)]
    pub kind: i16,
    /// For routes that count as failing.
    #[diesel(sql_type = Bool)]
    pub failing: bool,
    /// Seconds until the earliest job is due (negative: overdue); `None` when nothing is planned.
    #[diesel(sql_type = Nullable<Double>)]
    pub due_in: Option<f64>,
}

/// A lane to claim from.
#[derive(Debug, Clone, Copy)]
pub struct ClaimLane {
    /// The lane.
    pub id: i32,
    /// Nothing due is expected below this; `None` looks at everything.
    pub floor: Option<DateTime<Utc>>,
}

/// What a claim brought.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The lease.
    pub lease: Lease,
    /// Where the row stood in its lane before: the next floor.
    pub was: DateTime<Utc>,
}

/// The end of a run.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// The lease it ends.
    pub fence: Fence,
    /// How.
    pub outcome: Outcome,
    /// For deliver jobs: whether the route counts as failing now. `None`: the lane stays.
    pub failing: Option<bool>,
}

#[derive(QueryableByName)]
struct ClaimRow {
    #[diesel(sql_type = BigInt)]
    job_id: i64,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Integer)]
    lost: i32,
    #[diesel(sql_type = Bool)]
    after_loss: bool,
    #[diesel(sql_type = Timestamptz)]
    due_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    lane_id: i32,
    #[diesel(sql_type = Timestamptz)]
    was: DateTime<Utc>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    tenant_id: Option<Uuid>,
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = SqlUuid)]
    subject_id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    trace_context: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    clock: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct JobRow {
    #[diesel(sql_type = BigInt)]
    job_id: i64,
}

/// `attempt` saturates: a route that is retried for weeks must not overflow and stop its lane. A paused
/// job whose worker died is parked, not leased; one that an operator wakes has no previous owner.
const CLAIM: &str = "WITH l AS MATERIALIZED (SELECT u.id, u.lo FROM unnest($3, $4) AS u(id, lo)), \
 c AS MATERIALIZED (SELECT x.job_id, x.run_at, x.owner AS prev_owner, x.paused AND x.owner IS NOT NULL AS parked FROM l CROSS JOIN LATERAL ( \
     SELECT job_id, run_at, owner, paused FROM job_schedule h WHERE h.lane_id = l.id AND h.run_at <= collector_now() AND h.run_at >= l.lo \
     ORDER BY h.run_at LIMIT least($5, (SELECT quantum FROM job_lanes q WHERE q.id = l.id)) FOR NO KEY UPDATE SKIP LOCKED) x), \
 u AS (UPDATE job_schedule h SET epoch = h.epoch + 1, poked = 0, held = false, \
     run_at = CASE WHEN c.parked THEN 'infinity' ELSE collector_clock() + make_interval(secs => $2) END, \
     owner = CASE WHEN c.parked THEN NULL ELSE $1 END, \
     attempt = least(h.attempt, 1000000) + 1, lost = CASE WHEN c.prev_owner IS NULL THEN h.lost ELSE least(h.lost, 1000000) + 1 END \
     FROM c WHERE h.job_id = c.job_id \
     RETURNING h.job_id, h.epoch, h.attempt, h.lost, h.due_at, h.lane_id, h.owner, c.run_at AS was, c.prev_owner IS NOT NULL AS after_loss) \
 SELECT u.*, j.tenant_id, j.kind, j.subject_id, j.trace_context, collector_clock() AS clock FROM u JOIN jobs j ON j.id = u.job_id \
 WHERE u.owner IS NOT NULL";

const HEARTBEAT: &str = "WITH d AS MATERIALIZED (SELECT * FROM unnest($1, $2) AS d(job_id, epoch)), \
 k AS MATERIALIZED (SELECT h.job_id FROM job_schedule h JOIN d ON h.job_id = d.job_id AND h.epoch = d.epoch \
     WHERE h.owner = $3 ORDER BY h.job_id FOR NO KEY UPDATE OF h SKIP LOCKED), \
 u AS (UPDATE job_schedule h SET run_at = collector_clock() + make_interval(secs => $4) FROM k WHERE h.job_id = k.job_id) \
 SELECT d.job_id FROM d LEFT JOIN job_schedule h ON h.job_id = d.job_id WHERE h.job_id IS NULL OR h.epoch <> d.epoch OR h.owner IS DISTINCT FROM $3";

/// Outcomes as numbers: 0 done, 1 snoozed, 2 failed. Any word of the holder ends a row of lost leases,
/// but out of quarantine leads only a run that does not fail. What depends on the row is read from the row being
/// updated, not from `k`: a poke that commits while this statement waits for the row must be seen.
const COMPLETE: &str = "WITH d AS MATERIALIZED (SELECT * FROM unnest($1, $2, $4, $5, $6) AS d(job_id, epoch, wait, outcome, failing)), \
 k AS MATERIALIZED (SELECT h.job_id, d.wait, d.outcome, d.failing FROM job_schedule h JOIN d ON h.job_id = d.job_id AND h.epoch = d.epoch \
     WHERE h.owner = $3 ORDER BY h.job_id FOR NO KEY UPDATE OF h) \
 UPDATE job_schedule h SET owner = NULL, poked = 0, held = k.outcome <> 0 AND h.poked <> 2, \
     lane_id = CASE WHEN k.failing IS NULL THEN h.lane_id ELSE coalesce((SELECT m.id FROM job_lanes o \
         JOIN job_lanes m ON m.tenant_id = o.tenant_id AND m.kind = o.kind AND m.failing = k.failing WHERE o.id = h.lane_id), h.lane_id) END, \
     attempt = CASE k.outcome WHEN 0 THEN 0 WHEN 1 THEN greatest(h.attempt - 1, 0) ELSE h.attempt END, \
     lost = CASE WHEN k.outcome = 2 AND h.lost >= $7 THEN h.lost ELSE 0 END, \
     due_at = CASE WHEN h.poked = 2 OR (h.poked = 1 AND k.outcome = 0) THEN collector_now() ELSE collector_now() + make_interval(secs => k.wait) END, \
     run_at = CASE WHEN h.paused THEN 'infinity' WHEN h.poked = 2 OR (h.poked = 1 AND k.outcome = 0) THEN collector_now() \
         ELSE collector_now() + make_interval(secs => k.wait) END \
 FROM k WHERE h.job_id = k.job_id RETURNING h.job_id";

const GIVE_BACK: &str = "WITH d AS MATERIALIZED (SELECT * FROM unnest($1, $2) AS d(job_id, epoch)), \
 k AS MATERIALIZED (SELECT h.job_id FROM job_schedule h JOIN d ON h.job_id = d.job_id AND h.epoch = d.epoch \
     WHERE h.owner = $3 ORDER BY h.job_id FOR NO KEY UPDATE OF h) \
 UPDATE job_schedule h SET owner = NULL, attempt = greatest(h.attempt - 1, 0), \
     run_at = CASE WHEN h.paused THEN 'infinity' ELSE collector_now() END FROM k WHERE h.job_id = k.job_id";

impl Store {
    /// All lanes, and when each is due: the hint that lets a claim visit due lanes only.
    pub async fn lanes(&self) -> Result<Vec<LaneRow>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sql_query(
            "SELECT l.id, l.kind, l.failing, extract(epoch FROM h.run_at - collector_now())::float8 AS due_in \
             FROM job_lanes l LEFT JOIN LATERAL (SELECT run_at FROM job_schedule s WHERE s.lane_id = l.id AND s.run_at < 'infinity' \
             ORDER BY s.run_at LIMIT 1) h ON true",
        )
        .load(&mut conn)
        .await?)
    }

    /// Leases up to `most` due jobs of each lane, at most a lane's quantum.
    ///
    /// Committed durably, so that a crash of the database cannot give one epoch twice.
    pub async fn claim(
        &self,
        owner: i64,
        lease: Duration,
        lanes: &[ClaimLane],
        most: u32,
    ) -> Result<Vec<Claimed>, StoreError> {
        let ids: Vec<i32> = lanes.iter().map(|lane| lane.id).collect();
        let floors: Vec<DateTime<Utc>> = lanes
            .iter()
            .map(|lane| lane.floor.unwrap_or(DateTime::UNIX_EPOCH))
            .collect();
        let mut conn = self.conn().await?;
        let rows: Vec<ClaimRow> = sql_query(CLAIM)
            .bind::<BigInt, _>(owner)
            .bind::<Double, _>(lease.as_secs_f64())
            .bind::<Array<Integer>, _>(ids)
            .bind::<Array<Timestamptz>, _>(floors)
            .bind::<BigInt, _>(i64::from(most))
            .load(&mut conn)
            .await?;
        // A kind that this version does not know is left to its lease.
        Ok(rows
            .into_iter()
            .filter_map(|row| claimed(owner, row))
            .collect())
    }

    /// Renews leases in one statement. Returns the jobs whose lease is lost; rows that somebody
    /// holds locked are neither renewed nor lost.
    pub async fn heartbeat(
        &self,
        owner: i64,
        lease: Duration,
        fences: &[Fence],
    ) -> Result<Vec<JobId>, StoreError> {
        let (jobs, epochs) = columns(fences.iter());
        let mut conn = self.conn().await?;
        let lost: Vec<JobRow> = sql_query(HEARTBEAT)
            .bind::<Array<BigInt>, _>(jobs)
            .bind::<Array<BigInt>, _>(epochs)
            .bind::<BigInt, _>(owner)
            .bind::<Double, _>(lease.as_secs_f64())
            .load(&mut conn)
            .await?;
        Ok(lost.into_iter().map(|row| JobId(row.job_id)).collect())
    }

    /// Ends runs. Returns the jobs whose end was accepted; the others had lost their lease.
    pub async fn complete(
        &self,
        owner: i64,
        ends: &[Completion],
    ) -> Result<Vec<JobId>, StoreError> {
        let (jobs, epochs) = columns(ends.iter().map(|end| &end.fence));
        let mut waits = Vec::with_capacity(ends.len());
        let mut outcomes = Vec::with_capacity(ends.len());
        let mut failing = Vec::with_capacity(ends.len());
        for end in ends {
            let (wait, outcome) = match end.outcome {
                Outcome::Done { next } => (next, 0i16),
                Outcome::Snoozed { wait } => (wait, 1),
                Outcome::Failed { wait } => (wait, 2),
            };
            waits.push(wait.as_secs_f64());
            outcomes.push(outcome);
            failing.push(end.failing);
        }
        let mut conn = self.conn().await?;
        let done: Vec<JobRow> = sql_query(COMPLETE)
            .bind::<Array<BigInt>, _>(jobs)
            .bind::<Array<BigInt>, _>(epochs)
            .bind::<BigInt, _>(owner)
            .bind::<Array<Double>, _>(waits)
            .bind::<Array<SmallInt>, _>(outcomes)
            .bind::<Array<Nullable<Bool>>, _>(failing)
            .bind::<Integer, _>(QUARANTINE)
            .load(&mut conn)
            .await?;
        Ok(done.into_iter().map(|row| JobId(row.job_id)).collect())
    }

    /// Gives back leases whose work was not begun or broken off at shutdown: due at once, the
    /// attempt not counted.
    pub async fn give_back(&self, owner: i64, fences: &[Fence]) -> Result<usize, StoreError> {
        let (jobs, epochs) = columns(fences.iter());
        let mut conn = self.conn().await?;
        Ok(sql_query(GIVE_BACK)
            .bind::<Array<BigInt>, _>(jobs)
            .bind::<Array<BigInt>, _>(epochs)
            .bind::<BigInt, _>(owner)
            .execute(&mut conn)
            .await?)
    }
}

fn columns<'a>(fences: impl Iterator<Item = &'a Fence>) -> (Vec<i64>, Vec<i64>) {
    fences.map(|fence| (fence.job.0, fence.epoch)).unzip()
}

fn claimed(owner: i64, row: ClaimRow) -> Option<Claimed> {
    let lease = Lease {
        fence: Fence {
            job: JobId(row.job_id),
            epoch: row.epoch,
            owner,
        },
        tenant: row.tenant_id.map(TenantId),
        kind: JobKind::from_number(row.kind)?,
        subject: row.subject_id,
        lane: row.lane_id,
        attempt: row.attempt,
        lost: row.lost,
        after_loss: row.after_loss,
        due_at: row.due_at,
        leased_at: row.clock,
        trace_context: row.trace_context,
    };
    Some(Claimed {
        lease,
        was: row.was,
    })
}
