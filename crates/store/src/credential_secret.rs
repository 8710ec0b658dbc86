//! The secret of a credential: which part of it is sealed, and what the rest is.

use aws_lc_rs::digest;
use diesel::prelude::*;
use model::credential::{AppKey, Secret};
use model::ids::TenantId;
use secrecy::{ExposeSecret, SecretString};

use crate::credentials::Credential;
use crate::schema::credentials;

/// What a worker needs to use a credential.
#[derive(Debug, Clone)]
pub struct CredentialSecret {
    /// The credential.
    pub credential: Credential,
    /// Its secret; or why it does not open.
    pub opened: Result<Secret, crate::sealing::SealingError>,
}

/// Tells two tokens or apps of a tenant apart, as Okta does when it grants a budget, and says nothing
/// about a token: tokens carry some 190 random bits. A new key of an app changes nothing.
fn fingerprint(tenant: TenantId, secret: &Secret) -> Vec<u8> {
    let mut text = b"okta-collector credential fingerprint".to_vec();
    text.extend_from_slice(tenant.0.as_bytes());
    match secret {
        Secret::Ssws(token) => text.extend_from_slice(token.expose_secret().as_bytes()),
        Secret::OAuth(app) => {
            text.extend_from_slice(b"oauth client ");
            text.extend_from_slice(app.client_id.as_bytes());
        }
    }
    digest::digest(&digest::SHA256, &text)
        .as_ref()
        .iter()
        .copied()
        .take(16)
        .collect()
}

/// The columns that say in the clear what kind of secret is sealed.
#[derive(AsChangeset, Insertable)]
#[diesel(table_name = credentials, treat_none_as_null = true)]
pub(crate) struct ShownColumns {
    pub(crate) kind: &'static str,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) client_id: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) algorithm: Option<String>,
}

impl ShownColumns {
    pub(crate) fn of(tenant: TenantId, secret: &Secret) -> Self {
        let app = match secret {
            Secret::Ssws(_) => None,
            Secret::OAuth(app) => Some(app),
        };
        Self {
            kind: secret.kind().as_str(),
            fingerprint: fingerprint(tenant, secret),
            client_id: app.map(|app| app.client_id.clone()),
            key_id: app.and_then(|app| app.key_id.clone()),
            algorithm: app.map(|app| app.algorithm.clone()),
        }
    }
}

/// The part that is sealed.
pub(crate) fn sealed_part(secret: &Secret) -> &SecretString {
    match secret {
        Secret::Ssws(token) => token,
        Secret::OAuth(app) => &app.private_key,
    }
}

/// What was sealed, put together again.
pub(crate) fn secret_of(credential: &Credential, part: SecretString) -> Secret {
    match &credential.client_id {
        None => Secret::Ssws(part),
        Some(client_id) => Secret::OAuth(AppKey {
            client_id: client_id.clone(),
            key_id: credential.key_id.clone(),
            algorithm: credential.algorithm.clone().unwrap_or_default(),
            private_key: part,
        }),
    }
}
