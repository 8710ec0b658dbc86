//! What arrived, event by event, in hashes: first arrivals in their order, and how often each came again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

/// The hash an event is known by.
pub(crate) fn hash(event: &[u8]) -> u64 {
    xxh3_64(event)
}

#[derive(Debug)]
pub(crate) struct Ledger {
    /// First arrivals, oldest first.
    first: VecDeque<u64>,
    known: HashSet<u64, AsIs>,
    /// How many times more than once.
    again: HashMap<u64, u32, AsIs>,
    remember: usize,
}

impl Ledger {
    pub(crate) fn new(remember: usize) -> Self {
        Self {
            first: VecDeque::new(),
            known: HashSet::default(),
            again: HashMap::default(),
            remember: remember.max(1),
        }
    }

    /// Notes an arrival; says whether it is the first one.
    pub(crate) fn note(&mut self, event: u64) -> bool {
        if !self.known.insert(event) {
            let times = self.again.entry(event).or_default();
            *times = times.saturating_add(1);
            return false;
        }
        self.first.push_back(event);
        if self.first.len() > self.remember
            && let Some(oldest) = self.first.pop_front()
        {
            self.known.remove(&oldest);
            self.again.remove(&oldest);
        }
        true
    }

    /// Compares with what should have arrived, in its order.
    pub(crate) fn compare(&self, expected: &[impl AsRef<[u8]>]) -> Comparison {
        let mut places: HashMap<u64, usize, AsIs> = HashMap::default();
        let mut distinct = Vec::with_capacity(expected.len());
        for (place, event) in expected.iter().enumerate() {
            places.entry(hash(event.as_ref())).or_insert_with(|| {
                distinct.push(place);
                place
            });
        }
        let mut result = Comparison {
            expected: distinct.len(),
            ..Comparison::default()
        };
        let mut newest = 0;
        for event in &self.first {
            match places.get(event) {
                None => result.unexpected += 1,
                Some(place) => {
                    result.arrived += 1;
                    if *place < newest {
                        result.out_of_order.push(*place);
                    }
                    newest = newest.max(*place);
                }
            }
        }
        result.missing = distinct;
        result.missing.retain(|place| {
            let event = expected.get(*place);
            event.is_none_or(|event| !self.known.contains(&hash(event.as_ref())))
        });
        for (event, times) in &self.again {
            match places.get(event) {
                None => result.unexpected += *times as usize,
                Some(place) => result.repeated.push((*place, *times)),
            }
        }
        result.repeated.sort_unstable();
        result
    }
}

/// What became of expected events; places are those in the expected list, from 0.
///
/// An event that is expected twice, byte for byte, counts as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Distinct events that were expected.
    pub expected: usize,
    /// Those of them that arrived.
    pub arrived: usize,
    /// Events that did not arrive.
    pub missing: Vec<usize>,
    /// Events that arrived again, and how many times too many.
    pub repeated: Vec<(usize, u32)>,
    /// Events whose first arrival came after that of an event expected later.
    pub out_of_order: Vec<usize>,
    /// Arrivals that are no expected event: their bytes were altered, or they are not ours.
    pub unexpected: usize,
}

impl Comparison {
    /// Arrivals too many, all events together.
    pub fn repeats(&self) -> u64 {
        self.repeated
            .iter()
            .map(|(_, times)| u64::from(*times))
            .sum()
    }

    /// Whether every event arrived at least once, unaltered; says nothing of their order.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected == 0
    }

    /// Whether every event arrived exactly once, unaltered and in order.
    pub fn is_perfect(&self) -> bool {
        self.is_complete() && self.repeated.is_empty() && self.out_of_order.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected {} arrived {} missing {} unexpected {} repeats {} out of order {}",
            self.expected,
            self.arrived,
            self.missing.len(),
            self.unexpected,
            self.repeats(),
            self.out_of_order.len()
        )?;
        if let Some(first) = self.missing.first() {
            write!(f, " (first missing: {first})")?;
        }
        Ok(())
    }
}

/// Takes keys that are hashes already as they are.
#[derive(Debug, Default)]
pub(crate) struct Same(u64);

pub(crate) type AsIs = BuildHasherDefault<Same>;

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(remember: usize, events: &[&str]) -> Ledger {
        let mut ledger = Ledger::new(remember);
        for event in events {
            ledger.note(hash(event.as_bytes()));
        }
        ledger
    }

    #[test]
    fn a_comparison_tells_missing_repeated_altered_and_late_ones() {
        let ledger = ledger(usize::MAX, &["a", "c", "b", "a", "x", "x", "a", "e"]);
        let result = ledger.compare(&["a", "b", "c", "d", "e", "a"]);
        assert_eq!(
            result,
            Comparison {
                expected: 5,
                arrived: 4,
                missing: vec![3],
                repeated: vec![(0, 2)],
                out_of_order: vec![1],
                unexpected: 2,
            }
        );
        assert_eq!(result.repeats(), 2);
        assert!(!result.is_complete());
        let text = "expected 5 arrived 4 missing 1 unexpected 2 repeats 2 out of order 1 (first missing: 3)";
        assert_eq!(result.to_string(), text);
    }

    #[test]
    fn what_arrived_once_and_in_order_is_perfect() {
        assert!(
            ledger(usize::MAX, &["a", "b"])
                .compare(&["a", "b"])
                .is_perfect()
        );
        let late = ledger(usize::MAX, &["b", "a"]).compare(&["a", "b"]);
        assert!(late.is_complete() && !late.is_perfect());
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut ledger = ledger(2, &["a", "a", "b", "c"]);
        assert!(!ledger.note(hash(b"c")));
        assert!(ledger.note(hash(b"a")), "it was forgotten");
        assert_eq!(ledger.first.len(), 2);
    }
}
