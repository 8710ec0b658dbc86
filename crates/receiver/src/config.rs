//! What a receiver is like when it starts.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Called with the bytes of each event that is kept and the instant its request had arrived whole,
/// before the answer is sent. Runs on the connection's task: it must be quick.
pub type OnEvent = Arc<dyn Fn(&[u8], Instant) + Send + Sync>;

/// A listener and what is behind it. Its `Debug` form leaves out tokens and keys.
#[derive(Clone)]
pub struct ReceiverConfig {
    /// Where to listen; port 0 takes a free one. Default: a free port on 127.0.0.1.
    pub listen: SocketAddr,
    /// The InsightOps log tokens that exist. Empty: every token exists that is a UUID.
    pub tokens: Vec<Uuid>,
    /// The query API over the log that all tokens write into; `None`: there is none.
    pub read_back: Option<ReadBack>,
    /// Paths that take webhooks. Default: `/`.
    pub paths: Vec<String>,
    /// Whether the events of a webhook batch with a known `Idempotency-Key` are left out of the
    /// ledger. Default: they are counted as repeats.
    pub dedupe_batches: bool,
    /// What is kept of events. Default: hashes.
    pub keep: Keep,
    /// How many distinct events the ledger knows; the oldest are forgotten first, so that one of them
    /// counts as new when it comes again. Default: no limit.
    pub remember: usize,
    /// Chooses the requests that faults with a share hit.
    pub seed: u64,
    /// Called per event.
    pub on_event: Option<OnEvent>,
}

/// What is kept of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// 64 bits of hash, enough to compare: of two million events, one pair in ten million runs is
    /// taken for a repeat.
    #[default]
    Hashes,
    /// Their bytes too, all of them, repeats included: for small tests.
    Bytes,
}

/// The query API of a log. Its `Debug` form leaves out the key.
#[derive(Clone)]
pub struct ReadBack {
    /// The log's id: not a token.
    pub log_id: Uuid,
    /// The `x-api-key` that may read it.
    pub key: String,
    /// How long after its arrival an entry can be found; about 10 s at Rapid7. Default: at once.
    pub searchable_after: Duration,
    /// How often a query is answered with progress instead of a result, after the first answer,
    /// which is always progress.
    pub progress_answers: u32,
}

impl ReadBack {
    /// A log that can be searched at once, with one more answer of progress after the first.
    pub fn new(log_id: Uuid, key: impl Into<String>) -> Self {
        Self {
            log_id,
            key: key.into(),
            searchable_after: Duration::ZERO,
            progress_answers: 1,
        }
    }
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tokens: Vec::new(),
            read_back: None,
            paths: vec!["/".to_owned()],
            dedupe_batches: false,
            keep: Keep::default(),
            remember: usize::MAX,
            seed: 1,
            on_event: None,
        }
    }
}

impl fmt::Debug for ReceiverConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverConfig")
            .field("listen", &self.listen)
            .field("tokens", &self.tokens.len())
            .field("read_back", &self.read_back)
            .field("paths", &self.paths)
            .field("dedupe_batches", &self.dedupe_batches)
            .field("keep", &self.keep)
            .field("remember", &self.remember)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReadBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBack")
            .field("log_id", &self.log_id)
            .field("searchable_after", &self.searchable_after)
            .field("progress_answers", &self.progress_answers)
            .finish_non_exhaustive()
    }
}
