//! Ends of runs, written in batches. A slot is free again only after its end has been accepted or
//! refused by the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::ids::JobId;
use model::job::{Fence, Outcome};
use store::{Completion, Store};
use tokio::sync::{Notify, mpsc};

use crate::metrics::Metrics;
use crate::slots::Slot;

/// Ends written by one statement.
const AT_ONCE: usize = 64;

/// An end to be written.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) what: What,
    pub(crate) lane: i32,
    /// After this the lease has run out anyway.
    pub(crate) deadline: Instant,
    /// Held until the end is written.
    pub(crate) _slot: Slot,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    /// With an outcome.
    Completed(Completion),
    /// Broken off by shutdown: due again at once.
    GivenBack(Fence),
}

/// Tells the runner when jobs are due that this process has just planned.
pub(crate) type Hints = mpsc::UnboundedSender<(i32, Duration)>;

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
    let completed: Vec<Completion> = batch
        .iter()
        .filter_map(|end| completion(end.what))
        .collect();
    let given_back: Vec<Fence> = batch
        .iter()
        .filter_map(|end| given_back(end.what))
        .collect();
    if !given_back.is_empty()
        && let Err(error) = store.give_back(owner, &given_back).await
    {
        tracing::warn!(%error, "could not give back {} leases", given_back.len());
        return false;
    }
    if completed.is_empty() {
        return true;
    }
    match store.complete(owner, &completed).await {
        Ok(accepted) => {
            note(batch, &accepted, hints, metrics);
            true
        }
        Err(error) => {
            tracing::warn!(%error, "could not complete {} jobs", completed.len());
            false
        }
    }
}

fn note(batch: &[End], accepted: &[JobId], hints: &Hints, metrics: &Metrics) {
    for end in batch {
        let Some(completion) = completion(end.what) else {
            continue;
        };
        if accepted.contains(&completion.fence.job) {
            let (Outcome::Done { next: wait }
            | Outcome::Snoozed { wait }
            | Outcome::Failed { wait }) = completion.outcome;
            // The runner may be gone already; then nobody needs the hint.
            hints.send((end.lane, wait)).ok();
        } else {
            metrics.fenced("completion");
        }
    }
}

fn completion(what: What) -> Option<Completion> {
    match what {
        What::Completed(completion) => Some(completion),
        What::GivenBack(_) => None,
    }
}

fn given_back(what: What) -> Option<Fence> {
    match what {
        What::GivenBack(fence) => Some(fence),
        What::Completed(_) => None,
    }
}
