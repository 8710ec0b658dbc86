//! Budgets: what one token of one org may still ask in Okta's present window.
//!
//! The table is unlogged: after a crash of the database it is empty, and each window begins with one
//! careful request anyway.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Binary, Double, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::credentials::Credential;
use crate::error::StoreError;
use crate::pool::Store;
use crate::sql::sql_query;

/// Whose budget: a token of an org, within a tenant.
#[derive(Debug, Clone)]
pub struct BudgetKey {
    tenant: Uuid,
    origin: String,
    fingerprint: Vec<u8>,
}

impl BudgetKey {
    /// The budget that a credential draws on. Two credentials with one token share it.
    pub fn of(credential: &Credential) -> Self {
        Self {
            tenant: credential.tenant_id,
            origin: credential.origin.clone(),
            fingerprint: credential.fingerprint.clone(),
        }
    }
}

/// The answer to asking for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Go.
    Go,
    /// Not before this long.
    Wait(Duration),
}

/// What an answer's headers say about the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSeen {
    /// Requests the token may make in a window.
    pub limit: u32,
    /// Requests left, others' included.
    pub remaining: u32,
    /// Until the next window, by the server's own clock.
    pub resets_in: Duration,
}

/// How long one careful request at the begin of a window keeps the others waiting: longer than the
/// client's own deadline.
const PROBE_SECONDS: f64 = 60.0;

#[derive(QueryableByName)]
struct Wait {
    #[diesel(sql_type = Double)]
    seconds: f64,
}

impl Store {
    /// Takes one request from a budget.
    pub async fn take_request(&self, key: &BudgetKey) -> Result<Grant, StoreError> {
        let mut conn = self.conn().await?;
        let taken = sql_query(
            "INSERT INTO budgets AS b (tenant_id, origin, fingerprint, left_over, resets_at, probing_until) \
             VALUES ($1, $2, $3, 0, 'epoch', collector_clock() + make_interval(secs => $4)) \
             ON CONFLICT (tenant_id, origin, fingerprint) DO UPDATE SET \
                left_over = CASE WHEN b.resets_at > collector_clock() THEN b.left_over - 1 ELSE 0 END, \
                probing_until = CASE WHEN b.resets_at > collector_clock() THEN b.probing_until ELSE excluded.probing_until END \
             WHERE (b.resets_at > collector_clock() AND b.left_over > 0) OR (b.resets_at <= collector_clock() AND b.probing_until <= collector_clock())",
        )
        .bind::<SqlUuid, _>(key.tenant)
        .bind::<Text, _>(&key.origin)
        .bind::<Binary, _>(&key.fingerprint)
        .bind::<Double, _>(PROBE_SECONDS)
        .execute(&mut conn)
        .await?;
        if taken == 1 {
            return Ok(Grant::Go);
        }
        let wait: Option<Wait> = sql_query(
            "SELECT CASE WHEN resets_at > collector_clock() THEN extract(epoch FROM resets_at - collector_clock())::float8 ELSE 0 END AS seconds \
             FROM budgets WHERE tenant_id = $1 AND origin = $2 AND fingerprint = $3",
        )
        .bind::<SqlUuid, _>(key.tenant)
        .bind::<Text, _>(&key.origin)
        .bind::<Binary, _>(&key.fingerprint)
        .get_result(&mut conn)
        .await
        .optional()?;
        // Zero: somebody asks the first question of the window; the answer comes within a round trip.
        let seconds = wait.map_or(0.0, |wait| wait.seconds);
        Ok(Grant::Wait(
            Duration::from_secs_f64(seconds.clamp(0.0, 3600.0)).max(Duration::from_millis(200)),
        ))
    }

    /// Corrects a budget by what an answer says; `None`: the answer said nothing.
    ///
    /// Of the token's limit only `share` (0 to 1) is ours; the rest is left to others and to Okta's
    /// own warning threshold. Within one window the smaller figure wins, so that answers may come
    /// out of order.
    pub async fn note_window(
        &self,
        key: &BudgetKey,
        seen: Option<WindowSeen>,
        share: f64,
    ) -> Result<(), StoreError> {
        let left = seen.map(|seen| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a u32 is one"
            )]
            let ours = (f64::from(seen.limit) * share.clamp(0.0, 1.0)).floor() as u32;
            let reserved = seen.limit.saturating_sub(ours.max(1));
            i32::try_from(seen.remaining.saturating_sub(reserved)).unwrap_or(i32::MAX)
        });
        let mut conn = self.conn().await?;
        sql_query(
            "UPDATE budgets b SET probing_until = '-infinity', limit_seen = coalesce($4, b.limit_seen), \
                left_over = CASE WHEN $5 IS NULL OR n.ends < b.resets_at - interval '5 seconds' THEN b.left_over \
                    WHEN n.ends <= b.resets_at + interval '5 seconds' THEN least(b.left_over, $5) ELSE $5 END, \
                resets_at = CASE WHEN $5 IS NULL THEN b.resets_at ELSE greatest(b.resets_at, n.ends) END \
             FROM (SELECT collector_clock() + make_interval(secs => $6) AS ends) n \
             WHERE b.tenant_id = $1 AND b.origin = $2 AND b.fingerprint = $3",
        )
        .bind::<SqlUuid, _>(key.tenant)
        .bind::<Text, _>(&key.origin)
        .bind::<Binary, _>(&key.fingerprint)
        .bind::<Nullable<Integer>, _>(seen.and_then(|seen| i32::try_from(seen.limit).ok()))
        .bind::<Nullable<Integer>, _>(left)
        .bind::<Double, _>(seen.map_or(0.0, |seen| seen.resets_in.as_secs_f64()))
        .execute(&mut conn)
        .await?;
        Ok(())
    }
}
