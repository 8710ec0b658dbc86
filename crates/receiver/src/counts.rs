//! What has arrived, in numbers.

use serde::Serialize;

use crate::insightops::Kept;

/// Everything since the start. An event is what a reader of the receiver would see as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Deliveries that arrived whole, whatever was answered.
    pub requests: u64,
    /// Events kept, repeats included.
    pub events: u64,
    /// Events kept for the first time.
    pub distinct: u64,
    /// Events that had been kept before, byte for byte.
    pub repeats: u64,
    /// Bytes of the events kept.
    pub bytes: u64,
    /// Deliveries that a fault hit.
    pub faults: u64,
    /// Deliveries whose sender left before the answer.
    pub abandoned: u64,
    /// Requests of clients that followed a redirect, which no sender of events may.
    pub redirects_followed: u64,
    /// The InsightOps part.
    pub insightops: InsightOpsCounts,
    /// The webhook part.
    pub webhook: WebhookCounts,
}

/// What the InsightOps contract did to entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InsightOpsCounts {
    /// Entries kept; the pieces of a split one count each.
    pub entries: u64,
    /// Bodies of more than one line, of which only the first was kept.
    pub cut: u64,
    /// Entries of more than 32,767 bytes, kept in pieces.
    pub split: u64,
    /// Entries that are not UTF-8, kept with U+FFFD in place of what is wrong.
    pub garbled: u64,
    /// Bodies without an entry.
    pub empty: u64,
    /// Entries answered 204 and thrown away, because nobody knows their token.
    pub discarded: u64,
    /// Entries of 65,536 bytes and more, answered 413.
    pub too_large: u64,
    /// Requests whose token is no UUID, answered 404.
    pub malformed_token: u64,
}

impl InsightOpsCounts {
    /// Counts a body; says whether its entries are kept.
    pub(crate) fn note(&mut self, kept: &Kept, known: bool) -> bool {
        let pieces = kept.entries.len() as u64;
        self.empty += u64::from(pieces == 0);
        if !known {
            self.discarded += u64::from(pieces > 0);
            return false;
        }
        self.entries += pieces;
        self.cut += u64::from(kept.cut);
        self.split += u64::from(pieces > 1);
        self.garbled += u64::from(kept.garbled);
        pieces > 0
    }
}

/// What came to webhook paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WebhookCounts {
    /// Bodies taken, single events and repeated ones included.
    pub batches: u64,
    /// Batches whose `Idempotency-Key` had come before.
    pub repeated_batches: u64,
    /// Repeated batches with other bytes than the first time: a key that is no key.
    pub changed_batches: u64,
    /// Bodies refused because they are not what their headers say.
    pub refused: u64,
}
