//! The secret of a credential in a request: an API token, or a service app with its private key.
//!
//! A private key is read when it is given, so that a wrong one is refused with its cause before it is
//! sealed.

use model::credential::{AppKey, CredentialKind, Secret};
use okta::PrivateKey;
use serde::Serialize;
use store::Credential;
use utoipa::ToSchema;

use crate::fields::Fields;

/// Characters in a client ID or key ID; those of Okta have 20 and 43.
const MAX_ID: usize = 200;
/// What goes into one JSON file is no key any more.
const MAX_KEY: usize = 32 << 10;

/// A service app of Okta, to read with by OAuth 2.0
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what read_app reads")]
pub(crate) struct ServiceAppCreate {
    /// The client ID of the app
    #[schema(min_length = 1, max_length = 200, examples("0oa1gjh63g214q0Hq0g4"))]
    client_id: String,
    /// The private key whose public key is registered with the app: PEM, not encrypted, or a JWK as JSON text; RSA of
    /// at least 2048 bits, P-256, P-384 or P-521. Never shown again
    #[schema(min_length = 1, max_length = 32768, format = Password)]
    private_key: String,
    /// The ID that Okta shows beside the public key; needed if the app has several. Default: the `kid` of the JWK
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    key_id: Option<String>,
}

/// A new private key of a service app
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what read_new_app reads")]
pub(crate) struct ServiceAppPatch {
    /// The client ID of another app of the same org; default: the present one
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    client_id: Option<String>,
    /// The new private key, as when the credential was made
    #[schema(min_length = 1, max_length = 32768, format = Password)]
    private_key: String,
    /// The ID of the new key; default: the `kid` of the JWK
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    key_id: Option<String>,
}

/// A service app of Okta, without its private key
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceApp)]
pub(crate) struct ServiceAppView {
    /// The client ID of the app
    #[schema(examples("0oa1gjh63g214q0Hq0g4"))]
    client_id: String,
    /// The ID of its key; null if none was given
    #[schema(required)]
    key_id: Option<String>,
    /// What it signs with: `RS256`, `RS384`, `RS512`, `ES256`, `ES384` or `ES512`
    #[schema(examples("RS256"))]
    algorithm: String,
}

impl ServiceAppView {
    pub(super) fn of(row: &Credential) -> Option<Self> {
        Some(Self {
            client_id: row.client_id.clone()?,
            key_id: row.key_id.clone(),
            algorithm: row.algorithm.clone()?,
        })
    }
}

/// Reads `kind`, `token` and `oauth`, of which the first says which of the others it is.
pub(crate) fn read_secret(fields: &mut Fields) -> Option<Secret> {
    let given = fields.has("kind");
    let kind = fields.parsed("kind", "invalid_kind", |word| {
        CredentialKind::from_word(word)
            .ok_or("there is no such kind; it is ssws for an API token, oauth for a service app")
    });
    let kind = match kind {
        None if given => None,
        kind => Some(kind.unwrap_or(CredentialKind::Ssws)),
    };
    if let Some(kind) = kind {
        refuse_other(fields, kind);
        fields.demand(field_of(kind));
    }
    let token = fields.token("token").map(Secret::Ssws);
    let app = fields.nested::<ServiceAppCreate, _>("oauth", |app| read_app(app, None));
    match kind? {
        CredentialKind::Ssws => token,
        CredentialKind::OAuth => app,
    }
}

/// Reads a new secret for a stored credential, whose kind stays.
pub(super) fn read_new_secret(fields: &mut Fields, row: &Credential) -> Option<Secret> {
    refuse_other(fields, row.kind());
    let token = fields.token("token").map(Secret::Ssws);
    let client_id = row.client_id.as_deref();
    let app = fields.nested::<ServiceAppPatch, _>("oauth", |app| read_app(app, client_id));
    token.or(app)
}

/// The field that holds the secret of a kind.
pub(super) fn field_of(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Ssws => "token",
        CredentialKind::OAuth => "oauth",
    }
}

/// A credential of one kind has nothing of the other.
fn refuse_other(fields: &mut Fields, kind: CredentialKind) {
    for other in CredentialKind::ALL {
        let name = field_of(other);
        if other != kind && fields.has(name) {
            let detail = format!("{name} goes with the kind {other}, and this one is {kind}");
            fields.error(name, "wrong_kind", detail);
        }
    }
}

/// Reads an app; `client_id` is what it is if none is given.
fn read_app(fields: &mut Fields, client_id: Option<&str>) -> Option<Secret> {
    let given = fields.parsed("client_id", "invalid_client_id", |text| {
        plain(text).ok_or("client_id holds blanks or characters that no client ID has")
    });
    let client_id = given.or_else(|| client_id.map(str::to_owned));
    let key_id = fields.text("key_id", MAX_ID);
    let private_key = fields.secret_text("private_key", MAX_KEY)?;
    let key = PrivateKey::parse(&private_key);
    let key = key.map_err(|error| {
        fields.error("private_key", "invalid_private_key", error.to_string());
    });
    let key = key.ok()?;
    Some(Secret::OAuth(AppKey {
        client_id: client_id?,
        key_id: key_id.or_else(|| key.key_id().map(str::to_owned)),
        algorithm: key.algorithm().as_str().to_owned(),
        private_key,
    }))
}

fn plain(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| text.to_owned())
}
