//! `POST /oauth2/v1/token` of the org's authorization server: client credentials with a signed assertion.

use std::sync::OnceLock;

use bytes::Bytes;
use hyper::http::HeaderName;
use serde_json::json;
use url::form_urlencoded;

use crate::errors::ApiError;
use crate::limits::RateHeaders;
use crate::oauth::access::AccessToken;
use crate::oauth::app::{App, AppIndex};
use crate::oauth::assertion;
use crate::oauth::dpop::{self, Proof};
use crate::oauth::error::OAuthError;
use crate::oauth::jws::Algorithm;
use crate::oauth::keypair::KeyPair;
use crate::org::State;
use crate::respond::{Answer, Content};
use crate::route::Call;

/// Seconds an access token lives.
const LIFE_S: i64 = 3600;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// A token that is granted.
struct Grant {
    index: AppIndex,
    app: App,
    scopes: Vec<String>,
    proof: Option<Proof>,
}

/// Answers a request that its rate limit let through.
pub(crate) fn answer(state: &mut State, call: &Call, rate: RateHeaders) -> Answer {
    if !call.form {
        return Answer::error(&ApiError::media_type(), Some(rate), &mut state.rng);
    }
    match grant(state, call) {
        Ok(grant) => issue(state, call, grant, rate),
        Err(error) => {
            let body = json!({"error": error.error, "error_description": error.description});
            let mut answer = Answer {
                status: error.status,
                ..Answer::new(Content::Json(Bytes::from(body.to_string())), Some(rate))
            };
            if error.error == "use_dpop_nonce" {
                answer.extra.push((DPOP_NONCE, nonce(state, call)));
            }
            answer
        }
    }
}

fn grant(state: &mut State, call: &Call) -> Result<Grant, OAuthError> {
    let now_s = call.now_ms.div_euclid(1000);
    let form: Vec<(String, String)> = form_urlencoded::parse(&call.body).into_owned().collect();
    let field = |name: &str| {
        let found = form.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    match field("grant_type") {
        "client_credentials" => {}
        "" => {
            return Err(OAuthError::request(
                "invalid_request",
                "The token request must specify a 'grant_type'. Valid values: [client_credentials]",
            ));
        }
        _ => {
            return Err(OAuthError::request(
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server. \
                 Configured grant types: [client_credentials].",
            ));
        }
    }
    if field("client_assertion").is_empty() {
        let secret = call.authorization.is_present() || !field("client_secret").is_empty();
        return Err(OAuthError::client(if secret {
            "Client Credentials requests to the Org Authorization Server must use the private_key_jwt \
             token_endpoint_auth_method."
        } else {
            "No client credentials found."
        }));
    }
    if field("client_assertion_type") != ASSERTION_TYPE {
        return Err(OAuthError::request(
            "invalid_request",
            "The client_assertion_type is invalid.",
        ));
    }
    let text = field("client_assertion");
    let (index, app) = assertion::check(&mut state.oauth, text, &call.url(), now_s)?;
    if app.outside_zone {
        return Err(OAuthError::zone());
    }
    let scopes = scopes(&app, field("scope"))?;
    // A proof for an app that wants none is ignored.
    let proof = app.dpop.then(|| proof(state, call, now_s)).transpose()?;
    Ok(Grant {
        index,
        app,
        scopes,
        proof,
    })
}

/// Of the scopes asked for those that the app was granted; none of them is an error.
fn scopes(app: &App, asked: &str) -> Result<Vec<String>, OAuthError> {
    let refused = |error, description| Err(OAuthError::request(error, description));
    if asked.trim().is_empty() {
        return refused("invalid_scope", "No scopes were requested.");
    }
    if asked
        .split_whitespace()
        .any(|scope| !scope.starts_with("okta."))
    {
        return refused(
            "invalid_scope",
            "One or more scopes are not configured for the authorization server resource.",
        );
    }
    let granted: Vec<String> = asked
        .split_whitespace()
        .filter(|scope| app.scopes.iter().any(|granted| granted == scope))
        .map(str::to_owned)
        .collect();
    if granted.is_empty() {
        return refused(
            "consent_required",
            "You are not allowed any of the requested scopes.",
        );
    }
    Ok(granted)
}

fn proof(state: &mut State, call: &Call, now_s: i64) -> Result<Proof, OAuthError> {
    let used = &mut state.oauth.proofs;
    let proof = dpop::check(used, &call.proofs, call.method.as_str(), &call.url(), now_s)?;
    let nonce = proof.nonce.as_deref().unwrap_or_default();
    if !state.oauth.nonces.works(nonce, call.now_ms) {
        return Err(OAuthError::request(
            "use_dpop_nonce",
            "Authorization server requires nonce in DPoP proof.",
        ));
    }
    Ok(proof)
}

fn issue(state: &mut State, call: &Call, grant: Grant, rate: RateHeaders) -> Answer {
    let now_s = call.now_ms.div_euclid(1000);
    let mut claims = json!({
        "ver": 1,
        "jti": state.rng.id("AT.", 46),
        "iss": call.origin,
        "aud": call.origin,
        "sub": grant.app.client_id,
        "iat": now_s,
        "exp": now_s + LIFE_S,
        "cid": grant.app.client_id,
        "scp": grant.scopes,
    });
    let jkt = grant.proof.map(|proof| proof.jkt);
    if let (Some(jkt), Some(claims)) = (&jkt, claims.as_object_mut()) {
        claims.insert("cnf".to_owned(), json!({"jkt": jkt}));
    }
    let token = sign(&claims);
    let scope = grant.scopes.join(" ");
    let kind = if jkt.is_some() { "DPoP" } else { "Bearer" };
    let tokens = &mut state.oauth.tokens;
    // One that ended an hour ago is as unknown as any other.
    let long_gone_ms = call.now_ms.saturating_sub(LIFE_S * 1000);
    tokens.retain(|_, token| token.expires_ms > long_gone_ms);
    tokens.insert(
        token.clone(),
        AccessToken {
            app: grant.index,
            scopes: grant.scopes,
            expires_ms: (now_s + LIFE_S) * 1000,
            jkt,
        },
    );
    let body = json!({
        "token_type": kind,
        "expires_in": LIFE_S,
        "access_token": token,
        "scope": scope,
    });
    let mut answer = Answer::new(Content::Json(Bytes::from(body.to_string())), Some(rate));
    answer.extra.push((ROBOTS, "noindex,nofollow".to_owned()));
    if kind == "DPoP" {
        answer.extra.push((DPOP_NONCE, nonce(state, call)));
    }
    answer
}

fn nonce(state: &mut State, call: &Call) -> String {
    state.oauth.nonces.current(&mut state.rng, call.now_ms)
}

/// Signed with a key of the process: nobody but the org itself verifies access tokens.
fn sign(claims: &serde_json::Value) -> String {
    static KEY: OnceLock<Option<KeyPair>> = OnceLock::new();
    let key = KEY.get_or_init(|| KeyPair::generate(Algorithm::Rs256).ok());
    let Some(key) = key else {
        // No randomness on this machine; the claims alone keep tokens apart.
        return claims.to_string();
    };
    let header = json!({"kid": key.kid(), "typ": "application/okta-internal-at+jwt"});
    key.sign(&header, claims)
}
