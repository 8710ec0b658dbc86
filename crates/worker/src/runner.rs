//! The lease loop: claims due jobs for free slots, runs them, ends them. Knows nothing of what they do.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use model::job::{JobKind, Lease, Outcome};
use model::schedule::backoff;
use store::{Completion, Store, StoreError};
use tokio::sync::{Notify, RwLock, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::completions::{End, What, write_ends};
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::running::Running;
use crate::slots::{Class, Pool, Slot};
use crate::wall::Wall;
use crate::{Worker, check_credential, deliver, janitor, poll};

/// How often a process says that it lives, and how long its silence lasts until it counts as dead.
const PRESENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(20);

/// Leases lost in a row at which a job runs alone.
const QUARANTINE: i32 = 5;

/// The longest run of a job, whatever its heartbeat says.
const LONGEST: Duration = Duration::from_mins(10);

/// What jobs need of the process they run in.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) worker: Worker,
    pub(crate) metrics: Metrics,
    pub(crate) wall: Wall,
    /// Set when the process drains: finish at the next checkpoint.
    pub(crate) draining: CancellationToken,
    hints: mpsc::UnboundedSender<(i32, Duration)>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) failing: Option<bool>,
}

impl From<Outcome> for Ran {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            failing: None,
        }
    }
}

impl Context {
    /// Tells the runner that jobs of these lanes are due.
    pub(crate) fn due_now(&self, lanes: &[i32]) {
        for lane in lanes {
            // The runner may have stopped; then somebody else finds them.
            self.hints.send((*lane, Duration::ZERO)).ok();
        }
    }
}

/// A backoff with jitter, by the attempts or failures so far.
pub(crate) fn backoff_for(attempt: i32, base: Duration, cap: Duration) -> Duration {
    backoff(
        u32::try_from(attempt).unwrap_or(1),
        base,
        cap,
        rand::random(),
    )
}

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
    freed: Arc<Notify>,
}

pub(crate) async fn run(worker: Worker, stop: CancellationToken) -> Result<(), StoreError> {
    let owner = i64::from_be_bytes(rand::random::<[u8; 8]>()) & i64::MAX;
    let store = worker.store.clone();
    store.worker_alive(owner, &worker.config.host).await?;
    tracing::info!(worker.id = owner, "worker started");
    let (ends, ends_received) = mpsc::unbounded_channel();
    let (hints, hinted) = mpsc::unbounded_channel();
    let metrics = Metrics::default();
    let context = Context {
        metrics: metrics.clone(),
        wall: Wall::default(),
        draining: CancellationToken::new(),
        hints: hints.clone(),
        worker,
    };
    let config = context.worker.config.clone();
    let mut runner = Runner {
        owner,
        slots: Pool::new(config.slots),
        running: Running::default(),
        lanes: Lanes::default(),
        ends,
        tasks: TaskTracker::new(),
        alone: Arc::default(),
        freed: Arc::default(),
        context,
    };
    let background = TaskTracker::new();
    let over = CancellationToken::new();
    let woken = Arc::new(Notify::new());
    background.spawn(keep_leases(
        runner.running.clone(),
        store.clone(),
        owner,
        config.lease,
        metrics.clone(),
        over.clone(),
    ));
    background.spawn(say_alive(
        store.clone(),
        owner,
        config.host.clone(),
        over.clone(),
    ));
    background.spawn(listen(store.clone(), Arc::clone(&woken), over.clone()));
    let writer = tokio::spawn(write_ends(
        store.clone(),
        owner,
        ends_received,
        hints,
        Arc::clone(&runner.freed),
        metrics,
    ));
    background.close();

    runner.lease_until(&stop, hinted, &woken).await;
    runner.drain(config.drain).await;

    // All jobs are gone; with the runner the last sender of ends goes too.
    drop(runner);
    drop(writer.await);
    over.cancel();
    background.wait().await;
    if let Err(error) = store.worker_gone(owner).await {
        tracing::warn!(%error, "could not sign off; the leases were ended in order all the same");
    }
    tracing::info!(worker.id = owner, "worker stopped");
    Ok(())
}

impl Runner {
    async fn lease_until(
        &mut self,
        stop: &CancellationToken,
        mut hinted: mpsc::UnboundedReceiver<(i32, Duration)>,
        woken: &Notify,
    ) {
        let mut refresh_at = Instant::now();
        while !stop.is_cancelled() {
            let now = Instant::now();
            if now >= refresh_at {
                refresh_at = now
                    + self
                        .context
                        .worker
                        .config
                        .look
                        .mul_f64(0.9 + rand::random::<f64>() / 5.0);
                if let Err(error) = self.refresh().await {
                    self.context.worker.health.failed(&error);
                    tracing::warn!(%error, "could not look at the lanes");
                }
            }
            let busy = match self.claim_round().await {
                Ok(claimed) => claimed > 0,
                Err(error) => {
                    self.context.worker.health.failed(&error);
                    tracing::warn!(%error, "could not lease jobs");
                    // The lanes stay due; without a pause this would spin on a database that is away.
                    wait_or_stop(Duration::from_millis(500), stop).await;
                    false
                }
            };
            if busy {
                continue;
            }
            let next = self.lanes.next_due(|class| self.slots.free(class) > 0);
            let until = next.map_or(refresh_at, |at| at.min(refresh_at));
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep_until(until.into()) => {}
                () = self.freed.notified() => {}
                () = woken.notified() => refresh_at = Instant::now(),
                Some((lane, wait)) = hinted.recv() => {
                    self.lanes.hint(lane, Instant::now() + wait);
                    while let Ok((lane, wait)) = hinted.try_recv() {
                        self.lanes.hint(lane, Instant::now() + wait);
                    }
                }
            }
        }
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let rows = self.context.worker.store.lanes().await?;
        self.lanes.refresh(&rows, asked);
        self.context.worker.health.looked();
        Ok(())
    }

    /// One claim for each class that has free slots and due lanes. Returns how many jobs it brought.
    async fn claim_round(&mut self) -> Result<usize, StoreError> {
        let mut claimed = 0;
        for class in Class::ALL {
            let asked = Instant::now();
            let Some(pick) = self.lanes.pick(class, self.slots.free(class), asked) else {
                continue;
            };
            let lease = self.context.worker.config.lease;
            let most = u32::try_from(pick.most).unwrap_or(u32::MAX);
            let leases = self
                .context
                .worker
                .store
                .claim(self.owner, lease, &pick.lanes, most)
                .await?;
            self.context.metrics.claimed(asked.elapsed());
            self.lanes.claimed(&pick, &leases);
            claimed += leases.len();
            for leased in leases {
                let Some(slot) = self.slots.take(class) else {
                    // Cannot be: only this task takes slots, and it asked for no more than were free.
                    tracing::error!(
                        job.id = leased.lease.fence.job.0,
                        "no slot for a leased job"
                    );
                    continue;
                };
                self.start(leased.lease, slot, asked);
            }
        }
        Ok(claimed)
    }

    fn start(&self, lease: Lease, slot: Slot, asked: Instant) {
        self.context.wall.heard(lease.leased_at);
        let late = (lease.leased_at - lease.due_at)
            .to_std()
            .unwrap_or_default();
        self.context.metrics.leased(lease.kind, late);
        let span = tracing::info_span!("job", job.kind = %lease.kind, job.id = lease.fence.job.0, job.attempt = lease.attempt,
            tenant.id = lease.tenant.map(tracing::field::display), subject.id = %lease.subject);
        let registered =
            self.running
                .register(lease.fence, asked, self.context.worker.config.lease);
        let context = self.context.clone();
        let ends = self.ends.clone();
        let alone = Arc::clone(&self.alone);
        let job = async move {
            let what = execute(&context, &lease, &slot, &alone, &registered.cancel).await;
            drop(registered);
            // Tried as long as the lease could still be ours.
            let deadline = Instant::now() + context.worker.config.lease;
            if let Some(what) = what {
                // The writer outlives every job.
                ends.send(End {
                    what,
                    lane: lease.lane,
                    deadline,
                    _slot: slot,
                })
                .ok();
            }
        };
        self.tasks.spawn(job.instrument(span));
    }

    /// Lets running jobs finish, for so long; then breaks them off and gives their leases back.
    async fn drain(&self, patience: Duration) {
        self.context.draining.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "{} jobs did not finish in time and are broken off",
                self.tasks.len()
            );
            self.running.stop_all();
            self.tasks.wait().await;
        }
    }
}

/// Runs a job to its end. `None`: the lease is lost, there is nothing to be written.
async fn execute(
    context: &Context,
    lease: &Lease,
    slot: &Slot,
    alone: &RwLock<()>,
    cancel: &CancellationToken,
) -> Option<What> {
    let begun = Instant::now();
    let completed = |ran: Ran| {
        What::Completed(Completion {
            fence: lease.fence,
            outcome: ran.outcome,
            failing: ran.failing,
        })
    };
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
        return Some(completed(Outcome::Failed { wait }.into()));
    }
    let running = async {
        let _shared = if lease.lost < QUARANTINE {
            Some(alone.read().await)
        } else {
            None
        };
        let _alone = if lease.lost < QUARANTINE {
            None
        } else {
            Some(alone.write().await)
        };
        tokio::time::timeout(LONGEST, run_kind(context, lease, slot)).await
    };
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        ended = AssertUnwindSafe(running).catch_unwind() => Some(ended),
    };
    let retry = || {
        let wait = backoff_for(
            lease.attempt,
            Duration::from_secs(1),
            Duration::from_mins(5),
        );
        completed(Outcome::Failed { wait }.into())
    };
    let (word, what) = match ended {
        None if context.draining.is_cancelled() => {
            ("given_back", Some(What::GivenBack(lease.fence)))
        }
        None => {
            tracing::warn!("the lease is lost, the job is stopped");
            ("lost", None)
        }
        Some(Ok(Ok(Ok(ran)))) => (outcome_word(ran.outcome), Some(completed(ran))),
        Some(Ok(Ok(Err(StoreError::LeaseLost)))) => {
            context.metrics.fenced("job");
            tracing::warn!("the lease is lost, a write was refused");
            // Should only the log or the position have moved, the job is still ours to end.
            ("lost", Some(retry()))
        }
        Some(Ok(Ok(Err(StoreError::NotFound(what))))) => {
            tracing::info!("the {} is gone", what.as_str());
            ("gone", Some(retry()))
        }
        Some(Ok(Ok(Err(error)))) => {
            tracing::warn!(%error, "the job failed");
            ("failed", Some(retry()))
        }
        Some(Ok(Err(_elapsed))) => {
            tracing::error!("the job ran for {LONGEST:?} and was stopped");
            ("too_long", Some(retry()))
        }
        Some(Err(panic)) => {
            tracing::error!(panic = panic_text(panic.as_ref()), "the job panicked");
            ("panicked", Some(retry()))
        }
    };
    context.metrics.ran(lease.kind, word, begun.elapsed());
    what
}

async fn run_kind(context: &Context, lease: &Lease, slot: &Slot) -> Result<Ran, StoreError> {
    match lease.kind {
        JobKind::Poll => poll::run(context, lease).await,
        JobKind::Deliver => deliver::run(context, lease, slot).await,
        JobKind::CheckCredential => check_credential::run(context, lease).await,
        JobKind::Janitor => janitor::run(context).await,
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "done",
        Outcome::Snoozed { .. } => "snoozed",
        Outcome::Failed { .. } => "failed",
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

async fn wait_or_stop(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = stop.cancelled() => {}
    }
}

/// Renews leases every third of a lease, and stops jobs whose lease is lost.
async fn keep_leases(
    running: Running,
    store: Store,
    owner: i64,
    lease: Duration,
    metrics: Metrics,
    over: CancellationToken,
) {
    while !over.is_cancelled() {
        wait_or_stop(lease / 6, &over).await;
        match running.beat(&store, owner, lease).await {
            Ok(lost) => metrics.lost(lost),
            Err(error) => tracing::warn!(%error, "could not renew leases"),
        }
        metrics.lost(running.stop_overdue(Instant::now()));
    }
}

/// Says that the process lives, and frees the leases of those that have fallen silent.
async fn say_alive(store: Store, owner: i64, host: String, over: CancellationToken) {
    while !over.is_cancelled() {
        let said = store.worker_alive(owner, &host).await;
        let freed = store.release_dead_workers(SILENCE).await;
        match said.and(freed) {
            Ok(0) => {}
            Ok(freed) => tracing::warn!("freed {freed} leases of workers that fell silent"),
            Err(error) => tracing::warn!(%error, "could not say that this worker lives"),
        }
        wait_or_stop(PRESENCE.mul_f64(0.8 + rand::random::<f64>() * 0.4), &over).await;
    }
}

/// Wakes the runner at every hint of another process; without hints it looks by itself.
async fn listen(store: Store, woken: Arc<Notify>, over: CancellationToken) {
    let mut pause = Duration::from_secs(1);
    while !over.is_cancelled() {
        match store.listen_jobs().await {
            Ok(mut listener) => {
                pause = Duration::from_secs(1);
                // What came while nobody listened.
                woken.notify_one();
                loop {
                    tokio::select! {
                        () = over.cancelled() => return,
                        hint = listener.next() => match hint {
                            Ok(()) => woken.notify_one(),
                            Err(_) => break,
                        },
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not listen for hints"),
        }
        wait_or_stop(pause, &over).await;
        pause = (pause * 2).min(Duration::from_mins(1));
    }
}
