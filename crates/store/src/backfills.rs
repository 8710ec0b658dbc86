//! Backfills: past ranges of a source that are read again, each into a log of its own.
//!
//! A backfill is made with its log, a position of each route in it, and its job. What it has stored
//! is delivered whatever becomes of it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{BackfillId, SourceId, TenantId};
use model::job::JobKind;
use model::range::clip;
use model::status::Trouble;
use uuid::Uuid;

use crate::error::{Conflict, Resource, StoreError};
use crate::jobs;
use crate::pool::Store;
use crate::sources;
use crate::sql::sql_query;

/// Backfills of one source under way at once.
const ACTIVE: i64 = 3;

/// A backfill to be made.
#[derive(Debug, Clone)]
pub struct NewBackfill {
    /// Of what.
    pub source: SourceId,
    /// From when on, by `published`, inclusive.
    pub since: DateTime<Utc>,
    /// Until when, exclusive.
    pub until: DateTime<Utc>,
    /// Trace context of the request.
    pub trace_context: Option<String>,
}

/// A stored backfill, with what its log knows of it.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the columns of backfills and logs")]
pub struct Backfill {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub source_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub log_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub asked_since: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub asked_until: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub until: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Timestamptz)]
    pub done_through: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub chunk_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pub chunk_seconds: i32,
    #[diesel(sql_type = BigInt)]
    pub stored: i64,
    #[diesel(sql_type = BigInt)]
    pub duplicate: i64,
    #[diesel(sql_type = BigInt)]
    pub changed: i64,
    #[diesel(sql_type = BigInt)]
    pub unread_seconds: i64,
    #[diesel(sql_type = Nullable<Text>)]
    trouble: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub trouble_detail: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

impl Backfill {
    /// Whether there is something left to read.
    pub fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "running")
    }

    /// What keeps it from running, or ended it.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.as_deref().and_then(Trouble::from_code)
    }

    /// The state as it is shown: a backfill that cannot go on at the moment is `waiting`.
    pub fn shown_state(&self) -> &str {
        if self.is_active() && self.trouble().is_some() {
            "waiting"
        } else {
            &self.state
        }
    }

    /// How much of the range is read or gone, by time, 0 to 1.
    pub fn fraction(&self) -> f64 {
        let ms = |from: DateTime<Utc>, to: DateTime<Utc>| {
            f64::from(u32::try_from((to - from).num_seconds().max(0)).unwrap_or(u32::MAX))
        };
        let whole = ms(self.since, self.until);
        if self.state == "done" || whole <= 0.0 {
            return 1.0;
        }
        (ms(self.since, self.done_through) / whole).clamp(0.0, 1.0)
    }

    /// About how many seconds are left at the pace so far, if there is a pace.
    pub fn seconds_left(&self) -> Option<i64> {
        let begun = self.started_at.filter(|_| self.is_active())?;
        let (done, spent) = (self.fraction(), (self.now - begun).num_seconds());
        if done <= 0.0 || spent <= 0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded, and far below what an i64 holds"
        )]
        let left = (f64::from(i32::try_from(spent).ok()?) * (1.0 - done) / done).ceil() as i64;
        Some(left)
    }
}

const VIEW: &str = "SELECT b.id, b.source_id, b.log_id, b.asked_since, b.asked_until, b.since, b.until, b.state, b.done_through, b.chunk_until, \
    b.chunk_seconds, l.stored, b.duplicate, b.changed, b.unread_seconds, l.trouble, l.trouble_detail, b.created_at, b.started_at, b.finished_at, collector_now() AS now \
    FROM backfills b JOIN logs l ON l.tenant_id = b.tenant_id AND l.id = b.log_id WHERE b.tenant_id = $1 ";

pub(crate) async fn get(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: BackfillId,
) -> Result<Backfill, StoreError> {
    sql_query(format!("{VIEW} AND b.id = $2"))
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(id.0)
        .get_result(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Backfill))
}

#[derive(QueryableByName)]
struct Under {
    #[diesel(sql_type = BigInt)]
    way: i64,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

impl Store {
    /// Stores a backfill, its job due at once. The range is clipped to what Okta can show.
    ///
    /// # Errors
    /// [`StoreError::Range`] if nothing of it is left; [`Conflict::TooManyBackfills`].
    pub async fn create_backfill(
        &self,
        tenant: TenantId,
        new: NewBackfill,
    ) -> Result<Backfill, StoreError> {
        self.tx(async |conn| {
            sources::hold(conn, tenant, new.source).await?;
            // Who makes a route takes the same lock, so that each has a position in each log.
            sql_query("SELECT FROM logs WHERE tenant_id = $1 AND source_id = $2 AND kind = 'live' FOR NO KEY UPDATE")
                .bind::<SqlUuid, _>(tenant.0)
                .bind::<SqlUuid, _>(new.source.0)
                .execute(conn)
                .await?;
            let under: Under = sql_query(
                "SELECT count(*) AS way, collector_now() AS now FROM backfills \
                 WHERE tenant_id = $1 AND source_id = $2 AND state IN ('pending', 'running')",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(new.source.0)
            .get_result(conn)
            .await?;
            let (since, until) = clip(new.since, new.until, under.now)?;
            if under.way >= ACTIVE {
                return Err(Conflict::TooManyBackfills(under.way).into());
            }
            let log: Made = sql_query(
                "INSERT INTO logs (tenant_id, source_id, kind, day, first_day) SELECT $1, $2, 'backfill', day, day \
                 FROM (SELECT (collector_now() AT TIME ZONE 'UTC')::date AS day) d RETURNING id",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(new.source.0)
            .get_result(conn)
            .await?;
            sql_query(
                "INSERT INTO route_positions (tenant_id, route_id, log_id, day, number) \
                 SELECT r.tenant_id, r.id, l.id, l.day, l.next_number FROM routes r JOIN logs l ON l.tenant_id = r.tenant_id AND l.id = $3 \
                 WHERE r.tenant_id = $1 AND r.source_id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(new.source.0)
            .bind::<SqlUuid, _>(log.id)
            .execute(conn)
            .await?;
            let Made { id } = sql_query(
                "INSERT INTO backfills (tenant_id, source_id, log_id, asked_since, asked_until, since, until, done_through) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $6) RETURNING id",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(new.source.0)
            .bind::<SqlUuid, _>(log.id)
            .bind::<Timestamptz, _>(new.since)
            .bind::<Timestamptz, _>(new.until)
            .bind::<Timestamptz, _>(since)
            .bind::<Timestamptz, _>(until)
            .get_result(conn)
            .await?;
            let how = jobs::New { trace_context: new.trace_context.as_deref(), ..jobs::New::default() };
            jobs::create(conn, tenant, JobKind::Backfill, id, how).await?;
            get(conn, tenant, BackfillId(id)).await
        })
        .await
    }

    /// A backfill.
    pub async fn backfill(&self, tenant: TenantId, id: BackfillId) -> Result<Backfill, StoreError> {
        get(&mut *self.conn().await?, tenant, id).await
    }

    /// Backfills of a source after an id, oldest first.
    pub async fn list_backfills(
        &self,
        tenant: TenantId,
        source: SourceId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Backfill>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sql_query(format!(
            "{VIEW} AND b.source_id = $2 AND b.id > $3 ORDER BY b.id LIMIT $4"
        ))
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(source.0)
        .bind::<SqlUuid, _>(after.unwrap_or_default())
        .bind::<BigInt, _>(limit)
        .load(&mut conn)
        .await?)
    }

    /// Stops reading. What is stored is still delivered; one that has ended stays as it is.
    pub async fn cancel_backfill(
        &self,
        tenant: TenantId,
        id: BackfillId,
    ) -> Result<Backfill, StoreError> {
        self.tx(async |conn| {
            jobs::lock(conn, tenant, &[(JobKind::Backfill, id.0)]).await?;
            finish(conn, tenant, id, "cancelled").await?;
            get(conn, tenant, id).await
        })
        .await
    }
}

/// Ends a backfill that is under way, and parks its job, whose row the caller has locked. The janitor
/// clears away what nobody needs any more.
pub(crate) async fn finish(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: BackfillId,
    state: &str,
) -> Result<(), StoreError> {
    let ended = sql_query(
        "UPDATE backfills SET state = $3, finished_at = collector_now() \
         WHERE tenant_id = $1 AND id = $2 AND state IN ('pending', 'running')",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(id.0)
    .bind::<Text, _>(state)
    .execute(conn)
    .await?;
    if ended == 1 {
        jobs::set_paused(conn, tenant, JobKind::Backfill, &[id.0], true).await?;
    }
    Ok(())
}
