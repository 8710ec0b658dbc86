//! DPoP (RFC 9449): each request proves that its sender holds the key an access token is bound to.
//!
//! The key is made when the client is, and dies with it: a token that leaked is worth nothing alone.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use url::Url;

use super::algorithm::Curve;
use super::jws::{compact, fresh_jti};
use super::key::{Material, PrivateKey};

/// The key that access tokens are bound to.
#[derive(Debug)]
pub(crate) struct ProofKey {
    key: PrivateKey,
    jwk: PublicKey,
}

#[derive(Debug, Clone, Serialize)]
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
}

#[derive(Serialize)]
struct ProofHeader<'a> {
    typ: &'static str,
    alg: &'static str,
    jwk: &'a PublicKey,
}

#[derive(Serialize)]
struct Proof<'a> {
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
}

/// What a proof is about.
pub(super) struct Proven<'a> {
    pub(super) method: &'a str,
    /// Its query is left out.
    pub(super) url: &'a Url,
    /// Okta's time in seconds.
    pub(super) now: i64,
    /// What the server asked to be repeated.
    pub(super) nonce: Option<&'a str>,
    /// The access token that goes with it.
    pub(super) token: Option<&'a str>,
}

impl ProofKey {
    /// A new key; `None` if the system has no randomness.
    pub(crate) fn generate() -> Option<Self> {
        let curve = Curve::P256;
        let key = EcdsaKeyPair::generate(curve.signing()).ok()?;
        let (x, y) = key
            .public_key()
            .as_ref()
            .get(1..)?
            .split_at_checked(curve.bytes())?;
        let jwk = PublicKey {
            kty: "EC",
            crv: "P-256",
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        };
        let key = PrivateKey {
            material: Material::Ec(key),
            algorithm: curve.algorithm(),
            key_id: None,
        };
        Some(Self { key, jwk })
    }

    /// A proof for one request; a repetition needs another one.
    pub(super) fn prove(&self, about: &Proven<'_>) -> Option<String> {
        let header = ProofHeader {
            typ: "dpop+jwt",
            alg: self.key.algorithm().as_str(),
            jwk: &self.jwk,
        };
        let mut url = about.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let hash = |token: &str| URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
        let claims = Proof {
            htm: about.method,
            htu: url.as_str(),
            iat: about.now,
            jti: fresh_jti(),
            nonce: about.nonce,
            ath: about.token.map(hash),
        };
        compact(&self.key, &header, &claims)
    }
}
