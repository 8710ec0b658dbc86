//! Rotations: a new secret beside the present one until Okta has accepted it.
//!
//! The new secret is sealed for its own version, so taking it is a copy. It is taken in one transaction
//! and only when it was accepted, whatever Okta says about the present one; a crash before that leaves it
//! to be tested again. Of one that is refused or given up only the reason stays.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    Array, Binary, Double, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{CredentialId, TenantId};
use model::job::JobKind;
use model::status::Trouble;
use secrecy::SecretString;
use uuid::Uuid;

use crate::credential_checks;
use crate::credential_secret::{CredentialSecret, ShownColumns, sealed_part, secret_of};
use crate::credentials::{self, Credential, place};
use crate::error::StoreError;
use crate::jobs::{self, Paused};
use crate::pool::Store;
use crate::sealing::{KeyRing, Sealed};
use crate::sql::sql_query;

/// A rotation as it is shown.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct Rotation {
    #[diesel(sql_type = SqlUuid)]
    pub credential_id: Uuid,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub trouble: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub detail: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub state_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub origin: String,
}

#[derive(QueryableByName)]
struct Next {
    #[diesel(sql_type = Text)]
    origin: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    client_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    key_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    algorithm: Option<String>,
    #[diesel(sql_type = Binary)]
    fingerprint: Vec<u8>,
    #[diesel(sql_type = Integer)]
    secret_version: i32,
    #[diesel(sql_type = Text)]
    seal_kek: String,
    #[diesel(sql_type = Binary)]
    seal_dek: Vec<u8>,
    #[diesel(sql_type = Binary)]
    seal_body: Vec<u8>,
}

/// Puts a new secret beside the present one, in the place of one that is there, to be tested at once.
pub(crate) async fn begin(
    conn: &mut AsyncPgConnection,
    keys: &KeyRing,
    present: &Credential,
    secret: &model::credential::Secret,
    origin: &str,
) -> Result<(), StoreError> {
    let tenant = TenantId(present.tenant_id);
    let version = next_version(conn, present).await?;
    let sealed = keys.seal(
        place(present.tenant_id, present.id, version),
        sealed_part(secret),
    )?;
    let shown = ShownColumns::of(tenant, secret);
    sql_query(
        "INSERT INTO credential_rotations (tenant_id, credential_id, origin, kind, client_id, key_id, algorithm, fingerprint, \
            secret_version, seal_kek, seal_dek, seal_body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (tenant_id, credential_id) DO UPDATE SET state = 'testing', trouble = NULL, detail = NULL, \
            state_at = collector_now(), origin = excluded.origin, kind = excluded.kind, client_id = excluded.client_id, \
            key_id = excluded.key_id, algorithm = excluded.algorithm, fingerprint = excluded.fingerprint, \
            secret_version = excluded.secret_version, seal_kek = excluded.seal_kek, seal_dek = excluded.seal_dek, \
            seal_body = excluded.seal_body",
    )
    .bind::<SqlUuid, _>(present.tenant_id)
    .bind::<SqlUuid, _>(present.id)
    .bind::<Text, _>(origin)
    .bind::<Text, _>(shown.kind)
    .bind::<Nullable<Text>, _>(shown.client_id)
    .bind::<Nullable<Text>, _>(shown.key_id)
    .bind::<Nullable<Text>, _>(shown.algorithm)
    .bind::<Binary, _>(shown.fingerprint)
    .bind::<Integer, _>(version)
    .bind::<Text, _>(sealed.kek)
    .bind::<Binary, _>(sealed.dek)
    .bind::<Binary, _>(sealed.body)
    .execute(conn)
    .await?;
    let job = JobKind::CheckCredential;
    jobs::set_paused(conn, tenant, job, &[present.id], false).await?;
    jobs::poke(conn, tenant, job, &[present.id], Paused::Sleeps).await
}

/// A version that no secret of the row has had.
pub(crate) async fn next_version(
    conn: &mut AsyncPgConnection,
    present: &Credential,
) -> Result<i32, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        secret_version: i32,
    }
    let tried: Option<Row> = sql_query(
        "SELECT secret_version FROM credential_rotations WHERE tenant_id = $1 AND credential_id = $2",
    )
    .bind::<SqlUuid, _>(present.tenant_id)
    .bind::<SqlUuid, _>(present.id)
    .get_result(conn)
    .await
    .optional()?;
    let tried = tried.map_or(0, |row| row.secret_version);
    Ok(present.secret_version.max(tried).saturating_add(1))
}

/// Makes the secret that is being tested the present one; `false`: there is none, or not of this
/// version. The caller holds the credential's row and says what state it has from then on.
async fn take(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
    version: i32,
) -> Result<bool, StoreError> {
    let taken = sql_query(
        "WITH next AS (DELETE FROM credential_rotations WHERE tenant_id = $1 AND credential_id = $2 AND state = 'testing' \
            AND secret_version = $3 RETURNING *) \
         UPDATE credentials c SET origin = n.origin, kind = n.kind, client_id = n.client_id, key_id = n.key_id, \
            algorithm = n.algorithm, fingerprint = n.fingerprint, secret_version = n.secret_version, seal_kek = n.seal_kek, \
            seal_dek = n.seal_dek, seal_body = n.seal_body, secret_set_at = collector_now(), last_used_at = NULL, \
            expires_at = NULL, warned_days = NULL, refused_at = NULL, \
            org_id = CASE WHEN c.origin = n.origin THEN c.org_id END \
         FROM next n WHERE c.tenant_id = n.tenant_id AND c.id = n.credential_id",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(id.0)
    .bind::<Integer, _>(version)
    .execute(conn)
    .await?;
    Ok(taken == 1)
}

/// Whether a new secret waits for its test.
pub(crate) async fn testing(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<bool, StoreError> {
    let waiting = sql_query(
        "SELECT 1 FROM credential_rotations WHERE tenant_id = $1 AND credential_id = $2 AND state = 'testing'",
    )
    .bind::<SqlUuid, _>(tenant.0)
    .bind::<SqlUuid, _>(id.0)
    .execute(conn)
    .await?;
    Ok(waiting == 1)
}

/// Forgets a rotation, because its secret is no longer wanted.
pub(crate) async fn forget(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<(), StoreError> {
    sql_query("DELETE FROM credential_rotations WHERE tenant_id = $1 AND credential_id = $2")
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(id.0)
        .execute(conn)
        .await?;
    Ok(())
}

impl Store {
    /// The rotations of these credentials, as far as there are any.
    pub async fn rotations(
        &self,
        tenant: TenantId,
        credentials: &[Uuid],
    ) -> Result<Vec<Rotation>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sql_query(
            "SELECT credential_id, state, trouble, detail, state_at, origin FROM credential_rotations \
             WHERE tenant_id = $1 AND credential_id = ANY($2)",
        )
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<Array<SqlUuid>, _>(credentials)
        .load(&mut conn)
        .await?)
    }

    /// The credential as it would be with the secret that is being tested, and that secret.
    pub async fn open_rotation(
        &self,
        present: &Credential,
    ) -> Result<Option<CredentialSecret>, StoreError> {
        let mut conn = self.conn().await?;
        let next: Option<Next> = sql_query(
            "SELECT origin, kind, client_id, key_id, algorithm, fingerprint, secret_version, seal_kek, seal_dek, seal_body \
             FROM credential_rotations WHERE tenant_id = $1 AND credential_id = $2 AND state = 'testing'",
        )
        .bind::<SqlUuid, _>(present.tenant_id)
        .bind::<SqlUuid, _>(present.id)
        .get_result(&mut conn)
        .await
        .optional()?;
        let Some(next) = next else { return Ok(None) };
        let sealed = Sealed {
            kek: next.seal_kek,
            dek: next.seal_dek,
            body: next.seal_body,
        };
        let credential = Credential {
            origin: next.origin,
            kind: next.kind,
            client_id: next.client_id,
            key_id: next.key_id,
            algorithm: next.algorithm,
            fingerprint: next.fingerprint,
            secret_version: next.secret_version,
            ..present.clone()
        };
        let place = place(credential.tenant_id, credential.id, next.secret_version);
        let opened = self.keys.open(place, &sealed);
        let opened = opened.map(|part: SecretString| secret_of(&credential, part));
        Ok(Some(CredentialSecret { credential, opened }))
    }

    /// Notes that Okta accepted the secret that is being tested: it is the present one from now on, the
    /// one before is gone. Whether it was still wanted.
    pub async fn rotation_accepted(
        &self,
        next: &Credential,
        org_id: &str,
    ) -> Result<bool, StoreError> {
        let (tenant, id) = (TenantId(next.tenant_id), CredentialId(next.id));
        self.tx(async |conn| {
            let before = credentials::lock(conn, tenant, id).await?;
            if !take(conn, tenant, id, next.secret_version).await? {
                return Ok(false);
            }
            credential_checks::accept(conn, tenant, id, Some(org_id)).await?;
            if !before.state().usable() {
                credential_checks::resume(conn, tenant, id, credential_checks::CARE).await?;
            }
            Ok(true)
        })
        .await
    }

    /// Notes that Okta refused the secret that is being tested: it is erased, the present one stays.
    pub async fn rotation_refused(
        &self,
        next: &Credential,
        trouble: Trouble,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.end_rotation(next, trouble, detail, None).await?;
        Ok(())
    }

    /// Gives up a secret that could not be tested since `tested_for`: it is erased, the present one stays.
    /// Beside one that does not work it is kept. Returns whether it was given up.
    pub async fn rotation_untestable(
        &self,
        next: &Credential,
        tested_for: Duration,
        detail: &str,
    ) -> Result<bool, StoreError> {
        self.end_rotation(next, Trouble::NotTested, detail, Some(tested_for))
            .await
    }

    async fn end_rotation(
        &self,
        next: &Credential,
        trouble: Trouble,
        detail: &str,
        tested_for: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let mut conn = self.conn().await?;
        let ended = sql_query(
            "UPDATE credential_rotations r SET state = 'refused', trouble = $4, detail = $5, state_at = collector_now(), \
                seal_kek = NULL, seal_dek = NULL, seal_body = NULL \
             FROM credentials c WHERE c.tenant_id = r.tenant_id AND c.id = r.credential_id \
               AND r.tenant_id = $1 AND r.credential_id = $2 AND r.secret_version = $3 AND r.state = 'testing' \
               AND ($6 IS NULL OR (r.state_at <= collector_now() - make_interval(secs => $6) AND c.state NOT IN ('rejected', 'expired')))",
        )
        .bind::<SqlUuid, _>(next.tenant_id)
        .bind::<SqlUuid, _>(next.id)
        .bind::<Integer, _>(next.secret_version)
        .bind::<Text, _>(trouble.code())
        .bind::<Text, _>(detail)
        .bind::<Nullable<Double>, _>(tested_for.map(|time| time.as_secs_f64()))
        .execute(&mut conn)
        .await?;
        Ok(ended == 1)
    }
}
