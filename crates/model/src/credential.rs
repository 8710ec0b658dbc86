//! Rules for credentials.

use std::fmt;

use secrecy::SecretString;

/// What proves to Okta that a log may be read. Nothing prints the secret part.
#[derive(Clone, Debug)]
pub enum Secret {
    /// An API token.
    Ssws(SecretString),
    /// The key of an OAuth 2.0 service app.
    OAuth(AppKey),
}

/// What a service app signs with when it asks for an access token.
#[derive(Clone, Debug)]
pub struct AppKey {
    /// The app's client ID. The app, and not its key, is what Okta grants a budget to.
    pub client_id: String,
    /// Which of the app's public keys fits, where it has several.
    pub key_id: Option<String>,
    /// How it signs, such as `RS256`; follows from the key and is stored to be shown.
    pub algorithm: String,
    /// The private key, as PEM or JWK.
    pub private_key: SecretString,
}

/// The kinds of [`Secret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// An API token.
    Ssws,
    /// An OAuth 2.0 service app with a private key.
    OAuth,
}

impl Secret {
    /// Its kind.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Ssws(_) => CredentialKind::Ssws,
            Self::OAuth(_) => CredentialKind::OAuth,
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CredentialKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Ssws, Self::OAuth];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssws => "ssws",
            Self::OAuth => "oauth",
        }
    }

    /// The kind of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What is known about a credential's right to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// Never tried, or changed since.
    Unverified,
    /// Okta accepted it the last time.
    Valid,
    /// Okta refused it, or its domain is no org; its sources wait for a change.
    Rejected,
    /// Accepted, but will die soon for lack of use.
    Expiring,
    /// Past its idle days.
    Expired,
}

impl CredentialState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Unverified,
        Self::Valid,
        Self::Rejected,
        Self::Expiring,
        Self::Expired,
    ];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Valid => "valid",
            Self::Rejected => "rejected",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
        }
    }

    /// The state of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// What it means, for a person, where no trouble says more; `None`: all is well.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Valid => None,
            Self::Unverified => Some("it has not been tried yet"),
            Self::Expiring => Some(
                "it has not been used for two weeks or more, and Okta lets a token die after 30 days",
            ),
            Self::Rejected => Some("Okta refused it"),
            Self::Expired => Some("it was not used for 30 days, and Okta lets such tokens die"),
        }
    }

    /// What to do about it, for a person, likewise.
    pub fn next_step(self) -> Option<&'static str> {
        match self {
            Self::Valid => None,
            Self::Unverified => Some(
                "nothing to do; it is tried by the first poll of a source, else within minutes",
            ),
            Self::Expiring => Some(
                "nothing to do if Okta can be reached again soon; test the credential to see what keeps it from being used",
            ),
            Self::Rejected | Self::Expired => Some("set a new token on the credential"),
        }
    }

    /// Whether polling with it makes sense; if not, only the slow probe calls Okta.
    pub fn usable(self) -> bool {
        !matches!(self, Self::Rejected | Self::Expired)
    }
}

impl fmt::Display for CredentialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
