//! Poke, pause and resume: what new work and operators may do to a schedule.

use std::time::Duration;

use model::credential::Secret;
use model::ids::{CredentialId, SourceId};
use model::job::{JobKind, Lease, Outcome};
use model::status::Trouble;
use store::{CredentialChange, Route, RouteChange, Source};

use crate::common::{DAY, Events, HOUR, House, LEASE, MINUTE, done, failed, route_id, snoozed};

const DELIVER: JobKind = JobKind::Deliver;
const NOW: Duration = Duration::ZERO;

/// A house with a route whose first delivery has ended somehow.
async fn delivered(outcome: Outcome) -> (House, Source, Route) {
    let house = House::new().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    let lease = house.lease(1, DELIVER, route.id).await;
    assert!(house.end(&lease, outcome).await);
    (house, source, route)
}

/// New work: a page with one new event.
async fn new_work(house: &House, source: &Source) {
    let stored = house.log(source).await.stored.unsigned_abs();
    let page = Events::some(stored..stored + 1, house.now().await);
    house.poll(source, &page).await;
}

#[tokio::test]
async fn new_work_makes_an_idle_route_due() {
    let (house, source, route) = delivered(done(HOUR)).await;
    assert!(!house.is_due(DELIVER, route.id).await);
    new_work(&house, &source).await;
    assert!(house.is_due(DELIVER, route.id).await);
}

#[tokio::test]
async fn new_work_shortens_no_backoff_and_no_wait_that_was_asked_for() {
    for outcome in [failed(HOUR), snoozed(HOUR)] {
        let (house, source, route) = delivered(outcome).await;
        new_work(&house, &source).await;
        assert!(!house.is_due(DELIVER, route.id).await, "{outcome:?}");

        house
            .store
            .run_now(house.tenant, DELIVER, route.id)
            .await
            .unwrap();
        assert!(house.is_due(DELIVER, route.id).await, "{outcome:?}");
    }
}

#[tokio::test]
async fn new_work_is_listened_to_again_after_an_operator_has_cut_the_backoff_short() {
    let (house, source, route) = delivered(failed(HOUR)).await;
    house
        .store
        .run_now(house.tenant, DELIVER, route.id)
        .await
        .unwrap();
    let lease = house.lease(1, DELIVER, route.id).await;
    assert!(house.end(&lease, done(HOUR)).await);
    new_work(&house, &source).await;
    assert!(house.is_due(DELIVER, route.id).await);
}

#[tokio::test]
async fn new_work_during_a_run_is_one_more_run_after_success_only() {
    for (outcome, runs_again) in [
        (done(HOUR), true),
        (failed(HOUR), false),
        (snoozed(HOUR), false),
    ] {
        let (house, source, route) = delivered(done(NOW)).await;
        let lease = house.lease(1, DELIVER, route.id).await;
        new_work(&house, &source).await;
        new_work(&house, &source).await;
        assert!(house.end(&lease, outcome).await);
        assert_eq!(
            house.is_due(DELIVER, route.id).await,
            runs_again,
            "{outcome:?}"
        );
        if runs_again {
            let lease = house.lease(1, DELIVER, route.id).await;
            assert!(house.end(&lease, done(HOUR)).await);
            assert!(
                !house.is_due(DELIVER, route.id).await,
                "one more run, not two"
            );
        }
    }
}

#[tokio::test]
async fn an_operator_during_a_run_is_one_more_run_however_it_ends() {
    for outcome in [done(HOUR), failed(HOUR), snoozed(HOUR)] {
        let (house, _, route) = delivered(done(NOW)).await;
        let lease = house.lease(1, DELIVER, route.id).await;
        house
            .store
            .run_now(house.tenant, DELIVER, route.id)
            .await
            .unwrap();
        assert!(
            house.claim(2, LEASE, DELIVER).await.is_empty(),
            "the lease stands"
        );
        assert!(house.end(&lease, outcome).await);
        assert!(house.is_due(DELIVER, route.id).await, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_paused_job_is_not_woken_by_new_work_nor_by_a_mended_credential() {
    let (house, source, route) = delivered(done(NOW)).await;
    pause_route(&house, &route, true).await;
    new_work(&house, &source).await;
    assert!(!house.is_due(DELIVER, route.id).await);

    let id = SourceId(source.id);
    house
        .store
        .set_source_enabled(house.tenant, id, false)
        .await
        .unwrap();
    let change = CredentialChange {
        secret: Some(Secret::Ssws("00another".into())),
        ..CredentialChange::default()
    };
    let credential = CredentialId(source.credential_id);
    house
        .store
        .update_credential(house.tenant, credential, change, None)
        .await
        .unwrap();
    assert!(!house.is_due(JobKind::Poll, source.id).await);
}

#[tokio::test]
async fn a_resumed_job_is_due_at_once() {
    let (house, source, route) = delivered(failed(HOUR)).await;
    pause_route(&house, &route, true).await;
    pause_route(&house, &route, false).await;
    assert!(house.is_due(DELIVER, route.id).await);

    let id = SourceId(source.id);
    for enabled in [false, true] {
        house
            .store
            .set_source_enabled(house.tenant, id, enabled)
            .await
            .unwrap();
        assert_eq!(house.is_due(JobKind::Poll, source.id).await, enabled);
    }
}

#[tokio::test]
async fn an_operator_runs_a_paused_job_exactly_once() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let id = SourceId(source.id);
    house
        .store
        .set_source_enabled(house.tenant, id, false)
        .await
        .unwrap();
    assert!(house.claim(1, LEASE, JobKind::Poll).await.is_empty());

    house
        .store
        .run_now(house.tenant, JobKind::Poll, source.id)
        .await
        .unwrap();

    let lease = house.lease_poll(1, &source).await;
    assert_eq!(lease.fence.epoch, 1);
    assert!(house.end(&lease, done(NOW)).await);
    assert!(house.claim(1, LEASE, JobKind::Poll).await.is_empty());
}

#[tokio::test]
async fn a_job_paused_while_it_runs_is_parked_at_its_end() {
    for outcome in [done(NOW), failed(NOW), snoozed(NOW)] {
        let (house, lease, route) = running_and_paused().await;
        assert!(house.end(&lease, outcome).await);
        assert!(!house.is_due(DELIVER, route.id).await, "{outcome:?}");
    }
    let (house, lease, route) = running_and_paused().await;
    assert_eq!(house.store.give_back(1, &[lease.fence]).await.unwrap(), 1);
    assert!(!house.is_due(DELIVER, route.id).await);
}

#[tokio::test]
async fn a_paused_job_whose_worker_died_is_parked_not_run() {
    let (house, _, route) = running_and_paused().await;
    house
        .execute("UPDATE job_schedule SET run_at = collector_now() WHERE owner IS NOT NULL")
        .await;
    assert!(house.claim(2, LEASE, DELIVER).await.is_empty());
    assert!(!house.is_due(DELIVER, route.id).await);
    assert_eq!(house.job(DELIVER, route.id).await.owner, None);

    pause_route(&house, &route, false).await;
    assert_eq!(house.claim(2, LEASE, DELIVER).await.len(), 1);
}

#[tokio::test]
async fn an_operators_poke_at_a_paused_running_job_does_not_lose_the_job() {
    let (house, lease, route) = running_and_paused().await;
    house
        .store
        .run_now(house.tenant, DELIVER, route.id)
        .await
        .unwrap();
    pause_route(&house, &route, false).await;
    // The worker dies.
    drop(lease);
    let due = "SELECT run_at < collector_now() + interval '2 minutes' FROM job_schedule WHERE owner IS NOT NULL";
    assert!(house.truth(due).await, "the lease runs out as ever");
}

#[tokio::test]
async fn a_poke_that_commits_while_a_completion_waits_for_the_row_is_seen() {
    let (house, _, route) = delivered(done(NOW)).await;
    let lease = house.lease(1, DELIVER, route.id).await;
    let mut other = house.client().await;
    let poking = other.transaction().await.unwrap();
    let poke = "UPDATE job_schedule SET poked = 1 WHERE job_id = $1";
    poking.execute(poke, &[&lease.fence.job.0]).await.unwrap();

    let ending = tokio::spawn({
        let store = house.store.clone();
        let end = store::Completion {
            fence: lease.fence,
            outcome: done(HOUR),
            failing: None,
        };
        async move { store.complete(1, &[end]).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    testkit::wait::until("the completion waits", MINUTE, async || {
        house.number(waits).await == 1
    })
    .await;
    poking.commit().await.unwrap();

    assert_eq!(ending.await.unwrap().unwrap(), [lease.fence.job]);
    assert!(house.is_due(DELIVER, route.id).await);
}

#[tokio::test]
async fn a_new_credential_makes_the_waiting_sources_due() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    assert!(house.end(&lease, failed(DAY)).await);
    let credential = CredentialId(source.credential_id);
    let seen = house
        .store
        .credential(house.tenant, credential)
        .await
        .unwrap();
    let refused =
        house
            .store
            .credential_refused(house.tenant, &seen, Trouble::TokenRefused, "401", HOUR);
    assert!(refused.await.unwrap());
    assert!(!house.is_due(JobKind::Poll, source.id).await);

    house
        .store
        .credential_accepted(house.tenant, &seen, Some("00o1"))
        .await
        .unwrap();

    assert!(house.is_due(JobKind::Poll, source.id).await);
}

async fn pause_route(house: &House, route: &Route, paused: bool) {
    let change = RouteChange {
        enabled: Some(!paused),
        format: None,
    };
    let changed = house
        .store
        .update_route(house.tenant, route_id(route), change, None);
    changed.await.expect("the route is there");
}

async fn running_and_paused() -> (House, Lease, Route) {
    let (house, _, route) = delivered(done(NOW)).await;
    let lease = house.lease(1, DELIVER, route.id).await;
    pause_route(&house, &route, true).await;
    (house, lease, route)
}
