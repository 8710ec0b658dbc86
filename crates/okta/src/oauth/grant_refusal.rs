//! Why Okta gave an app no access token.

use std::fmt;

use model::status::Trouble;

/// What keeps the app from getting a token, told from the `error` of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantRefusal {
    /// `invalid_client`: unknown or inactive, or the signature does not fit.
    App,
    /// `invalid_scope`, `consent_required`: the scope has not been granted to it.
    Scope,
    /// `unauthorized_client`, `unsupported_grant_type`: not an app of this kind.
    Grant,
    /// `access_denied`: a network zone or a policy.
    Denied,
    /// `invalid_dpop_proof`, `use_dpop_nonce`, although it was done as asked.
    Proof,
    /// Anything else.
    Other,
}

impl GrantRefusal {
    pub(crate) fn of(error: &str) -> Self {
        match error {
            "invalid_client" => Self::App,
            "invalid_scope" | "consent_required" => Self::Scope,
            "unauthorized_client" | "unsupported_grant_type" => Self::Grant,
            "access_denied" => Self::Denied,
            "invalid_dpop_proof" | "use_dpop_nonce" => Self::Proof,
            _ => Self::Other,
        }
    }

    /// What is to be shown of it.
    pub(crate) fn trouble(self) -> Trouble {
        match self {
            Self::Scope => Trouble::ScopeMissing,
            Self::Denied => Trouble::AccessDenied,
            Self::App | Self::Grant | Self::Proof | Self::Other => Trouble::AppRefused,
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::App => "app_refused",
            Self::Scope => "scope_not_granted",
            Self::Grant => "grant_not_allowed",
            Self::Denied => "access_denied",
            Self::Proof => "proof_refused",
            Self::Other => "grant_refused",
        }
    }
}

impl fmt::Display for GrantRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => {
                "check the client ID, that the app is active, and that the public key of this private key is registered with it"
            }
            Self::Scope => "grant the app the scope okta.logs.read",
            Self::Grant => "it must be an app of the type API Services, with client credentials as its grant",
            Self::Denied => "check the network zones and policies that the app is limited to",
            Self::Proof => "a proxy on the way may change the headers DPoP and dpop-nonce",
            Self::Other => "check the app in the Okta admin console",
        })
    }
}
