//! Identifiers. Everything that appears on the wire is a UUIDv7 made by the database; jobs are numbered.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

uuid_ids! {
    /// Owner of credentials, sources and destinations.
    TenantId,
    /// A right to read one Okta org.
    CredentialId,
    /// One Okta System Log that is polled.
    SourceId,
    /// A numbered sequence of batches of one source.
    LogId,
    /// Where events go.
    DestinationId,
    /// One source to one destination.
    RouteId,
    /// A past range of a source that is read again.
    BackfillId,
}

/// A recurring unit of work; numbered by the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
