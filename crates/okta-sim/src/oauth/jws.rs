//! Compact JWTs: their parts, and the signature algorithms Okta takes.

use std::fmt;

use aws_lc_rs::signature::{
    self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, RsaParameters,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A signature algorithm of assertions and proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

/// How an algorithm's family signs and verifies.
pub(crate) enum Family {
    Rsa(&'static RsaParameters, &'static dyn signature::RsaEncoding),
    Ec(&'static Curve),
}

/// A curve with its only algorithm.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// Bytes of a coordinate.
    pub(crate) size: usize,
    pub(crate) signing: &'static EcdsaSigningAlgorithm,
    pub(crate) verifying: &'static EcdsaVerificationAlgorithm,
}

static P256: Curve = Curve {
    name: "P-256",
    size: 32,
    signing: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    verifying: &signature::ECDSA_P256_SHA256_FIXED,
};
static P384: Curve = Curve {
    name: "P-384",
    size: 48,
    signing: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    verifying: &signature::ECDSA_P384_SHA384_FIXED,
};
static P521: Curve = Curve {
    name: "P-521",
    size: 66,
    signing: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    verifying: &signature::ECDSA_P521_SHA512_FIXED,
};

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
    ];

    /// Its name in a JWT header, such as `RS256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Rs256 => Family::Rsa(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                &signature::RSA_PKCS1_SHA256,
            ),
            Self::Rs384 => Family::Rsa(
                &signature::RSA_PKCS1_2048_8192_SHA384,
                &signature::RSA_PKCS1_SHA384,
            ),
            Self::Rs512 => Family::Rsa(
                &signature::RSA_PKCS1_2048_8192_SHA512,
                &signature::RSA_PKCS1_SHA512,
            ),
            Self::Es256 => Family::Ec(&P256),
            Self::Es384 => Family::Ec(&P384),
            Self::Es512 => Family::Ec(&P521),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A JWT taken apart; nothing is verified yet.
pub(crate) struct Jwt<'a> {
    pub(crate) header: Header,
    pub(crate) claims: Map<String, Value>,
    /// What the signature signs.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

/// The part of a JWT's header that is looked at.
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) jwk: Option<Value>,
}

impl<'a> Jwt<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            claims: serde_json::from_slice(&decode(claims)?).ok()?,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
        })
    }

    /// A claim that is a string.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim in seconds since 1970; some libraries write them with decimals.
    pub(crate) fn seconds(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole seconds are meant, and what no clock shows saturates"
        )]
        value
            .as_i64()
            .or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
