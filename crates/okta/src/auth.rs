//! The credential of a request and how it is written into it.

use std::sync::Arc;

use model::credential::Secret;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::OktaError;
use crate::oauth::ServiceApp;

/// What proves to Okta that the log may be read.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API token, sent as `Authorization: SSWS <token>`.
    Ssws(SecretString),
    /// A service app: its key signs for access tokens, which the client keeps and renews.
    OAuth(Arc<ServiceApp>),
}

impl From<&Secret> for Auth {
    fn from(secret: &Secret) -> Self {
        match secret {
            Secret::Ssws(token) => Self::Ssws(token.clone()),
            Secret::OAuth(app) => Self::OAuth(Arc::new(ServiceApp::new(app))),
        }
    }
}

/// A value of the `Authorization` header, marked so that nothing prints it.
pub(crate) fn header(scheme: &str, token: &SecretString) -> Result<HeaderValue, OktaError> {
    let text = format!("{scheme} {}", token.expose_secret().trim());
    let mut value = HeaderValue::try_from(text).map_err(|_| OktaError::UnusableToken)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_never_printed() {
        let token = " 00secret\n".to_owned().into();
        let header = header("SSWS", &token).unwrap();

        assert_eq!(header.as_bytes(), b"SSWS 00secret");
        assert!(!format!("{:?} {header:?}", Auth::Ssws(token)).contains("secret"));
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_here() {
        let token = "00se\ncret".to_owned().into();
        assert_eq!(header("SSWS", &token), Err(OktaError::UnusableToken));
    }
}
