//! The main job, once, in one process.

mod common;

use common::{House, generated};
use model::status::Rung;
use std::time::Duration;
use testkit::wait;

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_stored_and_delivered_in_order() {
    let house = House::new().await;
    let events = generated(2500);
    house.persist(&events);
    let file = house.file("out.ndjson").await;
    let source = house.source(&[file]).await;

    let worker = house.start();
    wait::until(
        "all events in the file",
        Duration::from_secs(20),
        async || (house.lines("out.ndjson").len() >= events.len()).then_some(()),
    )
    .await;
    worker.stop().await;

    assert_eq!(house.lines("out.ndjson"), events);
    let status = house
        .store
        .source_status(house.tenant, source)
        .await
        .unwrap();
    assert_eq!(status.polling.rung(), Rung::Running);
    assert_eq!(status.routes[0].rung(), Rung::Running);
    assert_eq!(
        (
            status.polling.stored,
            status.routes[0].delivered,
            status.routes[0].pending
        ),
        (2500, 2500, 0)
    );
}
