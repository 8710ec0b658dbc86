//! Rules for credentials.

use std::fmt;

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
