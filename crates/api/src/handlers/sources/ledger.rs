//! `GET /v1/sources/{source_id}/ledger`

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use model::ids::SourceId;
use serde::Serialize;
use store::{LedgerHour, Verification};
use utoipa::ToSchema;

use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// What became of the events of one hour
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LedgerHour)]
pub(crate) struct LedgerHourView {
    /// Beginning of the hour in which the events were published; undated ones count when received
    hour: DateTime<Utc>,
    /// Events stored
    stored: i64,
    /// Stored ones that came over 5 minutes behind a newer one
    late: i64,
    /// Events that Okta showed again and that were dropped
    duplicate: i64,
    /// The same, when reading again on purpose after a refused cursor
    reread: i64,
    /// Events that came again with other content
    changed: i64,
    /// Events may be missing in this hour: a page could not be read and was put aside
    gap: bool,
    /// Deliveries, all routes together
    delivered: i64,
    /// Events that destinations refused for good, all routes together
    dead: i64,
    /// Events that no destination took within the longest retention, all routes together
    given_up: i64,
    /// `verified`: Okta was asked again and every event it showed is stored. `not_verified`: that has not
    /// been done. `missing`: events that were stored are gone, and Okta did not bring all of them back.
    /// `gap`: a page could not be read. The set may grow
    #[schema(examples("verified"))]
    verdict: String,
    /// Why it is not verified: `verify_off`, `not_at_head` (live polling has not yet stood at the end of the
    /// log 15 minutes after the hour), `pending` (the next run does it), `out_of_range` (before the start of
    /// the source or under another filter), `too_old` (Okta no longer has it); the set may grow. Null: it is
    #[schema(required)]
    not_verified_because: Option<String>,
    /// When it was verified
    #[schema(required)]
    verified_at: Option<DateTime<Utc>>,
    /// How many events Okta showed then
    #[schema(required)]
    verified_events: Option<i64>,
    /// Stored ones that live polling did not bring and only verification found
    found_by_verify: i64,
    /// Events that had been stored and were found to be gone
    missing: i64,
    /// How many of these Okta brought back
    restored: i64,
    /// Stored events that Okta did not show again; its bounded queries may leave out events that came late
    not_shown: i64,
}

impl From<LedgerHour> for LedgerHourView {
    fn from(row: LedgerHour) -> Self {
        Self {
            hour: row.hour,
            stored: row.stored,
            late: row.late,
            duplicate: row.duplicate,
            reread: row.reread,
            changed: row.changed,
            gap: row.gap,
            delivered: row.delivered,
            dead: row.dead,
            given_up: row.given_up,
            verdict: verdict(&row).to_owned(),
            not_verified_because: row.unverified,
            verified_at: row.verified_at,
            verified_events: row.verified_events,
            found_by_verify: row.found,
            missing: row.missing,
            restored: row.restored,
            not_shown: row.not_shown,
        }
    }
}

fn verdict(row: &LedgerHour) -> &'static str {
    if row.gap {
        "gap"
    } else if row.verified_at.is_none() {
        "not_verified"
    } else if row.missing > row.restored {
        "missing"
    } else {
        "verified"
    }
}

/// How far the source is verified
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Verification)]
pub(crate) struct VerificationView {
    /// How often: `off`, `hourly` or `daily`; the set may grow
    #[schema(examples("daily"))]
    frequency: String,
    /// `never`, `finished`, or `partial` while a run has not come to its end: it goes on by itself. The set
    /// may grow
    #[schema(examples("finished"))]
    state: String,
    /// Every hour before this is verified, from the start of the source or 90 days ago on; null: none yet
    #[schema(required)]
    complete_through: Option<DateTime<Utc>>,
    /// When the last run began
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// Hours that it verified
    hours: i64,
    /// Hours that it could not read and left to the next one
    skipped_hours: i64,
    /// Events that it found, which live polling did not bring
    found_by_verify: i64,
    /// Events that the ledger counted and that were not stored any more
    missing: i64,
    /// How many of these it brought back
    restored: i64,
    /// What keeps it from going on, as a stable word; null: nothing
    #[schema(required, examples("rate_limited"))]
    reason: Option<String>,
    /// The same, for a person
    #[schema(required)]
    detail: Option<String>,
}

impl VerificationView {
    fn of(frequency: String, row: Verification) -> Self {
        let state = match (row.started_at, row.finished_at) {
            (None, _) => "never",
            (Some(_), None) => "partial",
            (Some(_), Some(_)) => "finished",
        };
        let reason = row.trouble().map(|trouble| trouble.code().to_owned());
        Self {
            frequency,
            state: state.to_owned(),
            complete_through: row.complete_through,
            started_at: row.started_at,
            finished_at: row.finished_at,
            hours: row.hours,
            skipped_hours: row.skipped,
            found_by_verify: row.found,
            missing: row.missing,
            restored: row.restored,
            reason,
            detail: row.trouble_detail,
        }
    }
}

/// A page of the ledger
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerHourList {
    /// How far the source is verified
    verification: VerificationView,
    /// The hours in which there was something or that are verified, newest first
    items: Vec<LedgerHourView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List what became of events, hour by hour
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source"), PageParams),
    responses((status = 200, description = "A page of the ledger", body = LedgerHourList), Problem)
)]
#[get("/v1/sources/{source_id}/ledger")]
#[tracing::instrument(name = "api.sources.ledger", skip_all)]
pub(crate) async fn list_ledger_hours(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, format!("ledger of {id}"))?;
    let source = SourceId(id);
    let verify = state.store.source(caller.tenant, source).await?.verify;
    let row = state.store.verification(caller.tenant, source).await?;
    let verification = VerificationView::of(verify, row);
    let rows = state
        .store
        .ledger(caller.tenant, source, page.after()?, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.hour.to_rfc3339());
    let items = rows.into_iter().map(LedgerHourView::from).collect();
    Ok(plain(LedgerHourList {
        verification,
        items,
        next_cursor,
    }))
}
