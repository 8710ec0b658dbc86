//! The client assertion: who asks for a token, signed.

use serde_json::Value;

use crate::oauth::app::{App, AppIndex, OAuth};
use crate::oauth::error::OAuthError;
use crate::oauth::jws::{Algorithm, Jwt};

/// An assertion may expire so many seconds ahead.
const LIFE_S: i64 = 3600;
/// Clocks may differ by so much: a client that asks for exactly an hour is let in.
pub(crate) const GRACE_S: i64 = 5;

/// Checks an assertion for the token endpoint at `endpoint`, and uses up its `jti`.
pub(crate) fn check(
    oauth: &mut OAuth,
    text: &str,
    endpoint: &str,
    now_s: i64,
) -> Result<(AppIndex, App), OAuthError> {
    let refused = OAuthError::client;
    let jwt = Jwt::parse(text).ok_or(refused("The parsing of the client_assertion failed."))?;
    let issuer = jwt.text("iss").unwrap_or_default();
    let (index, app) = oauth.find(issuer).ok_or(refused(
        "The issuer claim for client_assertion is not a valid client_id.",
    ))?;
    let app = app.clone();
    if jwt.text("sub") != Some(issuer) {
        return Err(refused(
            "The subject claim for client_assertion is not a valid client_id.",
        ));
    }
    signature(&jwt, &app)?;
    let expires_s = jwt.seconds("exp").ok_or(refused(
        "The client_assertion must contain the 'exp' claim as seconds since epoch.",
    ))?;
    if expires_s <= now_s {
        return Err(refused("The client_assertion token is expired."));
    }
    if expires_s > now_s.saturating_add(LIFE_S + GRACE_S) {
        return Err(refused(
            "The client_assertion token has an expiration too far into the future.",
        ));
    }
    let issued_s = jwt.seconds("iat").unwrap_or(now_s);
    if issued_s > now_s.saturating_add(GRACE_S) {
        return Err(refused(
            "The client_assertion token must be issued before the current time.",
        ));
    }
    if !is_for(&jwt, endpoint) {
        return Err(refused(
            "The audience claim for client_assertion must be the endpoint invoked for the request.",
        ));
    }
    if let Some(jti) = jwt.text("jti") {
        let key = format!("{issuer} {jti}");
        if !oauth.assertions.first(key, expires_s, now_s) {
            return Err(refused("The client_assertion token has already been used."));
        }
    }
    Ok((index, app))
}

/// With a `kid` that key must have signed, without one any key of the app may have.
fn signature(jwt: &Jwt<'_>, app: &App) -> Result<(), OAuthError> {
    let algorithm = Algorithm::named(&jwt.header.alg).ok_or(OAuthError::client(
        "The client_assertion JWT signature algorithm is invalid.",
    ))?;
    let mut keys = app
        .keys()
        .filter(|key| jwt.header.kid.is_none() || key.kid == jwt.header.kid)
        .peekable();
    if keys.peek().is_none() {
        return Err(OAuthError::client(if app.keys().next().is_none() {
            "The client does not have a JWKSet configured, but the client_assertion requires one."
        } else {
            "The client_assertion JWT kid is invalid."
        }));
    }
    keys.any(|key| key.signed(jwt, algorithm))
        .then_some(())
        .ok_or(OAuthError::client(
            "The client_assertion signature is invalid.",
        ))
}

fn is_for(jwt: &Jwt<'_>, endpoint: &str) -> bool {
    match jwt.claims.get("aud") {
        Some(Value::String(audience)) => audience == endpoint,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == endpoint),
        _ => false,
    }
}
