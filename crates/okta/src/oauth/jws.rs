//! JSON web signatures in their compact form: a client assertion, and proofs of possession.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::key::PrivateKey;

/// How long an assertion is good for, in seconds. Okta allows an hour; what is used at once needs less.
const ASSERTION_LIVES: i64 = 300;

#[derive(Serialize)]
struct AssertionHeader<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// The signed statement of an app that it asks for an access token. Okta takes each once only.
///
/// `audience` is the URL that it is posted to, letter by letter; `now` is Okta's time in seconds.
pub(super) fn assertion(
    key: &PrivateKey,
    kid: Option<&str>,
    client_id: &str,
    audience: &str,
    now: i64,
) -> Option<String> {
    let header = AssertionHeader {
        alg: key.algorithm().as_str(),
        typ: "JWT",
        kid,
    };
    let claims = Assertion {
        iss: client_id,
        sub: client_id,
        aud: audience,
        iat: now,
        exp: now.saturating_add(ASSERTION_LIVES),
        jti: fresh_jti(),
    };
    compact(key, &header, &claims)
}

/// An identifier that has never been used.
pub(super) fn fresh_jti() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Header, claims and signature, joined. `None` if the system cannot sign.
pub(super) fn compact(
    key: &PrivateKey,
    header: &impl Serialize,
    claims: &impl Serialize,
) -> Option<String> {
    let part = |json| URL_SAFE_NO_PAD.encode(json);
    let header = part(serde_json::to_vec(header).ok()?);
    let claims = part(serde_json::to_vec(claims).ok()?);
    let mut token = format!("{header}.{claims}");
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Some(token)
}
