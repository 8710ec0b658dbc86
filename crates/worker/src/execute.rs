//! One run of one leased job, to whatever end.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use model::job::{JobKind, Lease, Outcome, QUARANTINE};
use store::{Completion, StoreError};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::completions::What;
use crate::context::{Context, Ran, backoff_for};
use crate::slots::Slot;
use crate::{check_credential, deliver, janitor, poll, ranges, spans};

/// The longest run of a job, whatever its heartbeat says.
const LONGEST: Duration = Duration::from_mins(10);

/// Runs a job to its end. `None`: the lease is lost, there is nothing to be written.
pub(crate) async fn execute(
    context: &Context,
    lease: &Lease,
    slot: &Slot,
    alone: &RwLock<()>,
    cancel: &CancellationToken,
) -> Option<What> {
    if lease.lost >= QUARANTINE && lease.after_loss {
        tracing::error!(
            job.lost = lease.lost,
            "the job has lost its worker {} times in a row; it waits, then runs alone",
            lease.lost
        );
        let wait = backoff_for(
            lease.lost - QUARANTINE + 1,
            Duration::from_secs(30),
            Duration::from_hours(1),
        );
        return Some(failed(lease, wait));
    }
    let begun = Instant::now();
    let running = async {
        if lease.lost < QUARANTINE {
            let _shared = alone.read().await;
            tokio::time::timeout(LONGEST, run_kind(context, lease, slot)).await
        } else {
            let _alone = alone.write().await;
            tokio::time::timeout(LONGEST, run_kind(context, lease, slot)).await
        }
    };
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        ended = AssertUnwindSafe(running).catch_unwind() => Some(ended),
    };
    let (word, what) = match ended {
        None if context.stop.is_cancelled() => ("given_back", Some(What::GivenBack(lease.fence))),
        None => {
            tracing::warn!("the lease is lost, the job is stopped");
            ("lost", None)
        }
        Some(Ok(Ok(Ok(ran)))) => (outcome_word(ran.outcome), Some(completed(lease, ran))),
        Some(Ok(Ok(Err(error)))) => (error_word(context, &error), Some(retry(lease))),
        Some(Ok(Err(_elapsed))) => {
            tracing::error!("the job ran for {LONGEST:?} and was stopped");
            ("too_long", Some(retry(lease)))
        }
        Some(Err(panic)) => {
            tracing::error!(panic = panic_text(panic.as_ref()), "the job panicked");
            ("panicked", Some(retry(lease)))
        }
    };
    context.metrics.ran(lease.kind, word, begun.elapsed());
    spans::ended(word);
    what
}

async fn run_kind(context: &Context, lease: &Lease, slot: &Slot) -> Result<Ran, StoreError> {
    if let Some(trace) = &lease.trace_context {
        // The span of this run has its link; the next run was not asked for.
        let store = &context.worker.store;
        store.forget_trace(lease.fence.job, trace).await?;
    }
    match lease.kind {
        JobKind::Poll => poll::run(context, lease).await,
        JobKind::Deliver => deliver::run(context, lease, slot).await,
        JobKind::CheckCredential => check_credential::run(context, lease).await,
        JobKind::Janitor => janitor::run(context).await,
        JobKind::Backfill => ranges::backfill(context, lease).await,
        JobKind::Verify => ranges::verify(context, lease).await,
    }
}

fn completed(lease: &Lease, ran: Ran) -> What {
    What::Completed(Completion {
        fence: lease.fence,
        outcome: ran.outcome,
        failing: ran.failing,
    })
}

/// A failure counts; a route that fails, however, counts as failing.
fn failed(lease: &Lease, wait: Duration) -> What {
    let ran = Ran {
        outcome: Outcome::Failed { wait },
        failing: (lease.kind == JobKind::Deliver).then_some(true),
    };
    completed(lease, ran)
}

/// Should only the log or the position have moved, the job is still ours to end.
fn retry(lease: &Lease) -> What {
    let wait = backoff_for(
        lease.attempt,
        Duration::from_secs(1),
        Duration::from_mins(5),
    );
    failed(lease, wait)
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "done",
        Outcome::Snoozed { .. } => "snoozed",
        Outcome::Failed { .. } => "failed",
    }
}

fn error_word(context: &Context, error: &StoreError) -> &'static str {
    match error {
        StoreError::LeaseLost => {
            context.metrics.fenced("job");
            tracing::warn!("the lease is lost, a write was refused");
            "lost"
        }
        StoreError::NotFound(what) => {
            tracing::info!("the {} is gone", what.as_str());
            "gone"
        }
        error => {
            tracing::warn!(%error, "the job failed");
            "failed"
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}
