//! The lease loop: claims due jobs for free slots, runs them, ends them. Knows nothing of what they do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::job::Lease;
use store::StoreError;
use tokio::sync::{Notify, RwLock, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::Worker;
use crate::budget::Budgets;
use crate::completions::{End, What, write_ends};
use crate::context::Context;
use crate::execute::execute;
use crate::lanes::{Hint, Lanes};
use crate::metrics::Metrics;
use crate::presence::{keep_leases, listen, say_alive};
use crate::running::Running;
use crate::slots::{Class, Pool, Slot};
use crate::spans;
use crate::wall::Wall;

/// The pause after a question to the database that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the database may take for its last answers once the worker stops.
const LAST_WORDS: Duration = Duration::from_secs(3);

struct Runner {
    context: Context,
    owner: i64,
    slots: Pool,
    running: Running,
    lanes: Lanes,
    ends: mpsc::UnboundedSender<End>,
    tasks: TaskTracker,
    /// Held shared by every job, alone by a quarantined one.
    alone: Arc<RwLock<()>>,
}

pub(crate) async fn run(worker: Worker, stop: CancellationToken) -> Result<(), StoreError> {
    let owner = i64::from_be_bytes(rand::random::<[u8; 8]>()) & i64::MAX;
    let store = worker.store.clone();
    store.worker_alive(owner, &worker.config.host).await?;
    tracing::info!(worker.id = owner, "worker started");
    let (ends, ends_received) = mpsc::unbounded_channel();
    let (hints, hinted) = mpsc::unbounded_channel();
    let metrics = Metrics::default();
    let config = worker.config.clone();
    let mut runner = Runner {
        owner,
        slots: Pool::new(config.slots),
        running: Running::default(),
        lanes: Lanes::default(),
        ends,
        tasks: TaskTracker::new(),
        alone: Arc::default(),
        context: Context {
            metrics: metrics.clone(),
            wall: Wall::default(),
            budgets: Budgets::new(store.clone(), config.share),
            stop,
            hints: hints.clone(),
            worker,
        },
    };
    let over = CancellationToken::new();
    let background = TaskTracker::new();
    let woken = Arc::new(Notify::new());
    let leases = keep_leases(
        runner.running.clone(),
        store.clone(),
        owner,
        config.lease,
        metrics.clone(),
    );
    let alive = say_alive(store.clone(), owner, config.host.clone());
    let listening = listen(store.clone(), Arc::clone(&woken));
    background.spawn(over.clone().run_until_cancelled_owned(leases));
    background.spawn(over.clone().run_until_cancelled_owned(alive));
    background.spawn(over.clone().run_until_cancelled_owned(listening));
    background.close();
    let freed = Arc::clone(runner.slots.freed());
    let writer = tokio::spawn(write_ends(
        store.clone(),
        owner,
        ends_received,
        hints,
        freed,
        metrics,
    ));

    runner.lease_until_stopped(hinted, &woken).await;
    runner.drain(config.drain).await;

    // All jobs are gone; with the runner the last sender of ends goes too. Should the database be
    // away, the leases run out by themselves.
    drop(runner);
    drop(timeout(LAST_WORDS, writer).await);
    over.cancel();
    background.wait().await;
    match timeout(LAST_WORDS, store.worker_gone(owner)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "could not sign off"),
        Err(_elapsed) => tracing::warn!("could not sign off: no answer in time"),
    }
    tracing::info!(worker.id = owner, "worker stopped");
    Ok(())
}

impl Runner {
    async fn lease_until_stopped(
        &mut self,
        mut hinted: mpsc::UnboundedReceiver<Hint>,
        woken: &Notify,
    ) {
        let mut refresh_at = Instant::now();
        while !self.context.stop.is_cancelled() {
            while let Ok(hint) = hinted.try_recv() {
                if self.lanes.hint(&hint, Instant::now()) {
                    refresh_at = Instant::now();
                }
            }
            let looks = Instant::now() >= refresh_at;
            if looks {
                let look = self.context.worker.config.look;
                refresh_at = Instant::now() + look.mul_f64(0.9 + rand::random::<f64>() / 5.0);
                if let Err(error) = self.refresh().await {
                    tracing::warn!(%error, "could not look at the lanes");
                    self.failed(&error).await;
                    // What is known of the lanes may be old.
                    refresh_at = Instant::now();
                    continue;
                }
            }
            let claimed = match self.claim_round().await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(%error, "could not lease jobs");
                    self.failed(&error).await;
                    refresh_at = Instant::now();
                    continue;
                }
            };
            // Only both count: a database that answers and takes no leases is of no use.
            if looks {
                self.context.worker.health.leased();
            }
            if claimed > 0 {
                continue;
            }
            let next = self.lanes.next_due(|class| self.slots.free(class) > 0);
            let until = next.map_or(refresh_at, |at| at.min(refresh_at));
            tokio::select! {
                () = self.context.stop.cancelled() => {}
                () = tokio::time::sleep_until(until.into()) => {}
                () = self.slots.freed().notified() => {}
                () = woken.notified() => refresh_at = Instant::now(),
                Some(hint) = hinted.recv() => {
                    if self.lanes.hint(&hint, Instant::now()) {
                        refresh_at = Instant::now();
                    }
                }
            }
        }
    }

    /// Says what went wrong, and waits: without a pause this would spin on a database that is away.
    async fn failed(&self, error: &StoreError) {
        self.context.worker.health.failed(error);
        self.context.stop.run_until_cancelled(sleep(PAUSE)).await;
    }

    /// A question to the database that does not hold up the worker for ever, should neither answer
    /// nor error come, and hardly holds up its end.
    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let patience = self.context.worker.config.lease.max(Duration::from_secs(5));
        let stopped = async {
            self.context.stop.cancelled().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            answer = question => answer,
            () = sleep(patience) => Err(StoreError::Unavailable(format!("no answer within {patience:?}"))),
            () = stopped => Err(StoreError::Unavailable("no answer before the worker stopped".to_owned())),
        }
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let rows = self.ask(self.context.worker.store.lanes()).await?;
        self.lanes.refresh(&rows, asked);
        Ok(())
    }

    /// One claim for each class that has free slots and due lanes. Returns how many jobs it brought.
    async fn claim_round(&mut self) -> Result<usize, StoreError> {
        let mut claimed = 0;
        for class in Class::ALL {
            if self.context.stop.is_cancelled() {
                break;
            }
            let asked = Instant::now();
            let Some(pick) = self.lanes.pick(class, self.slots.free(class), asked) else {
                continue;
            };
            let lease = self.context.worker.config.lease;
            let most = u32::try_from(pick.most).unwrap_or(u32::MAX);
            let store = &self.context.worker.store;
            let claim = store.claim(self.owner, lease, &pick.lanes, most);
            let leases = self.ask(claim).await?;
            self.context.metrics.claimed(asked.elapsed());
            self.lanes.claimed(&pick, &leases);
            claimed += leases.len();
            for leased in leases {
                self.start(leased.lease, class, asked);
            }
        }
        Ok(claimed)
    }

    fn start(&self, lease: Lease, class: Class, asked: Instant) {
        self.context.wall.heard(lease.leased_at);
        let end = move |what, slot: Option<Slot>, lease_for| End {
            what,
            lane: lease.lane,
            asked,
            // Tried as long as the lease could still be ours.
            deadline: Instant::now() + lease_for,
            _slot: slot,
        };
        let lease_for = self.context.worker.config.lease;
        let Some(slot) = self.slots.take(class) else {
            // A slow delivery has moved into the slot that was free at the claim.
            let back = What::GivenBack(lease.fence);
            self.ends.send(end(back, None, lease_for)).ok();
            return;
        };
        let late = (lease.leased_at - lease.due_at)
            .to_std()
            .unwrap_or_default();
        self.context.metrics.leased(lease.kind, late);
        let span = spans::run(&lease);
        let registered = self.running.register(lease.fence, asked, lease_for);
        let context = self.context.clone();
        let ends = self.ends.clone();
        let alone = Arc::clone(&self.alone);
        let freed = Arc::clone(self.slots.freed());
        let job = async move {
            let what = execute(&context, &lease, &slot, &alone, &registered.cancel).await;
            drop(registered);
            if let Some(what) = what {
                // The writer outlives every job.
                ends.send(end(what, Some(slot), lease_for)).ok();
            } else {
                drop(slot);
                freed.notify_one();
            }
        };
        self.tasks.spawn(job.instrument(span));
    }

    /// Lets running jobs finish, for so long; then breaks them off and gives their leases back.
    async fn drain(&self, patience: Duration) {
        self.tasks.close();
        if timeout(patience, self.tasks.wait()).await.is_err() {
            let left = self.tasks.len();
            tracing::warn!("{left} jobs did not finish in time and are broken off");
            self.running.stop_all();
            self.tasks.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ids::JobId;
    use model::job::{Fence, JobKind};
    use okta::{ClientConfig, OktaClient};
    use secrecy::ExposeSecret;
    use store::sealing::KeyRing;
    use store::{Store, StoreConfig};

    use super::*;
    use crate::{Health, WorkerConfig};

    /// A worker whose database nobody ever asks.
    fn worker() -> Worker {
        let keys = KeyRing::generate().unwrap();
        let keys = KeyRing::parse(keys.expose_secret()).unwrap();
        Worker {
            store: Store::new(
                &StoreConfig::new("postgres://nobody@127.0.0.1:1/none"),
                keys,
            )
            .unwrap(),
            okta: OktaClient::new(ClientConfig::default()).unwrap(),
            destinations: Arc::new(forward::Registry::new(forward::Reach::default()).unwrap()),
            config: WorkerConfig::new("test"),
            health: Health::default(),
        }
    }

    #[tokio::test]
    async fn a_lease_for_which_no_slot_is_left_is_given_back() {
        let worker = worker();
        let (ends, mut ended) = mpsc::unbounded_channel();
        let (hints, _hinted) = mpsc::unbounded_channel();
        let runner = Runner {
            owner: 7,
            slots: Pool::new(worker.config.slots),
            running: Running::default(),
            lanes: Lanes::default(),
            ends,
            tasks: TaskTracker::new(),
            alone: Arc::default(),
            context: Context {
                metrics: Metrics::default(),
                wall: Wall::default(),
                budgets: Budgets::new(worker.store.clone(), 0.9),
                stop: CancellationToken::new(),
                hints,
                worker,
            },
        };
        let taken: Vec<_> = std::iter::from_fn(|| runner.slots.take(Class::Failing)).collect();
        let fence = Fence {
            job: JobId(1),
            epoch: 1,
            owner: 7,
        };
        let lease = Lease {
            fence,
            tenant: None,
            kind: JobKind::Deliver,
            subject: uuid::Uuid::nil(),
            lane: 1,
            attempt: 1,
            lost: 0,
            after_loss: false,
            due_at: chrono::DateTime::UNIX_EPOCH,
            leased_at: chrono::DateTime::UNIX_EPOCH,
            trace_context: None,
        };

        runner.start(lease, Class::Failing, Instant::now());

        assert_eq!((taken.len(), runner.tasks.len()), (4, 0));
        let end = ended.recv().await.unwrap();
        assert!(
            matches!(end.what, What::GivenBack(back) if back == fence),
            "{end:?}"
        );
    }
}
