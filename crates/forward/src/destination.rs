//! What a destination is: it takes a batch and says, by meaning, what became of it.
//!
//! Every answer of every protocol is classified once, by its destination, into the few cases of
//! [`Then`]; who delivers decides by these alone.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use model::status::Trouble;
use tokio::sync::Notify;

use crate::Events;

/// What "delivered" proves at a kind of destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The destination keeps the events: they survive a crash of it.
    Stored,
    /// The destination has said that it will take care of them.
    Accepted,
    /// They have left this machine; there is no answer that could be lost.
    Sent,
}

impl Proof {
    /// The word shown in status and ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Accepted => "accepted",
            Self::Sent => "sent",
        }
    }
}

/// How much a destination takes at once. A single event that is larger is still a batch of its own.
/// Bytes are those of the events as stored; a format that adds to them may go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most events in a batch.
    pub max_events: usize,
    /// Most bytes of events in a batch, before formatting.
    pub max_bytes: usize,
}

/// A delivery batch: the same bytes and the same key on every attempt. A clone shares the bytes.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The idempotency key, for destinations that can tell a repeated batch: printable ASCII, the same
    /// on every attempt, never used for other bytes.
    pub key: String,
    /// The events in log order, formatted.
    pub events: Events,
}

/// An event refused for good: sending it again cannot help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which event of the batch, counted from 0.
    pub index: usize,
    /// The cause as a stable word; refusals of one cause in a row are counted.
    pub cause: &'static str,
    /// The cause in full, for a person.
    pub detail: String,
}

/// An event that was delivered smaller than it is, marked as such, because the destination takes no
/// more. Its original is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// Which event of the batch, counted from 0.
    pub index: usize,
    /// What was left out, for a person.
    pub detail: String,
}

/// What to do after a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Send what follows the settled prefix.
    Continue,
    /// Send what is not settled again, later.
    Retry {
        /// At the earliest after this time; none: when the backoff says so.
        after: Option<Duration>,
        /// What the status shows meanwhile.
        trouble: Trouble,
        /// What happened.
        detail: String,
    },
    /// The batch is too large for the destination: send it in smaller ones.
    Split,
    /// Nothing will be taken until somebody changes something.
    Stop {
        /// What the status shows.
        trouble: Trouble,
        /// What happened and what to do.
        detail: String,
    },
}

/// The answer to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many events from the first on need not be sent again: delivered, duplicate or refused.
    pub settled: usize,
    /// How many of the settled ones the destination already had.
    pub duplicates: usize,
    /// The settled ones that were refused, by ascending index.
    pub refused: Vec<Refusal>,
    /// The settled ones that were delivered shrunk, by ascending index.
    pub shrunk: Vec<Shrunk>,
    /// What next.
    pub then: Then,
}

impl Report {
    /// All `count` events of a batch are settled.
    pub fn all(count: usize) -> Self {
        Self {
            settled: count,
            duplicates: 0,
            refused: Vec::new(),
            shrunk: Vec::new(),
            then: Then::Continue,
        }
    }

    /// Nothing of the batch is settled.
    pub fn none(then: Then) -> Self {
        Self {
            then,
            ..Self::all(0)
        }
    }
}

/// Tells the caller of a delivery that answers are coming, however long the whole batch takes: a
/// destination that takes one event a request is slow only if one of them is.
#[derive(Debug, Default)]
pub struct Progress(Notify);

impl Progress {
    /// A request of the batch has been answered.
    pub fn answered(&self) {
        self.0.notify_one();
    }

    /// Waits for the next answer; one that came since the last wait counts.
    pub async fn next(&self) {
        self.0.notified().await;
    }
}

/// What came out of one step of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which step, as a stable word.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen, and what to do if it is not well, for a person.
    pub detail: String,
}

/// How a step of a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Passed,
    /// It does not; the word says why, and is stable.
    Failed(&'static str),
    /// It was not tried, or cannot be known.
    Skipped,
}

/// A place where events go.
#[async_trait]
pub trait Destination: Send + Sync + Debug {
    /// How much may be in a batch.
    fn limits(&self) -> Limits;

    /// Delivers a batch and says how far it got. Never fails otherwise: every fault is a [`Then`].
    ///
    /// Dropping the future is allowed at any time; the batch may or may not have arrived then, but no
    /// event has arrived in part.
    async fn deliver(&self, batch: &Batch, progress: &Progress) -> Report;

    /// Tries the destination with something harmless that carries `nonce`, and says what that proves.
    /// `now` is the present moment. Ends within half a minute.
    async fn test(&self, nonce: &str, now: DateTime<Utc>) -> Vec<Check>;
}
