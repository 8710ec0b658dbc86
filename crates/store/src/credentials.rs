//! Credentials: the right to read one Okta org. Secrets go in and come out sealed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::credential::{CredentialKind, CredentialState, Secret};
use model::ids::{CredentialId, TenantId};
use model::job::JobKind;
use uuid::Uuid;

use crate::credential_checks;
use crate::credential_secret::{CredentialSecret, ShownColumns, sealed_part, secret_of};
use crate::error::{Conflict, Resource, StoreError, unique_violation};
use crate::jobs;
use crate::pool::Store;
use crate::rotations;
use crate::schema::{credentials, sources};
use crate::sealing::{KeyRing, Place, Sealed};
use crate::sql::sql_query;

/// A credential to be stored.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Name, unique in the tenant.
    pub name: String,
    /// Normalised origin of the org.
    pub origin: String,
    /// What is sealed.
    pub secret: Secret,
}

/// What may be changed.
#[derive(Debug, Clone, Default)]
#[expect(
    missing_docs,
    reason = "as in NewCredential; None leaves a value as it is"
)]
pub struct CredentialChange {
    pub name: Option<String>,
    pub origin: Option<String>,
    pub secret: Option<Secret>,
}

/// A stored credential, without its secret.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = credentials)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct Credential {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub name: String,
    pub kind: String,
    pub origin: String,
    pub secret_version: i32,
    pub secret_set_at: DateTime<Utc>,
    pub fingerprint: Vec<u8>,
    pub org_id: Option<String>,
    pub state: String,
    pub trouble: Option<String>,
    pub trouble_detail: Option<String>,
    pub state_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub client_id: Option<String>,
    pub key_id: Option<String>,
    pub algorithm: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub warned_days: Option<i16>,
    pub refused_at: Option<DateTime<Utc>>,
}

impl Credential {
    /// The kind as a word of the model.
    pub fn kind(&self) -> CredentialKind {
        CredentialKind::from_word(&self.kind).unwrap_or(CredentialKind::Ssws)
    }

    /// The state as a word of the model.
    pub fn state(&self) -> CredentialState {
        CredentialState::from_word(&self.state).unwrap_or(CredentialState::Unverified)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = credentials)]
#[expect(clippy::struct_field_names, reason = "the columns of the table")]
struct SealedColumns {
    seal_kek: String,
    seal_dek: Vec<u8>,
    seal_body: Vec<u8>,
}

pub(crate) fn place(tenant: Uuid, id: Uuid, version: i32) -> Place {
    Place {
        purpose: "credential",
        tenant,
        id,
        version,
    }
}

fn name_taken(error: diesel::result::Error) -> StoreError {
    match unique_violation(&error) {
        Some(_) => Conflict::NameTaken(Resource::Credential).into(),
        None => error.into(),
    }
}

#[derive(QueryableByName)]
struct FreshId {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Inserts a credential and the job that takes care of it, in the caller's transaction.
pub(crate) async fn insert(
    conn: &mut AsyncPgConnection,
    keys: &KeyRing,
    tenant: TenantId,
    new: &NewCredential,
) -> Result<Credential, StoreError> {
    // The secret is bound to its row, so the row's id comes first.
    let FreshId { id } = sql_query("SELECT collector_uuid() AS id")
        .get_result(conn)
        .await?;
    let sealed = keys.seal(place(tenant.0, id, 1), sealed_part(&new.secret))?;
    let credential = diesel::insert_into(credentials::table)
        .values((
            credentials::tenant_id.eq(tenant.0),
            credentials::id.eq(id),
            credentials::name.eq(&new.name),
            credentials::origin.eq(&new.origin),
            credentials::seal_kek.eq(&sealed.kek),
            credentials::seal_dek.eq(&sealed.dek),
            credentials::seal_body.eq(&sealed.body),
            credentials::secret_version.eq(1),
            ShownColumns::of(tenant, &new.secret),
        ))
        .returning(Credential::as_returning())
        .get_result(conn)
        .await
        .map_err(name_taken)?;
    let care = jobs::New {
        after: credential_checks::FIRST_TRY,
        ..jobs::New::default()
    };
    jobs::create(conn, tenant, JobKind::CheckCredential, id, care).await?;
    Ok(credential)
}

pub(crate) async fn get(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<Credential, StoreError> {
    credentials::table
        .find((tenant.0, id.0))
        .select(Credential::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Credential))
}

/// The same, kept from being deleted until the end of the transaction.
pub(crate) async fn hold(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<Credential, StoreError> {
    credentials::table
        .find((tenant.0, id.0))
        .select(Credential::as_select())
        .for_key_share()
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Credential))
}

/// The same, kept from being changed until the end of the transaction.
pub(crate) async fn lock(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<Credential, StoreError> {
    credentials::table
        .find((tenant.0, id.0))
        .select(Credential::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Credential))
}

/// The same, if its secret and domain are still those that somebody saw.
pub(crate) async fn lock_seen(
    conn: &mut AsyncPgConnection,
    seen: &Credential,
) -> Result<Option<Credential>, StoreError> {
    let same = credentials::secret_version
        .eq(seen.secret_version)
        .and(credentials::origin.eq(&seen.origin));
    Ok(credentials::table
        .find((seen.tenant_id, seen.id))
        .filter(same)
        .select(Credential::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?)
}

/// Ids of the sources that use a credential.
pub(crate) async fn sources_of(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
) -> Result<Vec<Uuid>, StoreError> {
    let using = sources::tenant_id
        .eq(tenant.0)
        .and(sources::credential_id.eq(id.0));
    Ok(sources::table
        .filter(using)
        .order(sources::id)
        .select(sources::id)
        .load(conn)
        .await?)
}

/// Refuses a domain that another credential has shown to be another org than the one that the sources
/// of this credential read.
async fn refuse_foreign(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: CredentialId,
    origin: &str,
) -> Result<(), StoreError> {
    let at_origin = credentials::tenant_id
        .eq(tenant.0)
        .and(credentials::origin.eq(origin))
        .and(credentials::org_id.is_not_null());
    let theirs: Option<Option<String>> = credentials::table
        .filter(at_origin)
        .select(credentials::org_id)
        .first(conn)
        .await
        .optional()?;
    let Some(theirs) = theirs.flatten() else {
        return Ok(());
    };
    let reads_another = sources::tenant_id
        .eq(tenant.0)
        .and(sources::credential_id.eq(id.0))
        .and(sources::org_id.ne(&theirs));
    let ours: Option<Option<String>> = sources::table
        .filter(reads_another)
        .select(sources::org_id)
        .first(conn)
        .await
        .optional()?;
    match ours.flatten() {
        Some(ours) => Err(Conflict::ForeignOrg { ours, theirs }.into()),
        None => Ok(()),
    }
}

impl Store {
    /// Stores a credential. Does not call Okta.
    pub async fn create_credential(
        &self,
        tenant: TenantId,
        new: NewCredential,
    ) -> Result<Credential, StoreError> {
        self.tx(async |conn| insert(conn, &self.keys, tenant, &new).await)
            .await
    }

    /// A credential, without its secret.
    pub async fn credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
    ) -> Result<Credential, StoreError> {
        get(&mut *self.conn().await?, tenant, id).await
    }

    /// Credentials of a tenant after an id, oldest first.
    pub async fn list_credentials(
        &self,
        tenant: TenantId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Credential>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(credentials::table
            .filter(
                credentials::tenant_id
                    .eq(tenant.0)
                    .and(credentials::id.gt(after.unwrap_or_default())),
            )
            .order(credentials::id)
            .limit(limit)
            .select(Credential::as_select())
            .load(&mut conn)
            .await?)
    }

    /// Changes a credential. A new secret is tested beside the present one as long as that one works;
    /// else, as a new domain without a secret is, it is taken at once: `unverified`, its sources due at
    /// the same cursor. `version` is what the caller last saw, if it cares.
    ///
    /// # Errors
    /// [`Conflict::ForeignOrg`] if the new domain is known to be another org than the one its sources read.
    pub async fn update_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
        change: CredentialChange,
        version: Option<i64>,
    ) -> Result<Credential, StoreError> {
        self.tx(async |conn| {
            let row = credentials::table.find((tenant.0, id.0));
            let old = lock(conn, tenant, id).await?;
            if version.is_some_and(|version| version != old.version) {
                return Err(Conflict::VersionChanged(old.version).into());
            }
            if let Some(name) = &change.name {
                diesel::update(row).set(credentials::name.eq(name)).execute(conn).await.map_err(name_taken)?;
            }
            let origin = change.origin.as_deref().unwrap_or(&old.origin);
            let moved = origin != old.origin;
            if moved {
                refuse_foreign(conn, tenant, id, origin).await?;
            }
            let works = matches!(old.state(), CredentialState::Valid | CredentialState::Expiring);
            match &change.secret {
                Some(secret) if works => rotations::begin(conn, &self.keys, &old, secret, origin).await?,
                None if !moved => {}
                secret => {
                    if let Some(secret) = secret {
                        let next = rotations::next_version(conn, &old).await?;
                        let sealed = self.keys.seal(place(tenant.0, id.0, next), sealed_part(secret))?;
                        diesel::update(row)
                            .set((
                                credentials::seal_kek.eq(sealed.kek),
                                credentials::seal_dek.eq(sealed.dek),
                                credentials::seal_body.eq(sealed.body),
                                credentials::secret_version.eq(next),
                                ShownColumns::of(tenant, secret),
                            ))
                            .execute(conn)
                            .await?;
                        sql_query("UPDATE credentials SET secret_set_at = collector_now() WHERE tenant_id = $1 AND id = $2")
                            .bind::<SqlUuid, _>(tenant.0)
                            .bind::<SqlUuid, _>(id.0)
                            .execute(conn)
                            .await?;
                    }
                    if moved {
                        diesel::update(row)
                            .set((credentials::origin.eq(origin), credentials::org_id.eq(None::<String>)))
                            .execute(conn)
                            .await?;
                    }
                    rotations::forget(conn, tenant, id).await?;
                    credential_checks::renew(conn, tenant, id).await?;
                }
            }
            sql_query(
                "UPDATE credentials SET version = version + 1, updated_at = collector_now() WHERE tenant_id = $1 AND id = $2",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id.0)
            .execute(conn)
            .await?;
            get(conn, tenant, id).await
        })
        .await
    }

    /// Deletes a credential that no source uses; its secret goes with it.
    pub async fn delete_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            // Sources being made hold the row until they are there to be counted.
            credentials::table
                .find((tenant.0, id.0))
                .select(credentials::id)
                .for_update()
                .first::<Uuid>(conn)
                .await
                .optional()?
                .ok_or(StoreError::NotFound(Resource::Credential))?;
            let using =
                i64::try_from(sources_of(conn, tenant, id).await?.len()).unwrap_or(i64::MAX);
            if using > 0 {
                return Err(Conflict::CredentialInUse(using).into());
            }
            jobs::remove(conn, tenant, &[(JobKind::CheckCredential, id.0)]).await?;
            diesel::delete(credentials::table.find((tenant.0, id.0)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    /// A credential with its secret opened, for a worker.
    pub async fn open_credential(
        &self,
        tenant: TenantId,
        id: CredentialId,
    ) -> Result<CredentialSecret, StoreError> {
        let mut conn = self.conn().await?;
        let (credential, sealed): (Credential, SealedColumns) = credentials::table
            .find((tenant.0, id.0))
            .select((Credential::as_select(), SealedColumns::as_select()))
            .first(&mut conn)
            .await
            .optional()?
            .ok_or(StoreError::NotFound(Resource::Credential))?;
        let sealed = Sealed {
            kek: sealed.seal_kek,
            dek: sealed.seal_dek,
            body: sealed.seal_body,
        };
        let opened = self
            .keys
            .open(place(tenant.0, id.0, credential.secret_version), &sealed)
            .map(|part| secret_of(&credential, part));
        Ok(CredentialSecret { credential, opened })
    }
}
