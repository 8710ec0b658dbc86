//! What became of the events of a webhook story, and whether that is what was promised.

use std::collections::HashSet;
use std::fmt;

use receiver::{Comparison, Counts, Inbox};

use super::{BATCH, Request};

/// What came to the receivers; the one that drops what it knows is the last of two.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Workers killed.
    pub kills: usize,
    /// Of these where a batch was confirmed and not yet noted, so that it must come again.
    pub at_sent: usize,
    /// What came to each receiver.
    pub arrived: Vec<Arrived>,
}

/// What came to one receiver.
#[derive(Debug, Clone, Default)]
pub struct Arrived {
    /// The receiver's ledger.
    pub ledger: Comparison,
    /// What it counted.
    pub counts: Counts,
    /// Whether it drops batches whose key it knows.
    pub dedupes: bool,
    /// Batches kept that had been kept before, the same events in the same order.
    pub again: usize,
    /// Batches kept that repeat an event and are no earlier batch.
    pub torn: usize,
    /// The most events of a batch kept.
    pub longest: usize,
}

impl Arrived {
    pub(super) fn judge(inbox: &Inbox, published: &[Vec<u8>], requests: &[Request]) -> Self {
        let mut arrived = Self {
            ledger: inbox.compare(published),
            counts: inbox.counts(),
            dedupes: inbox.config().dedupe_batches,
            ..Self::default()
        };
        let mut seen = HashSet::new();
        let mut batches = HashSet::new();
        for (_, events) in requests {
            arrived.longest = arrived.longest.max(events.len());
            let new = events.iter().filter(|event| seen.insert(**event)).count();
            if !batches.insert(events) {
                arrived.again += 1;
            } else if new < events.len() {
                arrived.torn += 1;
            }
        }
        arrived
    }

    /// What speaks against it, when so many workers were killed.
    fn faults(&self, kills: usize) -> Vec<&'static str> {
        let webhook = &self.counts.webhook;
        let may_repeat = if self.dedupes { 0 } else { kills * BATCH };
        let same_keys = self.dedupes || webhook.repeated_batches == self.again as u64;
        let wanted = [
            ("events are missing", self.ledger.missing.is_empty()),
            ("events were altered", self.ledger.unexpected == 0),
            (
                "events are out of order",
                self.ledger.out_of_order.is_empty(),
            ),
            (
                "more was repeated than a batch per kill",
                self.ledger.repeats() <= may_repeat as u64
                    && webhook.repeated_batches <= kills as u64,
            ),
            ("a repeat is no earlier batch", self.torn == 0),
            ("a batch came again under another key", same_keys),
            (
                "a key came again with another batch",
                webhook.changed_batches == 0,
            ),
            ("a batch is too long", self.longest <= BATCH),
            ("a body was refused", webhook.refused == 0),
        ];
        let failed = wanted.into_iter().filter(|(_, held)| !held);
        failed.map(|(what, _)| what).collect()
    }
}

impl Outcome {
    /// Whether the promise was kept.
    pub fn kept(&self) -> bool {
        self.faults().is_empty()
    }

    /// What speaks against it.
    pub fn faults(&self) -> Vec<&'static str> {
        let mut faults: Vec<_> = self
            .arrived
            .iter()
            .flat_map(|arrived| arrived.faults(self.kills))
            .collect();
        let sent_again = |arrived: &Arrived| arrived.counts.webhook.repeated_batches;
        if self.arrived.iter().map(sent_again).sum::<u64>() < self.at_sent as u64 {
            faults.push("a kill behind a confirmed batch did not repeat it");
        }
        faults
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kills {} of which {} behind a confirmed batch",
            self.kills, self.at_sent
        )?;
        for arrived in &self.arrived {
            let webhook = &arrived.counts.webhook;
            write!(
                f,
                "\n{}: {}; requests {} of which refused by a fault {}; batches {} of which sent again {} torn {} longest {}",
                if arrived.dedupes {
                    "receiver that drops known keys"
                } else {
                    "receiver"
                },
                arrived.ledger,
                arrived.counts.requests,
                arrived.counts.faults,
                webhook.batches,
                webhook.repeated_batches,
                arrived.torn,
                arrived.longest
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use receiver::ReceiverConfig;

    use super::*;

    fn judge(batches: &[&[u64]]) -> Arrived {
        let now = Instant::now();
        let requests: Vec<Request> = batches.iter().map(|batch| (now, batch.to_vec())).collect();
        Arrived::judge(&Inbox::new(ReceiverConfig::default()), &[], &requests)
    }

    #[test]
    fn a_repeat_is_a_whole_earlier_batch_or_torn() {
        let whole = judge(&[&[1, 2], &[3, 4, 5], &[3, 4, 5], &[6]]);
        assert_eq!((whole.again, whole.torn, whole.longest), (1, 0, 3));
        for torn in [&[2, 3][..], &[1], &[2, 1], &[1, 2, 3]] {
            let judged = judge(&[&[1, 2], torn]);
            assert_eq!((judged.again, judged.torn), (0, 1), "{torn:?}");
        }
    }

    #[test]
    fn a_repeat_without_a_kill_breaks_the_promise() {
        let mut outcome = Outcome {
            arrived: vec![judge(&[&[1, 2], &[1, 2]])],
            ..Outcome::default()
        };
        assert_eq!(
            outcome.faults(),
            ["a batch came again under another key"],
            "the receiver knows nothing of its key"
        );
        for arrived in &mut outcome.arrived {
            arrived.counts.webhook.repeated_batches = 1;
        }
        assert_eq!(
            outcome.faults(),
            ["more was repeated than a batch per kill"]
        );
        outcome.kills = 1;
        assert!(outcome.kept());
        outcome.at_sent = 2;
        assert!(!outcome.kept(), "two must have come again");
    }
}
