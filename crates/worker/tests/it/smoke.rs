//! The main job, once, in one process.

use model::status::Rung;

use crate::house::{House, assert_same, generated};

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_stored_and_delivered_in_order() {
    let house = House::new().await;
    let events = generated(2500);
    house.persist(&events);
    let file = house.file("out.ndjson").await;
    let source = house.source(&[file]).await;

    let worker = house.start();
    house.until_lines("out.ndjson", events.len()).await;
    worker.stop().await;

    assert_same(&house.lines("out.ndjson"), &events);
    let status = house.status(source).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_real_org_pass_byte_for_byte() {
    let Some(data) = testkit::data::test_data() else {
        return;
    };
    let file = data.join("okta/events/airbyte-source-okta-live-org.ndjson");
    let house = House::new().await;
    house.org().persist_file(&file).unwrap();
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;
    let delivered = std::fs::read(house.output("out.ndjson")).unwrap();
    assert!(
        delivered == std::fs::read(file).unwrap(),
        "the files differ"
    );
    assert_eq!(house.ledger(source).await.delivered, 26);
}
