//! Logs: where a source stands. Hot and narrow; one row per log.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{CredentialId, SourceId, TenantId};
use model::job::Fence;
use model::status::Trouble;
use std::time::Duration;
use uuid::Uuid;

use crate::credential_secret::CredentialSecret;
use crate::error::{Resource, StoreError};
use crate::ledger;
use crate::page::renew;
use crate::pool::Store;
use crate::schema::{logs, sources};
use crate::sources::Source;
use crate::sql::sql_query;

/// A stored log.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = logs)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct Log {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub source_id: Uuid,
    pub next_number: i64,
    pub day: NaiveDate,
    pub first_day: NaiveDate,
    pub cursor: Option<String>,
    pub cursor_query: Option<String>,
    pub watermark: Option<DateTime<Utc>>,
    pub newest_published: Option<DateTime<Utc>>,
    pub stored: i64,
    pub last_poll_at: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub last_event_at: Option<DateTime<Utc>>,
    pub trouble: Option<String>,
    pub trouble_detail: Option<String>,
    pub trouble_at: Option<DateTime<Utc>>,
    pub failures: i32,
    pub malformed: i32,
    pub malformed_since: Option<DateTime<Utc>>,
    pub malformed_hash: Option<Vec<u8>>,
    pub fallbacks: i64,
    pub rereading: bool,
    pub ahead_days: i16,
    pub unreachable_before: Option<DateTime<Utc>>,
    pub head_at: Option<DateTime<Utc>>,
}

/// Everything a poll needs, read once at its start.
#[derive(Debug, Clone)]
pub struct PollContext {
    /// What is polled.
    pub source: Source,
    /// Where it stands.
    pub log: Log,
    /// What reads it.
    pub secret: CredentialSecret,
}

impl Store {
    /// Reads what a poll of a source needs.
    pub async fn poll_context(
        &self,
        tenant: TenantId,
        source: SourceId,
    ) -> Result<PollContext, StoreError> {
        let mut conn = self.conn().await?;
        let live = logs::tenant_id
            .eq(tenant.0)
            .and(logs::source_id.eq(source.0))
            .and(logs::kind.eq("live"));
        let log: Log = logs::table
            .filter(live)
            .select(Log::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Source))?;
        let source: Source = sources::table
            .find((tenant.0, source.0))
            .select(Source::as_select())
            .first(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Source))?;
        drop(conn);
        let secret = self
            .open_credential(tenant, CredentialId(source.credential_id))
            .await?;
        Ok(PollContext {
            source,
            log,
            secret,
        })
    }

    /// Notes that a poll has begun; for the status only, so not fenced.
    pub async fn poll_begun(&self, log: &Log) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query(
            "UPDATE logs SET last_poll_at = collector_now() WHERE tenant_id = $1 AND id = $2",
        )
        .bind::<SqlUuid, _>(log.tenant_id)
        .bind::<SqlUuid, _>(log.id)
        .execute(&mut conn)
        .await?;
        Ok(())
    }

    /// Notes a trouble of a poll, under the fence of its job. The position does not move.
    pub async fn poll_failed(
        &self,
        fence: &Fence,
        lease: Duration,
        log: &Log,
        trouble: Trouble,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            sql_query(
                "UPDATE logs SET trouble = $3, trouble_detail = $4, failures = least(failures, 1000000) + 1, \
                    trouble_at = CASE WHEN trouble = $3 THEN trouble_at ELSE collector_now() END \
                 WHERE tenant_id = $1 AND id = $2",
            )
            .bind::<SqlUuid, _>(log.tenant_id)
            .bind::<SqlUuid, _>(log.id)
            .bind::<Text, _>(trouble.code())
            .bind::<Text, _>(detail)
            .execute(conn)
            .await?;
            Ok(())
        })
        .await
    }

    /// Forgets a cursor that Okta refuses, under the fence: the next request starts at the
    /// watermark with an overlap, and what it reads again is dropped as `reread`.
    pub async fn cursor_dropped(
        &self,
        fence: &Fence,
        lease: Duration,
        log: &Log,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            let changed = sql_query(
                "UPDATE logs SET cursor = NULL, cursor_query = NULL, fallbacks = fallbacks + 1, rereading = true, malformed = 0, malformed_since = NULL, malformed_hash = NULL \
                 WHERE tenant_id = $1 AND id = $2 AND cursor IS NOT DISTINCT FROM $3",
            )
            .bind::<SqlUuid, _>(log.tenant_id)
            .bind::<SqlUuid, _>(log.id)
            .bind::<Nullable<Text>, _>(&log.cursor)
            .execute(conn)
            .await?;
            if changed == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
        })
        .await
    }

    /// Notes, under the fence, that Okta no longer has what came before `oldest`, and forgets the cursor,
    /// which stands there. Hours from `read_until` on, up to where reading had come, are a gap for good.
    pub async fn retention_passed(
        &self,
        fence: &Fence,
        lease: Duration,
        log: &Log,
        read_until: Option<DateTime<Utc>>,
        oldest: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            let changed = sql_query(
                "UPDATE logs SET cursor = NULL, cursor_query = NULL, rereading = rereading OR $4 IS NOT NULL, unreachable_before = $5 \
                 WHERE tenant_id = $1 AND id = $2 AND cursor IS NOT DISTINCT FROM $3",
            )
            .bind::<SqlUuid, _>(log.tenant_id)
            .bind::<SqlUuid, _>(log.id)
            .bind::<Nullable<Text>, _>(&log.cursor)
            .bind::<Nullable<Timestamptz>, _>(read_until)
            .bind::<Timestamptz, _>(oldest)
            .execute(conn)
            .await?;
            if changed != 1 {
                return Err(StoreError::LeaseLost);
            }
            match read_until {
                Some(from) => ledger::mark_gap(conn, log, from, oldest).await,
                None => Ok(()),
            }
        })
        .await
    }

    /// Counts an unreadable answer, under the fence. Returns how many equal ones there were in a row
    /// and since when.
    pub async fn page_malformed(
        &self,
        fence: &Fence,
        lease: Duration,
        log: &Log,
        hash: &[u8],
    ) -> Result<(i32, Duration), StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Integer)]
            malformed: i32,
            #[diesel(sql_type = diesel::sql_types::Double)]
            age: f64,
        }
        self.tx(async |conn| {
            renew(conn, fence, lease).await?;
            let row: Row = sql_query(
                "UPDATE logs SET malformed = CASE WHEN malformed_hash = $3 THEN malformed ELSE 0 END + 1, \
                    malformed_since = CASE WHEN malformed_hash = $3 THEN malformed_since ELSE collector_now() END, \
                    malformed_hash = $3 \
                 WHERE tenant_id = $1 AND id = $2 \
                 RETURNING malformed, extract(epoch FROM collector_now() - malformed_since)::float8 AS age",
            )
            .bind::<SqlUuid, _>(log.tenant_id)
            .bind::<SqlUuid, _>(log.id)
            .bind::<Binary, _>(hash)
            .get_result(conn)
            .await?;
            Ok((row.malformed, Duration::from_secs_f64(row.age.max(0.0))))
        })
        .await
    }
}

/// A log.
pub(crate) async fn get(
    conn: &mut AsyncPgConnection,
    tenant: Uuid,
    id: Uuid,
) -> Result<Log, StoreError> {
    Ok(logs::table
        .find((tenant, id))
        .select(Log::as_select())
        .first(conn)
        .await?)
}

/// Moves a locked log over a batch that was appended beside its readings: cursor, watermark and troubles
/// are not touched.
pub(crate) async fn grow(
    conn: &mut AsyncPgConnection,
    log: &Log,
    day: NaiveDate,
    events: i64,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE logs SET next_number = next_number + 1, day = $3, stored = stored + $4, last_event_at = collector_now() \
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(log.id)
    .bind::<diesel::sql_types::Date, _>(day)
    .bind::<diesel::sql_types::BigInt, _>(events)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes in the live log that events dated this far ahead were stored into another one, so that they
/// are found again.
pub(crate) async fn note_ahead(
    conn: &mut AsyncPgConnection,
    live: &Log,
    days: i16,
) -> Result<(), StoreError> {
    if days > live.ahead_days {
        sql_query("UPDATE logs SET ahead_days = $3 WHERE tenant_id = $1 AND id = $2")
            .bind::<SqlUuid, _>(live.tenant_id)
            .bind::<SqlUuid, _>(live.id)
            .bind::<diesel::sql_types::SmallInt, _>(days)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Locks a log until the end of the transaction. Every append of any origin locks the source's live
/// log first, then its own.
pub(crate) async fn lock(conn: &mut AsyncPgConnection, log: &Log) -> Result<Log, StoreError> {
    logs::table
        .find((log.tenant_id, log.id))
        .select(Log::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::LeaseLost)
}

/// The parts of a log that an append moves.
#[derive(Debug)]
pub(crate) struct LogMove<'a> {
    pub(crate) next_number: i64,
    pub(crate) day: NaiveDate,
    pub(crate) cursor: Option<&'a str>,
    pub(crate) cursor_query: &'a str,
    pub(crate) watermark: Option<DateTime<Utc>>,
    pub(crate) newest_published: Option<DateTime<Utc>>,
    pub(crate) stored: i64,
    pub(crate) rereading: bool,
    pub(crate) ahead_days: i16,
    pub(crate) at_head: bool,
}

/// Moves a locked log. A success clears the trouble.
pub(crate) async fn advance(
    conn: &mut AsyncPgConnection,
    log: &Log,
    to: &LogMove<'_>,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE logs SET next_number = $3, day = $4, cursor = $5, cursor_query = $6, watermark = $7, newest_published = $8, \
            stored = stored + $9, last_success_at = collector_now(), \
            last_event_at = CASE WHEN $9 > 0 THEN collector_now() ELSE last_event_at END, \
            trouble = NULL, trouble_detail = NULL, trouble_at = NULL, failures = 0, \
            malformed = 0, malformed_since = NULL, malformed_hash = NULL, rereading = $10, ahead_days = $11, \
            head_at = CASE WHEN $12 THEN collector_now() ELSE head_at END \
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind::<SqlUuid, _>(log.tenant_id)
    .bind::<SqlUuid, _>(log.id)
    .bind::<diesel::sql_types::BigInt, _>(to.next_number)
    .bind::<diesel::sql_types::Date, _>(to.day)
    .bind::<Nullable<Text>, _>(to.cursor)
    .bind::<Text, _>(to.cursor_query)
    .bind::<Nullable<Timestamptz>, _>(to.watermark)
    .bind::<Nullable<Timestamptz>, _>(to.newest_published)
    .bind::<diesel::sql_types::BigInt, _>(to.stored)
    .bind::<diesel::sql_types::Bool, _>(to.rereading)
    .bind::<diesel::sql_types::SmallInt, _>(to.ahead_days)
    .bind::<diesel::sql_types::Bool, _>(to.at_head)
    .execute(conn)
    .await?;
    Ok(())
}
