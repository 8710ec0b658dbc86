//! Jobs and leases.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::ids::{JobId, TenantId};

/// What a job does; one file of the worker each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobKind {
    /// Reads pages of one source.
    Poll,
    /// Delivers what one route still owes.
    Deliver,
    /// Takes care of one credential: tests a new secret, keeps a token alive, probes a refused one slowly.
    CheckCredential,
    /// Partitions, retention, sweeping; one for the installation.
    Janitor,
    /// Reads a past range of one source again.
    Backfill,
    /// Compares what one source has stored with what Okta shows.
    Verify,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Poll,
        Self::Deliver,
        Self::CheckCredential,
        Self::Janitor,
        Self::Backfill,
        Self::Verify,
    ];

    /// The number in the jobs table.
    pub fn number(self) -> i16 {
        match self {
            Self::Poll => 1,
            Self::Deliver => 2,
            Self::CheckCredential => 3,
            Self::Janitor => 4,
            Self::Backfill => 5,
            Self::Verify => 6,
        }
    }

    /// The kind of a number; `None` for one that a newer version wrote.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The word in logs, metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Deliver => "deliver",
            Self::CheckCredential => "check_credential",
            Self::Janitor => "janitor",
            Self::Backfill => "backfill",
            Self::Verify => "verify",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Proof of the right to run a job: every write of the job compares all three.
///
/// `epoch` grows with every lease and is never reset; `owner` is random per process start, so that
/// a database that went back in time (failover, lost asynchronous commit) cannot make two equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The job.
    pub job: JobId,
    /// How often the job has been leased.
    pub epoch: i64,
    /// The process that holds the lease.
    pub owner: i64,
}

/// Leases lost in a row at which a job is quarantined: it waits, runs alone, and says so.
pub const QUARANTINE: i32 = 5;

/// A leased job.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What every write must show.
    pub fence: Fence,
    /// Whose job it is; `None` for the installation's own.
    pub tenant: Option<TenantId>,
    /// What to do.
    pub kind: JobKind,
    /// To what: a source, a route, a credential, a backfill.
    pub subject: Uuid,
    /// The lane it was leased from.
    pub lane: i32,
    /// Runs since the last success, this one included.
    pub attempt: i32,
    /// Leases in a row that ended without a word from their holder.
    pub lost: i32,
    /// The lease before this one ended without a word.
    pub after_loss: bool,
    /// When it should have started.
    pub due_at: DateTime<Utc>,
    /// The database's wall clock at the lease.
    pub leased_at: DateTime<Utc>,
    /// W3C trace context of the request that caused the job, if any.
    pub trace_context: Option<String>,
}

/// How a run ended, and so when the job runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; again after this long (at once if poked meanwhile).
    Done {
        /// Until the next run.
        next: Duration,
    },
    /// Nothing was wrong with the job, the world asks to wait: the attempt is not counted.
    Snoozed {
        /// Until the next run; only an operator's poke shortens it.
        wait: Duration,
    },
    /// Failed: the attempt counts, the caller has computed the backoff.
    Failed {
        /// Until the next run; only an operator's poke shortens it.
        wait: Duration,
    },
}
