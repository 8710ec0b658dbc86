//! OAuth 2.0 for service apps: a private key signs for access tokens, which last an hour.
//!
//! Whether an app wants proofs of possession (DPoP) needs no setting: a proof goes with every request
//! for a token, Okta ignores it where the app does not want one, and the type of the token tells. Time is
//! Okta's own, taken from its answers.

mod algorithm;
mod grant;
mod grant_refusal;
mod jwk;
mod jws;
mod key;
mod key_error;
mod pem;
mod proof;
mod session;
mod signed;

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use model::credential::AppKey;
use secrecy::ExposeSecret;

pub use algorithm::Algorithm;
pub use grant_refusal::GrantRefusal;
pub use key::PrivateKey;
pub use key_error::KeyError;
pub(crate) use proof::ProofKey;
pub(crate) use session::Sessions;

/// A service app of an org, with the key that it signs with.
///
/// Making one is free: the key is read when it has to sign, about once an hour.
pub struct ServiceApp {
    key: AppKey,
    /// A digest of client and key: who has the same may use the same access tokens.
    identity: [u8; 32],
}

impl ServiceApp {
    /// The app of a stored credential.
    pub fn new(key: &AppKey) -> Self {
        let mut digest = Context::new(&SHA256);
        let parts = [
            key.client_id.as_str(),
            key.key_id.as_deref().unwrap_or_default(),
            key.private_key.expose_secret(),
        ];
        for part in parts {
            digest.update(&part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(digest.finish().as_ref());
        Self {
            key: key.clone(),
            identity,
        }
    }
}

impl fmt::Debug for ServiceApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceApp({})", self.key.client_id)
    }
}
