//! Destinations that do not answer, and settings that make none.

use std::sync::Arc;
use std::time::Duration;

use model::job::JobKind;
use model::status::{Rung, Trouble};
use testkit::wait;

use crate::house::{House, PATIENCE, assert_same, generated, registry};
use crate::scripted::{Reply, Scripted};

/// Into the lane of routes that do not count as failing.
const HEALTHY: &str = "lane_id = (SELECT m.id FROM job_lanes o JOIN job_lanes m ON m.tenant_id = o.tenant_id AND m.kind = o.kind AND NOT m.failing WHERE o.id = s.lane_id)";

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_destination_are_shown_and_forgotten_when_mended() {
    let mut house = House::new().await;
    let (source, route) = house.parked().await;
    house.destinations = Arc::new(forward::Registry::new(forward::Reach::default()).unwrap());
    let worker = house.start();
    let job = house.deliver(route).await;
    assert!(job.waits(&(900.0..=900.0)), "{job:?}");
    let status = house.status(source).await;
    assert_eq!(
        status.routes[0].trouble(),
        Some(Trouble::DestinationRefuses)
    );
    worker.stop().await;

    // Nothing waits for delivery, and nothing is wrong any more.
    house.destinations = registry(house.files.path());
    let worker = house.start();
    house.deliver(route).await;
    let status = house.status(source).await;
    assert_eq!(
        (status.routes[0].trouble(), status.routes[0].rung()),
        (None, Rung::Running)
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_many_requests_is_slow_only_if_one_of_them_is() {
    let mut house = House::new().await;
    let scripted = Scripted::taking(10);
    house.destinations = Arc::clone(&scripted) as _;
    // One healthy slot, and none for what is slow.
    house.config.slots.deliver = 1;
    let events = generated(10);
    house.persist(&events);
    let (source, route) = house.parked().await;
    house.schedule(JobKind::Deliver, route.0, HEALTHY).await;
    let place = scripted.place("out.ndjson");
    place.script(|_, _| Reply::Trickle(5));
    let worker = house.start();
    house.poll(source).await;
    let job = house.deliver(route).await;
    assert!(!job.failing && job.attempt == 0, "{job:?}");
    assert_same(&place.taken(), &events);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_destination_gives_its_healthy_slot_back() {
    let mut house = House::new().await;
    let scripted = Scripted::taking(10);
    house.destinations = Arc::clone(&scripted) as _;
    house.config.slots.deliver = 1;
    house.config.drain = Duration::ZERO;
    let events = generated(10);
    house.persist(&events);
    let (slow, quick) = (house.file("slow").await, house.file("quick").await);
    let source = house.source(&[slow, quick]).await;
    house.park(JobKind::Poll, source.0).await;
    let routes = house.routes(source).await;
    for route in &routes {
        house.park(JobKind::Deliver, route.0).await;
    }
    // Healthy, so that both want the one healthy slot.
    for route in &routes {
        house.schedule(JobKind::Deliver, route.0, HEALTHY).await;
    }
    let worker = house.start();
    house.poll(source).await;
    scripted.place("slow").script(|_, _| Reply::Hang);

    house.make_due(JobKind::Deliver, routes[0].0).await;
    wait::until("the slow one has been asked", PATIENCE, async || {
        scripted.place("slow").sent().len() == 1
    })
    .await;
    house.deliver(routes[1]).await;
    assert_same(&scripted.place("quick").taken(), &events);
    assert!(
        house
            .job(JobKind::Deliver, routes[0].0)
            .await
            .owner
            .is_some(),
        "still waiting"
    );
    worker.stop().await;

    let given_back = house.job(JobKind::Deliver, routes[0].0).await;
    assert_eq!((given_back.owner, given_back.attempt), (None, 0));
    assert_eq!(house.status(source).await.routes[0].pending, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_destinations_beyond_the_slots_for_them_are_broken_off() {
    let mut house = House::new().await;
    let scripted = Scripted::taking(10);
    house.destinations = Arc::clone(&scripted) as _;
    house.config.slots.deliver = 4;
    house.config.drain = Duration::ZERO;
    house.persist(&generated(10));
    let mut files = Vec::new();
    for name in ["a", "b"] {
        files.push(house.file(name).await);
        scripted.place(name).script(|_, _| Reply::Hang);
    }
    let source = house.source(&files).await;
    house.park(JobKind::Poll, source.0).await;
    let routes = house.routes(source).await;
    for route in &routes {
        house.park(JobKind::Deliver, route.0).await;
        house.schedule(JobKind::Deliver, route.0, HEALTHY).await;
    }
    let worker = house.start();
    house.poll(source).await;
    for route in &routes {
        house.make_due(JobKind::Deliver, route.0).await;
    }
    // A quarter of four: one may wait, the other is broken off.
    let broken_off = wait::until("one is broken off", PATIENCE, async || {
        for route in &routes {
            let job = house.job(JobKind::Deliver, route.0).await;
            if job.epoch == 1 && job.owner.is_none() {
                return Some(job);
            }
        }
        None
    })
    .await;
    assert!(broken_off.failing, "{broken_off:?}");
    assert_eq!(broken_off.attempt, 1);
    let status = house.status(source).await;
    let troubled = status
        .routes
        .iter()
        .filter_map(store::RouteStatus::trouble)
        .collect::<Vec<_>>();
    assert_eq!(troubled, [Trouble::DestinationUnavailable]);
    worker.stop().await;
}
