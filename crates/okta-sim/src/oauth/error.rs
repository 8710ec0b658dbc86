//! OAuth errors: a body at the token endpoint, a header without a body at the API.

use hyper::StatusCode;

/// An error of RFC 6749, with Okta's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

impl OAuthError {
    const fn new(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        Self {
            status,
            error,
            description,
        }
    }

    /// 401: who asks is not the client it says it is.
    pub(crate) const fn client(description: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    /// 400: something in the request.
    pub(crate) const fn request(error: &'static str, description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }

    /// 400: a proof that proves nothing.
    pub(crate) const fn proof(description: &'static str) -> Self {
        Self::request("invalid_dpop_proof", description)
    }

    /// 401: an access token that is none, or none any more.
    pub(crate) const fn token(description: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description)
    }

    /// 403: the access token lacks the scope.
    pub(crate) const fn scope() -> Self {
        let description = "The access token provided does not contain the required scopes.";
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", description)
    }

    /// 403: the client may not ask from where it asks.
    pub(crate) const fn zone() -> Self {
        let description = "The request is made from outside the client's permitted network zones.";
        Self::new(StatusCode::FORBIDDEN, "access_denied", description)
    }

    /// The value of `www-authenticate`; `host` is the one that was asked.
    pub(crate) fn challenge(&self, dpop: bool, host: &str, scope: &str, resource: &str) -> String {
        let scheme = if dpop {
            "DPoP algs=\"RS256 RS384 RS512 ES256 ES384 ES512\","
        } else {
            "Bearer"
        };
        let Self {
            error, description, ..
        } = self;
        format!(
            "{scheme} authorization_uri=\"http://{host}/oauth2/v1/authorize\", realm=\"http://{host}\", \
             scope=\"{scope}\", error=\"{error}\", error_description=\"{description}\", resource=\"{resource}\""
        )
    }
}
