//! What a worker does beside running jobs: keeps its leases, says that it lives, listens for hints.
//!
//! Each of these may hang on a database that is away without holding up the others, least of all
//! the watch over leases that run out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::Store;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;
use crate::running::Running;

/// How often a process says that it lives, and how long its silence lasts until it counts as dead.
const PRESENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(20);

/// Renews leases, and stops jobs whose lease is lost or may have run out.
pub(crate) async fn keep_leases(
    running: Running,
    store: Store,
    owner: i64,
    lease: Duration,
    metrics: Metrics,
) {
    loop {
        sleep(lease / 6).await;
        // Before the question too: nobody runs on past the end of a lease because of its answer.
        metrics.lost(running.stop_overdue(Instant::now()));
        match timeout(lease / 6, running.beat(&store, owner, lease)).await {
            Ok(Ok(lost)) => metrics.lost(lost),
            Ok(Err(error)) => tracing::warn!(%error, "could not renew leases"),
            Err(_elapsed) => tracing::warn!("could not renew leases: no answer in time"),
        }
        metrics.lost(running.stop_overdue(Instant::now()));
    }
}

/// Says that the process lives, and frees the leases of those that have fallen silent.
pub(crate) async fn say_alive(store: Store, owner: i64, host: String) {
    loop {
        let said = timeout(SILENCE, store.worker_alive(owner, &host)).await;
        match said {
            Ok(Ok(())) => match store.release_dead_workers(SILENCE).await {
                Ok(0) => {}
                Ok(freed) => tracing::warn!("freed {freed} leases of workers that fell silent"),
                Err(error) => tracing::warn!(%error, "could not look for silent workers"),
            },
            Ok(Err(error)) => tracing::warn!(%error, "could not say that this worker lives"),
            Err(_elapsed) => tracing::warn!("could not say that this worker lives: no answer"),
        }
        sleep(PRESENCE.mul_f64(0.8 + rand::random::<f64>() * 0.4)).await;
    }
}

/// Wakes the runner at every hint of another process; without hints it looks by itself.
pub(crate) async fn listen(store: Store, woken: Arc<Notify>) {
    const FIRST: Duration = Duration::from_secs(1);
    let mut pause = FIRST;
    loop {
        match store.listen_jobs().await {
            Ok(mut listener) => {
                pause = FIRST;
                // What came while nobody listened.
                woken.notify_one();
                while listener.next().await.is_ok() {
                    woken.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "could not listen for hints"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_mins(1));
    }
}
