//! Backfills: past ranges of a source that are read from Okta again.

pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::Backfill;
use utoipa::ToSchema;
use uuid::Uuid;

/// A past range of a source that is read from Okta again
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backfill)]
pub(crate) struct BackfillView {
    /// The id
    id: Uuid,
    /// The source
    source_id: Uuid,
    /// `pending`, `running`, `waiting`, `done`, `cancelled` or `failed`; the set may grow
    #[schema(examples("running"))]
    state: String,
    /// From when on it was asked for, by the time at which events were published
    requested_since: DateTime<Utc>,
    /// Until when it was asked for
    requested_until: DateTime<Utc>,
    /// From when on it reads: Okta keeps events for 90 days
    since: DateTime<Utc>,
    /// Until when it reads: what is younger than 20 seconds may still be settling at Okta
    until: DateTime<Utc>,
    /// Whether the range is smaller than was asked for
    clipped: bool,
    /// Everything published before this has been read, or is gone at Okta
    done_through: DateTime<Utc>,
    /// How much of the range has been read or is gone, by time, from 0 to 1
    fraction: f64,
    /// About how many seconds are left, at the pace so far; null if that is not known, or none are
    #[schema(required)]
    remaining_seconds: Option<i64>,
    /// Events stored: they were not there
    stored_events: i64,
    /// Events that were stored already
    duplicate_events: i64,
    /// Events that are stored with other content, and that stay as they are stored
    changed_events: i64,
    /// Seconds of the range that grew older than 90 days before they were read, and stay unread
    unread_seconds: i64,
    /// What keeps it waiting or ended it, as a stable word; null: nothing
    #[schema(required, examples("rate_limited"))]
    reason: Option<String>,
    /// The same, for a person
    #[schema(required)]
    detail: Option<String>,
    /// What to do about it
    #[schema(required)]
    next_step: Option<String>,
    /// When it was created
    created_at: DateTime<Utc>,
    /// When reading began
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
}

impl From<Backfill> for BackfillView {
    fn from(row: Backfill) -> Self {
        let trouble = row.trouble().filter(|_| row.state != "cancelled");
        Self {
            id: row.id,
            source_id: row.source_id,
            state: row.shown_state().to_owned(),
            requested_since: row.asked_since,
            requested_until: row.asked_until,
            since: row.since,
            until: row.until,
            clipped: (row.since, row.until) != (row.asked_since, row.asked_until),
            done_through: row.done_through,
            fraction: row.fraction(),
            remaining_seconds: row.seconds_left(),
            stored_events: row.stored,
            duplicate_events: row.duplicate,
            changed_events: row.changed,
            unread_seconds: row.unread_seconds,
            reason: trouble.map(|trouble| trouble.code().to_owned()),
            next_step: trouble.map(|trouble| trouble.next_step().to_owned()),
            detail: trouble.map(|trouble| match &row.trouble_detail {
                Some(detail) if !detail.is_empty() => detail.clone(),
                _ => trouble.reason().to_owned(),
            }),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}
