//! Quarantined pages: bodies that stayed unreadable, put aside so that reading can go on.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{SourceId, TenantId};
use model::job::Fence;
use std::time::Duration;
use uuid::Uuid;

use crate::batches::compress;
use crate::error::StoreError;
use crate::ledger;
use crate::logs::Log;
use crate::page::renew;
use crate::pool::Store;
use crate::schema::{quarantined_pages, sources};
use crate::sql::sql_query;

/// A page to be put aside.
#[derive(Debug)]
pub struct NewQuarantine<'a> {
    /// The log it belongs to, as last read.
    pub log: &'a Log,
    /// What was wrong with it.
    pub problem: &'a str,
    /// The body, as received.
    pub body: &'a [u8],
    /// The next link of that answer; without one the cursor stays.
    pub next: Option<&'a str>,
    /// The query that the link belongs to.
    pub cursor_query: &'a str,
}

/// A page that was put aside.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = quarantined_pages)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct QuarantinedPage {
    pub id: Uuid,
    pub source_id: Uuid,
    pub cursor: Option<String>,
    pub next_cursor: Option<String>,
    pub problem: String,
    pub gap_from: Option<DateTime<Utc>>,
    pub gap_until: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// From when on a page may hide events: the watermark; before there is one, the start of the source.
/// Nothing is older than what Okta keeps.
async fn hidden_from(
    conn: &mut AsyncPgConnection,
    log: &Log,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, StoreError> {
    const KEPT: TimeDelta = TimeDelta::days(90);
    let from = match log.watermark {
        Some(watermark) => Some(watermark),
        None => {
            sources::table
                .find((log.tenant_id, log.source_id))
                .select(sources::start_at)
                .first(conn)
                .await?
        }
    };
    let oldest = now - KEPT;
    Ok(from.map_or(oldest, |from| from.max(oldest)))
}

impl Store {
    /// Puts a page aside, under the fence: body kept, its hours marked as a gap, the cursor moved to
    /// the answer's next link if it had one.
    pub async fn quarantine_page(
        &self,
        fence: &Fence,
        lease: Duration,
        page: &NewQuarantine<'_>,
    ) -> Result<(), StoreError> {
        let body = compress(page.body)?;
        let log = page.log;
        self.tx(async |conn| {
            let now = renew(conn, fence, lease).await?;
            let from = hidden_from(conn, log, now).await?;
            sql_query(
                "INSERT INTO quarantined_pages (tenant_id, source_id, cursor, next_cursor, problem, body, gap_from, gap_until) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind::<SqlUuid, _>(log.tenant_id)
            .bind::<SqlUuid, _>(log.source_id)
            .bind::<Nullable<Text>, _>(&log.cursor)
            .bind::<Nullable<Text>, _>(page.next)
            .bind::<Text, _>(page.problem)
            .bind::<Binary, _>(&body)
            .bind::<Timestamptz, _>(from)
            .bind::<Timestamptz, _>(now)
            .execute(conn)
            .await?;
            ledger::mark_gap(conn, log, from, now).await?;
            let moved = sql_query(
                "UPDATE logs SET cursor = coalesce($3, cursor), cursor_query = CASE WHEN $3 IS NULL THEN cursor_query ELSE $4 END, \
                    malformed = 0, malformed_since = NULL, malformed_hash = NULL \
                 WHERE tenant_id = $1 AND id = $2 AND cursor IS NOT DISTINCT FROM $5",
            )
            .bind::<SqlUuid, _>(log.tenant_id)
            .bind::<SqlUuid, _>(log.id)
            .bind::<Nullable<Text>, _>(page.next)
            .bind::<Text, _>(page.cursor_query)
            .bind::<Nullable<Text>, _>(&log.cursor)
            .execute(conn)
            .await?;
            if moved == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
        })
        .await
    }

    /// Quarantined pages of a source, oldest first.
    pub async fn list_quarantined(
        &self,
        tenant: TenantId,
        source: SourceId,
    ) -> Result<Vec<QuarantinedPage>, StoreError> {
        let mut conn = self.conn().await?;
        let of_source = quarantined_pages::tenant_id
            .eq(tenant.0)
            .and(quarantined_pages::source_id.eq(source.0));
        Ok(quarantined_pages::table
            .filter(of_source)
            .order(quarantined_pages::id)
            .select(QuarantinedPage::as_select())
            .load(&mut conn)
            .await?)
    }
}
