//! Envelope encryption of secrets.
//!
//! Each secret has a random data key of its own (AES-256-GCM); the data key is wrapped by the active
//! key of the ring. Both are bound to their place, so that a sealed value copied to another row,
//! tenant or version does not open.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use uuid::Uuid;

const KEY_BYTES: usize = 32;
const FORMAT: u8 = 1;

/// Why a secret cannot be sealed or opened. Says nothing about the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// The ring lacks the key that the value was sealed with.
    #[error("the sealing key {0:?} is not in the key ring; add it to COLLECTOR_SEALING_KEYS")]
    UnknownKey(String),
    /// Wrong key of that name, damaged, or moved from another place.
    #[error(
        "a sealed secret does not open: it is damaged, was moved, or the key {0:?} is not the one it was sealed with"
    )]
    Broken(String),
    /// A key ring that cannot be read.
    #[error("the sealing keys cannot be read: {0}; make one with `okta-collector sealing keygen`")]
    Ring(String),
}

/// Where a secret belongs: what it is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// What kind of secret, such as `credential`.
    pub purpose: &'static str,
    /// Its tenant.
    pub tenant: Uuid,
    /// Its row.
    pub id: Uuid,
    /// Grows with every new secret of the row.
    pub version: i32,
}

impl Place {
    fn aad(self, kek: &str) -> Vec<u8> {
        let mut aad = vec![FORMAT];
        for part in [
            self.purpose.as_bytes(),
            self.tenant.as_bytes(),
            self.id.as_bytes(),
            &self.version.to_be_bytes(),
            kek.as_bytes(),
        ] {
            // Length-prefixed, so that no two places spell the same.
            aad.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            aad.extend_from_slice(part);
        }
        aad
    }
}

/// A sealed secret, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Name of the key that wraps the data key.
    pub kek: String,
    /// The wrapped data key.
    pub dek: Vec<u8>,
    /// The sealed secret.
    pub body: Vec<u8>,
}

/// The sealing keys of an installation: the first seals, all open.
pub struct KeyRing {
    active: String,
    keys: BTreeMap<String, SecretSlice<u8>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("active", &self.active)
            .field("keys", &self.keys.keys())
            .finish()
    }
}

impl KeyRing {
    /// Reads `name:base64` lines (or comma-separated); the first is the active key. `#` begins a comment.
    pub fn parse(text: &str) -> Result<Self, SealingError> {
        let ring = |what: String| SealingError::Ring(what);
        let mut active = None;
        let mut keys = BTreeMap::new();
        let lines = text
            .lines()
            .flat_map(|line| line.split('#').next().unwrap_or_default().split(','));
        for (number, entry) in lines
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .enumerate()
        {
            let (name, key) = entry.split_once(':').ok_or_else(|| {
                ring(format!("key {} is not of the form name:base64", number + 1))
            })?;
            let key = STANDARD
                .decode(key.trim())
                .map_err(|_| ring(format!("key {name:?} is not base64")))?;
            if key.len() != KEY_BYTES {
                return Err(ring(format!(
                    "key {name:?} has {} bytes instead of {KEY_BYTES}",
                    key.len()
                )));
            }
            if keys
                .insert(name.to_owned(), SecretSlice::from(key))
                .is_some()
            {
                return Err(ring(format!("key {name:?} is there twice")));
            }
            active.get_or_insert_with(|| name.to_owned());
        }
        let active = active.ok_or_else(|| ring("there is none".to_owned()))?;
        Ok(Self { active, keys })
    }

    /// A new line for a key ring: a random name and a random key.
    pub fn generate() -> Result<SecretString, SealingError> {
        let failed = |_| SealingError::Ring("no randomness".to_owned());
        let mut name = [0u8; 4];
        let mut key = [0u8; KEY_BYTES];
        rand::fill(&mut name).map_err(failed)?;
        rand::fill(&mut key).map_err(failed)?;
        Ok(SecretString::from(format!(
            "k{:08x}:{}",
            u32::from_be_bytes(name),
            STANDARD.encode(key)
        )))
    }

    /// Name of the key that seals.
    pub fn active(&self) -> &str {
        &self.active
    }

    /// Whether a value sealed with this key could be opened.
    pub fn knows(&self, kek: &str) -> bool {
        self.keys.contains_key(kek)
    }

    /// Seals a secret for its place.
    pub fn seal(&self, place: Place, secret: &SecretString) -> Result<Sealed, SealingError> {
        let aad = place.aad(&self.active);
        let mut dek = [0u8; KEY_BYTES];
        rand::fill(&mut dek).map_err(|_| SealingError::Ring("no randomness".to_owned()))?;
        let kek = self
            .keys
            .get(&self.active)
            .ok_or_else(|| SealingError::UnknownKey(self.active.clone()))?;
        Ok(Sealed {
            kek: self.active.clone(),
            dek: encrypt(kek.expose_secret(), &aad, &dek)
                .ok_or_else(|| SealingError::Broken(self.active.clone()))?,
            body: encrypt(&dek, &aad, secret.expose_secret().as_bytes())
                .ok_or_else(|| SealingError::Broken(self.active.clone()))?,
        })
    }

    /// Opens a secret at its place.
    pub fn open(&self, place: Place, sealed: &Sealed) -> Result<SecretString, SealingError> {
        let broken = || SealingError::Broken(sealed.kek.clone());
        let aad = place.aad(&sealed.kek);
        let kek = self
            .keys
            .get(&sealed.kek)
            .ok_or_else(|| SealingError::UnknownKey(sealed.kek.clone()))?;
        let dek = decrypt(kek.expose_secret(), &aad, &sealed.dek).ok_or_else(broken)?;
        let secret = decrypt(&dek, &aad, &sealed.body).ok_or_else(broken)?;
        String::from_utf8(secret)
            .map(SecretString::from)
            .map_err(|_| broken())
    }
}

/// Nonce, then ciphertext, then tag.
fn encrypt(key: &[u8], aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    let mut body = plain.to_vec();
    let nonce = key
        .seal_in_place_append_tag(Aad::from(aad), &mut body)
        .ok()?;
    let mut sealed = nonce.as_ref().to_vec();
    sealed.append(&mut body);
    Some(sealed)
}

fn decrypt(key: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = body.to_vec();
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
    key.open_in_place(nonce, Aad::from(aad), &mut body)
        .ok()
        .map(|plain| plain.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            purpose: "credential",
            tenant: Uuid::from_u128(1),
            id: Uuid::from_u128(2),
            version: 3,
        }
    }

    fn ring() -> KeyRing {
        KeyRing::parse(KeyRing::generate().unwrap().expose_secret()).unwrap()
    }

    #[test]
    fn a_secret_opens_at_its_own_place_only() {
        let ring = ring();
        let sealed = ring.seal(place(), &SecretString::from("00token")).unwrap();
        assert_eq!(
            ring.open(place(), &sealed).unwrap().expose_secret(),
            "00token"
        );
        let elsewhere = [
            Place {
                purpose: "destination",
                ..place()
            },
            Place {
                tenant: Uuid::from_u128(9),
                ..place()
            },
            Place {
                id: Uuid::from_u128(9),
                ..place()
            },
            Place {
                version: 2,
                ..place()
            },
        ];
        for place in elsewhere {
            assert!(
                matches!(ring.open(place, &sealed), Err(SealingError::Broken(_))),
                "{place:?}"
            );
        }
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let ring = ring();
        let sealed = ring.seal(place(), &SecretString::from("00token")).unwrap();
        for n in 0..sealed.body.len() {
            let mut damaged = sealed.clone();
            damaged.body[n] ^= 1;
            assert!(ring.open(place(), &damaged).is_err());
        }
        for n in 0..sealed.dek.len() {
            let mut damaged = sealed.clone();
            damaged.dek[n] ^= 1;
            assert!(ring.open(place(), &damaged).is_err());
        }
    }

    #[test]
    fn old_keys_open_and_the_first_seals() {
        let (old, new) = (KeyRing::generate().unwrap(), KeyRing::generate().unwrap());
        let sealed = KeyRing::parse(old.expose_secret())
            .unwrap()
            .seal(place(), &SecretString::from("x"))
            .unwrap();
        let both = KeyRing::parse(&format!(
            "{}\n# the old one\n{}\n",
            new.expose_secret(),
            old.expose_secret()
        ))
        .unwrap();
        assert_eq!(both.open(place(), &sealed).unwrap().expose_secret(), "x");
        assert_ne!(
            both.seal(place(), &SecretString::from("x")).unwrap().kek,
            sealed.kek
        );
        let alone = KeyRing::parse(new.expose_secret()).unwrap();
        assert!(matches!(
            alone.open(place(), &sealed),
            Err(SealingError::UnknownKey(_))
        ));
    }

    #[test]
    fn a_bad_ring_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "none"),
            ("k1", "form"),
            ("k1:!!", "base64"),
            ("k1:AAAA", "3 bytes"),
        ] {
            let error = KeyRing::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
