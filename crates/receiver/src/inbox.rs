//! What is behind the listener: the ledger, the counts, the faults. It outlives its receiver.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use crate::config::{Keep, ReceiverConfig};
use crate::counts::Counts;
use crate::faults::{Fault, Faults, Injection};
use crate::insightops::Kept;
use crate::ledger::{AsIs, Comparison, Ledger, hash};
use crate::query::{Entry, Queries};
use crate::webhook::Batch;

/// Entries that a query can look through, newest.
const SEARCHABLE: usize = 10_000;

/// What has arrived. Clones are the same inbox.
#[derive(Clone)]
pub struct Inbox {
    config: Arc<ReceiverConfig>,
    state: Arc<Mutex<State>>,
}

pub(crate) struct State {
    pub(crate) counts: Counts,
    pub(crate) faults: Faults,
    pub(crate) queries: Queries,
    pub(crate) searchable: VecDeque<Entry>,
    ledger: Ledger,
    kept: Vec<Bytes>,
    /// The `Idempotency-Key` of each batch and what its body was, in hashes.
    batches: HashMap<u64, u64, AsIs>,
}

impl Inbox {
    /// An empty one.
    pub fn new(config: ReceiverConfig) -> Self {
        let state = State {
            counts: Counts::default(),
            faults: Faults::new(config.seed),
            queries: Queries::default(),
            searchable: VecDeque::new(),
            ledger: Ledger::new(config.remember),
            kept: Vec::new(),
            batches: HashMap::default(),
        };
        Self {
            config: Arc::new(config),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What has arrived so far, in numbers.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// All events in the order of their arrival, repeats included; none without [`Keep::Bytes`].
    pub fn events(&self) -> Vec<Bytes> {
        self.state().kept.clone()
    }

    /// Compares what arrived with what should have, in its order.
    pub fn compare(&self, expected: &[impl AsRef<[u8]>]) -> Comparison {
        self.state().ledger.compare(expected)
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, injection: Injection) {
        self.state().faults.inject(injection, Instant::now());
    }

    /// Forgets all faults and lets go of the requests they hold.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// What it was made with.
    pub fn config(&self) -> &ReceiverConfig {
        &self.config
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a delivery that has arrived, and gives the fault that hits it.
    pub(crate) fn arrived(&self, now: Instant) -> Option<Fault> {
        let mut state = self.state();
        state.counts.requests += 1;
        let fault = state.faults.take(false, now);
        state.counts.faults += u64::from(fault.is_some());
        fault
    }

    /// Records what InsightOps keeps of a body; nothing if nobody knows the token.
    pub(crate) fn record_entries(&self, kept: &Kept, known: bool, now: Instant) {
        let hashes: Vec<u64> = kept.entries.iter().map(|entry| hash(entry)).collect();
        {
            let mut state = self.state();
            if !state.counts.insightops.note(kept, known) {
                return;
            }
            for (entry, hash) in kept.entries.iter().zip(hashes) {
                state.note(hash, entry.len());
                if self.config.keep == Keep::Bytes {
                    state.kept.push(entry.clone());
                }
                if self.config.read_back.is_some() {
                    state.searchable.push_back(Entry::new(entry.clone(), now));
                    if state.searchable.len() > SEARCHABLE {
                        state.searchable.pop_front();
                    }
                }
            }
        }
        self.tell(kept.entries.iter().map(|entry| &entry[..]), now);
    }

    /// Records a webhook's batch; its events only if it does not repeat one, or repeats count.
    pub(crate) fn record_batch(&self, batch: &Batch, key: Option<&[u8]>, now: Instant) {
        let body = &batch.body;
        let event = |range: &Range<usize>| body.get(range.clone()).unwrap_or_default();
        let hashes: Vec<u64> = batch
            .events
            .iter()
            .map(|range| hash(event(range)))
            .collect();
        let key = key.map(|key| (hash(key), hash(body)));
        {
            let mut state = self.state();
            state.counts.webhook.batches += 1;
            let before = key.and_then(|(key, content)| state.batches.insert(key, content));
            if let Some(before) = before {
                state.counts.webhook.repeated_batches += 1;
                let changed = key.is_some_and(|(_, content)| content != before);
                state.counts.webhook.changed_batches += u64::from(changed);
                if self.config.dedupe_batches {
                    return;
                }
            }
            for (range, hash) in batch.events.iter().zip(hashes) {
                state.note(hash, range.len());
            }
            if self.config.keep == Keep::Bytes {
                let events = batch.events.iter().map(|range| body.slice(range.clone()));
                state.kept.extend(events);
            }
        }
        self.tell(batch.events.iter().map(event), now);
    }

    fn tell<'a>(&self, events: impl Iterator<Item = &'a [u8]>, now: Instant) {
        if let Some(hook) = &self.config.on_event {
            events.for_each(|event| hook(event, now));
        }
    }
}

impl State {
    fn note(&mut self, hash: u64, bytes: usize) {
        let first = self.ledger.note(hash);
        self.counts.events += 1;
        self.counts.bytes += bytes as u64;
        self.counts.distinct += u64::from(first);
        self.counts.repeats += u64::from(!first);
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("config", &self.config)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
