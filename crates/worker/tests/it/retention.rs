//! What Okta no longer keeps: read as far as it goes, and said.

use std::time::Duration;

use crate::house::{House, assert_same};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_months_is_a_gap_and_reading_goes_on_where_okta_begins() {
    for refused in [false, true] {
        let house = House::with(|sim| sim.org.refuse_old_cursors = refused).await;
        let before = house.fresh(5);
        house.persist(&before);
        let (source, route) = house.parked().await;
        let worker = house.start();
        house.poll(source).await;
        house.deliver(route).await;
        assert_eq!(house.status(source).await.polling.unreachable_before, None);

        house.time.advance(5 * DAY).await;
        house.persist(&house.fresh(5));
        house.time.advance(100 * DAY).await;
        let after = house.fresh(5);
        house.persist(&after);
        // It has died of idleness meanwhile.
        house.org().add_token(crate::house::TOKEN);
        house.poll(source).await;
        house.deliver(route).await;
        worker.stop().await;

        assert_same(
            &house.lines("out.ndjson"),
            &[before.clone(), after.clone()].concat(),
        );
        let polling = house.status(source).await.polling;
        let unreachable = polling.unreachable_before.expect("it is said");
        assert_eq!((polling.now - unreachable).num_days(), 90);
        // Five days after the last poll plus ten: from there on Okta has everything.
        let gaps = house.ledger(source).await.gaps;
        assert!((15 * 24..=15 * 24 + 2).contains(&gaps), "{gaps} hours");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_of_long_ago_is_clipped_and_said() {
    let house = House::new().await;
    let events = house.fresh(3);
    house.persist(&events);
    let (source, route) = house.parked().await;
    let set = "UPDATE sources SET start_at = collector_now() - interval '200 days'";
    assert_eq!(house.execute(set).await, 1);
    let worker = house.start();
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;

    assert_same(&house.lines("out.ndjson"), &events);
    let polling = house.status(source).await.polling;
    let unreachable = polling.unreachable_before.expect("it is said");
    assert_eq!((polling.now - unreachable).num_days(), 90);
    assert_eq!(house.ledger(source).await.gaps, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_asleep_for_a_week_reads_on_without_a_gap() {
    let house = House::new().await;
    let (source, route) = house.parked().await;
    let worker = house.start();
    let mut all = Vec::new();
    for _ in 0..2 {
        let events = house.fresh(1500);
        house.persist(&events);
        all.extend(events);
        house.poll(source).await;
        house.time.advance(7 * DAY).await;
    }
    house.deliver(route).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &all);
    let polling = house.status(source).await.polling;
    assert_eq!((polling.unreachable_before, polling.fallbacks), (None, 0));
    assert_eq!(house.ledger(source).await.gaps, 0);
}
