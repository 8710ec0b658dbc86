//! Wall time, taken from the database at each claim and carried on by the monotonic clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use model::schedule::after;

/// The database's clock, as last heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wall(Arc<Mutex<Option<Heard>>>);

#[derive(Debug, Clone, Copy)]
struct Heard {
    at: DateTime<Utc>,
    then: Instant,
}

impl Wall {
    /// Notes what the database said just now.
    pub(crate) fn heard(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Heard {
            at: now,
            then: Instant::now(),
        });
    }

    /// The time; the database has been heard before any job runs.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or(DateTime::UNIX_EPOCH, |Heard { at, then }| {
            after(at, then.elapsed())
        })
    }
}
