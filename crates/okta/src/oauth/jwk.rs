//! Reads a private key from a JSON web key (RFC 7517), alone or as the only one of a set.

use std::borrow::Cow;

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretSlice};
use serde::Deserialize;

use super::algorithm::{Algorithm, Curve};
use super::key::{Material, PrivateKey, rejected};
use super::key_error::KeyError;

/// The fields that matter; texts stay where they are in the input.
#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
    alg: Option<Cow<'a, str>>,
    crv: Option<Cow<'a, str>>,
    x: Option<Cow<'a, str>>,
    y: Option<Cow<'a, str>>,
    n: Option<Cow<'a, str>>,
    e: Option<Cow<'a, str>>,
    d: Option<Cow<'a, str>>,
    p: Option<Cow<'a, str>>,
    q: Option<Cow<'a, str>>,
    dp: Option<Cow<'a, str>>,
    dq: Option<Cow<'a, str>>,
    qi: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct KeySet<'a> {
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
}

/// Reads a JWK or a set of one.
pub(super) fn private_key(text: &str) -> Result<PrivateKey, KeyError> {
    if let Ok(KeySet { keys }) = serde_json::from_str(text) {
        let count = keys.len();
        return match <[Jwk<'_>; 1]>::try_from(keys) {
            Ok([jwk]) => jwk.read(),
            Err(_) => Err(KeyError::KeySet(count)),
        };
    }
    let jwk: Jwk<'_> = serde_json::from_str(text).map_err(|_| KeyError::DamagedJwk)?;
    jwk.read()
}

impl Jwk<'_> {
    fn read(&self) -> Result<PrivateKey, KeyError> {
        let (material, fits) = match self.kty.as_deref() {
            None => return Err(KeyError::Missing("kty")),
            Some("RSA") => (self.rsa()?, Algorithm::Rs256),
            Some("EC") => {
                let curve = self.crv.as_deref().ok_or(KeyError::Missing("crv"))?;
                let curve = Curve::from_word(curve).ok_or(KeyError::Curve)?;
                (self.ec(curve)?, curve.algorithm())
            }
            Some(_) => return Err(KeyError::Type),
        };
        Ok(PrivateKey {
            algorithm: self.algorithm(fits)?,
            material,
            key_id: self.kid.as_deref().map(str::to_owned),
        })
    }

    /// What the key says it signs with; `fits` if it says nothing.
    fn algorithm(&self, fits: Algorithm) -> Result<Algorithm, KeyError> {
        let Some(said) = self.alg.as_deref() else {
            return Ok(fits);
        };
        let said = Algorithm::from_word(said);
        match (said, fits.rsa()) {
            (Some(said), Some(_)) if said.rsa().is_some() => Ok(said),
            (Some(said), None) if said == fits => Ok(said),
            (_, Some(_)) => Err(KeyError::Algorithm(
                "an RSA key signs with RS256, RS384 or RS512",
            )),
            (_, None) => Err(KeyError::Algorithm(
                "P-256 signs with ES256, P-384 with ES384, P-521 with ES512",
            )),
        }
    }

    #[expect(clippy::many_single_char_names, reason = "the names of RFC 7518")]
    fn rsa(&self) -> Result<Material, KeyError> {
        let d = private(self.d.as_deref())?;
        let n = part(self.n.as_deref(), "n")?;
        let e = part(self.e.as_deref(), "e")?;
        let [p, q] = [part(self.p.as_deref(), "p")?, part(self.q.as_deref(), "q")?];
        let dp = part(self.dp.as_deref(), "dp")?;
        let dq = part(self.dq.as_deref(), "dq")?;
        let qi = part(self.qi.as_deref(), "qi")?;
        let key = RsaKeyPair::from_components(&KeyPairComponents {
            public_key: PublicKeyComponents {
                n: stripped(n.expose_secret()),
                e: stripped(e.expose_secret()),
            },
            d: d.expose_secret(),
            p: p.expose_secret(),
            q: q.expose_secret(),
            dP: dp.expose_secret(),
            dQ: dq.expose_secret(),
            qInv: qi.expose_secret(),
        });
        key.map(Material::Rsa).map_err(|error| rejected(&error))
    }

    fn ec(&self, curve: Curve) -> Result<Material, KeyError> {
        let length = curve.bytes();
        let d = padded(&private(self.d.as_deref())?, length, "d")?;
        let x = padded(&part(self.x.as_deref(), "x")?, length, "x")?;
        let y = padded(&part(self.y.as_deref(), "y")?, length, "y")?;
        // An uncompressed point.
        let point = [&[4], x.expose_secret(), y.expose_secret()].concat();
        EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), d.expose_secret(), &point)
            .map(Material::Ec)
            .map_err(|error| rejected(&error))
    }
}

/// The private part: a key without one is public.
fn private(field: Option<&str>) -> Result<SecretSlice<u8>, KeyError> {
    match field {
        None => Err(KeyError::Public),
        present => part(present, "d"),
    }
}

fn part(field: Option<&str>, name: &'static str) -> Result<SecretSlice<u8>, KeyError> {
    let text = field.ok_or(KeyError::Missing(name))?;
    let bytes = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| KeyError::DamagedField(name))?;
    Ok(SecretSlice::from(bytes))
}

fn stripped(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// A number of exactly so many bytes; some libraries leave out leading zeros.
fn padded(
    bytes: &SecretSlice<u8>,
    length: usize,
    name: &'static str,
) -> Result<SecretSlice<u8>, KeyError> {
    let bytes = stripped(bytes.expose_secret());
    let missing = length
        .checked_sub(bytes.len())
        .ok_or(KeyError::DamagedField(name))?;
    let mut whole = vec![0; missing];
    whole.extend_from_slice(bytes);
    Ok(SecretSlice::from(whole))
}
