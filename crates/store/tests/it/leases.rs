//! Leases: claim, heartbeat, completion, expiry, pause and poke.

use std::time::Duration;

use model::job::{Fence, JobKind};

use crate::common::{DAY, HOUR, House, LEASE, MINUTE, done, failed, snoozed};

const POLL: JobKind = JobKind::Poll;

#[tokio::test]
async fn a_due_job_is_leased_once_and_again_after_its_end() {
    let house = House::new().await;
    let source = house.source("acme").await;

    let lease = house.lease_poll(7, &source).await;
    assert_eq!((lease.fence.epoch, lease.attempt, lease.lost), (1, 1, 0));
    assert_eq!((lease.fence.owner, lease.subject), (7, source.id));
    assert_eq!(lease.tenant, Some(house.tenant));
    assert!(house.claim(8, LEASE, POLL).await.is_empty());

    assert!(house.end(&lease, done(Duration::ZERO)).await);
    let again = house.lease_poll(8, &source).await;
    assert_eq!((again.fence.epoch, again.attempt), (2, 1));
    assert!(!again.after_loss);
}

#[tokio::test]
async fn a_job_is_not_due_before_its_time() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    assert!(house.end(&lease, done(HOUR)).await);

    time.advance(59 * MINUTE).await;
    assert!(house.claim(1, LEASE, POLL).await.is_empty());
    time.advance(MINUTE).await;
    assert_eq!(house.claim(1, LEASE, POLL).await.len(), 1);
}

#[tokio::test]
async fn an_expired_lease_is_due_again_and_its_holder_is_too_late() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let late = house.lease_poll(1, &source).await;

    time.advance(LEASE).await;
    let second = house.lease_poll(2, &source).await;

    assert_eq!((second.fence.epoch, second.lost), (2, 1));
    assert!(second.after_loss);
    let beaten = house.store.heartbeat(1, LEASE, &[late.fence]).await;
    assert_eq!(beaten.unwrap(), [late.fence.job]);
    assert!(!house.end(&late, done(DAY)).await);
    assert_eq!(house.store.give_back(1, &[late.fence]).await.unwrap(), 0);
    assert!(house.end(&second, done(DAY)).await);
}

#[tokio::test]
async fn the_same_epoch_of_another_owner_is_another_lease() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    let forged = Fence {
        owner: 2,
        ..lease.fence
    };

    assert!(!house.end_as(forged, done(DAY), None).await);
    let beaten = house.store.heartbeat(2, LEASE, &[forged]).await.unwrap();
    assert_eq!(beaten, [forged.job]);
    assert!(house.end(&lease, done(DAY)).await);
}

#[tokio::test]
async fn heartbeats_keep_a_lease() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    for _ in 0..4 {
        time.advance(LEASE * 2 / 3).await;
        let lost = house.store.heartbeat(1, LEASE, &[lease.fence]).await;
        assert_eq!(lost.unwrap(), []);
    }
    assert!(house.claim(2, LEASE, POLL).await.is_empty());
    assert!(house.end(&lease, done(DAY)).await);
}

#[tokio::test]
async fn a_heartbeat_passes_locked_rows_by_and_calls_only_lost_ones_lost() {
    let (house, time) = House::with_time().await;
    let (locked, lost, gone) = (
        house.source("locked").await,
        house.source("lost").await,
        house.source("gone").await,
    );
    let leases = house.claim(1, LEASE, POLL).await;
    let of = |id| leases.iter().find(|lease| lease.subject == id).unwrap();
    let (locked, lost_lease, gone_lease) = (of(locked.id), of(lost.id), of(gone.id));
    house
        .execute(&format!(
            "UPDATE job_schedule SET epoch = epoch + 1, owner = 2 WHERE job_id = {}",
            lost_lease.fence.job
        ))
        .await;
    let id = model::ids::SourceId(gone.id);
    house
        .store
        .delete_source(house.tenant, id, false)
        .await
        .unwrap();
    let mut other = house.client().await;
    let holding = other.transaction().await.unwrap();
    let lock = "SELECT 1 FROM job_schedule WHERE job_id = $1 FOR UPDATE";
    holding.query(lock, &[&locked.fence.job.0]).await.unwrap();

    let fences = [locked.fence, lost_lease.fence, gone_lease.fence];
    let beat = house.store.heartbeat(1, LEASE, &fences);
    let mut beaten = tokio::time::timeout(MINUTE, beat).await.unwrap().unwrap();

    beaten.sort_unstable();
    assert_eq!(beaten, [lost_lease.fence.job, gone_lease.fence.job]);
    holding.rollback().await.unwrap();
    // It was not renewed either: the next beat has to do it.
    time.advance(LEASE).await;
    assert_eq!(house.claim(3, LEASE, POLL).await.len(), 2);
}

#[tokio::test]
async fn a_claim_is_not_held_up_by_a_locked_row() {
    let house = House::new().await;
    let (locked, free) = (house.source("locked").await, house.source("free").await);
    let mut other = house.client().await;
    let holding = other.transaction().await.unwrap();
    let lock = "SELECT 1 FROM job_schedule s JOIN jobs j ON j.id = s.job_id WHERE j.subject_id = $1::text::uuid FOR UPDATE OF s";
    holding
        .query(lock, &[&locked.id.to_string()])
        .await
        .unwrap();

    let claim = house.claim(1, LEASE, POLL);
    let leases = tokio::time::timeout(MINUTE, claim).await.unwrap();

    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].subject, free.id);
}

#[tokio::test]
async fn attempts_count_failures_and_forget_snoozes() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let mut attempts = Vec::new();
    let now = Duration::ZERO;
    for outcome in [
        failed(now),
        failed(now),
        snoozed(now),
        failed(now),
        done(now),
        snoozed(now),
        done(now),
    ] {
        let lease = house.lease_poll(1, &source).await;
        attempts.push(lease.attempt);
        assert!(house.end(&lease, outcome).await);
    }
    assert_eq!(attempts, [1, 2, 3, 3, 4, 1, 1]);
}

#[tokio::test]
async fn attempts_and_losses_saturate() {
    let house = House::new().await;
    let source = house.source("acme").await;
    for start in [i32::from(i16::MAX), 999_999, 1_000_000, 1_000_001, i32::MAX] {
        let set = format!(
            "UPDATE job_schedule SET attempt = {start}, lost = {start}, owner = 9, run_at = collector_now()"
        );
        house.execute(&set).await;
        let lease = house.lease_poll(1, &source).await;
        let expected = start.min(1_000_000) + 1;
        assert_eq!((lease.attempt, lease.lost), (expected, expected));
        assert!(house.end(&lease, failed(Duration::ZERO)).await);
    }
}

#[tokio::test]
async fn lost_leases_are_counted_until_their_holder_says_a_word() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let lose = async |times: i32| {
        for n in 0..times {
            let lease = house.lease_poll(1, &source).await;
            assert_eq!(lease.lost, n);
            time.advance(LEASE).await;
        }
        house.lease_poll(1, &source).await
    };
    for outcome in [
        done(Duration::ZERO),
        snoozed(Duration::ZERO),
        failed(Duration::ZERO),
    ] {
        let lease = lose(4).await;
        assert_eq!((lease.lost, lease.after_loss), (4, true));
        assert!(house.end(&lease, outcome).await);
    }
    // At five it is quarantined, and only a run that does not fail ends that.
    let lease = lose(5).await;
    assert!(house.end(&lease, failed(Duration::ZERO)).await);
    let alone = house.lease_poll(1, &source).await;
    assert_eq!((alone.lost, alone.after_loss), (5, false));
    assert!(house.end(&alone, done(Duration::ZERO)).await);
    assert_eq!(house.lease_poll(1, &source).await.lost, 0);
}

#[tokio::test]
async fn a_given_back_lease_is_due_at_once_and_was_no_attempt() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let first = house.lease_poll(1, &source).await;
    assert_eq!(house.store.give_back(1, &[first.fence]).await.unwrap(), 1);
    let second = house.lease_poll(2, &source).await;
    assert_eq!((second.fence.epoch, second.attempt, second.lost), (2, 1, 0));
}

#[tokio::test]
async fn a_dead_workers_leases_are_due_at_once() {
    let (house, time) = House::with_time().await;
    house.source("dead").await;
    house.store.worker_alive(1, "one").await.unwrap();
    house.store.worker_alive(2, "two").await.unwrap();
    assert_eq!(house.claim(1, HOUR, POLL).await.len(), 1);
    house.source("alive").await;
    assert_eq!(house.claim(2, HOUR, POLL).await.len(), 1);
    time.advance(MINUTE).await;
    house.store.worker_alive(2, "two").await.unwrap();

    assert_eq!(
        house.store.release_dead_workers(MINUTE / 2).await.unwrap(),
        1
    );

    let leases = house.claim(3, LEASE, POLL).await;
    assert_eq!(leases.len(), 1);
    assert!(leases[0].after_loss);
    assert_eq!(
        house.store.release_dead_workers(MINUTE / 2).await.unwrap(),
        0
    );
    house.store.worker_gone(2).await.unwrap();
    assert_eq!(house.number("SELECT count(*) FROM workers").await, 0);
}

#[tokio::test]
async fn a_batch_of_ends_is_judged_one_by_one() {
    let house = House::new().await;
    for name in ["a", "b", "c"] {
        house.source(name).await;
    }
    let leases = house.claim(1, LEASE, POLL).await;
    let end = |n: usize, epoch| store::Completion {
        fence: Fence {
            epoch,
            ..leases[n].fence
        },
        outcome: [done(HOUR), snoozed(HOUR), failed(HOUR)][n],
        failing: None,
    };
    // Not in the order of jobs, and one of them of an older epoch.
    let ends = [end(2, 1), end(0, 0), end(1, 1)];
    let mut accepted = house.store.complete(1, &ends).await.unwrap();
    accepted.sort_unstable();
    let mut expected = [leases[2].fence.job, leases[1].fence.job];
    expected.sort_unstable();
    assert_eq!(accepted, expected);
}
