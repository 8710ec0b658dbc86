//! What should become of published events.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::hostile;

/// What should become of the events, once each.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) whole: Vec<Vec<u8>>,
    /// By what their entry will say of them: SHA-256 in hexadecimal digits.
    pub(super) oversized: HashMap<String, Vec<u8>>,
    pub(super) garbled: HashSet<Vec<u8>>,
}

impl Expected {
    pub(super) fn of(published: &[Vec<u8>]) -> Self {
        let mut expected = Self::default();
        let mut seen = HashSet::new();
        for event in published {
            let event = hostile::stored(event);
            if !seen.insert(event.clone()) {
                continue;
            }
            if str::from_utf8(&event).is_err() {
                expected.garbled.insert(event);
            } else if event.len() > receiver::LONGEST_ENTRY {
                expected.oversized.insert(sha256(&event), event);
            } else {
                expected.whole.push(event);
            }
        }
        expected
    }

    /// How many there are.
    pub(super) fn distinct(&self) -> usize {
        self.whole.len() + self.oversized.len() + self.garbled.len()
    }

    /// The oversized event that an entry is the shrunk form of: marked with its size and digest, JSON, and
    /// small enough.
    pub(super) fn shrunk(&self, entry: &[u8]) -> Option<String> {
        let fields: Value = serde_json::from_slice(entry).ok()?;
        let digest = fields.get("_sha256")?.as_str()?;
        let original = self.oversized.get(digest)?;
        let marked = fields.get("_truncated") == Some(&json!(true))
            && fields.get("_original_bytes") == Some(&json!(original.len()));
        (marked && entry.len() <= receiver::LONGEST_ENTRY).then(|| digest.to_owned())
    }
}

/// In hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}
