//! Jobs of a house, one run at a time.

use std::ops::RangeInclusive;

use model::ids::{RouteId, SourceId};
use model::job::JobKind;
use testkit::wait;
use uuid::Uuid;

use crate::house::{House, PATIENCE};

/// A job at rest or running.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    pub(crate) epoch: i64,
    pub(crate) owner: Option<i64>,
    pub(crate) attempt: i32,
    pub(crate) lost: i32,
    /// In the lane of routes that count as failing.
    pub(crate) failing: bool,
    /// In seconds since 1970: when it is due, when it was looked at, when its last run was asked for.
    due_at: f64,
    seen_at: f64,
    asked_at: f64,
    /// When its lease ends.
    pub(crate) until: f64,
}

impl Job {
    /// Seconds until it is due.
    pub(crate) fn due_in(&self) -> f64 {
        self.due_at - self.seen_at
    }

    /// Whether it runs again after a wait of so many seconds, however long its run and this look took.
    pub(crate) fn waits(&self, seconds: &RangeInclusive<f64>) -> bool {
        self.due_at - self.asked_at >= *seconds.start() && self.due_in() <= *seconds.end()
    }

    /// Whether it is as if it had never run: nobody's, nothing counted, due at once.
    pub(crate) fn is_given_back(&self) -> bool {
        self.owner.is_none() && self.attempt == 0 && self.lost == 0 && self.due_in() <= 0.1
    }
}

impl House {
    pub(crate) async fn execute(&self, sql: &str) -> u64 {
        let done = self.sql.execute(sql, &[]).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    pub(crate) async fn job(&self, kind: JobKind, subject: Uuid) -> Job {
        let row = format!(
            "SELECT s.epoch, s.owner, s.attempt, s.lost, l.failing, extract(epoch FROM s.due_at)::float8, extract(epoch FROM collector_now())::float8, extract(epoch FROM s.run_at)::float8 \
             FROM job_schedule s JOIN jobs j ON j.id = s.job_id JOIN job_lanes l ON l.id = s.lane_id \
             WHERE j.kind = {} AND j.subject_id = '{subject}'",
            kind.number()
        );
        let row = self.sql.query_one(&row, &[]).await.expect("the job");
        Job {
            epoch: row.get(0),
            owner: row.get(1),
            attempt: row.get(2),
            lost: row.get(3),
            failing: row.get(4),
            due_at: row.get(5),
            seen_at: row.get(6),
            asked_at: row.get(6),
            until: row.get(7),
        }
    }

    /// Changes the schedule of a job.
    pub(crate) async fn schedule(&self, kind: JobKind, subject: Uuid, set: &str) {
        let sql = format!(
            "UPDATE job_schedule s SET {set} FROM jobs j WHERE j.id = s.job_id AND j.kind = {} AND j.subject_id = '{subject}'",
            kind.number()
        );
        assert_eq!(self.execute(&sql).await, 1, "{sql}");
    }

    /// Keeps a job from running; a run of it parks it again.
    pub(crate) async fn park(&self, kind: JobKind, subject: Uuid) {
        self.schedule(kind, subject, "paused = true, run_at = 'infinity'")
            .await;
    }

    pub(crate) async fn unpark(&self, kind: JobKind, subject: Uuid) {
        self.schedule(kind, subject, "paused = false, run_at = collector_now()")
            .await;
        self.store.notify_jobs().await.expect("a hint");
    }

    /// Makes a parked job due.
    pub(crate) async fn make_due(&self, kind: JobKind, subject: Uuid) {
        self.schedule(
            kind,
            subject,
            "due_at = collector_now(), run_at = collector_now()",
        )
        .await;
        self.store.notify_jobs().await.expect("a hint");
    }

    /// Runs a parked job exactly once, and returns it at rest.
    pub(crate) async fn step(&self, kind: JobKind, subject: Uuid) -> Job {
        let before = self.job(kind, subject).await;
        self.make_due(kind, subject).await;
        let after = self.rested(kind, subject, before.epoch).await;
        assert_eq!(after.epoch, before.epoch + 1, "{kind} ran once");
        Job {
            asked_at: before.seen_at,
            ..after
        }
    }

    /// Waits until a job has been leased since an epoch and is at rest.
    pub(crate) async fn rested(&self, kind: JobKind, subject: Uuid, epoch: i64) -> Job {
        wait::until("the job has run", PATIENCE, async || {
            let job = self.job(kind, subject).await;
            if job.epoch > epoch && job.owner.is_none() {
                Ok(job)
            } else {
                Err(job)
            }
        })
        .await
    }

    pub(crate) async fn poll(&self, source: SourceId) -> Job {
        self.step(JobKind::Poll, source.0).await
    }

    pub(crate) async fn deliver(&self, route: RouteId) -> Job {
        self.step(JobKind::Deliver, route.0).await
    }
}
