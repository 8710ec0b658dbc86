//! Access tokens at the API: issued, bound, expired.

use aws_lc_rs::digest::{SHA256, digest};
use hyper::header::WWW_AUTHENTICATE;

use crate::auth::AuthorizationKind;
use crate::errors::ApiError;
use crate::oauth::app::{AppIndex, OAuth};
use crate::oauth::dpop;
use crate::oauth::error::OAuthError;
use crate::oauth::jws::encode;
use crate::org::State;
use crate::respond::Answer;
use crate::route::Call;

/// An access token that was issued.
#[derive(Debug)]
pub(crate) struct AccessToken {
    pub(crate) app: AppIndex,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_ms: i64,
    /// The thumbprint of the key it is bound to.
    pub(crate) jkt: Option<String>,
}

/// An app that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) app: AppIndex,
    /// The proof that was used up for it.
    proof: Option<String>,
}

impl Admitted {
    /// Lets the proof be used again: a rate limiter stands in front, and SDKs repeat what it refused.
    pub(crate) fn give_back(&self, oauth: &mut OAuth) {
        if let Some(proof) = &self.proof {
            oauth.proofs.forget(proof);
        }
    }
}

/// Lets in a request with an access token that has `scope`, or answers why not.
pub(crate) fn admit(state: &mut State, call: &Call, scope: &str) -> Result<Admitted, Box<Answer>> {
    let refused = match check(&mut state.oauth, call, scope) {
        Ok(admitted) => {
            return if state.oauth.app(admitted.app).is_some_and(|app| app.role) {
                Ok(admitted)
            } else {
                let error = ApiError::no_permission();
                Err(Box::new(Answer::error(&error, None, &mut state.rng)))
            };
        }
        Err(refused) => refused,
    };
    let dpop = call.authorization.kind == AuthorizationKind::Dpop;
    let challenge = refused.challenge(dpop, call.host(), scope, &call.path);
    Err(Box::new(Answer {
        extra: vec![(WWW_AUTHENTICATE, challenge)],
        ..Answer::empty(refused.status)
    }))
}

fn check(oauth: &mut OAuth, call: &Call, scope: &str) -> Result<Admitted, OAuthError> {
    let secret = call.authorization.secret();
    let token = oauth
        .tokens
        .get(secret)
        .ok_or(OAuthError::token("The access token is invalid."))?;
    if token.expires_ms <= call.now_ms {
        return Err(OAuthError::token("The token has expired."));
    }
    let proof = match (&token.jkt, call.authorization.kind) {
        (None, AuthorizationKind::Bearer) => None,
        (None, _) => {
            return Err(OAuthError::token(
                "The presented access_token is not DPoP bound.",
            ));
        }
        (Some(_), AuthorizationKind::Bearer) => {
            return Err(OAuthError::request(
                "invalid_request",
                "The resource request must use the DPoP authentication scheme when using a DPoP bound token.",
            ));
        }
        (Some(_), _) if call.proofs.is_empty() => {
            return Err(OAuthError::request(
                "invalid_request",
                "The resource request requires a DPoP proof.",
            ));
        }
        (Some(jkt), _) => {
            let now_s = call.now_ms.div_euclid(1000);
            let method = call.method.as_str();
            let used = &mut oauth.proofs;
            let proof = dpop::check(used, &call.proofs, method, &call.url(), now_s)?;
            if proof.ath != Some(encode(digest(&SHA256, secret.as_bytes()))) {
                return Err(OAuthError::proof(
                    "'ath' claim in the DPoP proof does not match the presented access_token.",
                ));
            }
            if proof.jkt != *jkt {
                return Err(OAuthError::proof(
                    "The access_token is not bound to the provided DPoP proof.",
                ));
            }
            Some(proof.key)
        }
    };
    if !token.scopes.iter().any(|granted| granted == scope) {
        return Err(OAuthError::scope());
    }
    Ok(Admitted {
        app: token.app,
        proof,
    })
}
