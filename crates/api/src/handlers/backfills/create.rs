//! `POST /v1/sources/{source_id}/backfills`

use actix_web::{HttpResponse, post, web};
use chrono::{DateTime, Utc};
use model::ids::SourceId;
use store::{NewBackfill, StoreError};
use utoipa::ToSchema;

use super::BackfillView;
use crate::answer::accepted_at;
use crate::auth::Operator;
use crate::body::Body;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;
use crate::trace::Cause;

/// A range to be read
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what create_backfill reads")]
pub(crate) struct BackfillCreate {
    /// From when on, by the time at which events were published; at most 90 days ago is read
    since: DateTime<Utc>,
    /// Until when, exclusive
    until: DateTime<Utc>,
}

/// Read a past range of a source
///
/// For what live polling was not there to see: from before the source's start, for example. Events that
/// are stored already are dropped; the others are delivered on every route of the source, after live
/// events. It reads with what live polling leaves of Okta's rate limit, also while the source is paused.
/// At most three of a source are under way at once.
#[utoipa::path(
    tag = "backfills",
    params(("source_id" = Uuid, Path, description = "Id of the source")),
    request_body = BackfillCreate,
    responses(
        (status = 202, description = "The backfill, about to begin", body = BackfillView, headers(
            ("Location" = String, description = "Path of the backfill"),
        )),
        Problem,
    )
)]
#[post("/v1/sources/{source_id}/backfills")]
#[tracing::instrument(name = "api.backfills.create", skip_all)]
pub(crate) async fn create_backfill(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    cause: Option<Cause>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    state.store.source(caller.tenant, SourceId(id)).await?;
    let mut fields = body.fields::<BackfillCreate>()?;
    let since = fields.parsed("since", "invalid_time", read_time);
    let until = fields.parsed("until", "invalid_time", read_time);
    let new = fields.finish(|| {
        Some(NewBackfill {
            source: SourceId(id),
            since: since?,
            until: until?,
            trace_context: cause.map(|Cause(trace)| trace.to_string()),
        })
    })?;
    let made = state.store.create_backfill(caller.tenant, new).await;
    let made = made.map_err(|error| match error {
        StoreError::Range(empty) => Problem::field("/since", "empty_range", empty.to_string()),
        error => error.into(),
    })?;
    state.hint.ring();
    let location = format!("/v1/backfills/{}", made.id);
    Ok(accepted_at(&location, BackfillView::from(made)))
}

fn read_time(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| {
            format!("{text:?} is no RFC 3339 time; write one such as \"2026-01-31T00:00:00Z\"")
        })
}
