//! Keys are made here; the one that stands below is too short to be a key.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

const MESSAGE: &[u8] = b"header.claims";

/// 1024 bits.
const SHORT_RSA: &str = "\
MIICXgIBAAKBgQC5Ph9HR94+0ZPxi682e8j0szIZ+f5y4I0MzvHfo+krHQ2W8yo0\
HufGC2lMr9Xvarq1RskNEVJpw3qtjKOJdLlyJf/hdzJ5nIh30ZyZoanJNaoJ8gaS\
pNwS5iAA9TxGHGRkdWAGko30jK+cfFq0JbHy3EBeJA4/ZA0Jo/9Xob499QIDAQAB\
AoGBAIbGXfd8oIRP8zWwjaA0W7c9kVw4+RoXqkgBYRV3qjPGBZcoADK/sZ3zu38i\
B6MTohg2Eh1B1xZANUeDpZBirnDSbD0uSTqtiKMMphF5ykgiUU9H0D++FOaNMok+\
rc2RnV36iksFtjDcKNfnW17zb7JP5H2oQ7h11ZabIBevZ3fBAkEA7luZMiAsNqib\
f4M5lRxCYOYlGJR5Ro7M3OUlzBsu4L/aOVN51Shj+4YnEaTNVxOviOUMOql2kSxu\
SB+omiRBLQJBAMb0GTmD8jKa6PlCXxgY518adBtumdgsJ6BF0+f3dX4YDzkHvdgC\
XaWAPcMALF99PB9spHh6cFB86iuoQvTWHOkCQQCRSI+l9+o7HqY5ILkWY/Uprt3p\
j4YkNaI0+g8By4fVQds3mePmwwm+I9TocjUe4EbcABBmKSi18AkAORvBaFu5AkEA\
ii/hlWFgSGXwi7Dd/A7QJe5p1uPrV4rTuy7FEMmAgiST7jjCU9bQ1LNOMrNcHrcN\
m4YKduQUPtOEku48E3LkgQJATswUJbSwN+M4DUvFnVSJ9bOzeaDNo9AfUBc2OkS8\
8wRpePVSTwAIbE1jb8iPOgL27XAEalDjieqAuB86d1NbcQ==";

fn parse(text: &str) -> Result<PrivateKey, KeyError> {
    PrivateKey::parse(&text.to_owned().into())
}

fn refused(text: &str) -> KeyError {
    parse(text).unwrap_err()
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn new_rsa() -> (RsaKeyPair, Vec<u8>) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key)
        .unwrap()
        .as_ref()
        .to_vec();
    (key, der)
}

/// The `RSAPrivateKey` inside of a PKCS#8 document of 2048 bits.
fn pkcs1(pkcs8: &[u8]) -> &[u8] {
    &pkcs8[26..]
}

/// The integers of an `RSAPrivateKey`, without the version: n, e, d, p, q, dp, dq, qi.
fn integers(pkcs1: &[u8]) -> Vec<&[u8]> {
    let mut rest = &pkcs1[7..];
    let mut all = Vec::new();
    while !rest.is_empty() {
        assert_eq!(rest[0], 2, "an integer");
        let (length, from) = match rest[1] {
            0x82 => (usize::from(rest[2]) << 8 | usize::from(rest[3]), 4),
            0x81 => (usize::from(rest[2]), 3),
            short => (usize::from(short), 2),
        };
        let (integer, after) = rest[from..].split_at(length);
        all.push(integer.strip_prefix(&[0]).unwrap_or(integer));
        rest = after;
    }
    all
}

fn rsa_jwk(pkcs8: &[u8]) -> Value {
    let mut jwk = json!({"kty": "RSA", "use": "sig", "key_ops": ["sign"]});
    let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    for (name, integer) in names.into_iter().zip(integers(pkcs1(pkcs8))) {
        jwk[name] = URL_SAFE_NO_PAD.encode(integer).into();
    }
    jwk
}

fn ec_jwk(key: &EcdsaKeyPair, crv: &str) -> Value {
    let (x, y) = {
        let point = &key.public_key().as_ref()[1..];
        point.split_at(point.len() / 2)
    };
    let d = key.private_key().as_be_bytes().unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y), "d": encode(d.as_ref())})
}

#[track_caller]
fn assert_signs(
    key: &PrivateKey,
    algorithm: Algorithm,
    how: &'static dyn VerificationAlgorithm,
    public: &[u8],
) {
    assert_eq!(key.algorithm(), algorithm);
    let signature = key.sign(MESSAGE).unwrap();
    UnparsedPublicKey::new(how, public)
        .verify(MESSAGE, &signature)
        .unwrap();
}

#[test]
fn rsa_keys_are_read_in_every_form() {
    let (key, pkcs8) = new_rsa();
    let public = key.public_key().as_ref();
    let flat = pem("PRIVATE KEY", &pkcs8).replace('\n', " ");
    let escaped = pem("RSA PRIVATE KEY", pkcs1(&pkcs8)).replace('\n', "\\n");
    let texts = [
        pem("PRIVATE KEY", &pkcs8),
        pem("RSA PRIVATE KEY", pkcs1(&pkcs8)),
        format!("Bag Attributes\n{}", pem("CERTIFICATE", b"x")) + &pem("PRIVATE KEY", &pkcs8),
        flat,
        escaped,
        rsa_jwk(&pkcs8).to_string(),
        json!({"keys": [rsa_jwk(&pkcs8)]}).to_string(),
    ];
    for text in texts {
        let key = parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_signs(&key, Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256, public);
    }
}

#[test]
fn the_alg_and_the_kid_of_a_jwk_are_honoured() {
    let (key, pkcs8) = new_rsa();
    let mut jwk = rsa_jwk(&pkcs8);
    jwk["alg"] = "RS512".into();
    jwk["kid"] = "my key".into();
    let read = parse(&jwk.to_string()).unwrap();

    assert_eq!(read.key_id(), Some("my key"));
    let public = key.public_key().as_ref();
    assert_signs(&read, Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512, public);
    for alg in ["ES256", "HS256", "none", "RSA-OAEP"] {
        jwk["alg"] = alg.into();
        assert!(
            matches!(refused(&jwk.to_string()), KeyError::Algorithm(_)),
            "{alg}"
        );
    }
}

#[test]
fn keys_of_the_three_curves_are_read_in_every_form() {
    let verifying: [&'static dyn VerificationAlgorithm; 3] = [
        &ECDSA_P256_SHA256_FIXED,
        &ECDSA_P384_SHA384_FIXED,
        &ECDSA_P521_SHA512_FIXED,
    ];
    for (curve, how) in Curve::ALL.into_iter().zip(verifying) {
        let crv = ["P-256", "P-384", "P-521"]
            .into_iter()
            .find(|crv| Curve::from_word(crv) == Some(curve))
            .unwrap();
        let key = EcdsaKeyPair::generate(curve.signing()).unwrap();
        let pkcs8 = key.to_pkcs8v1().unwrap();
        let sec1: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
        let texts = [
            pem("PRIVATE KEY", pkcs8.as_ref()),
            pem("EC PARAMETERS", b"x") + &pem("EC PRIVATE KEY", sec1.as_ref()),
            ec_jwk(&key, crv).to_string(),
        ];
        for text in texts {
            let read = parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_signs(&read, curve.algorithm(), how, key.public_key().as_ref());
        }
        let mut jwk = ec_jwk(&key, crv);
        jwk["alg"] = "RS256".into();
        assert!(matches!(refused(&jwk.to_string()), KeyError::Algorithm(_)));
    }
}

#[test]
fn a_coordinate_with_a_zero_in_front_may_be_shorter() {
    let curve = Curve::P256;
    let (key, mut jwk) =
        std::iter::repeat_with(|| EcdsaKeyPair::generate(curve.signing()).unwrap())
            .map(|key| (ec_jwk(&key, "P-256"), key))
            .find_map(|(jwk, key)| (key.public_key().as_ref()[1] == 0).then_some((key, jwk)))
            .unwrap();
    jwk["x"] = URL_SAFE_NO_PAD
        .encode(&key.public_key().as_ref()[2..33])
        .into();
    let public = key.public_key().as_ref();
    let read = parse(&jwk.to_string()).unwrap();
    assert_signs(&read, Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, public);
}

#[test]
fn what_is_no_private_key_is_called_by_its_name() {
    let (_, pkcs8) = new_rsa();
    let whole = pem("PRIVATE KEY", &pkcs8);
    let legacy = pem("RSA PRIVATE KEY", pkcs1(&pkcs8)).replacen(
        '\n',
        "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n",
        1,
    );
    let jwk = rsa_jwk(&pkcs8);
    let without = |field: &str| {
        let mut jwk = jwk.clone();
        jwk.as_object_mut().unwrap().remove(field);
        jwk.to_string()
    };
    let (_, other) = new_rsa();
    let mut mixed = jwk.clone();
    mixed["n"] = rsa_jwk(&other)["n"].clone();
    let mut damaged = jwk.clone();
    damaged["q"] = "%%".into();
    let ec =
        |crv: &str| json!({"kty": "EC", "crv": crv, "x": "AA", "y": "AA", "d": "AA"}).to_string();
    let table = [
        (String::new(), KeyError::NoKey),
        ("0oa1:secret".to_owned(), KeyError::NoKey),
        (pem("DH PARAMETERS", b"x"), KeyError::NoKey),
        (pem("PUBLIC KEY", b"x"), KeyError::Public),
        (pem("RSA PUBLIC KEY", b"x"), KeyError::Public),
        (pem("CERTIFICATE", b"x"), KeyError::Certificate),
        (pem("ENCRYPTED PRIVATE KEY", b"x"), KeyError::Encrypted),
        (legacy, KeyError::Encrypted),
        (pem("OPENSSH PRIVATE KEY", b"x"), KeyError::OpenSsh),
        (
            whole.replace("-----END PRIVATE KEY-----", ""),
            KeyError::DamagedPem("its last line is missing"),
        ),
        (
            whole.replace("\nMII", "\n*II"),
            KeyError::DamagedPem("it holds something that is no base64"),
        ),
        (pem("PRIVATE KEY", &pkcs8[..900]), KeyError::Unreadable),
        (pem("EC PRIVATE KEY", &pkcs8), KeyError::Unreadable),
        (
            format!("-----BEGIN RSA PRIVATE KEY-----{SHORT_RSA}-----END RSA PRIVATE KEY-----"),
            KeyError::TooSmall,
        ),
        ("{\"kty\":".to_owned(), KeyError::DamagedJwk),
        ("{}".to_owned(), KeyError::Missing("kty")),
        (r#"{"keys":[]}"#.to_owned(), KeyError::KeySet(0)),
        (json!({"keys": [jwk, jwk]}).to_string(), KeyError::KeySet(2)),
        (without("d"), KeyError::Public),
        (without("qi"), KeyError::Missing("qi")),
        (damaged.to_string(), KeyError::DamagedField("q")),
        (mixed.to_string(), KeyError::Inconsistent),
        (ec("secp256k1"), KeyError::Curve),
        (ec("P-256"), KeyError::Unreadable),
        (
            r#"{"kty":"OKP","crv":"Ed25519","d":"AA"}"#.to_owned(),
            KeyError::Type,
        ),
    ];
    for (text, error) in table {
        assert_eq!(refused(&text), error, "{text}");
    }
}

#[test]
fn nothing_of_a_key_is_printed() {
    let (_, pkcs8) = new_rsa();
    let text = rsa_jwk(&pkcs8).to_string();
    assert_eq!(format!("{:?}", parse(&text).unwrap()), "PrivateKey(RS256)");
    let cut = refused(&text.replace("\"qi\"", "\"xx\""));
    let d: String = rsa_jwk(&pkcs8)["d"].to_string().chars().take(20).collect();
    assert!(!format!("{cut} {cut:?}").contains(&d));
}
