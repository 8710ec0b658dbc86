//! The credential of a request and how it is written into it.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::OktaError;

/// What proves to Okta that the log may be read.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API token, sent as `Authorization: SSWS <token>`.
    Ssws(SecretString),
}

impl Auth {
    /// The `Authorization` header, marked so that nothing prints it.
    pub(crate) fn header(&self) -> Result<HeaderValue, OktaError> {
        let Self::Ssws(token) = self;
        let text = format!("SSWS {}", token.expose_secret().trim());
        let mut value = HeaderValue::try_from(text).map_err(|_| OktaError::UnusableToken)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_never_printed() {
        let auth = Auth::Ssws(" 00secret\n".to_owned().into());
        let header = auth.header().unwrap();

        assert_eq!(header.as_bytes(), b"SSWS 00secret");
        assert!(!format!("{auth:?} {header:?}").contains("secret"));
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_here() {
        let auth = Auth::Ssws("00se\ncret".to_owned().into());
        assert_eq!(auth.header(), Err(OktaError::UnusableToken));
    }
}
