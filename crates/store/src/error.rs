//! What can go wrong in the store, by meaning.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Things that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the design's words")]
pub enum Resource {
    Tenant,
    ApiKey,
    Credential,
    Source,
    Destination,
    Route,
    Job,
    Backfill,
}

impl Resource {
    /// The word for a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::ApiKey => "API key",
            Self::Credential => "credential",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Route => "route",
            Self::Job => "job",
            Self::Backfill => "backfill",
        }
    }
}

/// States that forbid what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another one of the tenant has this name.
    #[error("another {} has this name", .0.as_str())]
    NameTaken(Resource),
    /// This source already leads to this destination.
    #[error("a route from this source to this destination exists already")]
    RouteExists,
    /// A credential that sources use cannot be deleted.
    #[error("the credential is used by {0} source(s)")]
    CredentialInUse(i64),
    /// A destination that routes use cannot be deleted.
    #[error("the destination is used by {0} route(s)")]
    DestinationInUse(i64),
    /// Deleting would throw away events that are stored and not delivered.
    #[error("{0} stored event(s) are not delivered yet")]
    Undelivered(i64),
    /// Each backfill under way shares the source's requests with the others.
    #[error("{0} backfills of this source are under way")]
    TooManyBackfills(i64),
    /// The row has changed since the caller read it.
    #[error("the version is {0} now")]
    VersionChanged(i64),
    /// The credential reads another org than the source has been reading.
    #[error("the credential belongs to the org {theirs}, this source has been reading {ours}")]
    ForeignOrg {
        /// Org of the source.
        ours: String,
        /// Org of the credential.
        theirs: String,
    },
}

/// Failure of a store method. Nothing has been changed, except where a method says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row in this tenant.
    #[error("no such {}", .0.as_str())]
    NotFound(Resource),
    /// The state forbids it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A range of time in which there is nothing to read.
    #[error(transparent)]
    Range(#[from] model::range::RangeError),
    /// The lease of the job has gone to somebody else, or its log moved on: the work is void.
    #[error("the lease of the job is lost")]
    LeaseLost,
    /// No connection, or PostgreSQL is starting up or shutting down: try again.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Deadlock or serialization failure: try again at once.
    #[error("the transaction met another one: {0}")]
    Retry(String),
    /// A day has no partition; the caller makes it and tries again.
    #[error("no partition for this day")]
    NoPartition,
    /// A sealed secret does not open.
    #[error(transparent)]
    Sealing(#[from] crate::sealing::SealingError),
    /// A stored value that this version cannot read.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// The schema is older or newer than this program.
    #[error(
        "the database schema is {found}, this program needs {needed}; run `okta-collector migrate` of the right version"
    )]
    Schema {
        /// Newest migration in the database.
        found: String,
        /// Newest migration of the program.
        needed: String,
    },
    /// Anything else the database said.
    #[error("database error: {0}")]
    Database(DieselError),
}

impl StoreError {
    /// Whether the same call may succeed later without a change.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Retry(_))
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(
                // The second: a primary that has become a replica.
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction,
                info,
            ) => Self::Unavailable(info.message().to_owned()),
            // PostgreSQL reports a row without a partition as a violated check that has no name.
            DieselError::DatabaseError(DatabaseErrorKind::CheckViolation, info)
                if info.constraint_name().is_none() =>
            {
                Self::NoPartition
            }
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, info) => {
                Self::Retry(info.message().to_owned())
            }
            DieselError::DatabaseError(kind, info) => {
                let message = info.message();
                if message.contains("deadlock detected") {
                    Self::Retry(message.to_owned())
                } else if PASSING.iter().any(|text| message.contains(text)) {
                    Self::Unavailable(message.to_owned())
                } else {
                    Self::Database(DieselError::DatabaseError(kind, info))
                }
            }
            DieselError::BrokenTransactionManager => {
                Self::Unavailable("connection lost in a transaction".to_owned())
            }
            other => Self::Database(other),
        }
    }
}

/// Texts of PostgreSQL and its driver for a database that goes or comes; SQLSTATEs of class 57 and
/// transport errors do not survive Diesel's error type.
const PASSING: [&str; 10] = [
    "terminating connection",
    "connection closed",
    "the database system is",
    "error communicating with the server",
    "canceling statement due to",
    "remaining connection slots",
    "too many clients",
    "Broken pipe",
    "Connection reset",
    "cannot connect now",
];

/// The name of the unique constraint that an insert or update met, if it did.
pub(crate) fn unique_violation(error: &DieselError) -> Option<&str> {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
            info.constraint_name()
        }
        _ => None,
    }
}
