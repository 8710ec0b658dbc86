//! The private key of a service app: read from PEM or JWK, and made to sign.

use std::fmt;

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, RsaKeyPair};
use secrecy::{ExposeSecret, SecretString};

use super::algorithm::{Algorithm, Curve};
use super::key_error::KeyError;
use super::pem::Block;
use super::{jwk, pem};

/// A private key, ready to sign.
pub struct PrivateKey {
    pub(super) material: Material,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

pub(super) enum Material {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl PrivateKey {
    /// Reads a PEM text (PKCS#8, PKCS#1 or SEC1, not encrypted) or a JWK, alone or the only one of a set:
    /// RSA of 2048 to 8192 bits or one of the curves P-256, P-384 and P-521, its parts checked against
    /// each other.
    ///
    /// # Errors
    /// What the text is instead, or what is wrong with it; nothing of it is repeated.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let text = text.expose_secret().trim();
        if text.starts_with('{') {
            return jwk::private_key(text);
        }
        if !pem::looks_like(text) {
            return Err(KeyError::NoKey);
        }
        let (material, algorithm) = match pem::private_key(text)? {
            Block::Rsa(der) => rsa(RsaKeyPair::from_der(der.expose_secret()))?,
            Block::Ec(der) => ec(|curve| {
                EcdsaKeyPair::from_private_key_der(curve.signing(), der.expose_secret())
            })?,
            Block::Pkcs8(der) => match rsa(RsaKeyPair::from_pkcs8(der.expose_secret())) {
                Err(KeyError::Unreadable) => {
                    ec(|curve| EcdsaKeyPair::from_pkcs8(curve.signing(), der.expose_secret()))?
                }
                known => known?,
            },
        };
        Ok(Self {
            material,
            algorithm,
            key_id: None,
        })
    }

    /// What it signs with: the `alg` of a JWK, else what fits the key, RS256 for RSA.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` of a JWK.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Signs in the form of JSON web signatures. `None` if the system has no randomness or memory.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.material {
            Material::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(self.algorithm.rsa()?, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            Material::Ec(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.algorithm.as_str())
    }
}

fn rsa(key: Result<RsaKeyPair, KeyRejected>) -> Result<(Material, Algorithm), KeyError> {
    match key {
        Ok(key) => Ok((Material::Rsa(key), Algorithm::Rs256)),
        Err(error) => Err(rejected(&error)),
    }
}

/// Tries the curves in turn: the library wants to be told which one it is.
fn ec(
    read: impl Fn(Curve) -> Result<EcdsaKeyPair, KeyRejected>,
) -> Result<(Material, Algorithm), KeyError> {
    Curve::ALL
        .into_iter()
        .find_map(|curve| Some((Material::Ec(read(curve).ok()?), curve.algorithm())))
        .ok_or(KeyError::Unreadable)
}

/// The library gives its reasons as words.
pub(super) fn rejected(error: &KeyRejected) -> KeyError {
    match error.to_string().as_str() {
        "TooSmall" => KeyError::TooSmall,
        "TooLarge" => KeyError::TooLarge,
        "InconsistentComponents" => KeyError::Inconsistent,
        _ => KeyError::Unreadable,
    }
}

#[cfg(test)]
mod tests;
