//! The org's log: every event ever taken in, in persistence order, found by either of its two times.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::events::ingest::{Events, Span};

/// Events in persistence order; an event's index is its place in that order, from 0.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    chunks: Vec<Bytes>,
    entries: Vec<Entry>,
    /// Hashes instead of bytes: 128 bits do not collide by chance within any log that fits in memory.
    known: HashSet<u128>,
    repeats: u64,
    /// `(published, index)` of the first `sorted` entries that have a `published`, in that order.
    by_published: Vec<(i64, usize)>,
    sorted: usize,
    /// Events that polling shows only since they were revealed; they are in the log twice.
    revealed: HashSet<usize>,
}

/// Which queries show an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// All of them.
    #[default]
    Everywhere,
    /// Bounded queries; polling withholds it.
    Bounded,
    /// Polling; bounded queries lack it.
    Polling,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    span: Span,
    persisted_ms: i64,
    shown: Shown,
}

impl EventLog {
    /// Appends events, the n-th persisted at `persisted_ms(n)`; a time before the last one's becomes
    /// that one, because the log's order is the order of persistence.
    pub(crate) fn append(
        &mut self,
        events: Events,
        shown: Shown,
        persisted_ms: impl Fn(usize) -> i64,
    ) -> Range<usize> {
        let start = self.entries.len();
        let chunks_before = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        self.chunks.extend(events.chunks);
        self.entries.reserve(events.spans.len());
        let mut last = self.last_persisted_ms().unwrap_or(i64::MIN);
        for (n, span) in events.spans.into_iter().enumerate() {
            let span = Span {
                chunk: chunks_before.saturating_add(span.chunk),
                ..span
            };
            last = last.max(persisted_ms(n));
            if !self
                .known
                .insert(xxh3_128(self.slice(span).unwrap_or_default()))
            {
                self.repeats += 1;
            }
            self.entries.push(Entry {
                span,
                persisted_ms: last,
                shown,
            });
        }
        start..self.entries.len()
    }

    /// Shows an event everywhere from now on; for polling that is as if it were persisted now. `false` if
    /// there is no such event or it is shown everywhere already.
    pub(crate) fn reveal(&mut self, index: usize, now_ms: i64) -> bool {
        let last = self.last_persisted_ms().unwrap_or(i64::MIN);
        let Some(entry) = self.entries.get_mut(index) else {
            return false;
        };
        match entry.shown {
            Shown::Everywhere => return false,
            Shown::Polling => entry.shown = Shown::Everywhere,
            Shown::Bounded => {
                if !self.revealed.insert(index) {
                    return false;
                }
                let again = Entry {
                    persisted_ms: last.max(now_ms),
                    shown: Shown::Polling,
                    ..*entry
                };
                self.entries.push(again);
            }
        }
        true
    }

    /// How many different events were ever taken in.
    pub(crate) fn taken_in(&self) -> usize {
        self.entries.len() - self.revealed.len()
    }

    /// Whether polling shows an event.
    pub(crate) fn is_polled(&self, index: usize) -> bool {
        let entry = self.entries.get(index);
        entry.is_some_and(|entry| entry.shown != Shown::Bounded)
    }

    /// Whether bounded queries show an event.
    pub(crate) fn is_in_windows(&self, index: usize) -> bool {
        let entry = self.entries.get(index);
        entry.is_some_and(|entry| entry.shown != Shown::Polling)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many events repeat an earlier one byte for byte.
    pub(crate) fn repeats(&self) -> u64 {
        self.repeats
    }

    pub(crate) fn last_persisted_ms(&self) -> Option<i64> {
        self.entries.last().map(|entry| entry.persisted_ms)
    }

    pub(crate) fn persisted_ms(&self, index: usize) -> Option<i64> {
        self.entries.get(index).map(|entry| entry.persisted_ms)
    }

    /// The bytes of an event, shared and not copied.
    pub(crate) fn bytes(&self, index: usize) -> Option<Bytes> {
        let span = self.entries.get(index)?.span;
        let start = span.start as usize;
        self.chunks
            .get(span.chunk as usize)
            .map(|chunk| chunk.slice(start..start + span.len as usize))
    }

    /// Index of the first event persisted at `ms` or later.
    pub(crate) fn first_persisted_at(&self, ms: i64) -> usize {
        self.entries
            .partition_point(|entry| entry.persisted_ms < ms)
    }

    /// All events that have a `published` as of the last [`EventLog::sort`], by that and then by persistence.
    pub(crate) fn by_published(&self) -> &[(i64, usize)] {
        &self.by_published
    }

    /// Takes new events into [`EventLog::by_published`]. An event added later never
    /// changes the order of two others, nor comes before an earlier one of the same `published`.
    pub(crate) fn sort(&mut self) {
        if self.sorted < self.entries.len() {
            let new = self.entries.iter().enumerate().skip(self.sorted);
            self.by_published
                .extend(new.filter_map(|(index, entry)| Some((entry.span.published_ms?, index))));
            #[expect(
                clippy::stable_sort_primitive,
                reason = "it is nearly sorted, and only the stable sort merges sorted runs"
            )]
            self.by_published.sort();
            self.sorted = self.entries.len();
        }
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        let start = span.start as usize;
        self.chunks
            .get(span.chunk as usize)?
            .get(start..start + span.len as usize)
    }
}
