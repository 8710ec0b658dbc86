//! Positions: flights, settling, dead letters, recall.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::ids::SourceId;
use model::job::{Fence, JobKind, Lease};
use model::point::{Point, Points};
use model::status::Trouble;
use store::{
    DeadEvent, DeadKind, DeliverContext, Flight, Position, Route, Settled, Source, StoreError,
};

use crate::common::{DAY, Events, House, LEASE, done, route_id};

/// A house with a route and five batches of ten events, all of one hour.
pub(crate) async fn owing() -> (House, Source, Route, Lease) {
    let house = House::new().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    for n in 0..5 {
        house
            .poll(
                &source,
                &Events::some(n * 10..n * 10 + 10, hour() + TimeDelta::minutes(30)),
            )
            .await;
    }
    let lease = house.lease(1, JobKind::Deliver, route.id).await;
    (house, source, route, lease)
}

pub(crate) fn hour() -> DateTime<Utc> {
    "2026-01-02T03:00:00Z".parse().unwrap()
}

pub(crate) fn flight(number: i64, index: i32) -> Flight {
    Flight {
        number,
        index,
        format: "raw".to_owned(),
    }
}

pub(crate) async fn about(house: &House, route: &Route) -> DeliverContext {
    house
        .store
        .deliver_context(house.tenant, route_id(route))
        .await
        .unwrap()
}

/// Delivered, dead and given up: of the route, and of its ledger.
pub(crate) async fn counted(house: &House, source: &Source, route: &Route) -> [[i64; 3]; 2] {
    let row = about(house, route).await.route;
    let hours = house
        .store
        .ledger(house.tenant, SourceId(source.id), None, 100)
        .await
        .unwrap();
    let sum = |pick: fn(&store::LedgerHour) -> i64| hours.iter().map(pick).sum();
    let ledger = [
        sum(|hour| hour.delivered),
        sum(|hour| hour.dead),
        sum(|hour| hour.given_up),
    ];
    [[row.delivered, row.dead, row.given_up], ledger]
}

pub(crate) async fn pending(house: &House, route: &Route) -> i64 {
    house
        .store
        .pending_events(house.tenant, route_id(route))
        .await
        .unwrap()
}

pub(crate) fn dead(number: i64, index: i32) -> DeadEvent {
    DeadEvent {
        kind: DeadKind::Refused,
        number,
        index,
        hour: hour(),
        cause: "too_large".to_owned(),
        detail: "413".to_owned(),
        event: format!("event {number}.{index}").into_bytes(),
    }
}

pub(crate) fn to(position: &Position, number: i64, index: i32) -> (chrono::NaiveDate, i64, i32) {
    (position.day, number, index)
}

#[tokio::test]
async fn a_delivery_moves_the_position_and_is_counted() {
    let (house, source, route, lease) = owing().await;
    let before = about(&house, &route).await.position;
    assert_eq!((before.number, before.index, before.flight()), (1, 0, None));
    assert_eq!(pending(&house, &route).await, 50);

    let begun = house
        .store
        .begin_flight(&lease.fence, LEASE, &before, &flight(3, 5))
        .await
        .unwrap();
    assert_eq!(begun.flight(), Some(flight(3, 5)));
    assert_eq!(about(&house, &route).await.position, begun);

    let settled = Settled {
        to: Some(to(&begun, 3, 5)),
        delivered: vec![(hour(), 24)],
        dead: vec![dead(2, 3)],
        ..Settled::default()
    };
    let after = house
        .store
        .settle(&lease.fence, LEASE, &begun, &settled)
        .await
        .unwrap();

    assert_eq!((after.number, after.index, after.flight()), (3, 5, None));
    assert_eq!(about(&house, &route).await.position, after);
    assert_eq!(pending(&house, &route).await, 25);
    assert_eq!(counted(&house, &source, &route).await, [[24, 1, 0]; 2]);
    let letters = house
        .store
        .list_dead_letters(house.tenant, route_id(&route), None, 10)
        .await
        .unwrap();
    let seen: Vec<_> = letters
        .iter()
        .map(|it| (it.number, it.index, it.cause.as_str(), it.event.as_slice()))
        .collect();
    assert_eq!(seen, [(2, 3, "too_large", b"event 2.3".as_slice())]);
    assert_eq!(
        house
            .store
            .list_dead_letters(house.tenant, route_id(&route), Some(letters[0].id), 10)
            .await
            .unwrap()
            .len(),
        0
    );
    let row = about(&house, &route).await.route;
    assert!(row.last_success_at.is_some() && row.trouble.is_none());
}

#[tokio::test]
async fn a_failed_attempt_keeps_position_and_flight_and_says_why() {
    let (house, source, route, lease) = owing().await;
    let before = about(&house, &route).await.position;
    let mut at = house
        .store
        .begin_flight(&lease.fence, LEASE, &before, &flight(2, 0))
        .await
        .unwrap();
    for failures in 1..4 {
        let settled = Settled {
            flight: at.flight(),
            trouble: Some((Trouble::DestinationUnavailable, "503".to_owned())),
            ..Settled::default()
        };
        at = house
            .store
            .settle(&lease.fence, LEASE, &at, &settled)
            .await
            .unwrap();
        assert_eq!((at.number, at.index, at.failures), (1, 0, failures));
        assert_eq!(at.flight(), Some(flight(2, 0)));
    }
    let row = about(&house, &route).await.route;
    assert_eq!(row.trouble.as_deref(), Some("destination_unavailable"));
    assert!(row.trouble_at.is_some() && row.last_success_at.is_none());

    let settled = Settled {
        to: Some(to(&at, 2, 0)),
        delivered: vec![(hour(), 10)],
        ..Settled::default()
    };
    at = house
        .store
        .settle(&lease.fence, LEASE, &at, &settled)
        .await
        .unwrap();
    assert_eq!(at.failures, 0);
    assert_eq!(about(&house, &route).await.route.trouble, None);
    assert_eq!(counted(&house, &source, &route).await, [[10, 0, 0]; 2]);
}

#[tokio::test]
async fn a_crash_between_sending_and_settling_leaves_the_flight_for_the_next() {
    let (house, _, route, lease) = owing().await;
    let before = about(&house, &route).await.position;
    house
        .store
        .begin_flight(&lease.fence, LEASE, &before, &flight(4, 2))
        .await
        .unwrap();
    // An operator changes the format meanwhile; there is one yet, so the row says it.
    house.execute("ALTER TABLE routes DROP CONSTRAINT routes_format_check; UPDATE routes SET format = 'ecs'").await;
    house
        .execute("UPDATE job_schedule SET run_at = collector_now() WHERE owner IS NOT NULL")
        .await;

    let next = house.lease(2, JobKind::Deliver, route.id).await;

    let seen = about(&house, &route).await;
    assert_eq!(
        seen.position.flight(),
        Some(flight(4, 2)),
        "the same range in the same rendering"
    );
    assert_eq!(seen.route.format, "ecs");
    let settled = Settled {
        to: Some(to(&seen.position, 4, 2)),
        ..Settled::default()
    };
    house
        .store
        .settle(&next.fence, LEASE, &seen.position, &settled)
        .await
        .unwrap();
    let late = house
        .store
        .settle(&lease.fence, LEASE, &seen.position, &settled)
        .await
        .unwrap_err();
    assert!(matches!(late, StoreError::LeaseLost), "{late}");
}

#[tokio::test]
async fn nothing_is_settled_from_a_stale_position_or_lease() {
    let (house, source, route, lease) = owing().await;
    let before = about(&house, &route).await.position;
    let begun = house
        .store
        .begin_flight(&lease.fence, LEASE, &before, &flight(2, 0))
        .await
        .unwrap();
    let settled = Settled {
        to: Some(to(&begun, 2, 0)),
        delivered: vec![(hour(), 10)],
        dead: vec![dead(1, 1)],
        ..Settled::default()
    };
    let refused = async |fence: Fence, from: &Position| {
        let error = house
            .store
            .settle(&fence, LEASE, from, &settled)
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::LeaseLost), "{error}");
        let error = house
            .store
            .begin_flight(&fence, LEASE, from, &flight(5, 0))
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::LeaseLost), "{error}");
    };
    refused(lease.fence, &before).await;
    refused(
        Fence {
            owner: 9,
            ..lease.fence
        },
        &begun,
    )
    .await;
    refused(
        Fence {
            epoch: 0,
            ..lease.fence
        },
        &begun,
    )
    .await;
    let after = house
        .store
        .settle(&lease.fence, LEASE, &begun, &settled)
        .await
        .unwrap();
    refused(lease.fence, &begun).await;
    assert!(house.end(&lease, done(DAY)).await);
    refused(lease.fence, &after).await;
    assert_eq!(counted(&house, &source, &route).await, [[10, 1, 0]; 2]);
}

#[tokio::test]
async fn a_settling_that_breaks_off_before_its_commit_leaves_nothing() {
    let (house, source, route, lease) = owing().await;
    let before = about(&house, &route).await.position;
    let begun = house
        .store
        .begin_flight(&lease.fence, LEASE, &before, &flight(2, 0))
        .await
        .unwrap();
    let stop = |_: Point| panic!("the process dies here");
    let dying = house
        .store
        .clone()
        .with_points(Points::armed("before_position".parse().unwrap(), stop));
    let settled = Settled {
        to: Some(to(&begun, 2, 0)),
        delivered: vec![(hour(), 9)],
        dead: vec![dead(1, 1)],
        ..Settled::default()
    };

    let (fence, position, again) = (lease.fence, begun.clone(), settled.clone());
    let died =
        tokio::spawn(async move { dying.settle(&fence, LEASE, &position, &again).await }).await;

    assert!(died.unwrap_err().is_panic());
    assert_eq!(about(&house, &route).await.position, begun);
    assert_eq!(counted(&house, &source, &route).await, [[0; 3]; 2]);
    house
        .store
        .settle(&lease.fence, LEASE, &begun, &settled)
        .await
        .unwrap();
    assert_eq!(counted(&house, &source, &route).await, [[9, 1, 0]; 2]);
}

#[tokio::test]
async fn settling_renews_the_lease() {
    let (house, _, route, lease) = owing().await;
    house.execute("UPDATE job_schedule SET run_at = collector_now() + interval '1 second', lost = 3 WHERE owner IS NOT NULL").await;
    let at = about(&house, &route).await.position;
    house
        .store
        .begin_flight(&lease.fence, LEASE, &at, &flight(2, 0))
        .await
        .unwrap();
    let renewed = "SELECT count(*) FROM job_schedule WHERE owner = 1 AND lost = 0 AND run_at > collector_now() + interval '50 seconds'";
    assert_eq!(house.number(renewed).await, 1);
    assert!(house.end(&lease, done(Duration::ZERO)).await);
}
