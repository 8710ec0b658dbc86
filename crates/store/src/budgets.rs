//! Budgets: what one token or app of one org may still ask in Okta's present window. The rules are
//! [`model::budget`]'s; here a window is read, changed and written under its row's lock.
//!
//! Both tables are unlogged: after a crash of the database they are empty, and each window begins with
//! one careful request anyway.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    BigInt, Binary, Double, Float, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::budget::{Ask, Grant, Heard, Priority, Report, Window};
use model::job::JobKind;
use uuid::Uuid;

use crate::credentials::Credential;
use crate::error::StoreError;
use crate::pool::Store;
use crate::sql::sql_query;

/// Whose budget: a token or app of an org, within a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

/// A question for permits, as a process asks it.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// What for.
    pub priority: Priority,
    /// Part of the token's limit that is ours, 0 to 1.
    pub share: f64,
    /// No more permits than this.
    pub most: u32,
}

/// An org block without a word about its end lasts a window, and never longer than this.
const WINDOW: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_mins(10);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    reset: i64,
    #[diesel(sql_type = Timestamptz)]
    ends_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    limit_seen: i32,
    #[diesel(sql_type = Integer)]
    remaining: i32,
    #[diesel(sql_type = Timestamptz)]
    begun_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    heard_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    used: i32,
    #[diesel(sql_type = Integer)]
    strangers: i32,
    #[diesel(sql_type = Float)]
    strangers_before: f32,
    #[diesel(sql_type = Integer)]
    out: i32,
    #[diesel(sql_type = Timestamptz)]
    probing_until: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    live: i32,
    #[diesel(sql_type = Integer)]
    live_before: i32,
    #[diesel(sql_type = Integer)]
    verify: i32,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    workers: i64,
    #[diesel(sql_type = Nullable<Double>)]
    blocked_for: Option<f64>,
}

impl Row {
    fn window(&self) -> Window {
        let count = |n: i32| u32::try_from(n).unwrap_or(0);
        Window {
            reset: self.reset,
            ends_at: self.ends_at,
            limit: count(self.limit_seen),
            remaining: count(self.remaining),
            begun_at: self.begun_at,
            heard_at: self.heard_at,
            used: count(self.used),
            strangers: count(self.strangers),
            strangers_before: self.strangers_before,
            out: count(self.out),
            probing_until: self.probing_until,
            live: count(self.live),
            live_before: count(self.live_before),
            verify: count(self.verify),
        }
    }
}

/// The clock is read outside of the locked part: a wait for the row must not make it old.
const LOCK: &str = "SELECT b.reset, greatest(b.ends_at, 'epoch') AS ends_at, b.limit_seen, b.remaining, b.out, \
    greatest(b.begun_at, 'epoch') AS begun_at, greatest(b.heard_at, 'epoch') AS heard_at, b.used, b.strangers, b.strangers_before, \
    greatest(b.probing_until, 'epoch') AS probing_until, b.live, b.live_before, b.verify, collector_clock() AS now, \
    (SELECT count(*) FROM workers) AS workers, \
    (SELECT extract(epoch FROM o.until - collector_clock())::float8 FROM org_blocks o WHERE o.tenant_id = $1 AND o.origin = $2) AS blocked_for \
    FROM (SELECT * FROM budgets WHERE tenant_id = $1 AND origin = $2 AND fingerprint = $3 FOR UPDATE) b";

const MAKE: &str = "INSERT INTO budgets (tenant_id, origin, fingerprint) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

const WRITE: &str = "UPDATE budgets SET reset = $4, ends_at = $5, limit_seen = $6, remaining = $7, out = $8, probing_until = $9, \
    live = $10, live_before = $11, verify = $12, left_over = $13, begun_at = $14, heard_at = $15, used = $16, strangers = $17, strangers_before = $18 WHERE tenant_id = $1 AND origin = $2 AND fingerprint = $3";

/// Polls of a budget: running or due, and due before the window ends.
const PLANNED: &str = "SELECT count(*) FILTER (WHERE h.owner IS NOT NULL OR h.run_at <= collector_clock()) AS at_once, \
    count(*) FILTER (WHERE h.owner IS NULL AND h.run_at > collector_clock() AND h.run_at <= $5) AS soon \
    FROM credentials c JOIN sources s ON s.tenant_id = c.tenant_id AND s.credential_id = c.id \
    JOIN jobs j ON j.kind = $4 AND j.subject_id = s.id JOIN job_schedule h ON h.job_id = j.id \
    WHERE c.tenant_id = $1 AND c.origin = $2 AND c.fingerprint = $3";

#[derive(QueryableByName)]
struct Planned {
    #[diesel(sql_type = BigInt)]
    at_once: i64,
    #[diesel(sql_type = BigInt)]
    soon: i64,
}

impl Store {
    /// Takes in what became of earlier permits, and draws new ones.
    pub async fn draw_requests(
        &self,
        key: &BudgetKey,
        draw: Draw,
        report: &Report,
    ) -> Result<Grant, StoreError> {
        self.tx(async |conn| {
            let row = lock(conn, key).await?;
            let mut window = row.window();
            window.report(row.now, report);
            let blocked = row.blocked_for.filter(|seconds| *seconds > 0.0);
            let grant = if let Some(seconds) = blocked {
                Grant::Wait(Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
            } else {
                let ask = ask(conn, key, draw, &row, &window).await?;
                window.draw(row.now, &ask)
            };
            write(conn, key, &window, row.now, draw.share).await?;
            Ok(grant)
        })
        .await
    }

    /// Takes in what became of permits.
    pub async fn settle_requests(
        &self,
        key: &BudgetKey,
        share: f64,
        report: &Report,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            let row = lock(conn, key).await?;
            let mut window = row.window();
            window.report(row.now, report);
            write(conn, key, &window, row.now, share).await
        })
        .await
    }

    /// Takes in a 429 of Okta's rate limit; its permit is settled apart from this. A refusal that the
    /// token's own window does not account for was the org's: then nobody of the tenant asks the org
    /// until it resets. Returns whether that is so.
    pub async fn note_rate_refusal(
        &self,
        key: &BudgetKey,
        heard: Option<&Heard>,
    ) -> Result<bool, StoreError> {
        self.tx(async |conn| {
            let row = lock(conn, key).await?;
            if heard.is_some_and(|heard| row.window().explains(row.now, heard)) {
                return Ok(false);
            }
            let until = heard
                .map_or(WINDOW, |heard| heard.resets_in)
                .clamp(Duration::from_secs(1), LONGEST);
            sql_query(
                "INSERT INTO org_blocks AS o (tenant_id, origin, until) VALUES ($1, $2, collector_clock() + make_interval(secs => $3)) \
                 ON CONFLICT (tenant_id, origin) DO UPDATE SET until = greatest(o.until, excluded.until)",
            )
            .bind::<SqlUuid, _>(key.tenant)
            .bind::<Text, _>(&key.origin)
            .bind::<Double, _>(until.as_secs_f64())
            .execute(conn)
            .await?;
            Ok(true)
        })
        .await
    }
}

async fn ask(
    conn: &mut AsyncPgConnection,
    key: &BudgetKey,
    draw: Draw,
    row: &Row,
    window: &Window,
) -> Result<Ask, StoreError> {
    let planned = if draw.priority == Priority::Live {
        // Nobody is before it.
        Planned {
            at_once: 0,
            soon: 0,
        }
    } else {
        sql_query(PLANNED)
            .bind::<SqlUuid, _>(key.tenant)
            .bind::<Text, _>(&key.origin)
            .bind::<Binary, _>(&key.fingerprint)
            .bind::<SmallInt, _>(JobKind::Poll.number())
            .bind::<Timestamptz, _>(window.ends_at)
            .get_result(conn)
            .await?
    };
    let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Ask {
        priority: draw.priority,
        share: draw.share,
        workers: count(row.workers),
        most: draw.most,
        live_now: count(planned.at_once),
        live_soon: count(planned.soon),
    })
}

async fn lock(conn: &mut AsyncPgConnection, key: &BudgetKey) -> Result<Row, StoreError> {
    loop {
        let row: Option<Row> = sql_query(LOCK)
            .bind::<SqlUuid, _>(key.tenant)
            .bind::<Text, _>(&key.origin)
            .bind::<Binary, _>(&key.fingerprint)
            .get_result(conn)
            .await
            .optional()?;
        if let Some(row) = row {
            return Ok(row);
        }
        sql_query(MAKE)
            .bind::<SqlUuid, _>(key.tenant)
            .bind::<Text, _>(&key.origin)
            .bind::<Binary, _>(&key.fingerprint)
            .execute(conn)
            .await?;
    }
}

async fn write(
    conn: &mut AsyncPgConnection,
    key: &BudgetKey,
    window: &Window,
    now: DateTime<Utc>,
    share: f64,
) -> Result<(), StoreError> {
    let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    sql_query(WRITE)
        .bind::<SqlUuid, _>(key.tenant)
        .bind::<Text, _>(&key.origin)
        .bind::<Binary, _>(&key.fingerprint)
        .bind::<BigInt, _>(window.reset)
        .bind::<Timestamptz, _>(window.ends_at)
        .bind::<Integer, _>(count(window.limit))
        .bind::<Integer, _>(count(window.remaining))
        .bind::<Integer, _>(count(window.out))
        .bind::<Timestamptz, _>(window.probing_until)
        .bind::<Integer, _>(count(window.live))
        .bind::<Integer, _>(count(window.live_before))
        .bind::<Integer, _>(count(window.verify))
        .bind::<Integer, _>(count(window.left(now, share)))
        .bind::<Timestamptz, _>(window.begun_at)
        .bind::<Timestamptz, _>(window.heard_at)
        .bind::<Integer, _>(count(window.used))
        .bind::<Integer, _>(count(window.strangers))
        .bind::<Float, _>(window.strangers_before)
        .execute(conn)
        .await?;
    Ok(())
}
