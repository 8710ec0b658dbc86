//! Transactions that meet: one wins, nothing is lost, and no deadlock is seen from outside.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use model::ids::{CredentialId, LogId, RouteId, SourceId};
use model::job::{Fence, JobKind};
use model::point::{Point, Points};
use model::status::Trouble;
use store::{
    Appended, Conflict, CredentialChange, Flight, Log, NewRoute, RouteChange, Settled,
    SourceChange, StoreError,
};
use testkit::wait::until;

use crate::common::{Events, HOUR, House, LEASE, MINUTE, done, new_source, route_id};

const RUN: Duration = Duration::from_secs(4);

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

async fn somebody_waits(house: &House) {
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

/// Delivers one batch over and over, as a worker does.
async fn deliver(house: &House, owner: i64, route: RouteId, over: Instant) -> usize {
    let mut settled = 0;
    while Instant::now() < over {
        let leases = house.claim(owner, LEASE, JobKind::Deliver).await;
        for lease in leases {
            let route = if lease.subject == route.0 {
                route
            } else {
                RouteId(lease.subject)
            };
            let Ok(about) = house.store.deliver_context(house.tenant, route).await else {
                continue;
            };
            let from = about.position;
            let heads = house
                .store
                .batch_heads(house.tenant, LogId(from.log().0), from.day, from.number, 1)
                .await
                .unwrap();
            if let Some(head) = heads.first() {
                let flight = Flight {
                    number: head.number + 1,
                    index: 0,
                    format: "raw".to_owned(),
                };
                let begun = house
                    .store
                    .begin_flight(&lease.fence, LEASE, &from, &flight)
                    .await;
                let to = Settled {
                    to: Some((head.day, head.number + 1, 0)),
                    delivered: vec![(house.now().await, head.events.into())],
                    ..Settled::default()
                };
                match house
                    .store
                    .settle(&lease.fence, LEASE, &begun.unwrap(), &to)
                    .await
                {
                    Ok(_) => settled += 1,
                    Err(error) => panic!("no deadlock surfaces: {error}"),
                }
            }
            house
                .end_as(lease.fence, done(Duration::ZERO), Some(rand::random()))
                .await;
        }
    }
    settled
}

async fn poll(house: &House, owner: i64, over: Instant) -> usize {
    let mut pages = 0;
    while Instant::now() < over {
        for lease in house.claim(owner, LEASE, JobKind::Poll).await {
            // Sources go while they are polled.
            let about = match house
                .store
                .poll_context(house.tenant, SourceId(lease.subject))
                .await
            {
                Ok(about) => about,
                Err(StoreError::NotFound(_)) => continue,
                Err(error) => panic!("no deadlock surfaces: {error}"),
            };
            let number = about.log.next_number.unsigned_abs() * 10;
            let page = Events::some(number..number + 2, house.now().await);
            match house.append(lease.fence, &about.log, &page, "next").await {
                Ok(_) => pages += 1,
                Err(StoreError::LeaseLost) => continue,
                Err(error) => panic!("no deadlock surfaces: {error}"),
            }
            house.end(&lease, done(Duration::ZERO)).await;
        }
    }
    pages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_deliveries_heartbeats_and_operators_meet_without_a_deadlock() {
    let house = House::new().await;
    let mut routes = Vec::new();
    let mut sources = Vec::new();
    for n in 0..3 {
        let source = house.source(&format!("source{n}")).await;
        for m in 0..2 {
            routes.push(house.route(&source, &format!("out{n}{m}")).await);
        }
        sources.push(source);
    }
    let over = Instant::now() + RUN;
    let beat = async {
        let query = "SELECT job_id, epoch, owner FROM job_schedule WHERE owner IS NOT NULL ORDER BY random()";
        let client = house.client().await;
        while Instant::now() < over {
            let rows = client.query(query, &[]).await.unwrap();
            let fences: Vec<Fence> = rows
                .iter()
                .map(|row| Fence {
                    job: model::ids::JobId(row.get(0)),
                    epoch: row.get(1),
                    owner: row.get(2),
                })
                .collect();
            for owner in 1..4 {
                let mine: Vec<Fence> = fences
                    .iter()
                    .copied()
                    .filter(|fence| fence.owner == owner)
                    .collect();
                house
                    .store
                    .heartbeat(owner, LEASE, &mine)
                    .await
                    .expect("no deadlock surfaces");
            }
        }
    };
    let operate = async {
        let mut turns = 0;
        while Instant::now() < over {
            let (route, source) = (
                &routes[turns % routes.len()],
                &sources[turns % sources.len()],
            );
            let change = RouteChange {
                enabled: Some(true),
                format: None,
            };
            house
                .store
                .update_route(house.tenant, route_id(route), change, None)
                .await
                .expect("no deadlock surfaces");
            let change = SourceChange {
                display_name: Some(format!("name {turns}")),
                ..SourceChange::default()
            };
            house
                .store
                .update_source(house.tenant, SourceId(source.id), change, None)
                .await
                .expect("no deadlock surfaces");
            let credential = CredentialId(source.credential_id);
            let seen = house
                .store
                .credential(house.tenant, credential)
                .await
                .unwrap();
            house
                .store
                .credential_refused(house.tenant, &seen, Trouble::TokenRefused, "", HOUR)
                .await
                .expect("no deadlock surfaces");
            house
                .store
                .credential_accepted(house.tenant, &seen, None)
                .await
                .expect("no deadlock surfaces");
            let change = CredentialChange {
                token: Some("00new".into()),
                ..CredentialChange::default()
            };
            house
                .store
                .update_credential(house.tenant, credential, change, None)
                .await
                .expect("no deadlock surfaces");
            turns += 1;
        }
        turns
    };
    let make_days = async {
        let mut ahead = 30;
        while Instant::now() < over {
            ahead += 1;
            let make = format!(
                "SELECT collector_make_partitions((now() + interval '{ahead} days')::date, 1)"
            );
            house.execute(&make).await;
            let short_lived = house.source(&format!("short{ahead}")).await;
            house
                .store
                .delete_source(house.tenant, SourceId(short_lived.id), true)
                .await
                .expect("no deadlock surfaces");
        }
    };
    let first = route_id(&routes[0]);
    let (pages, more, settled, again, (), turns, ()) = tokio::join!(
        poll(&house, 1, over),
        poll(&house, 2, over),
        deliver(&house, 2, first, over),
        deliver(&house, 3, first, over),
        beat,
        operate,
        make_days,
    );
    let deadlocks = house
        .number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        .await;
    eprintln!(
        "{} pages, {} deliveries, {turns} turns of an operator, {deadlocks} deadlocks inside",
        pages + more,
        settled + again
    );
    // They start over by themselves, but rows are locked in one order so that they need not.
    assert_eq!(deadlocks, 0);
    assert!(pages + more > 20 && settled + again > 20 && turns > 5);
}
