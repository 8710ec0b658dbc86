//! Lanes: served in turn, a quantum at most; failing routes have their own.

use std::time::Duration;

use model::job::JobKind;
use store::{ClaimLane, LaneRow};

use crate::common::{HOUR, House, LEASE, MINUTE, done, failed, house_of};

const NOW: Duration = Duration::ZERO;

async fn lanes_of(house: &House, kind: JobKind) -> Vec<LaneRow> {
    let lanes = house.store.lanes().await.unwrap();
    lanes
        .into_iter()
        .filter(|lane| lane.kind == kind.number())
        .collect()
}

#[tokio::test]
async fn a_claim_takes_at_most_a_quantum_and_at_most_what_was_asked_for() {
    let house = House::new().await;
    for n in 0..12 {
        house.source(&format!("source{n}")).await;
    }
    let lane = ClaimLane {
        id: lanes_of(&house, JobKind::Poll).await[0].id,
        floor: None,
    };
    let claim = async |most| {
        house
            .store
            .claim(1, LEASE, &[lane], most)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(claim(3).await, 3);
    assert_eq!(claim(100).await, 8);
    assert_eq!(claim(100).await, 1);
    assert_eq!(claim(100).await, 0);
}

#[tokio::test]
async fn every_lane_gets_its_share_of_one_claim() {
    let house = House::new().await;
    let other = house_of(&house, "other").await;
    for n in 0..10 {
        house.source(&format!("source{n}")).await;
    }
    other.source("late").await;
    let leases = house.claim(1, LEASE, JobKind::Poll).await;
    let of_other = leases
        .iter()
        .filter(|lease| lease.tenant == Some(other.tenant));
    assert_eq!((leases.len(), of_other.count()), (9, 1));
}

#[tokio::test]
async fn jobs_are_taken_in_the_order_they_are_due() {
    let (house, time) = House::with_time().await;
    let (a, b) = (house.source("a").await, house.source("b").await);
    for lease in house.claim(1, LEASE, JobKind::Poll).await {
        let next = if lease.subject == a.id {
            HOUR
        } else {
            HOUR / 2
        };
        assert!(house.end(&lease, done(next)).await);
    }
    time.advance(HOUR).await;
    let lane = ClaimLane {
        id: lanes_of(&house, JobKind::Poll).await[0].id,
        floor: None,
    };
    let first = house.store.claim(1, LEASE, &[lane], 1).await.unwrap();
    assert_eq!(first[0].lease.subject, b.id);
    let second = house.store.claim(1, LEASE, &[lane], 1).await.unwrap();
    assert_eq!(second[0].lease.subject, a.id);
    assert!(first[0].was < second[0].was);
}

#[tokio::test]
async fn nothing_below_the_floor_is_taken_and_without_a_floor_everything() {
    let house = House::new().await;
    house.source("acme").await;
    let id = lanes_of(&house, JobKind::Poll).await[0].id;
    let above = Some(house.now().await + chrono::TimeDelta::hours(1));
    let none = house
        .store
        .claim(1, LEASE, &[ClaimLane { id, floor: above }], 8)
        .await;
    assert!(none.unwrap().is_empty());
    let one = house
        .store
        .claim(1, LEASE, &[ClaimLane { id, floor: None }], 8)
        .await
        .unwrap();
    let floor = Some(one[0].was);
    assert!(house.end(&one[0].lease, done(NOW)).await);
    let again = house
        .store
        .claim(1, LEASE, &[ClaimLane { id, floor }], 8)
        .await;
    assert_eq!(again.unwrap().len(), 1);
}

#[tokio::test]
async fn a_route_changes_lanes_with_its_health() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    let lanes = lanes_of(&house, JobKind::Deliver).await;
    let lane = |failing| {
        lanes
            .iter()
            .find(|lane| lane.failing == failing)
            .unwrap()
            .id
    };
    let mut seen = Vec::new();
    for (outcome, failing) in [
        (done(NOW), Some(false)),
        (done(NOW), None),
        (failed(NOW), Some(true)),
        (done(NOW), Some(true)),
        (done(NOW), Some(false)),
    ] {
        let lease = house.lease(1, JobKind::Deliver, route.id).await;
        seen.push(lease.lane);
        assert!(house.end_as(lease.fence, outcome, failing).await);
    }
    let expected = [true, false, false, true, true].map(lane);
    assert_eq!(seen, expected, "a new route counts as failing");
    assert_eq!(lanes_of(&house, JobKind::Deliver).await.len(), 2);
}

#[tokio::test]
async fn a_kind_without_a_failing_lane_stays_where_it_is() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    assert!(house.end_as(lease.fence, done(NOW), Some(true)).await);
    assert_eq!(house.lease_poll(1, &source).await.lane, lease.lane);
    let janitor = house.claim(1, LEASE, JobKind::Janitor).await;
    assert!(house.end_as(janitor[0].fence, done(NOW), Some(true)).await);
    assert_eq!(
        house.claim(1, LEASE, JobKind::Janitor).await[0].lane,
        janitor[0].lane
    );
}

#[tokio::test]
async fn lanes_say_when_they_are_due() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let due = async || lanes_of(&house, JobKind::Poll).await[0].due_in;
    assert!(due().await.is_some_and(|seconds| seconds <= 0.0));
    let lease = house.lease_poll(1, &source).await;
    assert!(house.end(&lease, done(HOUR)).await);
    assert!(
        due()
            .await
            .is_some_and(|seconds| (3500.0..=3600.0).contains(&seconds))
    );
    let id = model::ids::SourceId(source.id);
    house
        .store
        .set_source_enabled(house.tenant, id, false)
        .await
        .unwrap();
    assert_eq!(due().await, None, "what is parked is not planned");
}

#[tokio::test]
async fn the_installation_has_one_janitor() {
    let house = House::new().await;
    let leases = house.claim(1, MINUTE, JobKind::Janitor).await;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].tenant, None);
}
