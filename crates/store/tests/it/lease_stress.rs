//! Leases under load: many workers, short leases, crashes, late finishers; judged from a log that is
//! only ever appended to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use model::ids::JobId;
use model::job::{Fence, JobKind};
use store::{ClaimLane, Completion, Store};

use crate::common::{House, done, house_of};

const WORKERS: i64 = 12;
const TENANTS: usize = 4;
const JOBS: usize = 6;
const LEASE: Duration = Duration::from_millis(80);
const RUN: Duration = Duration::from_secs(5);

/// What happened, as seen by the one it happened to.
enum Entry {
    Leased {
        fence: Fence,
        asked: Instant,
        answered: Instant,
    },
    /// An end that the database accepted; it was sent at that time.
    Ended {
        fence: Fence,
        sent: Instant,
    },
    Refused,
}

/// One worker: leases what is due, ends most of it at once, some of it too late, and forgets a fifth.
async fn work(
    store: &Store,
    owner: i64,
    lanes: &[ClaimLane],
    log: &Mutex<Vec<Entry>>,
    over: Instant,
) {
    let mut dawdling: BTreeMap<JobId, (Fence, Instant)> = BTreeMap::new();
    while Instant::now() < over {
        let asked = Instant::now();
        let most = rand::random_range(1..4);
        let leases = store
            .claim(owner, LEASE, lanes, most)
            .await
            .expect("no deadlock surfaces");
        let answered = Instant::now();
        let mut ends = Vec::new();
        for lease in leases.iter().map(|claimed| &claimed.lease) {
            let fence = lease.fence;
            log.lock().unwrap().push(Entry::Leased {
                fence,
                asked,
                answered,
            });
            match rand::random_range(0..10) {
                0 | 1 => {}
                2 | 3 => {
                    let late = answered + LEASE.mul_f64(rand::random_range(0.5..2.0));
                    dawdling.insert(fence.job, (fence, late));
                }
                _ => ends.push(fence),
            }
        }
        let beating: Vec<Fence> = dawdling.values().map(|(fence, _)| *fence).collect();
        if rand::random_range(0..4) == 0 {
            store
                .heartbeat(owner, LEASE, &beating)
                .await
                .expect("no deadlock surfaces");
        }
        let now = Instant::now();
        let late = dawdling.extract_if(.., |_, (_, at)| *at <= now);
        let late: Vec<Fence> = late.map(|(_, (fence, _))| fence).collect();
        // One call never has two leases of one job: the answer names jobs.
        end(store, &ends, log).await;
        end(store, &late, log).await;
    }
}

async fn end(store: &Store, fences: &[Fence], log: &Mutex<Vec<Entry>>) {
    let Some(owner) = fences.first().map(|fence| fence.owner) else {
        return;
    };
    let completions: Vec<Completion> = fences
        .iter()
        .map(|fence| Completion {
            fence: *fence,
            outcome: done(Duration::ZERO),
            failing: None,
        })
        .collect();
    let sent = Instant::now();
    let accepted = store
        .complete(owner, &completions)
        .await
        .expect("no deadlock surfaces");
    log.lock().unwrap().extend(fences.iter().map(|fence| {
        if accepted.contains(&fence.job) {
            Entry::Ended {
                fence: *fence,
                sent,
            }
        } else {
            Entry::Refused
        }
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lease_overlaps_and_no_late_end_is_accepted() {
    let house = House::new().await;
    for tenant in 0..TENANTS {
        let tenant = house_of(&house, &format!("tenant{tenant}")).await;
        for n in 0..JOBS {
            tenant.source(&format!("source{n}")).await;
        }
    }
    let lanes = house.store.lanes().await.unwrap();
    let lanes = lanes
        .iter()
        .filter(|lane| lane.kind == JobKind::Poll.number());
    let lanes: Vec<ClaimLane> = lanes
        .map(|lane| ClaimLane {
            id: lane.id,
            floor: None,
        })
        .collect();
    let log = Mutex::default();
    let over = Instant::now() + RUN;

    let workers = (1..=WORKERS).map(|owner| work(&house.store, owner, &lanes, &log, over));
    futures_util::future::join_all(workers).await;

    judge(&log.into_inner().unwrap());
}

fn judge(log: &[Entry]) {
    let mut leased = BTreeMap::new();
    let mut ended = BTreeMap::new();
    let mut refused = 0;
    for entry in log {
        match entry {
            Entry::Leased {
                fence,
                asked,
                answered,
            } => {
                let key = (fence.job, fence.epoch);
                assert!(
                    leased.insert(key, (*asked, *answered)).is_none(),
                    "{key:?} was given twice"
                );
            }
            Entry::Ended { fence, sent } => {
                let key = (fence.job, fence.epoch);
                assert!(
                    ended.insert(key, *sent).is_none(),
                    "{key:?} was ended twice"
                );
            }
            Entry::Refused => refused += 1,
        }
    }
    for (&(job, epoch), &(asked, _)) in &leased {
        let Some((_, &(_, taken))) = leased
            .range((job, epoch + 1)..)
            .next()
            .filter(|(key, _)| key.0 == job)
        else {
            continue;
        };
        match ended.get(&(job, epoch)) {
            Some(&sent) => assert!(
                sent <= taken,
                "job {job}: an end of epoch {epoch} was accepted after the next lease"
            ),
            // It ran out: not before a lease after it was asked for.
            None => assert!(
                taken >= asked + LEASE,
                "job {job}: epochs {epoch} and after it overlap"
            ),
        }
    }
    let jobs: BTreeSet<_> = leased.keys().map(|(job, _)| *job).collect();
    assert_eq!(jobs.len(), TENANTS * JOBS, "every job is leased");
    assert!(
        leased.len() > 5 * jobs.len() && refused > 5,
        "{} leases, {refused} refused: no stress",
        leased.len()
    );
    eprintln!(
        "{} leases, {} ends accepted, {refused} refused",
        leased.len(),
        ended.len()
    );
}
