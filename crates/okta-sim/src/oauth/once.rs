//! Things that may be used once: `jti` of assertions and proofs.

use std::collections::{HashSet, VecDeque};

/// Remembers what was used until it would be refused for its age anyway.
#[derive(Debug, Default)]
pub(crate) struct Once {
    used: HashSet<String>,
    order: VecDeque<(i64, String)>,
}

impl Once {
    /// Whether `key` is new; it is used from now on.
    pub(crate) fn first(&mut self, key: String, keep_until_s: i64, now_s: i64) -> bool {
        while self.order.front().is_some_and(|(until, _)| *until < now_s) {
            if let Some((_, old)) = self.order.pop_front() {
                self.used.remove(&old);
            }
        }
        if !self.used.insert(key.clone()) {
            return false;
        }
        self.order.push_back((keep_until_s, key));
        true
    }

    /// Makes `key` new again.
    pub(crate) fn forget(&mut self, key: &str) {
        self.used.remove(key);
    }
}
