//! The jobs that run in this process: their leases are kept, and those that lose theirs are stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::ids::JobId;
use model::job::Fence;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Part of a lease after which the holder stops by itself, if it could not renew it.
const SAFE: f64 = 0.75;

#[derive(Debug)]
struct Entry {
    fence: Fence,
    since: Instant,
    deadline: Instant,
    cancel: CancellationToken,
}

/// The registry of running jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<JobId, Entry>>>);

/// Holds a job's place in the registry; gone when dropped, so that a dead job cannot look alive.
#[derive(Debug)]
pub(crate) struct Registered {
    running: Running,
    fence: Fence,
    /// Cancelled when the lease is lost or the process must end.
    pub(crate) cancel: CancellationToken,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut entries = self.running.lock();
        if entries
            .get(&self.fence.job)
            .is_some_and(|entry| entry.fence == self.fence)
        {
            entries.remove(&self.fence.job);
        }
    }
}

impl Running {
    /// Registers a job whose lease was asked for at `asked`.
    pub(crate) fn register(&self, fence: Fence, asked: Instant, lease: Duration) -> Registered {
        let cancel = CancellationToken::new();
        let entry = Entry {
            fence,
            since: asked,
            deadline: asked + lease.mul_f64(SAFE),
            cancel: cancel.clone(),
        };
        if let Some(stale) = self.lock().insert(fence.job, entry) {
            // Leased again by ourselves: the old run has lost its lease.
            stale.cancel.cancel();
        }
        Registered {
            running: self.clone(),
            fence,
            cancel,
        }
    }

    /// Renews the leases of jobs that have run for a while, in one statement, and stops those whose
    /// lease is lost or could not be renewed in time. Returns how many were stopped.
    pub(crate) async fn beat(
        &self,
        store: &Store,
        owner: i64,
        lease: Duration,
    ) -> Result<usize, StoreError> {
        let asked = Instant::now();
        let fences: Vec<Fence> = {
            let entries = self.lock();
            entries
                .values()
                .filter(|entry| asked.duration_since(entry.since) >= lease / 3)
                .map(|entry| entry.fence)
                .collect()
        };
        if fences.is_empty() {
            return Ok(0);
        }
        let lost = store.heartbeat(owner, lease, &fences).await?;
        let mut entries = self.lock();
        let mut stopped = 0;
        for fence in fences {
            let Some(entry) = entries
                .get_mut(&fence.job)
                .filter(|entry| entry.fence == fence)
            else {
                continue;
            };
            if lost.contains(&fence.job) {
                entry.cancel.cancel();
                stopped += 1;
            } else {
                entry.deadline = asked + lease.mul_f64(SAFE);
            }
        }
        Ok(stopped)
    }

    /// Stops the jobs whose lease may have run out without us.
    pub(crate) fn stop_overdue(&self, now: Instant) -> usize {
        let entries = self.lock();
        let overdue = entries
            .values()
            .filter(|entry| entry.deadline <= now && !entry.cancel.is_cancelled());
        overdue.map(|entry| entry.cancel.cancel()).count()
    }

    /// Stops all.
    pub(crate) fn stop_all(&self) {
        for entry in self.lock().values() {
            entry.cancel.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
