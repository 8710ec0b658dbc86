//! Jobs: made with their subject, poked, paused, resumed, shown.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Bool, Double, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{JobId, TenantId};
use model::job::JobKind;
use model::trace::TraceParent;
use uuid::Uuid;

use crate::error::{Resource, StoreError};
use crate::pool::Store;
use crate::sql::sql_query;

/// A job as operators see it.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the columns of jobs and job_schedule")]
pub struct JobView {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = SmallInt)]
    pub kind: i16,
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub run_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub due_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    pub epoch: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub owner: Option<i64>,
    #[diesel(sql_type = Integer)]
    pub attempt: i32,
    #[diesel(sql_type = Integer)]
    pub lost: i32,
    #[diesel(sql_type = Bool)]
    pub paused: bool,
}

/// Makes the job of a subject, due at once unless told otherwise, in the transaction that makes the subject.
pub(crate) async fn create(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    kind: JobKind,
    subject: Uuid,
    how: New<'_>,
) -> Result<(), StoreError> {
    sql_query(
        "WITH lane AS ( \
            INSERT INTO job_lanes (tenant_id, kind, failing) VALUES ($1, $2, $4) \
            ON CONFLICT (tenant_id, kind, failing) DO UPDATE SET quantum = job_lanes.quantum RETURNING id), \
         job AS (INSERT INTO jobs (tenant_id, kind, subject_id, trace_context) VALUES ($1, $2, $3, $6) RETURNING id) \
         INSERT INTO job_schedule (job_id, lane_id, run_at, due_at, paused) \
         SELECT job.id, lane.id, CASE WHEN $5 THEN 'infinity' ELSE collector_now() + make_interval(secs => $7) END, \
            collector_now() + make_interval(secs => $7), $5 FROM job, lane",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SmallInt, _>(kind.number())
    .bind::<SqlUuid, _>(subject)
    .bind::<Bool, _>(how.failing)
    .bind::<Bool, _>(how.paused)
    .bind::<Nullable<Text>, _>(how.trace_context)
    .bind::<Double, _>(how.after.as_secs_f64())
    .execute(conn)
    .await?;
    Ok(())
}

/// How a job begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct New<'a> {
    /// In the lane of routes that count as failing.
    pub(crate) failing: bool,
    /// Parked until something needs it.
    pub(crate) paused: bool,
    /// Until its first run.
    pub(crate) after: Duration,
    /// Trace context of the request that makes it.
    pub(crate) trace_context: Option<&'a str>,
}

/// Locks the schedules of jobs until the end of the transaction, in ascending order as everywhere,
/// before rows behind them in the order of locks are touched.
pub(crate) async fn lock(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    jobs: &[(JobKind, Uuid)],
) -> Result<(), StoreError> {
    let (kinds, subjects): (Vec<i16>, Vec<Uuid>) = jobs
        .iter()
        .map(|(kind, subject)| (kind.number(), *subject))
        .unzip();
    sql_query(
        "SELECT FROM job_schedule s JOIN jobs j ON j.id = s.job_id JOIN unnest($2, $3) AS d(kind, subject_id) \
            ON j.kind = d.kind AND j.subject_id = d.subject_id \
         WHERE j.tenant_id = $1 ORDER BY s.job_id FOR NO KEY UPDATE OF s",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<Array<SmallInt>, _>(kinds)
    .bind::<Array<SqlUuid>, _>(subjects)
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the jobs of subjects, in the transaction that removes the subjects. A worker that holds a
/// lease on one loses it.
pub(crate) async fn remove(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    jobs: &[(JobKind, Uuid)],
) -> Result<(), StoreError> {
    lock(conn, tenant, jobs).await?;
    for (kind, subject) in jobs {
        sql_query("DELETE FROM jobs WHERE tenant_id = $1 AND kind = $2 AND subject_id = $3")
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SmallInt, _>(kind.number())
            .bind::<SqlUuid, _>(*subject)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// What a poke does to a paused job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paused {
    /// It stays where it is.
    Sleeps,
    /// It runs once and is parked again.
    WakesOnce,
}

/// Makes jobs due now, because an operator asks or something they were waiting for has changed: cuts
/// a backoff short, runs once more after a running one.
pub(crate) async fn poke(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    kind: JobKind,
    subjects: &[Uuid],
    paused: Paused,
) -> Result<(), StoreError> {
    // What runs keeps its lease; a paused job that runs is parked at its end, poked or not.
    sql_query(
        "WITH k AS MATERIALIZED ( \
            SELECT s.job_id FROM job_schedule s JOIN jobs j ON j.id = s.job_id \
            WHERE j.tenant_id = $1 AND j.kind = $2 AND j.subject_id = ANY($3) ORDER BY s.job_id FOR NO KEY UPDATE OF s) \
         UPDATE job_schedule s SET \
            poked = CASE WHEN s.owner IS NULL THEN 0 ELSE 2 END, \
            held = s.held AND s.paused AND NOT $4, \
            run_at = CASE WHEN s.owner IS NULL AND ($4 OR NOT s.paused) THEN least(s.run_at, collector_now()) ELSE s.run_at END, \
            due_at = CASE WHEN s.owner IS NULL AND ($4 OR NOT s.paused) THEN least(s.due_at, collector_now()) ELSE s.due_at END \
         FROM k WHERE s.job_id = k.job_id",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SmallInt, _>(kind.number())
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Bool, _>(paused == Paused::WakesOnce)
    .execute(conn)
    .await?;
    Ok(())
}

/// Parks or unparks jobs. A job that runs is let finish; its completion parks it.
pub(crate) async fn set_paused(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    kind: JobKind,
    subjects: &[Uuid],
    paused: bool,
) -> Result<(), StoreError> {
    sql_query(
        "WITH k AS MATERIALIZED ( \
            SELECT s.job_id FROM job_schedule s JOIN jobs j ON j.id = s.job_id \
            WHERE j.tenant_id = $1 AND j.kind = $2 AND j.subject_id = ANY($3) AND s.paused <> $4 ORDER BY s.job_id FOR NO KEY UPDATE OF s) \
         UPDATE job_schedule s SET paused = $4, \
            run_at = CASE WHEN s.owner IS NOT NULL THEN s.run_at WHEN $4 THEN 'infinity' ELSE s.due_at END \
         FROM k WHERE s.job_id = k.job_id",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SmallInt, _>(kind.number())
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Bool, _>(paused)
    .execute(conn)
    .await?;
    Ok(())
}

/// Says when a job that is not running is due, whatever was planned; one that runs is due once more if it
/// ends well.
pub(crate) async fn plan(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    kind: JobKind,
    subject: Uuid,
    after: Duration,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE job_schedule s SET paused = false, held = false, \
            poked = CASE WHEN s.owner IS NULL THEN s.poked ELSE greatest(s.poked, 1) END, \
            due_at = CASE WHEN s.owner IS NULL THEN collector_now() + make_interval(secs => $4) ELSE s.due_at END, \
            run_at = CASE WHEN s.owner IS NULL THEN collector_now() + make_interval(secs => $4) ELSE s.run_at END \
         FROM jobs j WHERE j.id = s.job_id AND j.tenant_id = $1 AND j.kind = $2 AND j.subject_id = $3",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SmallInt, _>(kind.number())
    .bind::<SqlUuid, _>(subject)
    .bind::<Double, _>(after.as_secs_f64())
    .execute(conn)
    .await?;
    Ok(())
}

const VIEW: &str = "SELECT j.id, j.kind, j.subject_id, \
    CASE WHEN s.run_at = 'infinity' THEN s.due_at ELSE s.run_at END AS run_at, s.due_at, s.epoch, s.owner, s.attempt, s.lost, s.paused \
    FROM jobs j JOIN job_schedule s ON s.job_id = j.id WHERE j.tenant_id = $1 ";

impl Store {
    /// The jobs of a tenant, by number.
    pub async fn list_jobs(
        &self,
        tenant: TenantId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<JobView>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(
            sql_query(format!("{VIEW} AND j.id > $2 ORDER BY j.id LIMIT $3"))
                .bind::<SqlUuid, _>(tenant.0)
                .bind::<BigInt, _>(after)
                .bind::<BigInt, _>(limit)
                .load(&mut conn)
                .await?,
        )
    }

    /// The job of a subject.
    pub async fn job_of(
        &self,
        tenant: TenantId,
        kind: JobKind,
        subject: Uuid,
    ) -> Result<JobView, StoreError> {
        let mut conn = self.conn().await?;
        sql_query(format!("{VIEW} AND j.kind = $2 AND j.subject_id = $3"))
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SmallInt, _>(kind.number())
            .bind::<SqlUuid, _>(subject)
            .get_result(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Job))
    }

    /// Makes the job of a subject due now, on behalf of an operator. A paused one runs once and is
    /// parked again.
    pub async fn run_now(
        &self,
        tenant: TenantId,
        kind: JobKind,
        subject: Uuid,
    ) -> Result<(), StoreError> {
        self.job_of(tenant, kind, subject).await?;
        let mut conn = self.conn().await?;
        poke(&mut conn, tenant, kind, &[subject], Paused::WakesOnce).await
    }

    /// Notes the trace of a request that is about to make a job due, so that the next run can link to
    /// it. Does nothing if there is no such job.
    pub async fn note_trace(
        &self,
        tenant: TenantId,
        kind: JobKind,
        subject: Uuid,
        trace: &TraceParent,
    ) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query("UPDATE jobs SET trace_context = $4 WHERE tenant_id = $1 AND kind = $2 AND subject_id = $3")
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SmallInt, _>(kind.number())
            .bind::<SqlUuid, _>(subject)
            .bind::<Text, _>(trace.to_string())
            .execute(&mut conn)
            .await?;
        Ok(())
    }

    /// Forgets the trace that a lease came with: only one run was asked for. What a later request noted
    /// stays.
    pub async fn forget_trace(&self, job: JobId, trace_context: &str) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query("UPDATE jobs SET trace_context = NULL WHERE id = $1 AND trace_context = $2")
            .bind::<BigInt, _>(job.0)
            .bind::<Text, _>(trace_context)
            .execute(&mut conn)
            .await?;
        Ok(())
    }
}
