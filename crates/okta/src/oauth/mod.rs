//! OAuth 2.0 for service apps: a private key signs for access tokens.

mod algorithm;
mod jwk;
mod key;
mod key_error;
mod pem;

use std::fmt;

use model::credential::AppKey;

pub use algorithm::Algorithm;
pub use key::PrivateKey;
pub use key_error::KeyError;

/// A service app of an org, with the key that it signs with.
///
/// Making one is free: the key is read when it has to sign, once an hour.
pub struct ServiceApp {
    key: AppKey,
}

impl ServiceApp {
    /// The app of a stored credential.
    pub fn new(key: &AppKey) -> Self {
        Self { key: key.clone() }
    }
}

impl fmt::Debug for ServiceApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceApp({})", self.key.client_id)
    }
}
