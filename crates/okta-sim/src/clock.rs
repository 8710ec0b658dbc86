//! The simulated clock: real time plus an offset that tests move.
//!
//! Every time the simulator shows or decides by comes from here: `Date`, rate limit windows,
//! persistence, retention, token expiry. Pauses on the wire (slow bytes) pass in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// Real time plus an offset. Clones share the offset, so one clock can drive several orgs.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    offset_ms: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock that shows real time until it is moved.
    pub fn new() -> Self {
        Self::default()
    }

    /// The simulated time, in whole milliseconds.
    pub fn now(&self) -> DateTime<Utc> {
        time(self.now_ms())
    }

    /// Moves the clock forward; it keeps running from there.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.fetch_add(by, Ordering::SeqCst);
    }

    /// Makes the clock show `to` now, earlier or later than it did; it keeps running from there.
    pub fn set(&self, to: DateTime<Utc>) {
        self.offset_ms
            .store(to.timestamp_millis() - real_ms(), Ordering::SeqCst);
    }

    /// The simulated time in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        real_ms().saturating_add(self.offset_ms.load(Ordering::SeqCst))
    }
}

/// Milliseconds since 1970 as a time; what no calendar holds becomes its nearest end.
pub(crate) fn time(ms: i64) -> DateTime<Utc> {
    let end = if ms < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    };
    DateTime::from_timestamp_millis(ms).unwrap_or(end)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator stands for another machine: its clock is not the collector's"
)]
fn real_ms() -> i64 {
    DateTime::<Utc>::from(SystemTime::now()).timestamp_millis()
}
