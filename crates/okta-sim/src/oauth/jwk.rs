//! Public keys as JWK: registered for an app, or carried by a proof.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

use crate::oauth::jws::{Algorithm, Family, Jwt, decode, encode};

/// An RSA or EC public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jwk {
    pub(crate) kid: Option<String>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ec {
        curve: String,
        x: Vec<u8>,
        y: Vec<u8>,
    },
}

impl Jwk {
    /// Reads a JWK; private members are left alone.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str();
        let bytes = |name: &str| decode(text(name)?);
        let material = match text("kty")? {
            "RSA" => Material::Rsa {
                n: without_zeros(bytes("n")?),
                e: without_zeros(bytes("e")?),
            },
            "EC" => Material::Ec {
                curve: text("crv")?.to_owned(),
                x: bytes("x")?,
                y: bytes("y")?,
            },
            _ => return None,
        };
        Some(Self {
            kid: text("kid").map(str::to_owned),
            material,
        })
    }

    /// Whether the JWT was signed by this key's holder.
    pub(crate) fn signed(&self, jwt: &Jwt<'_>, algorithm: Algorithm) -> bool {
        match (&self.material, algorithm.family()) {
            (Material::Rsa { n, e }, Family::Rsa(parameters, _)) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, jwt.signed, &jwt.signature).is_ok()
            }
            (Material::Ec { curve: name, x, y }, Family::Ec(curve)) if name == curve.name => {
                let point: Vec<u8> = [&[4], x.as_slice(), y].concat();
                let key = UnparsedPublicKey::new(curve.verifying, point);
                key.verify(jwt.signed, &jwt.signature).is_ok()
            }
            _ => false,
        }
    }

    /// The thumbprint of RFC 7638, which tokens are bound to.
    pub(crate) fn thumbprint(&self) -> String {
        // The members in the order the RFC wants; no value needs escaping.
        let canonical = match &self.material {
            Material::Rsa { n, e } => {
                let (n, e) = (encode(n), encode(e));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            Material::Ec { curve, x, y } => {
                let (x, y) = (encode(x), encode(y));
                format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
        };
        encode(digest(&SHA256, canonical.as_bytes()))
    }
}

/// As the verifier wants numbers.
fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_rfcs_example() {
        let key = serde_json::json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP\
                  ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY\
                  368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f\
                  M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        });
        let key = Jwk::parse(&key).unwrap();

        assert_eq!(
            key.thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }
}
