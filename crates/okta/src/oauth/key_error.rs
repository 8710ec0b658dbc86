//! Why a text is no usable private key. Says nothing of its content.

/// What is wrong with a private key, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither form was found.
    #[error(
        "this is neither a PEM key (-----BEGIN PRIVATE KEY-----) nor a JWK (a JSON object with kty)"
    )]
    NoKey,
    /// A public key, or a JWK without its private part.
    #[error(
        "this is the public key, which belongs to the app in Okta; give the private key that was made with it"
    )]
    Public,
    /// A certificate.
    #[error("this is a certificate; give the private key that was made with it")]
    Certificate,
    /// Protected by a passphrase.
    #[error(
        "the key is encrypted; take the passphrase off first, such as with openssl pkey -in key.pem"
    )]
    Encrypted,
    /// OpenSSH's own format.
    #[error(
        "this is an OpenSSH key; turn it into PEM first, such as with ssh-keygen -p -m PEM -f key"
    )]
    OpenSsh,
    /// A PEM block without its end, or with something in it that is no base64.
    #[error("the PEM text is damaged: {0}; copy the whole file, first and last line included")]
    DamagedPem(&'static str),
    /// What looks like a JWK is no JSON.
    #[error("the JWK is no JSON object with texts as its fields; copy the whole of it")]
    DamagedJwk,
    /// A key set of several keys, or of none.
    #[error("the key set holds {0} keys; give the one that the app signs with")]
    KeySet(usize),
    /// A field that the JWK needs.
    #[error("the JWK has no {0}; copy the whole private key")]
    Missing(&'static str),
    /// A field of the JWK that is no base64url, or too long.
    #[error("the field {0} of the JWK is damaged; copy the whole private key")]
    DamagedField(&'static str),
    /// Neither RSA nor an elliptic curve.
    #[error(
        "the type of this key is not supported; make one of RSA or of the curves P-256, P-384, P-521"
    )]
    Type,
    /// Another curve.
    #[error("the curve of this key is not supported; Okta takes P-256, P-384 and P-521")]
    Curve,
    /// The `alg` of a JWK that the key cannot sign with.
    #[error("the alg of the JWK does not fit the key; {0}")]
    Algorithm(&'static str),
    /// Short RSA keys are refused.
    #[error("the RSA key has fewer than 2048 bits; make a longer one")]
    TooSmall,
    /// As are overlong ones.
    #[error("the RSA key has more than 8192 bits; make a shorter one")]
    TooLarge,
    /// The parts contradict each other.
    #[error("the parts of the key do not belong together; copy it again from where it was made")]
    Inconsistent,
    /// Anything else.
    #[error(
        "the key cannot be read; it is cut off or of a type other than RSA, P-256, P-384 and P-521"
    )]
    Unreadable,
}
