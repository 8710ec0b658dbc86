//! What Okta says about a credential: accepted or refused, and how long it lives unused. A refused one is
//! asked again by one slow probe, and its sources ask nothing meanwhile.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{CredentialId, TenantId};
use model::job::JobKind;
use model::status::Trouble;

use crate::credentials::{Credential, lock_seen, sources_of};
use crate::error::StoreError;
use crate::jobs::{self, Paused};
use crate::pool::Store;
use crate::rotations;
use crate::sql::sql_query;

/// Until somebody takes care of a credential that has just been accepted; the worker knows it better.
pub(crate) const CARE: Duration = Duration::from_hours(7 * 24);

/// Until somebody tries a new secret that no source has tried by then.
pub(crate) const FIRST_TRY: Duration = Duration::from_mins(10);

/// Plans the care of a credential and makes its sources due.
pub(crate) async fn resume(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
    care_after: Duration,
) -> Result<(), StoreError> {
    let sources = sources_of(conn, tenant, id).await?;
    let mut jobs = vec![(JobKind::CheckCredential, id.0)];
    jobs.extend(sources.iter().map(|source| (JobKind::Poll, *source)));
    jobs::lock(conn, tenant, &jobs).await?;
    jobs::plan(conn, tenant, JobKind::CheckCredential, id.0, care_after).await?;
    jobs::poke(conn, tenant, JobKind::Poll, &sources, Paused::Sleeps).await
}

/// Writes down that the present secret works: `valid`, used now, 30 days to live if it is a token.
pub(crate) async fn accept(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
    org_id: Option<&str>,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE credentials SET state = 'valid', trouble = NULL, trouble_detail = NULL, \
            state_at = CASE WHEN state = 'valid' THEN state_at ELSE collector_now() END, \
            last_used_at = collector_now(), org_id = coalesce($3, org_id), warned_days = NULL, refused_at = NULL, \
            expires_at = CASE WHEN kind = 'ssws' THEN collector_now() + interval '720 hours' END \
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(id.0)
    .bind::<Nullable<Text>, _>(org_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// What is left of a token that is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ageing {
    /// This many days or less, for the first time.
    DaysLeft(i16),
    /// It is dead, for the first time.
    Dead,
}

impl Store {
    /// Notes that Okta accepted a secret: `valid`, used now, org known. If it was refused before, its
    /// sources are due at once.
    ///
    /// A secret that has been replaced meanwhile is not judged. Writes at most once a minute in the
    /// normal case.
    pub async fn credential_accepted(
        &self,
        tenant: TenantId,
        seen: &Credential,
        org_id: Option<&str>,
    ) -> Result<(), StoreError> {
        let id = CredentialId(seen.id);
        self.tx(async |conn| {
            // Not the state that the caller saw: somebody may have refused the secret since.
            let fresh = sql_query(
                "SELECT 1 FROM credentials WHERE tenant_id = $1 AND id = $2 AND state = 'valid' \
                   AND org_id IS NOT DISTINCT FROM coalesce($3, org_id) AND last_used_at >= collector_now() - interval '1 minute'",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .bind::<Nullable<Text>, _>(org_id)
            .execute(conn)
            .await?;
            if fresh == 1 {
                return Ok(());
            }
            let Some(before) = lock_seen(conn, seen).await? else {
                return Ok(());
            };
            accept(conn, tenant, id, org_id).await?;
            if before.state().usable() {
                return Ok(());
            }
            resume(conn, tenant, id, CARE).await
        })
        .await
    }

    /// Notes that Okta refused a secret, or that its domain is no org: `rejected`, or `expired` if it was
    /// not used for too long; its slow probe starts. A new secret beside it is tested at once, for its
    /// sources wait for one that works; until then the refused one is kept, because a refusal may be about
    /// the network or the owner. A secret that has been replaced meanwhile is not judged; returns whether
    /// it was.
    pub async fn credential_refused(
        &self,
        tenant: TenantId,
        seen: &Credential,
        trouble: Trouble,
        detail: &str,
        probe_after: Duration,
    ) -> Result<bool, StoreError> {
        let id = CredentialId(seen.id);
        self.tx(async |conn| {
            if lock_seen(conn, seen).await?.is_none() {
                return Ok(false);
            }
            // One refusal means many things; what it had done before tells some apart.
            sql_query(
                "UPDATE credentials c SET state = t.state, trouble = t.trouble, trouble_detail = $4, refused_at = collector_now(), \
                    state_at = CASE WHEN c.state = t.state AND c.trouble = t.trouble THEN c.state_at ELSE collector_now() END \
                 FROM (SELECT CASE WHEN $3 = $5 AND expires_at <= collector_now() THEN 'expired' ELSE 'rejected' END AS state, \
                        CASE WHEN $3 <> $5 OR last_used_at IS NULL OR kind <> 'ssws' THEN $3 \
                            WHEN expires_at <= collector_now() THEN $6 ELSE $7 END AS trouble \
                     FROM credentials WHERE tenant_id = $1 AND id = $2) t \
                 WHERE c.tenant_id = $1 AND c.id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .bind::<Text, _>(trouble.code())
            .bind::<Text, _>(detail)
            .bind::<Text, _>(Trouble::TokenRefused.code())
            .bind::<Text, _>(Trouble::TokenExpired.code())
            .bind::<Text, _>(Trouble::TokenRevoked.code())
            .execute(conn)
            .await?;
            let after = if rotations::testing(conn, tenant, id).await? {
                Duration::ZERO
            } else {
                probe_after
            };
            // A care that is running (perhaps of the secret before) runs once more and sees this.
            jobs::plan(conn, tenant, JobKind::CheckCredential, id.0, after).await?;
            Ok(true)
        })
        .await
    }

    /// Lets a token age that could not be used: `expiring` from 14 days before its end, `expired` from
    /// its end on. `None` if there is nothing new to say.
    pub async fn credential_ages(&self, seen: &Credential) -> Result<Option<Ageing>, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Nullable<SmallInt>)]
            days: Option<i16>,
        }
        self.tx(async |conn| {
            let Some(before) = lock_seen(conn, seen).await? else {
                return Ok(None);
            };
            if !before.state().usable() {
                return Ok(None);
            }
            let due: Option<Row> = sql_query(
                "SELECT (SELECT min(d) FROM unnest(ARRAY[0, 1, 3, 7, 14]) d \
                    WHERE expires_at <= collector_now() + d * interval '24 hours')::smallint AS days \
                 FROM credentials WHERE tenant_id = $1 AND id = $2 AND expires_at IS NOT NULL",
            )
            .bind::<SqlUuid, _>(seen.tenant_id)
            .bind::<SqlUuid, _>(seen.id)
            .get_result(conn)
            .await
            .optional()?;
            let Some(days) = due.and_then(|row| row.days) else {
                return Ok(None);
            };
            if before.warned_days.is_some_and(|warned| warned <= days) {
                return Ok(None);
            }
            let dead = days == 0;
            sql_query(
                "UPDATE credentials SET warned_days = $3, state = CASE WHEN $3 = 0 THEN 'expired' ELSE 'expiring' END, \
                    trouble = CASE WHEN $3 = 0 THEN $4 END, refused_at = CASE WHEN $3 = 0 THEN collector_now() END, \
                    trouble_detail = CASE WHEN $3 = 0 THEN 'last used on ' || to_char(last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') END, \
                    state_at = CASE WHEN $3 > 0 AND state = 'expiring' THEN state_at ELSE collector_now() END \
                 WHERE tenant_id = $1 AND id = $2",
            )
            .bind::<SqlUuid, _>(seen.tenant_id)
            .bind::<SqlUuid, _>(seen.id)
            .bind::<SmallInt, _>(days)
            .bind::<Text, _>(Trouble::TokenExpired.code())
            .execute(conn)
            .await?;
            Ok(Some(if dead {
                Ageing::Dead
            } else {
                Ageing::DaysLeft(days)
            }))
        })
        .await
    }
}

/// Makes a credential whose secret has just been replaced `unverified`, to be tried at once.
pub(crate) async fn renew(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<(), StoreError> {
    sql_query(
        "UPDATE credentials SET state = 'unverified', trouble = NULL, trouble_detail = NULL, state_at = collector_now(), \
            last_used_at = NULL, expires_at = NULL, warned_days = NULL, refused_at = NULL WHERE tenant_id = $1 AND id = $2",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(id.0)
    .execute(conn)
    .await?;
    resume(conn, tenant, id, FIRST_TRY).await
}
