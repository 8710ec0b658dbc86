//! Key pairs for apps: made or read, shown as PEM and JWK, and used to sign.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};

use crate::oauth::jwk::Jwk;
use crate::oauth::jws::{Algorithm, Family, encode};

/// A private key with its public half, and the algorithm it signs with. Its `Debug` form shows neither.
pub struct KeyPair {
    algorithm: Algorithm,
    secret: Secret,
    pkcs8: Vec<u8>,
    kid: String,
}

enum Secret {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text holds no `PRIVATE KEY` of PKCS#8.
    #[error(
        "cannot read the key: {0}; a PEM of PKCS#8 is needed, beginning with BEGIN PRIVATE KEY"
    )]
    Pem(#[from] pem::Error),
    /// It is neither RSA of 2048 bits or more nor EC on P-256, P-384 or P-521.
    #[error(
        "cannot use the key: it is neither RSA of at least 2048 bits nor EC on P-256, P-384 or P-521"
    )]
    Unsupported,
}

impl KeyPair {
    /// A fresh key pair; RSA ones have 2048 bits.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pkcs8 = match algorithm.family() {
            Family::Rsa(..) => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| Ok(pair.as_der()?.as_ref().to_vec())),
            Family::Ec(curve) => EcdsaKeyPair::generate(curve.signing)
                .and_then(|pair| Ok(pair.to_pkcs8v1()?.as_ref().to_vec())),
        };
        let pkcs8 = pkcs8.map_err(|_| KeyError::Unsupported)?;
        Self::from_pkcs8(algorithm, pkcs8)
    }

    /// Reads a PEM of PKCS#8. RSA keys sign with RS256, EC keys with the algorithm of their curve.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())?;
        let pkcs8 = pkcs8.secret_pkcs8_der();
        [
            Algorithm::Rs256,
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::Es512,
        ]
        .into_iter()
        .find_map(|algorithm| Self::from_pkcs8(algorithm, pkcs8.to_vec()).ok())
        .ok_or(KeyError::Unsupported)
    }

    fn from_pkcs8(algorithm: Algorithm, pkcs8: Vec<u8>) -> Result<Self, KeyError> {
        let secret = match algorithm.family() {
            Family::Rsa(..) => RsaKeyPair::from_pkcs8(&pkcs8).map(Secret::Rsa),
            Family::Ec(curve) => EcdsaKeyPair::from_pkcs8(curve.signing, &pkcs8).map(Secret::Ec),
        };
        let mut pair = Self {
            algorithm,
            secret: secret.map_err(|_| KeyError::Unsupported)?,
            pkcs8,
            kid: String::new(),
        };
        let key = Jwk::parse(&pair.public_jwk()).ok_or(KeyError::Unsupported)?;
        pair.kid = key.thumbprint();
        Ok(pair)
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's id, as in its JWKs: its thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key as PEM of PKCS#8.
    pub fn private_pem(&self) -> String {
        let text = STANDARD.encode(&self.pkcs8);
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        )
    }

    /// The public key as JWK, with `kid` and `alg`.
    pub fn public_jwk(&self) -> Value {
        let mut members = self.members();
        for secret in ["d", "p", "q", "dp", "dq", "qi"] {
            members.remove(secret);
        }
        Value::Object(members)
    }

    /// The private key as JWK, with `kid` and `alg`.
    pub fn private_jwk(&self) -> Value {
        Value::Object(self.members())
    }

    /// A JWT of this header and these claims, both objects; `alg` is added to the header.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut header = header.clone();
        if let Some(members) = header.as_object_mut() {
            members.insert("alg".to_owned(), self.algorithm.name().into());
        }
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        // Signing with a key that was accepted fails only when memory runs out.
        let signature = self.signature(signed.as_bytes()).unwrap_or_default();
        format!("{signed}.{}", encode(signature))
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match (&self.secret, self.algorithm.family()) {
            (Secret::Rsa(pair), Family::Rsa(_, encoding)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            (Secret::Ec(pair), _) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            _ => None,
        }
    }

    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("kid".to_owned(), json!(self.kid));
        members.insert("alg".to_owned(), json!(self.algorithm.name()));
        members.insert("use".to_owned(), json!("sig"));
        if let (Secret::Ec(pair), Family::Ec(curve)) = (&self.secret, self.algorithm.family()) {
            // The uncompressed point: a mark, x, y.
            let point = pair.public_key().as_ref();
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at(curve.size.min(coordinates.len()));
            members.insert("kty".to_owned(), json!("EC"));
            members.insert("crv".to_owned(), json!(curve.name));
            members.insert("x".to_owned(), json!(encode(x)));
            members.insert("y".to_owned(), json!(encode(y)));
            if let Ok(secret) = pair.private_key().as_be_bytes() {
                members.insert("d".to_owned(), json!(encode(secret.as_ref())));
            }
        } else {
            members.insert("kty".to_owned(), json!("RSA"));
            let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
            let numbers = rsa_numbers(&self.pkcs8).unwrap_or_default();
            for (name, number) in names.into_iter().zip(numbers) {
                members.insert(name.to_owned(), json!(encode(number)));
            }
        }
        members
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The numbers of an RSA key, from its modulus on, out of PKCS#8: a sequence of version, algorithm and an
/// octet string that holds a sequence of version and numbers.
fn rsa_numbers(pkcs8: &[u8]) -> Option<Vec<&[u8]>> {
    let mut outer = element(pkcs8)?.0;
    for _ in 0..2 {
        outer = element(outer)?.1;
    }
    let octets = element(outer)?.0;
    let mut rest = element(element(octets)?.0)?.1;
    let mut numbers = Vec::new();
    while let Some((number, after)) = element(rest) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        numbers.push(number.get(zeros..)?);
        rest = after;
    }
    Some(numbers)
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, mut rest) = der.get(1..)?.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        length = digits
            .iter()
            .fold(0, |length, &digit| (length << 8) | usize::from(digit));
        rest = after;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::jws::Jwt;

    #[test]
    fn every_algorithm_signs_what_its_own_jwk_verifies_and_no_other() {
        let pairs: Vec<_> = Algorithm::ALL
            .into_iter()
            .map(|algorithm| KeyPair::generate(algorithm).unwrap())
            .collect();
        for (n, pair) in pairs.iter().enumerate() {
            let text = pair.sign(&json!({"kid": pair.kid()}), &json!({"n": n}));
            let jwt = Jwt::parse(&text).unwrap();
            assert_eq!(jwt.header.alg, pair.algorithm().name());
            for (m, other) in pairs.iter().enumerate() {
                let key = Jwk::parse(&other.public_jwk()).unwrap();
                assert_eq!(key.signed(&jwt, pair.algorithm()), n == m, "{n} {m}");
            }
        }
    }

    #[test]
    fn a_key_survives_the_way_through_pem_and_shows_all_members() {
        for (algorithm, members) in [(Algorithm::Rs256, 12), (Algorithm::Es384, 8)] {
            let pair = KeyPair::generate(algorithm).unwrap();
            let again = KeyPair::from_pem(&pair.private_pem()).unwrap();

            assert_eq!(again.private_jwk(), pair.private_jwk());
            assert_eq!(again.algorithm(), algorithm);
            assert_eq!(pair.private_jwk().as_object().unwrap().len(), members);
            assert!(!format!("{pair:?}").contains(pair.private_jwk()["d"].as_str().unwrap()));
        }
        assert!(KeyPair::from_pem("no key").is_err());
    }
}
