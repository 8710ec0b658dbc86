//! Ends of runs, written in batches. A slot is free again only after its end has been accepted or
//! refused by the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::ids::JobId;
use model::job::{Fence, Outcome};
use store::{Completion, Store, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::lanes::Hint;
use crate::metrics::Metrics;
use crate::slots::Slot;

/// Ends written by one statement.
const AT_ONCE: usize = 64;

/// How long one statement may take before it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// An end to be written.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) what: What,
    pub(crate) lane: i32,
    /// When the job was leased.
    pub(crate) asked: Instant,
    /// After this the lease has run out anyway.
    pub(crate) deadline: Instant,
    /// Held until the end is written; none if the job never ran.
    pub(crate) _slot: Option<Slot>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    /// With an outcome.
    Completed(Completion),
    /// Not begun, or broken off by shutdown: due again at once.
    GivenBack(Fence),
}

/// Tells the runner when jobs are due that this process has just planned.
pub(crate) type Hints = mpsc::UnboundedSender<Hint>;

/// Writes ends until all senders are gone. A database that is away is waited for, as long as the
/// leases last.
pub(crate) async fn write_ends(
    store: Store,
    owner: i64,
    mut ends: mpsc::UnboundedReceiver<End>,
    hints: Hints,
    freed: Arc<Notify>,
    metrics: Metrics,
) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    while ends.recv_many(&mut batch, AT_ONCE).await > 0 {
        while !batch.is_empty() && !write(&store, owner, &batch, &hints, &metrics).await {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = Instant::now();
            batch.retain(|end| end.deadline > now);
        }
        batch.clear();
        freed.notify_one();
    }
}

/// Writes a batch; `false`: the database did not answer.
async fn write(store: &Store, owner: i64, batch: &[End], hints: &Hints, metrics: &Metrics) -> bool {
    match timeout(PATIENCE, try_write(store, owner, batch)).await {
        Ok(Ok(accepted)) => {
            note(batch, &accepted, hints, metrics);
            true
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not end {} jobs", batch.len());
            false
        }
        Err(_elapsed) => {
            tracing::warn!("could not end {} jobs: no answer in time", batch.len());
            false
        }
    }
}

/// Returns the completions that were accepted. Trying again what was written already does nothing.
async fn try_write(store: &Store, owner: i64, batch: &[End]) -> Result<Vec<JobId>, StoreError> {
    let mut completed: Vec<Completion> = Vec::new();
    let mut given_back: Vec<Fence> = Vec::new();
    for end in batch {
        match end.what {
            What::Completed(completion) => completed.push(completion),
            What::GivenBack(fence) => given_back.push(fence),
        }
    }
    if !given_back.is_empty() {
        store.give_back(owner, &given_back).await?;
    }
    if completed.is_empty() {
        return Ok(Vec::new());
    }
    store.complete(owner, &completed).await
}

fn note(batch: &[End], accepted: &[JobId], hints: &Hints, metrics: &Metrics) {
    for end in batch {
        let (wait, failing) = match end.what {
            What::GivenBack(_) => (Duration::ZERO, None),
            What::Completed(completion) if accepted.contains(&completion.fence.job) => {
                let (Outcome::Done { next: wait }
                | Outcome::Snoozed { wait }
                | Outcome::Failed { wait }) = completion.outcome;
                (wait, completion.failing)
            }
            What::Completed(_) => {
                metrics.fenced("completion");
                continue;
            }
        };
        let hint = Hint::Ended {
            lane: end.lane,
            asked: end.asked,
            wait,
            failing,
        };
        // The runner may be gone already; then nobody needs the hint.
        hints.send(hint).ok();
    }
}
