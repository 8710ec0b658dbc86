//! What became of the events of an InsightOps story, and whether that is what was promised.

use std::fmt;

use receiver::{Comparison, Counts};

use super::{BATCH, IN_FLIGHT};

/// What became of the events.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Events the org showed, and how many of them differ.
    pub published: usize,
    /// See `published`.
    pub distinct: usize,
    /// Those that fit into an entry, and what became of them.
    pub whole: Comparison,
    /// Those that are too large, and how many of them arrived shrunk, marked and valid.
    pub oversized: usize,
    /// See `oversized`.
    pub shrunk: usize,
    /// Entries that are neither an event nor a shrunk one.
    pub strangers: usize,
    /// Those that are no UTF-8.
    pub garbled: usize,
    /// Dead letters that hold such an event, byte for byte, as refused.
    pub dead: usize,
    /// Dead letters that hold an oversized event, byte for byte, as the original of a shrunk one.
    pub originals: usize,
    /// Dead letters that should not be there.
    pub wrong_letters: usize,
    /// The source's ledger, all hours together.
    pub stored: i64,
    /// See `stored`.
    pub duplicate: i64,
    /// See `stored`.
    pub delivered: i64,
    /// See `stored`.
    pub refused: i64,
    /// What the receiver counted.
    pub receiver: Counts,
    /// Workers killed.
    pub kills: usize,
}

impl Outcome {
    /// Whether the promise was kept: every event accounted for, none torn, and few sent again.
    pub fn kept(&self) -> bool {
        self.faults().is_empty()
    }

    /// What speaks against it, one a line.
    pub fn faults(&self) -> Vec<String> {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let counts = &self.receiver.insightops;
        let torn = counts.cut + counts.split + counts.garbled + counts.empty + counts.too_large;
        // Each reset may repeat what was under way, each end of a worker a delivery batch.
        let may_repeat = self.receiver.faults * IN_FLIGHT + self.kills as u64 * BATCH;
        let wanted = [
            ("events that fit are missing", self.whole.missing.is_empty()),
            (
                "an oversized event is missing",
                self.shrunk == self.oversized,
            ),
            ("entries are no event", self.strangers == 0),
            ("entries were cut, split, garbled or too large", torn == 0),
            (
                "entries went astray",
                counts.discarded + counts.malformed_token == 0,
            ),
            ("broken text is no dead letter", self.dead == self.garbled),
            ("an original is not kept", self.originals == self.oversized),
            ("there are wrong dead letters", self.wrong_letters == 0),
            ("the ledger: stored", self.stored == count(self.distinct)),
            (
                "the ledger: duplicate",
                self.duplicate == count(self.published - self.distinct),
            ),
            (
                "the ledger: delivered",
                self.delivered == count(self.whole.expected + self.oversized),
            ),
            ("the ledger: dead", self.refused == count(self.garbled)),
            (
                "more was repeated than faults explain",
                self.receiver.repeats <= may_repeat,
            ),
            (
                "a redirect was followed",
                self.receiver.redirects_followed == 0,
            ),
        ];
        let failed = wanted.into_iter().filter(|(_, held)| !held);
        failed.map(|(what, _)| what.to_owned()).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "published {} distinct {}; kills {}; requests {} of which faulty {}",
            self.published, self.distinct, self.kills, self.receiver.requests, self.receiver.faults
        )?;
        writeln!(f, "that fit: {}", self.whole)?;
        writeln!(
            f,
            "oversized {} arrived shrunk {} originals kept {}; broken text {} dead letters {} wrong ones {}",
            self.oversized,
            self.shrunk,
            self.originals,
            self.garbled,
            self.dead,
            self.wrong_letters
        )?;
        writeln!(
            f,
            "ledger: stored {} duplicate {} delivered {} dead {}",
            self.stored, self.duplicate, self.delivered, self.refused
        )?;
        write!(
            f,
            "repeats {}; strangers {}; {:?}",
            self.receiver.repeats, self.strangers, self.receiver.insightops
        )
    }
}
