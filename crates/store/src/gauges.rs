//! The installation as operators watch it: one statement over the tables that are the size of the
//! configuration. It never looks at stored events.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Json};
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use uuid::Uuid;

use crate::error::StoreError;
use crate::pool::Store;
use crate::sql::sql_query;

/// Figures of one moment. Ages and times are seconds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Gauges {
    /// Enabled sources, the ones without a success for longest first; no more than asked for.
    pub sources: Vec<SourceGauge>,
    /// Enabled sources.
    pub sources_enabled: u64,
    /// Paused sources.
    pub sources_paused: u64,
    /// Enabled sources without a success for three of their periods and a minute.
    pub sources_overdue: u64,
    /// Jobs by kind, as far as there are lanes.
    pub jobs: Vec<JobGauge>,
    /// Credentials by state, as far as there are any.
    pub credentials: Vec<StateGauge>,
    /// Credentials that Okta lets die, the nearest end first; no more than asked for.
    pub expiries: Vec<ExpiryGauge>,
    /// Open budgets of credentials, the emptiest first; no more than asked for.
    pub budgets: Vec<BudgetGauge>,
    /// Enabled routes, the ones that wait for longest first; no more than asked for.
    pub routes: Vec<RouteGauge>,
    /// Routes, by `paused`, `failing` and `well`.
    pub route_states: Vec<StateGauge>,
    /// Batches that are pending, of all enabled routes together.
    pub pending: u64,
    /// Events that routes have given up.
    pub given_up: u64,
    /// Answers of Okta put aside because they stayed unreadable.
    pub quarantined_pages: u64,
    /// Workers heard of lately.
    pub workers: u64,
    /// Since a worker was last heard of; `None`: there is none.
    pub worker_age: Option<f64>,
}

/// A source.
#[derive(Debug, Clone, Deserialize)]
pub struct SourceGauge {
    /// Whose.
    pub tenant: Uuid,
    /// Which.
    pub id: Uuid,
    /// Since the newest stored event was published; `None`: there is none.
    pub lag: Option<f64>,
    /// Since the last success, or since it was made.
    pub success_age: f64,
    /// Its refresh frequency.
    pub refresh: f64,
}

/// The jobs of a kind.
#[derive(Debug, Clone, Deserialize)]
pub struct JobGauge {
    /// Number of the kind.
    pub kind: i16,
    /// Jobs that are due and nobody's.
    pub due: u64,
    /// Since the first of them became due; 0: there is none.
    pub oldest: f64,
}

/// Credentials or routes in a state.
#[derive(Debug, Clone, Deserialize)]
pub struct StateGauge {
    /// The state's word.
    pub state: String,
    /// How many.
    pub count: u64,
}

/// When a credential dies if it is not used.
#[derive(Debug, Clone, Deserialize)]
pub struct ExpiryGauge {
    /// Whose.
    pub tenant: Uuid,
    /// Which.
    pub id: Uuid,
    /// Until then; negative: it may be dead.
    pub left: f64,
}

/// What a credential may still ask in the present window.
#[derive(Debug, Clone, Deserialize)]
pub struct BudgetGauge {
    /// Whose.
    pub tenant: Uuid,
    /// Which.
    pub id: Uuid,
    /// Part of its limit, 0 to 1.
    pub left: f64,
}

/// What a route has before it.
#[derive(Debug, Clone, Deserialize)]
pub struct RouteGauge {
    /// Whose.
    pub tenant: Uuid,
    /// Which.
    pub id: Uuid,
    /// Stored batches that are not all delivered.
    pub pending: u64,
    /// Since its last success, or since it was made; 0: nothing is pending.
    pub waiting: f64,
}

const GAUGES: &str = "WITH t AS (SELECT collector_now() AS now), \
 s AS MATERIALIZED (SELECT s.tenant_id AS tenant, s.id, s.enabled, s.refresh_seconds::float8 AS refresh, \
     extract(epoch FROM t.now - l.newest_published)::float8 AS lag, \
     extract(epoch FROM t.now - coalesce(l.last_success_at, s.created_at))::float8 AS success_age \
     FROM t, sources s JOIN logs l ON l.tenant_id = s.tenant_id AND l.source_id = s.id AND l.kind = 'live'), \
 j AS (SELECT l.kind, sum(d.due)::bigint AS due, coalesce(max(extract(epoch FROM t.now - d.first)), 0)::float8 AS oldest \
     FROM t, job_lanes l CROSS JOIN LATERAL (SELECT count(*) AS due, min(h.run_at) AS first FROM job_schedule h \
         WHERE h.lane_id = l.id AND h.run_at <= collector_now()) d GROUP BY l.kind), \
 c AS (SELECT state, count(*) AS count FROM credentials GROUP BY state), \
 e AS (SELECT tenant_id AS tenant, id, extract(epoch FROM expires_at - t.now)::float8 AS left \
     FROM t, credentials WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT $1), \
 b AS (SELECT c.tenant_id AS tenant, c.id, b.left_over::float8 / b.limit_seen AS left \
     FROM t, budgets b JOIN credentials c ON c.tenant_id = b.tenant_id AND c.origin = b.origin AND c.fingerprint = b.fingerprint \
     WHERE b.ends_at > t.now AND b.limit_seen > 0 ORDER BY 3 LIMIT $1), \
 r AS MATERIALIZED (SELECT r.tenant_id AS tenant, r.id, sum(greatest(l.next_number - p.number, 0))::bigint AS pending, \
     CASE WHEN bool_or(l.next_number > p.number) THEN extract(epoch FROM max(t.now) - coalesce(r.last_success_at, r.created_at))::float8 ELSE 0 END AS waiting \
     FROM t, routes r JOIN route_positions p ON p.tenant_id = r.tenant_id AND p.route_id = r.id \
     JOIN logs l ON l.tenant_id = p.tenant_id AND l.id = p.log_id WHERE r.enabled GROUP BY r.tenant_id, r.id), \
 f AS (SELECT CASE WHEN NOT enabled THEN 'paused' WHEN trouble IS NULL THEN 'well' ELSE 'failing' END AS state, count(*) AS count \
     FROM routes GROUP BY 1) \
 SELECT json_build_object( \
     'sources', (SELECT coalesce(json_agg(x), '[]') FROM (SELECT * FROM s WHERE enabled ORDER BY success_age DESC LIMIT $1) x), \
     'sources_enabled', (SELECT count(*) FROM s WHERE enabled), \
     'sources_paused', (SELECT count(*) FROM s WHERE NOT enabled), \
     'sources_overdue', (SELECT count(*) FROM s WHERE enabled AND success_age > 3 * refresh + 60), \
     'jobs', (SELECT coalesce(json_agg(j), '[]') FROM j), \
     'credentials', (SELECT coalesce(json_agg(c), '[]') FROM c), \
     'expiries', (SELECT coalesce(json_agg(e), '[]') FROM e), \
     'budgets', (SELECT coalesce(json_agg(b), '[]') FROM b), \
     'routes', (SELECT coalesce(json_agg(x), '[]') FROM (SELECT * FROM r ORDER BY waiting DESC, pending DESC LIMIT $1) x), \
     'route_states', (SELECT coalesce(json_agg(f), '[]') FROM f), \
     'pending', (SELECT coalesce(sum(pending), 0)::bigint FROM r), \
     'given_up', (SELECT coalesce(sum(given_up), 0)::bigint FROM routes), \
     'quarantined_pages', (SELECT count(*) FROM quarantined_pages), \
     'workers', (SELECT count(*) FROM workers WHERE seen_at > collector_now() - interval '30 seconds'), \
     'worker_age', (SELECT extract(epoch FROM collector_now() - max(seen_at))::float8 FROM workers)) AS gauges";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Json)]
    gauges: serde_json::Value,
}

impl Store {
    /// Reads the figures; of sources, routes and credentials at most `most` each.
    pub async fn gauges(&self, most: u32) -> Result<Gauges, StoreError> {
        let mut conn = self.conn().await?;
        let row: Row = sql_query(GAUGES)
            .bind::<BigInt, _>(i64::from(most))
            .get_result(&mut conn)
            .await?;
        serde_json::from_value(row.gauges)
            .map_err(|error| StoreError::Corrupt(format!("the gauges cannot be read: {error}")))
    }
}
