//! What Okta says about a credential: accepted or refused. A refused one is asked again by one slow
//! probe, and its sources ask nothing meanwhile.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Double, Integer, Nullable, SmallInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::credential::CredentialState;
use model::ids::{CredentialId, TenantId};
use model::job::JobKind;
use model::status::Trouble;

use crate::credentials::{Credential, sources_of};
use crate::error::StoreError;
use crate::jobs::{self, Paused};
use crate::pool::Store;
use crate::sql::sql_query;

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = Text)]
    state: String,
}

/// Parks the slow probe of a credential and makes its sources due.
pub(crate) async fn resume(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<(), StoreError> {
    let sources = sources_of(conn, tenant, id).await?;
    let mut jobs = vec![(JobKind::CheckCredential, id.0)];
    jobs.extend(sources.iter().map(|source| (JobKind::Poll, *source)));
    jobs::lock(conn, tenant, &jobs).await?;
    jobs::set_paused(conn, tenant, JobKind::CheckCredential, &[id.0], true).await?;
    jobs::poke(conn, tenant, JobKind::Poll, &sources, Paused::Sleeps).await
}

impl Store {
    /// Notes that Okta accepted a secret: `valid`, used now, org known. If it was refused before, its
    /// slow probe is parked and its sources are due at once.
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
            let before: Option<State> = sql_query(
                "SELECT state FROM credentials WHERE tenant_id = $1 AND id = $2 AND secret_version = $3 AND origin = $5 \
                   AND (state <> 'valid' OR org_id IS DISTINCT FROM coalesce($4, org_id) OR last_used_at IS NULL \
                        OR last_used_at < collector_now() - interval '1 minute') FOR NO KEY UPDATE",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .bind::<Integer, _>(seen.secret_version)
            .bind::<Nullable<Text>, _>(org_id)
            .bind::<Text, _>(&seen.origin)
            .get_result(conn)
            .await
            .optional()?;
            let Some(State { state: before }) = before else {
                return Ok(());
            };
            sql_query(
                "UPDATE credentials SET state = 'valid', trouble = NULL, trouble_detail = NULL, \
                    state_at = CASE WHEN state = 'valid' THEN state_at ELSE collector_now() END, \
                    last_used_at = collector_now(), org_id = coalesce($3, org_id) WHERE tenant_id = $1 AND id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .bind::<Nullable<Text>, _>(org_id)
            .execute(conn)
            .await?;
            if CredentialState::from_word(&before).is_some_and(CredentialState::usable) {
                return Ok(());
            }
            resume(conn, tenant, id).await
        })
        .await
    }

    /// Notes that Okta refused a secret, or that its domain is no org: `rejected`; its slow probe
    /// starts. A secret that has been replaced meanwhile is not judged; returns whether it was.
    pub async fn credential_refused(
        &self,
        tenant: TenantId,
        seen: &Credential,
        trouble: Trouble,
        detail: &str,
        probe_after: Duration,
    ) -> Result<bool, StoreError> {
        self.tx(async |conn| {
            let changed = sql_query(
                "UPDATE credentials SET state = 'rejected', trouble = $5, trouble_detail = $6, \
                    state_at = CASE WHEN state = 'rejected' AND trouble = $5 THEN state_at ELSE collector_now() END \
                 WHERE tenant_id = $1 AND id = $2 AND secret_version = $3 AND origin = $4",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(seen.id)
            .bind::<Integer, _>(seen.secret_version)
            .bind::<Text, _>(&seen.origin)
            .bind::<Text, _>(trouble.code())
            .bind::<Text, _>(detail)
            .execute(conn)
            .await?;
            if changed == 1 {
                // A probe that is running (of the secret before) plans the next one itself.
                sql_query(
                    "UPDATE job_schedule s SET paused = false, \
                        due_at = CASE WHEN s.owner IS NULL THEN collector_now() + make_interval(secs => $2) ELSE s.due_at END, \
                        run_at = CASE WHEN s.owner IS NULL THEN collector_now() + make_interval(secs => $2) ELSE s.run_at END \
                     FROM jobs j WHERE j.id = s.job_id AND j.tenant_id = $4 AND j.kind = $3 AND j.subject_id = $1 AND s.paused",
                )
                .bind::<SqlUuid, _>(seen.id)
                .bind::<Double, _>(probe_after.as_secs_f64())
                .bind::<SmallInt, _>(JobKind::CheckCredential.number())
                .bind::<SqlUuid, _>(tenant.0)
                .execute(conn)
                .await?;
            }
            Ok(changed == 1)
        })
        .await
    }
}
