//! Everything at once: pages, deliveries, heartbeats, operators, partitions. No deadlock is seen.

use std::time::{Duration, Instant};

use model::credential::Secret;
use model::ids::{CredentialId, JobId, RouteId, SourceId};
use model::job::{Fence, JobKind};
use model::status::Trouble;
use store::{
    CredentialChange, Flight, Route, RouteChange, Settled, Source, SourceChange, StoreError,
};

use crate::common::{Events, HOUR, House, LEASE, done, route_id};

const RUN: Duration = Duration::from_secs(4);
const FINE: &str = "no deadlock surfaces";

/// Delivers what is due, batch by batch, as a worker does. Returns how often it settled.
async fn deliver(house: &House, owner: i64, over: Instant) -> usize {
    let (store, tenant) = (&house.store, house.tenant);
    let mut settled = 0;
    while Instant::now() < over {
        for lease in house.claim(owner, LEASE, JobKind::Deliver).await {
            let about = store.deliver_context(tenant, RouteId(lease.subject)).await;
            let from = about.expect(FINE).position;
            let heads = store
                .batch_heads(tenant, from.log(), from.day, from.number, 1)
                .await;
            if let Some(head) = heads.expect(FINE).first() {
                let flight = Flight {
                    number: head.number + 1,
                    index: 0,
                    format: "raw".to_owned(),
                };
                let begun = store
                    .begin_flight(&lease.fence, LEASE, &from, &flight)
                    .await;
                let to = Settled {
                    to: Some((head.day, head.number + 1, 0)),
                    delivered: vec![(house.now().await, head.events.into())],
                    ..Settled::default()
                };
                let done = store
                    .settle(&lease.fence, LEASE, &begun.expect(FINE), &to)
                    .await;
                done.expect(FINE);
                settled += 1;
            }
            let failing = Some(rand::random());
            house
                .end_as(lease.fence, done(Duration::ZERO), failing)
                .await;
        }
    }
    settled
}

/// Polls what is due. Returns how many pages it stored.
async fn poll(house: &House, owner: i64, over: Instant) -> usize {
    let mut pages = 0;
    while Instant::now() < over {
        for lease in house.claim(owner, LEASE, JobKind::Poll).await {
            let source = SourceId(lease.subject);
            // Sources go while they are polled.
            let log = match house.store.poll_context(house.tenant, source).await {
                Ok(about) => about.log,
                Err(StoreError::NotFound(_)) => continue,
                Err(error) => panic!("{FINE}: {error}"),
            };
            let number = log.next_number.unsigned_abs() * 10;
            let page = Events::some(number..number + 2, house.now().await);
            match house.append(lease.fence, &log, &page, "next").await {
                Ok(_) => pages += 1,
                Err(StoreError::LeaseLost) => continue,
                Err(error) => panic!("{FINE}: {error}"),
            }
            house.end(&lease, done(Duration::ZERO)).await;
        }
    }
    pages
}

/// Renews all leases, in no order.
async fn beat(house: &House, over: Instant) {
    let query =
        "SELECT job_id, epoch, owner FROM job_schedule WHERE owner IS NOT NULL ORDER BY random()";
    let client = house.client().await;
    while Instant::now() < over {
        let rows = client.query(query, &[]).await.unwrap();
        for owner in 1..4 {
            let fences = rows.iter().map(|row| Fence {
                job: JobId(row.get(0)),
                epoch: row.get(1),
                owner: row.get(2),
            });
            let mine: Vec<Fence> = fences.filter(|fence| fence.owner == owner).collect();
            house
                .store
                .heartbeat(owner, LEASE, &mine)
                .await
                .expect(FINE);
        }
    }
}

/// Changes everything that an operator and Okta may change. Returns how often.
async fn operate(house: &House, sources: &[Source], routes: &[Route], over: Instant) -> usize {
    let (store, tenant) = (&house.store, house.tenant);
    let mut turns = 0;
    while Instant::now() < over {
        let route = route_id(&routes[turns % routes.len()]);
        let source = &sources[turns % sources.len()];
        let credential = CredentialId(source.credential_id);
        let resume = RouteChange {
            enabled: Some(true),
            format: None,
        };
        store
            .update_route(tenant, route, resume, None)
            .await
            .expect(FINE);
        let rename = SourceChange {
            display_name: Some(format!("name {turns}")),
            ..SourceChange::default()
        };
        store
            .update_source(tenant, SourceId(source.id), rename, None)
            .await
            .expect(FINE);
        let seen = store.credential(tenant, credential).await.expect(FINE);
        let refused = store.credential_refused(tenant, &seen, Trouble::TokenRefused, "", HOUR);
        refused.await.expect(FINE);
        store
            .credential_accepted(tenant, &seen, None)
            .await
            .expect(FINE);
        let replace = CredentialChange {
            secret: Some(Secret::Ssws("00new".into())),
            ..CredentialChange::default()
        };
        store
            .update_credential(tenant, credential, replace, None)
            .await
            .expect(FINE);
        turns += 1;
    }
    turns
}

/// Makes partitions, and sources that come and go.
async fn make_days(house: &House, over: Instant) {
    let mut ahead = 30;
    while Instant::now() < over {
        ahead += 1;
        let day = format!("(collector_now() + interval '{ahead} days')::date");
        house
            .execute(&format!("SELECT collector_make_partitions({day}, 1)"))
            .await;
        let source = SourceId(house.source(&format!("short{ahead}")).await.id);
        house
            .store
            .delete_source(house.tenant, source, true)
            .await
            .expect(FINE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_deliveries_heartbeats_and_operators_meet_without_a_deadlock() {
    let house = House::new().await;
    let (mut routes, mut sources) = (Vec::new(), Vec::new());
    for n in 0..3 {
        let source = house.source(&format!("source{n}")).await;
        for m in 0..2 {
            routes.push(house.route(&source, &format!("out{n}{m}")).await);
        }
        sources.push(source);
    }
    let over = Instant::now() + RUN;

    let (pages, more, settled, again, (), turns, ()) = tokio::join!(
        poll(&house, 1, over),
        poll(&house, 2, over),
        deliver(&house, 2, over),
        deliver(&house, 3, over),
        beat(&house, over),
        operate(&house, &sources, &routes, over),
        make_days(&house, over),
    );

    let (pages, settled) = (pages + more, settled + again);
    eprintln!("{pages} pages, {settled} deliveries, {turns} turns of an operator");
    assert!(pages > 5 && settled > 5 && turns > 2, "no stress");
    // They start over by themselves, but rows are locked in one order so that they need not.
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(house.number(deadlocks).await, 0);
}
