//! Slots: how many jobs of each class run at once. A job is leased only for a free slot.

use std::sync::{Arc, Mutex, PoisonError};

use model::job::JobKind;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Jobs that share slots, so that no class can starve another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Poll,
    Deliver,
    /// Routes that count as failing: at most a quarter of the delivery slots, beside them.
    Failing,
    Care,
    /// Readings of past ranges: few, so that they never crowd out live work.
    Range,
}

impl Class {
    pub(crate) const ALL: [Self; 5] = [
        Self::Poll,
        Self::Deliver,
        Self::Failing,
        Self::Care,
        Self::Range,
    ];

    pub(crate) fn of(kind: JobKind, failing: bool) -> Self {
        match (kind, failing) {
            (JobKind::Poll, _) => Self::Poll,
            (JobKind::Deliver, false) => Self::Deliver,
            (JobKind::Deliver, true) => Self::Failing,
            (JobKind::CheckCredential | JobKind::Janitor, _) => Self::Care,
            (JobKind::Backfill | JobKind::Verify, _) => Self::Range,
        }
    }
}

/// How many slots there are.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    /// Sources polled at once.
    pub poll: usize,
    /// Routes delivered at once; failing routes have a quarter of this beside it.
    pub deliver: usize,
    /// Probes and the janitor.
    pub care: usize,
    /// Backfills and verifications.
    pub range: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            poll: 16,
            deliver: 16,
            care: 2,
            range: 2,
        }
    }
}

/// The slots of a process.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    poll: Arc<Semaphore>,
    deliver: Arc<Semaphore>,
    failing: Arc<Semaphore>,
    care: Arc<Semaphore>,
    range: Arc<Semaphore>,
    freed: Arc<Notify>,
}

impl Pool {
    pub(crate) fn new(slots: Slots) -> Self {
        let semaphore = |n: usize| Arc::new(Semaphore::new(n.max(1)));
        Self {
            poll: semaphore(slots.poll),
            deliver: semaphore(slots.deliver),
            failing: semaphore(slots.deliver / 4),
            care: semaphore(slots.care),
            range: semaphore(slots.range),
            freed: Arc::default(),
        }
    }

    /// Told whenever a slot may have become free.
    pub(crate) fn freed(&self) -> &Arc<Notify> {
        &self.freed
    }

    fn semaphore(&self, class: Class) -> &Arc<Semaphore> {
        match class {
            Class::Poll => &self.poll,
            Class::Deliver => &self.deliver,
            Class::Failing => &self.failing,
            Class::Care => &self.care,
            Class::Range => &self.range,
        }
    }

    /// Free slots of a class.
    pub(crate) fn free(&self, class: Class) -> usize {
        self.semaphore(class).available_permits()
    }

    /// Takes a slot, if one is free.
    pub(crate) fn take(&self, class: Class) -> Option<Slot> {
        let permit = Arc::clone(self.semaphore(class)).try_acquire_owned().ok()?;
        Some(Slot {
            pool: self.clone(),
            held: Mutex::new((class, permit)),
        })
    }
}

/// A taken slot; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Pool,
    held: Mutex<(Class, OwnedSemaphorePermit)>,
}

impl Slot {
    /// Gives a healthy delivery slot back and goes on in one of the failing ones. `false`: there is
    /// none, the caller must end.
    pub(crate) fn leave_healthy(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != Class::Deliver {
            return true;
        }
        match Arc::clone(&self.pool.failing).try_acquire_owned() {
            Ok(permit) => {
                *held = (Class::Failing, permit);
                self.pool.freed.notify_one();
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_routes_have_a_quarter_and_a_slow_one_moves_there() {
        let pool = Pool::new(Slots {
            poll: 1,
            deliver: 8,
            care: 1,
            range: 1,
        });
        assert_eq!(
            (pool.free(Class::Deliver), pool.free(Class::Failing)),
            (8, 2)
        );
        let slow: Vec<_> = (0..3).filter_map(|_| pool.take(Class::Deliver)).collect();
        assert_eq!(
            slow.iter().map(Slot::leave_healthy).collect::<Vec<_>>(),
            [true, true, false]
        );
        assert_eq!(
            (pool.free(Class::Deliver), pool.free(Class::Failing)),
            (7, 0)
        );
        drop(slow);
        assert_eq!(
            (pool.free(Class::Deliver), pool.free(Class::Failing)),
            (8, 2)
        );
    }
}
