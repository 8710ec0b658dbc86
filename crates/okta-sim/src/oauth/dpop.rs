//! DPoP proofs (RFC 9449) as Okta checks them, and the nonces it asks for at the token endpoint.

use chrono::TimeDelta;
use url::Url;

use crate::oauth::assertion::GRACE_S;
use crate::oauth::error::OAuthError;
use crate::oauth::jwk::Jwk;
use crate::oauth::jws::{Algorithm, Jwt};
use crate::oauth::once::Once;
use crate::rng::Rng;

/// A proof older than this is refused.
const AGE_S: i64 = 5 * 60;
/// A nonce is renewed after this ..
const RENEWED: TimeDelta = TimeDelta::hours(24);
/// .. and works for this.
const WORKS: TimeDelta = TimeDelta::days(3);

/// A proof that is genuine, for this request and new.
#[derive(Debug)]
pub(crate) struct Proof {
    /// Its place among those that were used.
    pub(crate) key: String,
    /// The thumbprint of its key.
    pub(crate) jkt: String,
    pub(crate) nonce: Option<String>,
    pub(crate) ath: Option<String>,
}

/// Checks the proofs of a request to `url` (without query), and uses up the `jti`.
pub(crate) fn check(
    used: &mut Once,
    proofs: &[String],
    method: &str,
    url: &str,
    now_s: i64,
) -> Result<Proof, OAuthError> {
    let refused = OAuthError::proof;
    let text = match proofs {
        [] => return Err(refused("The DPoP proof JWT header is missing.")),
        [text] => text,
        _ => {
            return Err(refused("Multiple DPoP proof JWT headers are not allowed."));
        }
    };
    let jwt = Jwt::parse(text).ok_or(refused("The DPoP proof JWT cannot be parsed."))?;
    let jkt = signature(&jwt)?;
    if jwt.text("htm") != Some(method) {
        return Err(refused("'htm' claim in the DPoP proof JWT is invalid."));
    }
    if !jwt.text("htu").is_some_and(|htu| same(htu, url)) {
        return Err(refused("'htu' claim in the DPoP proof JWT is invalid."));
    }
    let issued_s = jwt
        .seconds("iat")
        .ok_or(refused("'iat' claim in the DPoP proof JWT is invalid."))?;
    if issued_s > now_s.saturating_add(GRACE_S) {
        return Err(refused("The DPoP proof JWT is issued in the future."));
    }
    if issued_s < now_s.saturating_sub(AGE_S) {
        return Err(refused(
            "The DPoP proof JWT is issued more than five minutes in the past.",
        ));
    }
    if jwt
        .seconds("exp")
        .is_some_and(|expires_s| expires_s <= now_s)
    {
        return Err(refused("The DPoP proof JWT is expired."));
    }
    let jti = jwt
        .text("jti")
        .filter(|jti| !jti.is_empty())
        .ok_or(refused("'jti' claim in the DPoP proof JWT is invalid."))?;
    // Later it is too old.
    let keep_until_s = issued_s.saturating_add(AGE_S);
    let key = format!("{jkt} {jti}");
    if !used.first(key.clone(), keep_until_s, now_s) {
        return Err(refused("The DPoP proof JWT has already been used."));
    }
    Ok(Proof {
        key,
        jkt,
        nonce: jwt.text("nonce").map(str::to_owned),
        ath: jwt.text("ath").map(str::to_owned),
    })
}

/// The proof carries the key that signed it; gives that key's thumbprint.
fn signature(jwt: &Jwt<'_>) -> Result<String, OAuthError> {
    if jwt.header.typ.as_deref() != Some("dpop+jwt") {
        return Err(OAuthError::proof(
            "'typ' must be 'dpop+jwt' in the DPoP proof JWT.",
        ));
    }
    let algorithm = Algorithm::named(&jwt.header.alg).ok_or(OAuthError::proof(
        "The DPoP proof JWT signature algorithm is invalid.",
    ))?;
    let public = jwt.header.jwk.as_ref().filter(|key| key.get("d").is_none());
    let key = public
        .and_then(Jwk::parse)
        .ok_or(OAuthError::proof("The DPoP proof JWT is invalid."))?;
    if !key.signed(jwt, algorithm) {
        return Err(OAuthError::proof(
            "The DPoP proof JWT signature is invalid.",
        ));
    }
    Ok(key.thumbprint())
}

/// Equal but for the host's case and a default port.
fn same(htu: &str, url: &str) -> bool {
    matches!((Url::parse(htu), Url::parse(url)), (Ok(htu), Ok(url)) if htu == url)
}

/// The nonces given out, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Vec<(i64, String)>);

impl Nonces {
    /// The nonce to give out now.
    pub(crate) fn current(&mut self, rng: &mut Rng, now_ms: i64) -> String {
        self.0
            .retain(|(made_ms, _)| is_younger(*made_ms, WORKS, now_ms));
        match self.0.last() {
            Some((made_ms, nonce)) if is_younger(*made_ms, RENEWED, now_ms) => nonce.clone(),
            _ => {
                let nonce = rng.id("", 32);
                self.0.push((now_ms, nonce.clone()));
                nonce
            }
        }
    }

    pub(crate) fn works(&self, nonce: &str, now_ms: i64) -> bool {
        self.0
            .iter()
            .any(|(made_ms, known)| known == nonce && is_younger(*made_ms, WORKS, now_ms))
    }
}

fn is_younger(made_ms: i64, age: TimeDelta, now_ms: i64) -> bool {
    now_ms.saturating_sub(made_ms) < age.num_milliseconds()
}
