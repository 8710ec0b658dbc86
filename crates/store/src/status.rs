//! The status of a source: its two halves, as facts. The words are made in the model and the API.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use model::ids::{SourceId, TenantId};
use model::job::{JobKind, QUARANTINE};
use model::status::{DeliveryFacts, PollingFacts, Rung, Trouble};
use uuid::Uuid;

use crate::error::{Resource, StoreError};
use crate::pool::Store;
use crate::sql::sql_query;

/// The polling half.
#[derive(Debug, Clone, QueryableByName)]
#[expect(
    missing_docs,
    reason = "the columns of sources, logs, credentials and budgets"
)]
pub struct PollingStatus {
    #[diesel(sql_type = Timestamptz)]
    pub now: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    pub enabled: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub credential_trouble: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub credential_detail: Option<String>,
    #[diesel(sql_type = Text)]
    pub credential_state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub log_trouble: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub log_detail: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_poll_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_success_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_event_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub newest_published: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub stored: i64,
    #[diesel(sql_type = BigInt)]
    pub fallbacks: i64,
    #[diesel(sql_type = BigInt)]
    pub quarantined: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub unreachable_before: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub next_poll_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    pub polling_now: bool,
    #[diesel(sql_type = Integer)]
    pub lost: i32,
    #[diesel(sql_type = Nullable<Integer>)]
    pub budget_left: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub budget_limit: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub budget_resets_at: Option<DateTime<Utc>>,
}

impl PollingStatus {
    /// The trouble, if any, with its detail: the job's, else the credential's, else the log's.
    pub fn trouble(&self) -> Option<(Trouble, Option<&str>)> {
        let quarantined = (self.lost >= QUARANTINE).then_some((Trouble::JobQuarantined, None));
        let known = |code: &Option<String>| code.as_deref().and_then(Trouble::from_code);
        quarantined
            .or_else(|| {
                known(&self.credential_trouble)
                    .map(|trouble| (trouble, self.credential_detail.as_deref()))
            })
            .or_else(|| {
                known(&self.log_trouble).map(|trouble| (trouble, self.log_detail.as_deref()))
            })
    }

    /// Its rung.
    pub fn rung(&self) -> Rung {
        PollingFacts {
            enabled: self.enabled,
            begun: self.polling_now || self.last_poll_at.is_some(),
            succeeded: self.last_success_at.is_some() && self.credential_state != "unverified",
            trouble: self.trouble().map(|(trouble, _)| trouble),
        }
        .rung()
    }
}

/// One route of the delivery half.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the columns of routes and destinations")]
pub struct RouteStatus {
    #[diesel(sql_type = SqlUuid)]
    pub route_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub destination_id: Uuid,
    #[diesel(sql_type = Text)]
    pub destination_name: String,
    #[diesel(sql_type = Text)]
    pub destination_kind: String,
    #[diesel(sql_type = Bool)]
    pub enabled: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub trouble: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub trouble_detail: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_success_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub delivered: i64,
    #[diesel(sql_type = BigInt)]
    pub dead: i64,
    #[diesel(sql_type = BigInt)]
    pub given_up: i64,
    #[diesel(sql_type = BigInt)]
    pub pending: i64,
    #[diesel(sql_type = Integer)]
    pub lost: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl RouteStatus {
    /// The trouble, if any.
    pub fn trouble(&self) -> Option<Trouble> {
        let quarantined = (self.lost >= QUARANTINE).then_some(Trouble::JobQuarantined);
        quarantined.or_else(|| self.trouble.as_deref().and_then(Trouble::from_code))
    }

    /// Its rung.
    pub fn rung(&self) -> Rung {
        DeliveryFacts {
            enabled: self.enabled,
            delivered: self.last_success_at.is_some(),
            pending: self.pending > 0,
            trouble: self.trouble(),
        }
        .rung()
    }
}

/// Both halves.
#[derive(Debug, Clone)]
pub struct SourceStatus {
    /// Polling.
    pub polling: PollingStatus,
    /// Delivery, route by route.
    pub routes: Vec<RouteStatus>,
}

impl Store {
    /// The status of a source.
    pub async fn source_status(
        &self,
        tenant: TenantId,
        source: SourceId,
    ) -> Result<SourceStatus, StoreError> {
        let mut conn = self.conn().await?;
        let polling = sql_query(
            "SELECT collector_now() AS now, s.enabled, c.trouble AS credential_trouble, c.trouble_detail AS credential_detail, \
                c.state AS credential_state, l.trouble AS log_trouble, l.trouble_detail AS log_detail, l.last_poll_at, l.last_success_at, \
                l.last_event_at, l.newest_published, l.stored, l.fallbacks, l.unreachable_before, \
                (SELECT count(*) FROM quarantined_pages q WHERE q.tenant_id = s.tenant_id AND q.source_id = s.id) AS quarantined, \
                CASE WHEN h.owner IS NOT NULL OR h.paused THEN NULL ELSE h.run_at END AS next_poll_at, h.owner IS NOT NULL AS polling_now, h.lost, \
                CASE WHEN b.ends_at > collector_now() THEN b.left_over END AS budget_left, nullif(b.limit_seen, 0) AS budget_limit, \
                CASE WHEN b.ends_at > collector_now() THEN b.ends_at END AS budget_resets_at \
             FROM sources s JOIN credentials c ON c.tenant_id = s.tenant_id AND c.id = s.credential_id \
             JOIN logs l ON l.tenant_id = s.tenant_id AND l.source_id = s.id AND l.kind = 'live' \
             JOIN jobs j ON j.kind = $3 AND j.subject_id = s.id JOIN job_schedule h ON h.job_id = j.id \
             LEFT JOIN budgets b ON b.tenant_id = s.tenant_id AND b.origin = c.origin AND b.fingerprint = c.fingerprint \
             WHERE s.tenant_id = $1 AND s.id = $2",
        )
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(source.0)
        .bind::<SmallInt, _>(JobKind::Poll.number())
        .get_result(&mut conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Source))?;
        let routes = sql_query(
            "SELECT r.id AS route_id, d.id AS destination_id, d.name AS destination_name, d.kind AS destination_kind, r.enabled, r.trouble, \
                r.trouble_detail, r.last_success_at, r.delivered, r.dead, r.given_up, n.pending, h.lost, \
                CASE WHEN h.owner IS NOT NULL OR h.paused THEN NULL ELSE h.run_at END AS next_attempt_at \
             FROM routes r JOIN destinations d ON d.tenant_id = r.tenant_id AND d.id = r.destination_id \
             JOIN jobs j ON j.kind = $3 AND j.subject_id = r.id JOIN job_schedule h ON h.job_id = j.id \
             CROSS JOIN LATERAL (SELECT coalesce(sum(greatest(b.events - CASE WHEN b.number = p.number THEN p.index ELSE 0 END, 0)), 0)::bigint AS pending \
                FROM route_positions p CROSS JOIN LATERAL ( \
                    SELECT number, events FROM batches x WHERE x.tenant_id = p.tenant_id AND x.log_id = p.log_id AND x.day >= p.day AND x.number >= p.number \
                    UNION ALL SELECT number, events FROM kept_batches k WHERE k.tenant_id = p.tenant_id AND k.log_id = p.log_id AND k.day >= p.day AND k.number >= p.number) b \
                WHERE p.tenant_id = r.tenant_id AND p.route_id = r.id) n \
             WHERE r.tenant_id = $1 AND r.source_id = $2 ORDER BY r.id",
        )
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(source.0)
        .bind::<SmallInt, _>(JobKind::Deliver.number())
        .load(&mut conn)
        .await?;
        Ok(SourceStatus { polling, routes })
    }
}
