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
use model::net::AllowHosts;
use model::origin::{Origin, OriginError};
use model::status::Trouble;
use secret::ServiceAppView;
use serde::Serialize;
use store::Credential;
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
    /// What is the matter, for a person
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

impl From<Credential> for CredentialView {
    fn from(row: Credential) -> Self {
        let trouble = row.trouble.as_deref().and_then(Trouble::from_code);
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
            reason: trouble.map(|trouble| trouble.reason().to_owned()),
            next_step: trouble.map(|trouble| trouble.next_step().to_owned()),
            detail: row.trouble_detail,
            last_used_at: row.last_used_at,
            org_id: row.org_id,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
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
