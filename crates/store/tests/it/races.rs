//! Transactions that meet: one wins, nothing is lost, and no deadlock is seen from outside.

use std::sync::{Mutex, mpsc};

use model::ids::{CredentialId, SourceId};
use model::job::{Fence, JobKind};
use model::point::{Point, Points};
use store::{Appended, Conflict, Log, NewRoute, StoreError};
use testkit::wait::until;

use crate::common::{Events, House, LEASE, MINUTE, new_source, route_id};

/// An append that is about to commit, and does so when `go` is dropped.
struct Committing {
    append: tokio::task::JoinHandle<Result<Appended, StoreError>>,
    go: mpsc::Sender<()>,
}

impl Committing {
    async fn begin(house: &House, fence: Fence, log: Log, page: Events) -> Self {
        let (reached, here) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let stop = move |_: Point| {
            reached.send(()).ok();
            // An error is the sender's end.
            tokio::task::block_in_place(|| wait.lock().unwrap().recv().ok());
        };
        let mut house = house.clone();
        let points = Points::armed("in_commit".parse().unwrap(), stop);
        house.store = house.store.with_points(points);
        let append = tokio::spawn(async move { house.append(fence, &log, &page, "first").await });
        until("the page is about to commit", MINUTE, async || {
            here.try_recv().is_ok()
        })
        .await;
        Self { append, go }
    }

    async fn commit(self) -> Appended {
        drop(self.go);
        self.append.await.unwrap().unwrap()
    }
}

pub(crate) async fn somebody_waits(house: &House) {
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("somebody waits for a lock", MINUTE, async || {
        house.truth(waits).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn of_two_writers_with_leases_of_one_job_exactly_one_wins() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let old = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    let page = Events::some(0..3, house.now().await);

    let first = Committing::begin(&house, old.fence, log.clone(), page.clone()).await;
    // Its lease runs out: the lock keeps the others away all the same.
    assert!(house.claim(2, LEASE, JobKind::Poll).await.is_empty());
    let second = tokio::spawn({
        let (house, log, page) = (house.clone(), log.clone(), page.clone());
        async move { house.append(old.fence, &log, &page, "second").await }
    });
    somebody_waits(&house).await;

    assert_eq!(first.commit().await.stored, 3);
    let error = second.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::LeaseLost), "{error}");
    assert_eq!(house.log(&source).await.cursor.as_deref(), Some("first"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_route_made_during_an_append_gets_that_page() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let destination = house.destination("out").await;
    let lease = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    let page = Events::some(0..3, house.now().await);

    let append = Committing::begin(&house, lease.fence, log, page).await;
    let route = tokio::spawn({
        let new = NewRoute::between(SourceId(source.id), destination);
        let house = house.clone();
        async move { house.store.create_route(house.tenant, new).await }
    });
    somebody_waits(&house).await;
    append.commit().await;

    let route = route_id(&route.await.unwrap().unwrap());
    assert_eq!(
        house
            .store
            .pending_events(house.tenant, route)
            .await
            .unwrap(),
        3
    );
    let position = house
        .store
        .deliver_context(house.tenant, route)
        .await
        .unwrap()
        .position;
    assert_eq!((position.number, position.index), (1, 0));
}

#[tokio::test]
async fn a_route_and_the_deletion_of_its_ends_do_not_leave_an_orphan() {
    let house = House::new().await;
    for round in 0..6 {
        let source = house.source(&format!("source{round}")).await;
        let destination = house.destination(&format!("out{round}")).await;
        let id = SourceId(source.id);
        let (made, gone, dropped) = tokio::join!(
            house
                .store
                .create_route(house.tenant, NewRoute::between(id, destination)),
            house.store.delete_source(house.tenant, id, true),
            house.store.delete_destination(house.tenant, destination),
        );
        gone.unwrap();
        if let Err(error) = &made {
            assert!(matches!(error, StoreError::NotFound(_)), "{error}");
        }
        if let Err(error) = dropped {
            assert!(
                matches!(error, StoreError::Conflict(Conflict::DestinationInUse(1))),
                "{error}"
            );
        }
    }
    let orphans = "SELECT count(*) FROM jobs j WHERE kind = 2 AND NOT EXISTS (SELECT FROM routes r WHERE r.id = j.subject_id)";
    assert_eq!(house.number(orphans).await, 0);
}

#[tokio::test]
async fn a_source_and_the_deletion_of_its_credential_do_not_meet_in_an_error() {
    let house = House::new().await;
    for round in 0..6 {
        let credential = CredentialId(house.credential(&format!("c{round}")).await.id);
        let (made, gone) = tokio::join!(
            house
                .store
                .create_source(house.tenant, new_source(credential)),
            house.store.delete_credential(house.tenant, credential),
        );
        match (made, gone) {
            (Ok(_), Err(StoreError::Conflict(Conflict::CredentialInUse(1))))
            | (Err(StoreError::NotFound(_)), Ok(())) => {}
            (made, gone) => panic!("{made:?}, {gone:?}"),
        }
    }
}

#[tokio::test]
async fn an_append_that_is_dropped_half_way_lets_go_of_its_locks() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    let mut other = house.client().await;
    let holding = other.transaction().await.unwrap();
    let lock = "SELECT 1 FROM logs FOR UPDATE";
    holding.execute(lock, &[]).await.unwrap();
    let appending = tokio::spawn({
        let (house, log) = (house.clone(), log.clone());
        let page = Events::some(0..3, house.now().await);
        async move { house.append(lease.fence, &log, &page, "never").await }
    });
    // It holds the job's row and waits for the log's.
    somebody_waits(&house).await;

    appending.abort();
    holding.rollback().await.unwrap();

    // Nobody takes a connection of the pool meanwhile.
    let watcher = house.client().await;
    let free = "SELECT 1 FROM job_schedule WHERE job_id = $1 FOR UPDATE NOWAIT";
    until("the job's row is free", MINUTE / 3, async || {
        watcher.execute(free, &[&lease.fence.job.0]).await.is_ok()
    })
    .await;
    assert_eq!(house.log(&source).await.stored, 0);
    assert_eq!(house.store.connections().0, 0, "none is lost to the pool");
}

/// The end of a delivery that found nothing and the page that brings it something wait for each other's
/// row; in either order the route must be due afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_poke_is_not_lost_on_a_delivery_that_is_just_ending() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    let delivery = house.lease(1, JobKind::Deliver, route.id).await;
    let poll = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    let page = Events::some(0..3, house.now().await);

    // What a completion writes, held back before its commit.
    let ending = house.client().await;
    ending.batch_execute("BEGIN").await.unwrap();
    let idle = "UPDATE job_schedule SET owner = NULL, poked = 0, run_at = now() + interval '1 hour' WHERE job_id = $1";
    ending
        .execute(idle, &[&delivery.fence.job.0])
        .await
        .unwrap();
    let append = tokio::spawn({
        let house = house.clone();
        async move { house.append(poll.fence, &log, &page, "next").await }
    });
    somebody_waits(&house).await;
    ending.batch_execute("COMMIT").await.unwrap();

    assert_eq!(append.await.unwrap().unwrap().stored, 3);
    assert!(house.is_due(JobKind::Deliver, route.id).await);
}
