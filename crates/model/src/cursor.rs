//! The cursor: Okta's next link, kept whole and never looked into.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A next link exactly as Okta sent it, to be asked for as it stands.
///
/// It holds no secret, but it does repeat the source's filter. Only the `okta` crate looks inside, to
/// check its origin and to rewrite its `limit`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Keeps `link` byte for byte.
    pub fn new(link: impl Into<String>) -> Self {
        Self(link.into())
    }

    /// The link as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The link, to be stored.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
