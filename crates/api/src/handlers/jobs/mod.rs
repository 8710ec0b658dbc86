//! Jobs: the work behind it all, to be looked at.

pub(crate) mod list;

use chrono::{DateTime, Utc};
use model::job::JobKind;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A recurring unit of work
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    /// The number of the job, as text: it may grow beyond what JavaScript counts exactly
    #[schema(examples("42"))]
    id: String,
    /// What it does: `poll`, `deliver`, `check_credential`, `backfill` or `verify`; the set may grow
    #[schema(examples("poll"))]
    kind: String,
    /// To what: the id of a source, route, credential or backfill
    subject_id: Uuid,
    /// When it was or is to begin
    due_at: DateTime<Utc>,
    /// When it runs next; while it is running, when its lease ends
    run_at: DateTime<Utc>,
    /// Whether a worker has leased it
    running: bool,
    /// How often it has been leased
    leases: i64,
    /// Runs since the last success
    attempt: i32,
    /// Leases in a row that ended without a word from the worker
    lost_leases: i32,
    /// Whether it is switched off
    paused: bool,
}

impl From<store::JobView> for JobView {
    fn from(row: store::JobView) -> Self {
        let kind = JobKind::from_number(row.kind).map_or("unknown", JobKind::as_str);
        Self {
            id: row.id.to_string(),
            kind: kind.to_owned(),
            subject_id: row.subject_id,
            due_at: row.due_at,
            run_at: row.run_at,
            running: row.owner.is_some(),
            leases: row.epoch,
            attempt: row.attempt,
            lost_leases: row.lost,
            paused: row.paused,
        }
    }
}
