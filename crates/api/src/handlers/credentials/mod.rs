//! Credentials: the right to read one Okta org. A secret goes in and never comes out.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod secret;
pub(crate) mod test;
pub(crate) mod update;

use std::fmt::Write;

use chrono::{DateTime, Utc};
use model::ids::TenantId;
use model::net::AllowHosts;
use model::origin::{Origin, OriginError};
use model::status::Trouble;
use secret::ServiceAppView;
use serde::Serialize;
use store::{Credential, Rotation, Store, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

/// A credential, without its secret
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Credential)]
pub(crate) struct CredentialView {
    /// The id
    id: Uuid,
    /// The name, unique among your credentials
    name: String,
    /// What it holds: `ssws` is an API token, `oauth` a service app; the set may grow
    #[schema(examples("ssws"))]
    kind: String,
    /// The service app; null for other kinds
    #[schema(required)]
    oauth: Option<ServiceAppView>,
    /// The Okta org as its normalised address
    #[schema(examples("https://acme.okta.com"))]
    domain: String,
    /// Eight characters that tell two tokens or apps apart and say nothing about either
    fingerprint: String,
    /// When the token or private key was set
    secret_set_at: DateTime<Utc>,
    /// `unverified`, `valid`, `rejected`, `expiring` or `expired`; the set may grow
    #[schema(examples("valid"))]
    state: String,
    /// Since when
    state_at: DateTime<Utc>,
    /// What is the matter, as a stable word; null if nothing is
    #[schema(required, examples("token_refused"))]
    code: Option<String>,
    /// What the state means, for a person; null if all is well
    #[schema(required)]
    reason: Option<String>,
    /// What to do about it
    #[schema(required)]
    next_step: Option<String>,
    /// What Okta said
    #[schema(required)]
    detail: Option<String>,
    /// When Okta last accepted it
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// When Okta lets it die unless it is used: an API token lives 30 days from its last use; null if that is not
    /// known yet, and for a service app
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// The new secret that was set and is not used yet; null if there is none
    #[schema(required)]
    rotation: Option<SecretRotation>,
    /// Okta's id of the org; null until the first contact
    #[schema(required)]
    org_id: Option<String>,
    /// Grows with every change; also in the `ETag`
    version: i64,
    /// When it was created
    created_at: DateTime<Utc>,
    /// When it was last changed
    updated_at: DateTime<Utc>,
}

/// A new secret beside the present one, which stays in use until Okta has accepted the new one
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretRotation {
    /// `testing` or `refused`; the set may grow
    #[schema(examples("testing"))]
    state: String,
    /// Since when
    since: DateTime<Utc>,
    /// The domain that comes with it, the present one or another of the same org
    #[schema(examples("https://acme.okta.com"))]
    domain: String,
    /// Why it was refused, as a stable word; null while it is tested
    #[schema(required, examples("token_refused"))]
    code: Option<String>,
    /// What Okta said; null while it is tested
    #[schema(required)]
    detail: Option<String>,
    /// What to do about it; null while it is tested
    #[schema(required)]
    next_step: Option<String>,
}

impl From<Rotation> for SecretRotation {
    fn from(row: Rotation) -> Self {
        let trouble = row.trouble.as_deref().and_then(Trouble::from_code);
        Self {
            state: row.state,
            since: row.state_at,
            domain: row.origin,
            code: row.trouble,
            detail: row.detail,
            next_step: trouble.map(|trouble| trouble.next_step().to_owned()),
        }
    }
}

impl CredentialView {
    /// Credentials as they are shown, each with its rotation.
    pub(crate) async fn of_all(
        store: &Store,
        tenant: TenantId,
        rows: Vec<Credential>,
    ) -> Result<Vec<Self>, StoreError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let mut rotations = store.rotations(tenant, &ids).await?;
        let shown = rows.into_iter().map(|row| {
            let found = rotations.iter().position(|it| it.credential_id == row.id);
            let rotation = found.map(|at| rotations.swap_remove(at));
            Self::with(row, rotation)
        });
        Ok(shown.collect())
    }

    /// One credential with its rotation.
    pub(crate) async fn of(store: &Store, row: Credential) -> Result<Self, StoreError> {
        let tenant = TenantId(row.tenant_id);
        let rotation = store.rotations(tenant, &[row.id]).await?.pop();
        Ok(Self::with(row, rotation))
    }

    fn with(row: Credential, rotation: Option<Rotation>) -> Self {
        let trouble = row.trouble.as_deref().and_then(Trouble::from_code);
        let state = row.state();
        let reason = trouble.map(Trouble::reason).or(state.reason());
        let next_step = trouble.map(Trouble::next_step).or(state.next_step());
        let oauth = ServiceAppView::of(&row);
        let mut fingerprint = String::new();
        for byte in row.fingerprint.iter().take(4) {
            // Writing to a string cannot fail.
            write!(fingerprint, "{byte:02x}").ok();
        }
        Self {
            id: row.id,
            name: row.name,
            oauth,
            kind: row.kind,
            domain: row.origin,
            fingerprint,
            secret_set_at: row.secret_set_at,
            state: row.state,
            state_at: row.state_at,
            code: row.trouble,
            reason: reason.map(str::to_owned),
            next_step: next_step.map(str::to_owned),
            detail: row.trouble_detail,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            rotation: rotation.map(SecretRotation::from),
            org_id: row.org_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<Credential> for CredentialView {
    /// One that has just been made.
    fn from(row: Credential) -> Self {
        Self::with(row, None)
    }
}

/// Reads the domain box; `http` is for hosts that the operator has allowed.
pub(crate) fn read_domain(text: &str, allow_hosts: &AllowHosts) -> Result<Origin, OriginError> {
    let origin = Origin::parse_with(text, true)?;
    if origin.is_https() || allow_hosts.allows(&origin.host()) {
        Ok(origin)
    } else {
        Origin::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_allowed_hosts_only() {
        let allow: AllowHosts = "localhost,10.0.0.0/8".parse().unwrap();
        let read = |text| read_domain(text, &allow).map(|origin| origin.to_string());
        assert_eq!(read("acme").unwrap(), "https://acme.okta.com");
        assert_eq!(
            read("http://localhost:8080").unwrap(),
            "http://localhost:8080"
        );
        assert_eq!(read("http://10.1.2.3").unwrap(), "http://10.1.2.3");
        assert!(matches!(
            read("http://acme.okta.com"),
            Err(OriginError::Insecure(_))
        ));
    }
}
