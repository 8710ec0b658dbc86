//! Finds the private key in a PEM text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretSlice;

use super::key_error::KeyError;

const BEGIN: &str = "-----BEGIN ";

/// The content of a block by what its label says.
pub(super) enum Block {
    /// PKCS#8, of any type of key.
    Pkcs8(SecretSlice<u8>),
    /// PKCS#1.
    Rsa(SecretSlice<u8>),
    /// SEC1.
    Ec(SecretSlice<u8>),
}

/// Whether the text is meant as PEM.
pub(super) fn looks_like(text: &str) -> bool {
    text.contains(BEGIN)
}

/// The first private key of a text; what else there is besides it, parameters or certificates, is left
/// out. A text whose line breaks became blanks, or `\n`, is as good.
pub(super) fn private_key(text: &str) -> Result<Block, KeyError> {
    let mut instead = KeyError::NoKey;
    for block in text.split(BEGIN).skip(1) {
        let (label, rest) = block
            .split_once("-----")
            .ok_or(KeyError::DamagedPem("its first line is cut off"))?;
        let make: fn(SecretSlice<u8>) -> Block = match label {
            "PRIVATE KEY" => Block::Pkcs8,
            "RSA PRIVATE KEY" => Block::Rsa,
            "EC PRIVATE KEY" => Block::Ec,
            other => {
                instead = instead_of(other).unwrap_or(instead);
                continue;
            }
        };
        let (body, _) = rest
            .split_once("-----END ")
            .ok_or(KeyError::DamagedPem("its last line is missing"))?;
        if body.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let body = body.replace("\\n", "").replace("\\r", "");
        let base64: String = body.split_ascii_whitespace().collect();
        let der = STANDARD
            .decode(&base64)
            .map_err(|_| KeyError::DamagedPem("it holds something that is no base64"))?;
        return Ok(make(SecretSlice::from(der)));
    }
    Err(instead)
}

/// What to say of a block that is no private key.
fn instead_of(label: &str) -> Option<KeyError> {
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Some(KeyError::Public),
        "CERTIFICATE" => Some(KeyError::Certificate),
        "ENCRYPTED PRIVATE KEY" => Some(KeyError::Encrypted),
        "OPENSSH PRIVATE KEY" => Some(KeyError::OpenSsh),
        _ => None,
    }
}
