//! API keys: `okc_<public>_<secret>_<checksum>`, each part letters and digits.
//!
//! The public part finds the row and may be shown; the secret carries 214 random bits, so a plain
//! SHA-256 of the whole key is enough to keep; the checksum refuses typing errors without asking the
//! database. The key itself is shown once, at its making, and never stored.

use std::fmt;

use aws_lc_rs::{digest, rand};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

const PREFIX: &str = "okc";
const PUBLIC: usize = 12;
const SECRET: usize = 36;
const CHECKSUM: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An API key in the clear.
pub struct ApiKey {
    public_id: String,
    whole: SecretString,
}

/// Why a text is no API key. Says nothing about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not of the form of a key at all.
    #[error("an API key looks like okc_<12 characters>_<36 characters>_<6 characters>")]
    Form,
    /// Of the right form, but mistyped or cut.
    #[error("the API key is mistyped: its checksum does not fit")]
    Checksum,
    /// The operating system gave no random bytes.
    #[error("no randomness for a new API key")]
    Randomness,
}

impl ApiKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Randomness`], if the operating system has none.
    pub fn generate() -> Result<Self, KeyError> {
        let public_id = random_text(PUBLIC)?;
        let body = format!("{PREFIX}_{public_id}_{}", random_text(SECRET)?);
        let whole = SecretString::from(format!("{body}_{}", checksum(&body)));
        Ok(Self { public_id, whole })
    }

    /// Reads a key that somebody sent.
    ///
    /// # Errors
    /// [`KeyError::Form`] or [`KeyError::Checksum`]. That it is well formed does not mean it exists.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let parts: Vec<&str> = text.split('_').collect();
        let [prefix, public_id, secret, sum] = parts.as_slice() else {
            return Err(KeyError::Form);
        };
        let is_text = |part: &str, size: usize| {
            part.len() == size && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let form = *prefix == PREFIX
            && is_text(public_id, PUBLIC)
            && is_text(secret, SECRET)
            && is_text(sum, CHECKSUM);
        if !form {
            return Err(KeyError::Form);
        }
        if checksum(&format!("{prefix}_{public_id}_{secret}")) != *sum {
            return Err(KeyError::Checksum);
        }
        Ok(Self {
            public_id: (*public_id).to_owned(),
            whole: SecretString::from(text),
        })
    }

    /// The part that may be seen; finds the stored row.
    pub fn public_id(&self) -> &str {
        &self.public_id
    }

    /// The whole key, to be shown once.
    pub fn whole(&self) -> &SecretString {
        &self.whole
    }

    /// What is stored: SHA-256 of the whole key.
    pub fn sha256(&self) -> Vec<u8> {
        sha256(self.whole.expose_secret())
    }

    /// Whether this is the key of a stored hash; takes the same time for every wrong one.
    pub fn matches(&self, stored_sha256: &[u8]) -> bool {
        self.sha256().ct_eq(stored_sha256).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({PREFIX}_{}_..)", self.public_id)
    }
}

fn sha256(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .to_vec()
}

/// Characters that are all equally likely.
fn random_text(size: usize) -> Result<String, KeyError> {
    let mut text = String::with_capacity(size);
    while text.len() < size {
        let mut bytes = [0u8; 64];
        rand::fill(&mut bytes).map_err(|_| KeyError::Randomness)?;
        // Bytes are cut to six bits; the two values beyond the alphabet are thrown away.
        let letters = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 0x3f)));
        text.extend(
            letters
                .take(size - text.len())
                .map(|letter| char::from(*letter)),
        );
    }
    Ok(text)
}

/// The first 32 bits of the hash, as six characters.
fn checksum(body: &str) -> String {
    let hash = sha256(body);
    let mut rest = hash
        .iter()
        .take(4)
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let mut text = Vec::with_capacity(CHECKSUM);
    for _ in 0..CHECKSUM {
        text.extend(
            ALPHABET
                .get(rest % ALPHABET.len())
                .map(|letter| char::from(*letter)),
        );
        rest /= ALPHABET.len();
    }
    text.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_matches_its_hash_only() {
        let key = ApiKey::generate().unwrap();
        let read = ApiKey::parse(key.whole().expose_secret()).unwrap();
        assert_eq!(read.public_id(), key.public_id());
        assert!(read.matches(&key.sha256()));
        assert!(!read.matches(&ApiKey::generate().unwrap().sha256()));
        assert!(!read.matches(&[]));
    }

    #[test]
    fn every_mistyped_character_is_noticed() {
        let key = ApiKey::generate().unwrap();
        let text = key.whole().expose_secret();
        for at in "okc_".len()..text.len() {
            let mut mistyped = text.as_bytes().to_vec();
            mistyped[at] = if mistyped[at] == b'a' { b'b' } else { b'a' };
            let mistyped = String::from_utf8(mistyped).unwrap();
            assert!(ApiKey::parse(&mistyped).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_from_a_mistyped_one() {
        for text in ["", "okc", "okc_a_b_c", "ghp_0123456789ab_x_y", "okc___"] {
            assert_eq!(ApiKey::parse(text).unwrap_err(), KeyError::Form, "{text}");
        }
        let text = format!(
            "okc_{}_{}_{}",
            "a".repeat(12),
            "b".repeat(36),
            "c".repeat(6)
        );
        assert_eq!(ApiKey::parse(&text).unwrap_err(), KeyError::Checksum);
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let key = ApiKey::generate().unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(key.public_id()));
        assert!(!shown.contains(key.whole().expose_secret().split('_').nth(2).unwrap()));
    }
}
